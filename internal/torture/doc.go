// Package torture sends requests just when a server closes the connections that
// they would go out on, and counts what becomes of them.
//
// A [Row] is a server with its keep-alive timeout. A [Peer] is a client of it:
// ttlpool, net/http's own transport, or a proxy. [Run] aims so many requests of
// each [Method] through each peer at the row's server, and returns a [Report].
// [Matrix] lists the servers that people run. docs/reality.md has the results;
// internal/reality makes it.
package torture
