package testnet

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fin is an IPv4 packet with a FIN and two bytes of payload, from port 258
// to port 772.
var fin = []byte{
	0x45, 0, 0, 42, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2,
	1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0x50, 0x11, 0, 0, 0, 0, 0, 0,
	'h', 'i',
}

// with returns the packet with one byte changed.
func with(packet []byte, i int, b byte) []byte {
	changed := append([]byte(nil), packet...)
	changed[i] = b
	return changed
}

func TestSegmentOfAPacket(t *testing.T) {
	s, ok := Packet{Data: fin}.TCP()
	require.True(t, ok)
	assert.Equal(t, Segment{
		SrcPort: 258, DstPort: 772, Seq: 5, Ack: 6, ACK: true, FIN: true, Payload: []byte("hi"),
	}, s)

	s, ok = Packet{Data: with(fin, 33, 0x06)}.TCP()
	require.True(t, ok)
	assert.True(t, s.SYN)
	assert.True(t, s.RST)
	assert.False(t, s.ACK)
	assert.False(t, s.FIN)
}

func TestPaddingIsNoPayload(t *testing.T) {
	s, ok := Packet{Data: append(append([]byte(nil), fin...), 0, 0, 0)}.TCP()
	require.True(t, ok)
	assert.Equal(t, "hi", string(s.Payload))
}

func TestNoSegment(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing":                {},
		"short":                  fin[:19],
		"cut off":                fin[:41],
		"IPv6":                   with(fin, 0, 0x65),
		"UDP":                    with(fin, 9, 17),
		"IP header too short":    with(fin, 0, 0x44),
		"IP header too long":     with(fin, 0, 0x4f),
		"total length too small": with(fin, 3, 39),
		"total length too large": with(fin, 3, 43),
		"first fragment":         with(fin, 6, 0x20),
		"later fragment":         with(fin, 7, 1),
		"TCP header too short":   with(fin, 32, 0x40),
		"TCP header too long":    with(fin, 32, 0x60),
	} {
		_, ok := Packet{Data: data}.TCP()
		assert.False(t, ok, name)
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(fin)
	f.Add(fin[:20])
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, ok := (Packet{Data: data}).TCP(); ok && len(s.Payload) > len(data)-minIPHeader-minTCPHeader {
			t.Fatalf("a payload of %d bytes out of %d", len(s.Payload), len(data))
		}
	})
}

func TestDirectionString(t *testing.T) {
	assert.Equal(t, "to server", ToServer.String())
	assert.Equal(t, "to client", ToClient.String())
	assert.Equal(t, "Direction(7)", Direction(7).String())
}
