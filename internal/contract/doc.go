// Package contract is a standing comparison of ttlpool's transport with http.Transport.
//
// It holds no code but tests. Each exchange is a scripted conversation: what the caller sends, what a raw server on
// the other end of a TCP connection does, what the caller then does with the response. It is run through both
// transports, each with a server of its own, over plain TCP, over TLS and over a connection of unknown kind, and
// everything that a caller or the server can see of it must be the same: status, headers, body, trailers, the class of
// the error, the bytes of the request, how often the request's body was closed, and whether the connection was
// used again by a probe sent afterwards.
//
// An exchange also states the key facts in its want, so that both being wrong in the same way is seen as well. Where
// the two are meant to differ, differences_test.go says so with the reason; an entry there that no longer
// differs fails.
package contract
