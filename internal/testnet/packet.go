package testnet

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Direction says which way a packet goes.
type Direction int

// The two directions.
const (
	ToServer Direction = iota
	ToClient
)

// String returns "to server" or "to client".
func (d Direction) String() string {
	switch d {
	case ToServer:
		return "to server"
	case ToClient:
		return "to client"
	}
	return fmt.Sprintf("Direction(%d)", int(d))
}

// Packet is an IPv4 packet on its way.
type Packet struct {
	Direction Direction
	Sent      time.Time // when it left its sender
	Data      []byte    // from the IP header on; valid only during the call
}

// Segment is what a TCP header says.
type Segment struct {
	SrcPort, DstPort   uint16
	Seq, Ack           uint32
	SYN, ACK, FIN, RST bool
	Payload            []byte // valid as long as the packet is
}

// mtu is Ethernet's, so that a large request travels in several segments.
const mtu = 1500

const (
	ipv4         = 4
	protocolTCP  = 6
	minIPHeader  = 20
	minTCPHeader = 20
)

// TCP returns the packet's TCP segment; ok is false if it carries none, or
// none that is whole.
func (p Packet) TCP() (s Segment, ok bool) {
	b := p.Data
	if len(b) < minIPHeader || b[0]>>4 != ipv4 || b[9] != protocolTCP {
		return s, false
	}
	header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < minIPHeader || total < header+minTCPHeader || total > len(b) {
		return s, false
	}
	if fragment := binary.BigEndian.Uint16(b[6:]) & 0x3fff; fragment != 0 {
		return s, false
	}
	return parseTCP(b[header:total])
}

func parseTCP(b []byte) (s Segment, ok bool) {
	header := int(b[12]>>4) * 4
	if header < minTCPHeader || header > len(b) {
		return s, false
	}
	flags := b[13]
	return Segment{
		SrcPort: binary.BigEndian.Uint16(b),
		DstPort: binary.BigEndian.Uint16(b[2:]),
		Seq:     binary.BigEndian.Uint32(b[4:]),
		Ack:     binary.BigEndian.Uint32(b[8:]),
		FIN:     flags&0x01 != 0,
		SYN:     flags&0x02 != 0,
		RST:     flags&0x04 != 0,
		ACK:     flags&0x10 != 0,
		Payload: b[header:],
	}, true
}
