package torture

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // http.Transport tells of each byte that it did not expect
	goleak.VerifyTestMain(m)
}
