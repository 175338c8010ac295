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

// insert puts a connection in after another, or at the oldest end if that is
// nil.
func (l *idleList) insert(c, after *Conn) {
	c.older, c.newer = after, l.oldest
	if after != nil {
		c.newer = after.newer
		after.newer = c
	} else {
		l.oldest = c
	}
	if c.newer != nil {
		c.newer.older = c
	} else {
		l.newest = c
	}
	l.len++
}

// push puts a connection in at the newest end.
func (l *idleList) push(c *Conn) { l.insert(c, l.newest) }

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
