package testnet

import (
	"fmt"
	"os"
	"testing"
)

// Require makes a network for a test and closes it when the test ends. Where
// none can be made it fails the test if the environment variable CI is set,
// and otherwise skips it, saying why.
func Require(t testing.TB, c Config) *Network {
	t.Helper()
	n, err := New(c)
	if err != nil {
		giveUp(t, err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("testnet: close: %v", err)
		}
	})
	return n
}

func giveUp(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("this test needs a network with a round trip: %v", err)
		return
	}
	// To stderr as well: go test shows the reason of a skip only with -v.
	fmt.Fprintf(os.Stderr, "\n*** SKIPPED, NOT PASSED: %s needs a network with a round trip: %v\n\n", t.Name(), err)
	t.Skipf("needs a network with a round trip: %v", err)
}
