// Program crosscheck type-checks the module in the current directory, with its tests, for every platform that it builds for. All
// that these import is read from source, so nothing is compiled: go vet compiles the standard library anew for each platform,
// which takes minutes. What vet reports beyond type errors, this does not.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
)

var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"linux", "386"}, {"linux", "arm"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"freebsd", "amd64"}, {"freebsd", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

func main() {
	failed := false
	for i, result := range checkAll(".", platforms) {
		fmt.Printf("%v: %d packages and tests\n", platforms[i], result.packages)
		if result.err != nil {
			failed = true
			fmt.Println(result.err)
		}
	}
	if failed {
		os.Exit(1)
	}
}

// A result is what one platform showed: how many of the module's packages were checked, those with their tests counted once
// more, and all that is wrong with them.
type result struct {
	packages int
	err      error
}

// checkAll checks the module in a directory for some platforms, as many at a time as there are processors.
func checkAll(directory string, platforms []platform) []result {
	var (
		files   = newSource()
		results = make([]result, len(platforms))
		places  = make(chan struct{}, runtime.GOMAXPROCS(0))
		running sync.WaitGroup
	)
	for i, p := range platforms {
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			results[i] = checkOne(directory, p, files)
		})
	}
	running.Wait()
	return results
}

func checkOne(directory string, p platform, files *source) result {
	packages, err := list(directory, p)
	if err != nil {
		return result{err: err}
	}
	var (
		checked = newChecker(p, files)
		own     int
		errs    []error
	)
	for _, listed := range packages {
		if listed.own() {
			own++
		}
		errs = append(errs, checked.check(listed))
	}
	if own == 0 {
		errs = append(errs, fmt.Errorf("no package of the module in %s", directory))
	}
	return result{own, errors.Join(errs...)}
}
