package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// profile begins the profiles that are asked for.
func profile(cpu, mem string) (stop func(), err error) {
	var files [2]*os.File
	for i, name := range []string{cpu, mem} {
		if name == "" {
			continue
		}
		if files[i], err = os.Create(name); err != nil {
			return nil, err
		}
	}
	if files[0] != nil {
		if err := pprof.StartCPUProfile(files[0]); err != nil {
			return nil, err
		}
	}
	if files[1] != nil {
		runtime.MemProfileRate = 64 // bytes: nearly every allocation is seen
	}
	return func() {
		pprof.StopCPUProfile()
		if files[1] != nil {
			if err := pprof.Lookup("allocs").WriteTo(files[1], 0); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		}
		for _, f := range files {
			if f != nil {
				_ = f.Close()
			}
		}
	}, nil
}
