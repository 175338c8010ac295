package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestProgressBar(t *testing.T) {
	assert.Equal(t, "[....]", progressBar(0, time.Minute, 4))
	assert.Equal(t, "[##..]", progressBar(30*time.Second, time.Minute, 4))
	assert.Equal(t, "[####]", progressBar(time.Hour, time.Minute, 4))
}

func TestProgressAddsUpTheSituations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{out: &out, start: time.Now(), total: 12 * time.Second}
		for range 2 {
			l := &leg{spec: legSpec{name: "plain"}}
			stop := p.watch([]*leg{l, {spec: legSpec{name: "idle"}}})
			l.requests.Store(600)
			l.failures.Store(2)
			time.Sleep(lineInterval + time.Second)
			stop()
		}
		assert.Equal(t, "3s of 12s: 600 requests; failed plain 2, idle 0\n"+
			"7s of 12s: 1,200 requests; failed plain 4, idle 0\n", out.String())
	})
}

func TestProgressOnATerminalStaysOnOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{out: &out, terminal: true, start: time.Now(), total: 12 * time.Second}
		stop := p.watch([]*leg{{spec: legSpec{name: "plain"}}})
		time.Sleep(time.Second)
		stop()
		assert.NotContains(t, out.String(), "\n")
		assert.Contains(t, out.String(), "\r[#.......................] 1s of 12s: 0 requests; failed plain 0\x1b[K")
	})
}
