package peers

import (
	"flag"
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http logs what nginx makes of 103
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // most runs wait rather than compute
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
