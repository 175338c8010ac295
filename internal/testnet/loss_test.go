package testnet

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLossAsksAboutEachPacketOnce(t *testing.T) {
	var l loss
	var arrived []byte
	pass := func(b byte) {
		l.pass(Packet{Data: []byte{b}}, func(data []byte) { arrived = append(arrived, data...) })
	}
	pass(1)
	var asked []byte
	l.set(func(p Packet) bool {
		asked = append(asked, p.Data...)
		return p.Data[0] == 2
	})
	pass(2)
	pass(3)
	l.set(nil)
	pass(4)
	assert.Equal(t, []byte{2, 3}, asked)
	assert.Equal(t, []byte{1, 3, 4}, arrived)
}
