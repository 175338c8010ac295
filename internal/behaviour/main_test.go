package behaviour

import (
	"flag"
	"io"
	"log"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The proxies of the environment, which http.ProxyFromEnvironment reads once. None of the names exists.
var environment = map[string]string{
	"HTTP_PROXY":  "http://plain.proxy.test:3128",
	"HTTPS_PROXY": "http://user:secret@secure.proxy.test:3129",
	"NO_PROXY":    "direct.test,.inner.test,192.0.2.0/24,198.51.100.7,port.test:8080",
}

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // servers and transports log the faults that the tests make
	for name, value := range environment {
		os.Unsetenv(name)
		os.Setenv(name, value)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil { // most runs wait rather than compute
		log.Panic(err)
	}
	goleak.VerifyTestMain(m)
}
