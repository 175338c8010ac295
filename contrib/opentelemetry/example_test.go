package opentelemetry_test

import (
	"log"
	"time"

	"github.com/ttlpool/ttlpool"
	ttlotel "github.com/ttlpool/ttlpool/contrib/opentelemetry"
)

// The global providers get the metrics and the events.
func Example() {
	telemetry, err := ttlotel.New()
	if err != nil {
		log.Fatal(err)
	}
	transport, err := ttlpool.NewTransport(ttlpool.WithTTL(10*time.Second), ttlpool.WithTrace(telemetry.Trace()))
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	registration, err := telemetry.Observe(transport)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = registration.Unregister() }()
	// Output:
}
