package contract

// A difference is one that is meant: why, in which facts, and what this transport's outcome is to be.
type difference struct {
	reason string
	facts  []string
	ours   want
}

// differences are the exchanges, by theme and name, in which ttlpool's transport does not do as http.Transport does.
// Every other difference is a bug, and so is an entry that does not differ in just these facts.
var differences = map[string]difference{
	"stale: a PUT":                                                sentAgain("PUT is idempotent"),
	"stale: a PUT with a body in memory":                          sentAgain("PUT is idempotent"),
	"stale: a PUT with a body that is only there once":            sentAgain("PUT is idempotent, and the body was recorded").uploading("closed once"),
	"stale: a DELETE":                                             sentAgain("DELETE is idempotent"),
	"stale: a DELETE after a reset":                               sentAgain("DELETE is idempotent"),
	"stale: a GET with a body that is only there once":            sentAgain("the body was recorded").uploading("closed once"),
	"stale: a POST with a key and a body that is only there once": sentAgain("the body was recorded").uploading("closed once"),
	"stale: a GET meets one stale connection after the other": {
		reason: "the second try is the last, and always on a new connection: a restarted server has made all of them stale",
		facts:  []string{"connections", "wire"},
		ours:   kept(200, "hello").onConnections(2),
	},
	"request body: a body of known length that fails while the socket itself reads it": {
		reason: "the body's own error comes back as such; http.Transport's comes wrapped in one of the socket",
		facts:  []string{"err"},
		ours:   fails(bodyRead).uploading("closed once"),
	},
	"request body: a body that cannot be closed": {
		reason: "the body's own error comes back as such",
		facts:  []string{"err"},
		ours:   fails(bodyRead).uploading("closed once"),
	},
	"invalid request: a dialer that gives nothing": {
		reason: "the error does not speak of net/http's field",
		facts:  []string{"err"},
		ours:   fails("ttlpool: the dial function returned neither a connection nor an error").uploading("closed once"),
	},
}

// sentAgain is a request that http.Transport gives up where this transport gets it served on a second connection.
func sentAgain(reason string) difference {
	return difference{
		reason: reason,
		facts:  []string{"body", "connections", "err", "response", "reused", "wire"},
		ours:   kept(200, "after").onConnections(2),
	}
}

func (d difference) uploading(fate string) difference {
	d.ours = d.ours.uploading(fate)
	return d
}
