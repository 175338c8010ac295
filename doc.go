// Package ttlpool pools connections and never hands one out past its TTL. Its
// [Transport] is an [http.RoundTripper] on such a pool.
//
// # The race
//
// A client keeps an idle connection for as long as it likes, and so does the
// server, and neither knows the other's timer. If the server's is the shorter
// one, now and then a request is on its way while the server closes: it ends
// in EOF, a reset or a failed write, and behind a reverse proxy in a 502. The
// remedy is to stop reusing a connection before its server closes it, and to
// send a request again where that fails and is safe.
//
// # Quick start
//
//	transport, err := ttlpool.NewTransport(ttlpool.WithTTL(10 * time.Second))
//	if err != nil {
//		return err
//	}
//	proxy := &httputil.ReverseProxy{Rewrite: rewrite, Transport: transport}
//
// State a TTL below the server's keep-alive timeout, or that timeout with
// [WithServerTimeout]. What is not stated is taken from the server's Keep-Alive
// header, or learned from its closes where the system tells of them.
// [WithBase] takes over the settings of an [http.Transport]. A client of
// another protocol uses a [Pool] without a Transport.
//
// # Model
//
// A connection in the pool is idle, or leased to the requests that run on it.
// Idle time counts from the arrival of the last byte of the last response, or
// from earlier where that cannot be told; age counts from the dial. Both are
// the larger of what the monotonic and the wall clock say.
//
// The TTL is the most idle time after which a connection may be reused. The
// effective TTL is the shortest of: [WithTTL], or a base's IdleConnTimeout
// without it; and each less the margin, [WithServerTimeout], what the server
// says in Keep-Alive, and what its closes have taught. The margin is that of
// [WithMargin], or the round-trip time with its variation if that is more.
//
// Learning takes three closes, after about the same idle time, of connections that
// have served. Closes at one instant after different times are a restart, and
// those that leave no idle connection open may be one: a longer timeout does not
// give way to them until five minutes have not confirmed it. From then on what was
// learned grows by a tenth for each five minutes, and after an hour it is forgotten.
//
// A request that could not be sent again takes only a connection that has been
// idle for less than the strict TTL ([WithStrictTTL]), half the effective one by
// default; and none that was idle already when the server hung up on another, less than
// a second ago.
//
// Over HTTP/2 one connection is leased to several requests. It is idle when
// none is left; maximum age and uses end its leases, not those running.
//
// At checkout the connection used last comes first, if it may still be reused
// and its socket shows neither the server's close nor bytes that nobody asked
// for. Else one is dialled, or waited for. On return it becomes idle, or is
// closed if it is worn out or one too many. A connection is stale if the server
// closed it while it was thought reusable; when one is found, those idle for
// as long are looked at too. A request is unseen if it provably did not reach
// the server.
//
// # Promises
//
//   - P1: A connection is never handed out at or past its effective TTL, its
//     maximum age or its maximum of uses. This is checked at checkout.
//   - P2: An idle connection is closed before its TTL runs out even if no
//     request comes.
//   - P3: Neither TTL nor maximum age touches a request in flight, however long
//     its response takes, nor a connection that was upgraded.
//   - P4: A request goes on the wire at most twice, and the second time on a
//     connection dialled for it. Only a stream of HTTP/2 that the server refused may
//     follow on one that there is.
//   - P5: A request that the server may have acted on is sent again only if it
//     is idempotent or its sender said that it is.
//   - P6: A response belongs to its request: a connection that holds bytes
//     nobody asked for is not reused. On Linux, a response that was sent before
//     the server had the request is not taken for its answer either.
//   - P7: An idle plaintext socket over HTTP/1.1 costs no goroutine and no
//     buffer. One timer serves all idle connections of a pool, and one
//     goroutine is told of their closes where the system can tell; another timer runs while any is in use.
//   - P8: After Close nothing is left: no goroutine, no socket, no timer; nor a
//     goroutine after CloseIdleConnections with nothing in flight. A request
//     that is cancelled returns at once at every stage, even if a dial function
//     ignores its context; what a caller's function goes on doing then ends
//     with that function.
//   - P9: Every setting of a base [http.Transport] is honoured, or an error of
//     [NewTransport].
//   - P10: The limits hold under any interleaving. Those who wait are served
//     first come, first served, each with what it may use, and until their
//     context ends or [WithAcquireTimeout] has passed.
//   - P11: No hook, dial, close or other I/O happens with a lock held.
//
// # Retries
//
// A request is sent again if it failed without a byte of a response, and is
// unseen, or the connection had served before and nothing of the request was
// accepted by it, or the request is idempotent; and if its body can be sent
// again. Idempotent are GET, HEAD, OPTIONS, TRACE, PUT and DELETE, requests with
// an Idempotency-Key, and those declared so by [WithIdempotent] or [Idempotent].
// A body without GetBody is recorded within [WithReplayLimit], over HTTP/1.1 on a
// new connection up to 16 KiB.
//
// Unseen is a request that the server's kernel had not received when the server
// closed: its FIN acknowledges nothing of it. The kernel must tell, as Linux
// does, and the connection be TCP, dialled by the Transport. In HTTP/2 the
// server may say it, too. The table, with reasons, is in docs/retry.md.
//
// A request that is not sent again returns an [*ExchangeError], which tells of
// the connection's address, age, idle time and uses, of the bytes that went out
// and came in, and why there was no second try.
//
// # Concurrency
//
// A Transport and a Pool are safe for concurrent use; make one and keep it. A
// [Conn] belongs to the caller of [Pool.Get] until Release or Close, as safe for
// concurrent use as the connection it wraps. Hooks ([Trace]), dial functions,
// predicates and loggers are called concurrently and may call back in; while one
// runs, whoever caused the call waits.
//
// # What it does not do
//
// It does not retry on a status code (but the 408 of a server's idle timer is
// no answer), a timeout or a failed dial, and never more than once.
//
// It looks at idle sockets on unix systems only; is told of closes, and learns,
// on Linux, macOS and FreeBSD only; proves, and notices a flow that was dropped
// on the way ([ErrBlackHole]), on Linux only. Elsewhere TTL, checkout and second
// try carry the promises. A connection that is no socket, from a caller's dial function, is
// listened to by a goroutine of its own while it is idle, if a Transport has dialled it; of
// one of a Pool without a Transport nothing is known but its TTL.
package ttlpool
