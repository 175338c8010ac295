package contract

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// call is the caller's side of a run.
type call struct {
	*outcome
	stage     *stage
	transport http.RoundTripper
	noted     sync.Mutex
}

// note adds something that only this exchange looks at.
func (c *call) note(format string, args ...any) {
	c.noted.Lock()
	defer c.noted.Unlock()
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// An act is one step of what the caller does with a response. An error ends the acting and is the body's error.
type act func(*call) error

// readAll reads the body to its end and closes it.
var readAll = []act{readRest, closeBody}

func readRest(c *call) error {
	_, err := io.Copy(&c.body, c.response.Body)
	return err
}

func closeBody(c *call) error { return c.response.Body.Close() }

// read reads exactly n bytes.
func read(n int64) act {
	return func(c *call) error {
		_, err := io.CopyN(&c.body, c.response.Body, n)
		return err
	}
}

// readsOnce makes one call of Read and notes what it gives.
func readsOnce(c *call) error {
	n, err := c.response.Body.Read(make([]byte, 1))
	c.note("Read: %d, %s", n, classify(err))
	return nil
}

// say writes to the body, as one may after 101.
func say(text string) act {
	return func(c *call) error {
		w, ok := c.response.Body.(io.Writer)
		if !ok {
			c.note("the body is no io.Writer")
			return nil
		}
		_, err := io.WriteString(w, text)
		return err
	}
}

// endsWriting half-closes the connection, as one may after 101 where the connection can.
func endsWriting(c *call) error {
	w, ok := c.response.Body.(interface{ CloseWrite() error })
	if !ok {
		c.note("the body has no CloseWrite")
		return nil
	}
	c.note("CloseWrite: %s", classify(w.CloseWrite()))
	return nil
}

func tells(m moment) act { return func(c *call) error { c.stage.tell(m); return nil } }

func awaits(m moment) act { return func(c *call) error { return c.stage.await(m) } }

func cancelsItself(c *call) error { c.stage.cancel(nil); return nil }

// sees notes something of the response.
func sees(what string, look func(*http.Response) any) act {
	return func(c *call) error {
		c.note("%s: %v", what, look(c.response))
		return nil
	}
}

// noteInformational notes each 1xx response delivered.
func noteInformational(c *call) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		c.note("%d %s", code, flatten(http.Header(header)))
		return nil
	}}
}
