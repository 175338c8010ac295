// Package aim has no code, only tests: they send requests at the very moment at
// which servers close, restart or speak out of turn, over loopback and over a
// network with a round trip, and count what becomes of them. docs/staleness.md
// tells what they show.
//
// They take minutes, and run only when the environment says how many requests a
// row shall have (.ci/run says 600):
//
//	TTLPOOL_AIM=20000 go test -v -timeout 60m ./internal/aim
package aim
