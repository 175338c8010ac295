package testnet

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(serveVariable); address != "" {
		os.Exit(serve(address))
	}
	goleak.VerifyTestMain(m)
}
