package ttlpool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheReaperRestsForTwiceAsLongAsItWorks(t *testing.T) {
	tests := []struct{ worked, rest time.Duration }{
		{0, 0},
		{workBeforeRest - 1, 0}, // a few connections are closed in one go
		{workBeforeRest, 2 * workBeforeRest},
		{3 * workBeforeRest, 6 * workBeforeRest},
		{time.Hour, maxRest}, // the process stood still
	}
	for _, tt := range tests {
		assert.Equal(t, tt.rest, restAfter(tt.worked), "worked for %v", tt.worked)
	}
}
