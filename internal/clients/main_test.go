package clients

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the faults that the tests make are logged
	goleak.VerifyTestMain(m)
}
