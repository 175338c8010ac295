package replay

import "sync"

// tape is what has been recorded, in pieces that are used again: most bodies
// are recorded in vain, and one that grew by appending would be copied, and
// thrown away, several times over. It has no lock of its own. The zero value is
// empty.
type tape struct {
	pieces []*piece
	len    int
}

const pieceSize = 16 << 10

type piece [pieceSize]byte

var blank = sync.Pool{New: func() any { return new(piece) }}

// write appends p.
func (t *tape) write(p []byte) {
	for len(p) > 0 {
		at := t.len % pieceSize
		if at == 0 {
			t.pieces = append(t.pieces, blank.Get().(*piece))
		}
		n := copy(t.pieces[len(t.pieces)-1][at:], p)
		t.len += n
		p = p[n:]
	}
}

// read copies into p from the given position, up to the end of a piece.
func (t *tape) read(p []byte, from int) int {
	if from >= t.len {
		return 0
	}
	p = p[:min(len(p), t.len-from)]
	return copy(p, t.pieces[from/pieceSize][from%pieceSize:])
}

// erase makes the tape empty and gives its pieces back.
func (t *tape) erase() {
	for _, p := range t.pieces {
		blank.Put(p)
	}
	*t = tape{}
}
