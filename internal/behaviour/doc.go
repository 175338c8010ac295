// Package behaviour is a standing list of what callers of net/http see and rely on.
//
// It holds no code but tests. Each behaviour is a small program: a handler, a client, and what must come of the two. It
// runs in every mode in which it makes sense (HTTP/1.1 in the clear and over TLS, HTTP/2 over TLS and with prior
// knowledge), once with http.Transport and once with ttlpool over the same base, and both must pass the same
// assertions. The two are not compared with each other: internal/contract does that, for HTTP/1.1, byte by byte.
//
// Two more lists stand beside it: the differences that are meant, each with what either transport does, and what only
// ttlpool has. docs/behaviours.md is generated from all three by go test -run TestList -update.
package behaviour
