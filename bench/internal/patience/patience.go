// Package patience ends a process that waits for what never comes, as a
// measurement does if a client or a server is at fault: a benchmark that hangs
// tells nobody why.
package patience

import (
	"fmt"
	"runtime/debug"
	"time"
)

// Limit is how long a row of a table, or what a process is asked to do for it,
// may take. It is many times of what they take on a busy machine.
const Limit = 5 * time.Minute

// Watch ends this process if what begins now goes on for longer than the limit:
// by a panic that shows where all goroutines are. done says that it has ended.
func Watch(what string, limit time.Duration) (done func()) {
	timer := time.AfterFunc(limit, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("%s: it has not ended after %v", what, limit))
	})
	return func() { timer.Stop() }
}
