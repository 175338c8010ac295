package main

import (
	"fmt"
	"strings"
	"sync"
)

// finding is something that must not happen.
type finding int

const (
	wrongAnswer    finding = iota // an answer, or a part of one, that belongs to another request
	processedTwice                // although the request was not idempotent
	needlessly                    // a request failed although its server had done nothing wrong
	stuck                         // a request that did not end
	grown                         // goroutines, descriptors or heap
	kindsOfFinding
)

var findingNames = [kindsOfFinding]string{
	wrongAnswer:    "wrong answers",
	processedTwice: "processed twice, not idempotent",
	needlessly:     "failed without a cause",
	stuck:          "stuck",
	grown:          "grown",
}

// findings counts them and keeps the first few. It is safe for concurrent use.
type findings struct {
	mu       sync.Mutex // guards the rest
	counts   [kindsOfFinding]int
	examples []string
}

const examplesKept = 20

func (f *findings) add(kind finding, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[kind]++
	if len(f.examples) < examplesKept {
		f.examples = append(f.examples, findingNames[kind]+": "+text)
	}
}

func (f *findings) total() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, count := range f.counts {
		n += count
	}
	return n
}

func (f *findings) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var text strings.Builder
	for kind, count := range f.counts {
		fmt.Fprintf(&text, "%-32s %d\n", findingNames[kind], count)
	}
	for _, example := range f.examples {
		text.WriteString("  " + example + "\n")
	}
	return text.String()
}
