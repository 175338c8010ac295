package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// machineInfo describes the machine in configuration lines of the format of Go
// benchmarks.
func machineInfo() string {
	return fmt.Sprintf("goos: %s\ngoarch: %s\ngo: %s\ncpu: %s\nprocessors: %d\nsystem: %s\nload: %s\nmeasured: %s\n",
		runtime.GOOS, runtime.GOARCH, runtime.Version(), processor(), runtime.NumCPU(), system(), load1(), time.Now().Format("2 January 2006"))
}

// processor is what Linux calls the processor.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// load1 is how many tasks were running or about to, in the mean of the last
// minute. Times hold if it is next to nothing.
func load1() string {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(load), " ")
	return minute
}

// system is the kernel and its version.
func system() string {
	version, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(version))
}
