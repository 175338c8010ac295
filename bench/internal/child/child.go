// Package child runs parts of a measurement in processes of their own: this
// program again, in another role. Parent and child talk in lines of JSON over
// the child's standard input and output.
package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/ttlpool/ttlpool/bench/internal/patience"
)

// Role is what a child does. It gets the argument of Start, and returns the
// commands that it takes. stop, unless nil, is called when the parent has no
// more of them.
type Role func(arg json.RawMessage) (commands Commands, stop func(), err error)

// Commands are called by name, one at a time.
type Commands map[string]func() (answer any, err error)

// variable is what tells a child its role.
const variable = "TTLPOOL_BENCH_ROLE"

// reply is what a child says to its start, and to each command.
type reply struct {
	Error  string          `json:"error,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// Main does what a child does, if this process is one. It must come first.
func Main(roles map[string]Role) {
	name := os.Getenv(variable)
	if name == "" {
		return
	}
	if err := serve(roles[name]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(role Role) error {
	if role == nil {
		return errors.New("there is no such role")
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var arg json.RawMessage
	if err := in.Decode(&arg); err != nil {
		return err
	}
	done := patience.Watch("the start", patience.Limit)
	commands, stop, err := role(arg)
	done()
	if stop != nil {
		defer stop()
	}
	if err := answer(out, nil, err); err != nil {
		return err
	}
	for {
		var name string
		if err := in.Decode(&name); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		command := commands[name]
		if command == nil {
			return fmt.Errorf("there is no command %q", name)
		}
		done := patience.Watch(name, patience.Limit) // its parent may be gone, and not end it
		got, err := command()
		done()
		if err := answer(out, got, err); err != nil {
			return err
		}
	}
}

func answer(out *json.Encoder, got any, failed error) error {
	if failed != nil {
		return out.Encode(reply{Error: failed.Error()})
	}
	encoded, err := json.Marshal(got)
	if err != nil {
		return err
	}
	return out.Encode(reply{Answer: encoded})
}

// Process is a child. It takes one call at a time.
type Process struct {
	role string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
}

// Start starts a child in a role.
func Start(role string, arg any) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{role: role, cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), variable+"="+role)
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.send(arg, nil); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// Call runs a command in the child and decodes its answer, unless that is nil.
func (p *Process) Call(command string, answer any) error { return p.send(command, answer) }

func (p *Process) send(what, answer any) error {
	encoded, err := json.Marshal(what)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(encoded, '\n')); err != nil {
		return fmt.Errorf("%s: %w", p.role, err)
	}
	var r reply
	if err := p.out.Decode(&r); err != nil {
		return fmt.Errorf("%s: %w", p.role, err)
	}
	if r.Error != "" {
		return fmt.Errorf("%s: %s", p.role, r.Error)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(r.Answer, answer)
}

// Stop ends the child, and returns when it has ended.
func (p *Process) Stop() error {
	_ = p.in.Close() // which it takes for the end
	return p.cmd.Wait()
}
