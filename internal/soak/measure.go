package main

import (
	"net"
	"os"
	"runtime"
)

// usage is what the process holds.
type usage struct {
	goroutines  int
	descriptors int // -1: this system does not tell
	heap        uint64
}

// measureFirst is measure with what stays with the process from its first
// connection on.
func measureFirst() (usage, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return usage{}, err
	}
	err = l.Close()
	return measure(), err
}

// measure collects garbage first, twice: what has a finalizer or sits in a
// sync.Pool takes two rounds to go.
func measure() usage {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{goroutines: runtime.NumGoroutine(), descriptors: descriptors(), heap: m.HeapAlloc}
}

// descriptors counts those of the process where /proc tells.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries) - 1 // without the one that was open to look
}
