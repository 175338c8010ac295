package xmlrpc

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzReadResponse checks that whatever is read can be written, and is the same when read again.
func FuzzReadResponse(f *testing.F) {
	var document bytes.Buffer
	require.NoError(f, WriteResponse(&document, everyType))
	f.Add(document.Bytes())
	document.Reset()
	require.NoError(f, WriteFault(&document, &Fault{1009, "unable to retry call 5"}))
	f.Add(document.Bytes())
	f.Fuzz(func(t *testing.T, document []byte) {
		result, err := ReadResponse(bytes.NewReader(document))
		var again bytes.Buffer
		if fault, ok := err.(*Fault); ok {
			require.NoError(t, WriteFault(&again, fault))
			_, err = ReadResponse(&again)
			assert.Equal(t, fault, err)
			return
		}
		if err != nil {
			return
		}
		require.NoError(t, WriteResponse(&again, result))
		got, err := ReadResponse(&again)
		require.NoError(t, err)
		assert.Equal(t, result, got)
	})
}
