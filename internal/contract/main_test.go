package contract

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// http.Transport logs each unsolicited response that the scripts send on purpose.
	log.SetOutput(io.Discard)
	goleak.VerifyTestMain(m)
}
