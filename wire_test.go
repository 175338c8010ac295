package ttlpool

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatTheKernelProves(t *testing.T) {
	for _, row := range []struct {
		name              string
		e                 evidence
		unseen, premature bool
	}{
		{"closed, and nothing of the request acknowledged", evidence{counted: true, closed: true, before: 28, acked: 28}, true, true},
		{"not even all that came before is acknowledged", evidence{counted: true, closed: true, before: 28, acked: 20}, true, true},
		{"one byte of the request is acknowledged", evidence{counted: true, closed: true, before: 28, acked: 29}, false, false},
		{"reset: it acknowledges nothing", evidence{counted: true, before: 28, acked: 28}, false, true},
		{"the kernel does not tell", evidence{closed: true, before: 28, acked: 28}, false, false},
		{"nothing is known", evidence{}, false, false},
	} {
		assert.Equal(t, row.unseen, row.e.unseen(), row.name)
		assert.Equal(t, row.premature, row.e.premature(), row.name)
	}
}
