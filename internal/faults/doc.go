// Package faults has no code, only tests: of what happens to a Transport's requests
// when a server is killed, a port refuses, the process has no descriptor left, the
// network stalls, or a TLS server says goodbye. docs/reality.md says which other
// tests have the rest.
package faults
