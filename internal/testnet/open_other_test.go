//go:build !linux

package testnet

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestElsewhereNewSaysThatItIsUnsupported(t *testing.T) {
	n, err := New(Config{})
	assert.Nil(t, n)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}
