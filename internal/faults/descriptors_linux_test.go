package faults

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// fewDescriptors is set, to a server's URL, in a process of its own that runs out
// of descriptors.
const fewDescriptors = "TTLPOOL_FEW_DESCRIPTORS"

func TestDescriptorsRunOut(t *testing.T) {
	s := realtest.Start(t, realtest.Go{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "the body")
	})})
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), fewDescriptors+"="+s.URL())
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
	t.Logf("%s", out)
}

// runOutOfDescriptors opens connections, by responses that are not read, until
// there is no descriptor left; looks at the error; reads them; and needs no help to
// go on. It returns the exit status.
func runOutOfDescriptors(url string) int {
	if err := outOfDescriptors(url); err != nil {
		fmt.Println("FAILED:", err)
		return 1
	}
	return 0
}

func outOfDescriptors(url string) error {
	const most = 64
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
		return err
	}
	tr, err := ttlpool.NewTransport()
	if err != nil {
		return err
	}
	defer tr.Close()
	client := &http.Client{Transport: tr}
	var open []*http.Response
	for err == nil {
		var resp *http.Response
		if resp, err = client.Get(url); err == nil {
			open = append(open, resp)
		}
		if len(open) > most {
			return errors.New("there is no limit")
		}
	}
	fmt.Printf("after %d connections: %v\n", len(open), err)
	if !errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("the error does not say that there was no descriptor: %w", err)
	}
	if stats := tr.Stats(); stats.Open != len(open) || stats.Dialing != 0 {
		return fmt.Errorf("%d connections open and %d dials in progress", stats.Open, stats.Dialing)
	}
	for _, resp := range open {
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
	}
	for range 100 {
		resp, err := client.Get(url)
		if err != nil {
			return fmt.Errorf("it has not recovered: %w", err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		_ = resp.Body.Close()
	}
	stats := tr.Stats()
	fmt.Printf("recovered: %d dials, %d failed, %d reuses\n", stats.Dials, stats.DialErrors, stats.Reuses)
	return nil
}
