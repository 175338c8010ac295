package figures

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFiguresAreWrittenForPeople(t *testing.T) {
	assert.Equal(t, "1,234,567", Thousands(1234567))
	assert.Equal(t, "999", Thousands(999))
	assert.Equal(t, "8.53 µs", Duration(8530))
	assert.Equal(t, "20.0 ms", Milliseconds(20))
	assert.Equal(t, "11.0 KiB", Size(11*1024))
	assert.Equal(t, "908 B", Size(908))
}
