package contract

import (
	"testing"
)

// own are exchanges in which http.Transport hangs, or does one thing or the other as luck has it. There is nothing to
// compare: this is what ttlpool's transport promises.
var own = []exchange{
	{
		name:   "a Cancel channel that is closed sends nothing",
		method: "POST", body: stream("hello"), legacy: true, before: func(s *stage) { s.tell(legacy) }, noProbe: true,
		want: fails(requestCanceled).uploading("closed once").onConnections(0),
	},
	{
		name:  "a caller who cancels within a body on a connection that cannot be interrupted",
		modes: []mode{plain}, dial: deafly, noProbe: true,
		server: answer(tenBytesToCome+"hello").then(await("hello is read"), cancels(nil), await(finished)),
		use:    []act{read(5), tells("hello is read"), readRest},
		want:   broken(200, "hello", canceled),
	},
	{
		name:   "a caller who cancels while its own body blocks",
		method: "POST", body: stream("one", moment(finished)),
		server: script{readHead, cancels(nil), hearEnd},
		want:   fails(canceled).uploading("closed once"),
	},
	{
		name:   "a caller whose own body of known length blocks when the deadline passes",
		method: "POST", body: sized("one", moment(finished)).ofLength(10), deadline: shortly,
		server: script{readHead, hearEnd},
		want:   fails(deadline).uploading("closed once"),
	},
	{
		name:   "a caller whose own body blocks runs into a reset",
		method: "POST", body: stream("one", moment(finished)),
		server: script{readHead, hear("3\r\none\r\n"), resets},
		want:   fails(reset).uploading("closed once"),
	},
	{
		name:   "a caller whose own body blocks while the server refuses it",
		method: "POST", body: stream("one", moment(finished)),
		server: script{readHead, send(tooLargeForGood)},
		want:   ended(413, "no").uploading("closed once"),
	},
	{
		name:   "a refusal is returned though the rest of the upload meets a reset",
		method: "POST", body: sized(huge),
		server: script{readHead, send(tooLargeForGood), closes},
		want:   ended(413, "no").uploading("closed once"),
	},
	{
		name:   "a refusal is returned though the rest of an upload of unknown length meets a reset",
		method: "POST", body: stream(huge),
		server: script{readHead, send(tooLargeForGood), closes},
		want:   ended(413, "no").uploading("closed once"),
	},
	lost("a POST is not sent again though the write of it has yet to return", "POST", closesUnanswered, eof).lingering(),
	lost("a POST with a body is not sent again though the write of its head has yet to return", "POST",
		script{readHead, closes}, eof).withBody(stream("hello")).uploading("closed once").lingering(),
}

// TestOwnPromises runs each of own through ttlpool's transport alone.
func TestOwnPromises(t *testing.T) {
	for _, x := range own {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			for _, m := range x.everywhere() {
				for _, miss := range run(t, candidate, x, x.want, m).misses(x, x.want) {
					t.Errorf("over %s: %s", m, miss)
				}
			}
		})
	}
}

func (x exchange) lingering() exchange {
	x.dial, x.modes = lingersUntil(finished), []mode{plain}
	return x
}
