package prometheus_test

import (
	"fmt"
	"log"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/ttlpool/ttlpool"
	ttlprom "github.com/ttlpool/ttlpool/contrib/prometheus"
)

// Two transports of one program are told apart by a label.
func Example() {
	registry := prometheus.NewRegistry()
	for _, name := range []string{"hub", "search"} {
		transport, err := ttlpool.NewTransport(ttlpool.WithTTL(10 * time.Second))
		if err != nil {
			log.Fatal(err)
		}
		defer transport.Close()
		labels := ttlprom.WithLabels(prometheus.Labels{"pool": name})
		if err := registry.Register(ttlprom.NewCollector(transport, labels)); err != nil {
			log.Fatal(err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(families[0].GetName())
	// Output: ttlpool_bad_hints_total
}
