package main

import (
	"time"

	"golang.org/x/sys/windows"
)

// cpuTime is the CPU time that this process has used, in the kernel too.
func cpuTime() time.Duration {
	var created, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &ended, &kernel, &user); err != nil {
		panic(err) // it has no way to fail
	}
	// Both are spans in units of 100 ns.
	span := func(f windows.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	return time.Duration(100 * (span(kernel) + span(user)))
}
