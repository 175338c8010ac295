package aim

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// childVariable, if set, makes the test binary a server that answers nothing
// before it is told to.
const childVariable = "TTLPOOL_AIM_CHILD"

// What a child can be asked. Each answer is a number.
const (
	countRequests = "requests"
	openGate      = "open"
	countIdle     = "idle"
	closeIdle     = "close" // how long that took, in nanoseconds
)

// serveAsChild serves until its standard input ends.
func serveAsChild() (exit int) {
	gate := make(chan struct{})
	srv, err := newServer(loopback().listen, script{gate: gate})
	defer srv.close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(srv.address(0))
	for questions := bufio.NewScanner(os.Stdin); questions.Scan(); {
		switch questions.Text() {
		case countRequests:
			fmt.Println(srv.total())
		case openGate:
			close(gate)
			fmt.Println(0)
		case countIdle:
			fmt.Println(srv.idle())
		case closeIdle:
			begun := time.Now()
			srv.closeIdle()
			fmt.Println(time.Since(begun).Nanoseconds())
		}
	}
	return 0
}

// child is a server in a process of its own.
type child struct {
	target
	listens string
	in      io.Writer
	out     *bufio.Reader
}

func (c *child) address(int) string { return c.listens }

// startChild starts one that ends with the test.
func startChild(t *testing.T) *child {
	t.Helper()
	itself, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(itself)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		assert.NoError(t, in.Close())
		assert.NoError(t, cmd.Wait())
	})
	c := &child{in: in, out: bufio.NewReader(out)}
	_, err = fmt.Fscanln(c.out, &c.listens)
	require.NoError(t, err)
	return c
}

// ask asks one of the above. It is not for concurrent use.
func (c *child) ask(t *testing.T, question string) (answer int) {
	t.Helper()
	_, err := fmt.Fprintln(c.in, question)
	require.NoError(t, err)
	_, err = fmt.Fscanln(c.out, &answer)
	require.NoError(t, err)
	return answer
}
