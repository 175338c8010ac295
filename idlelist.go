package ttlpool

// idleList holds the idle connections to one address in the order of their
// last use. It knows neither time nor locks; the links are in the Conn, so that
// no operation allocates.
//
//	oldest ⇄ … ⇄ newest
//
// Connections are taken from the newest end: first in, first out would hand
// out the stalest one first.
type idleList struct {
	oldest, newest *Conn
	len            int
}

func (l *idleList) push(c *Conn) {
	c.older, c.newer = l.newest, nil
	if l.newest == nil {
		l.oldest = c
	} else {
		l.newest.newer = c
	}
	l.newest = c
	l.len++
}

func (l *idleList) remove(c *Conn) {
	if c.older == nil {
		l.oldest = c.newer
	} else {
		c.older.newer = c.newer
	}
	if c.newer == nil {
		l.newest = c.older
	} else {
		c.newer.older = c.older
	}
	c.older, c.newer = nil, nil
	l.len--
}
