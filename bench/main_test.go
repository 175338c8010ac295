package main

import (
	"testing"

	"github.com/ttlpool/ttlpool/bench/internal/child"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	child.Main(roles) // tests start this very binary in other roles
	goleak.VerifyTestMain(m)
}
