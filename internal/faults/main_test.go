package faults

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(fewDescriptors); address != "" {
		os.Exit(runOutOfDescriptors(address))
	}
	goleak.VerifyTestMain(m)
}
