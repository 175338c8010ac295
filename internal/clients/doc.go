// Package clients puts ttlpool under programs that people run: a reverse proxy, client libraries with second tries of
// their own, tracing, an SDK. It holds no code but tests, in a module of its own for what they need.
//
// Each test runs with http.Transport as well. Where ttlpool shall do better, that one must show the failure: else the
// test would prove nothing.
package clients
