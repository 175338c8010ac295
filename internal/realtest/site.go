package realtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"
)

// site is where one server lives: its address, and the directory of its
// configuration and logs. It outlives a restart. Its exported fields and methods
// are for the templates of configurations.
type site struct {
	Dir     string
	Address string
	place   Place
	facts   facts
	counter counter // of a server in this process
}

const (
	errorLog   = "error.log"
	requestLog = "requests.log" // a line for each request, of loggedID and its X-Request-Id
	loggedID   = "id "
)

func newSite(facts facts, place Place) (*site, error) {
	address, err := place.freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "realtest-"+strings.ReplaceAll(facts.name, " ", "-")+"-")
	if err != nil {
		return nil, err
	}
	return &site{Dir: dir, Address: address, place: place, facts: facts}, nil
}

// given are the addresses that freeAddress has returned.
var given sync.Map

// The ports that servers get are below those that systems give to clients, which
// would take one while its server restarts.
const firstPort, ports = 10_000, 20_000

// freeAddress returns no address twice: two servers that share one (HAProxy's
// SO_REUSEPORT lets them) get each other's connections.
func (p Place) freeAddress() (address string, err error) {
	const tries = 1000
	for range tries {
		address = net.JoinHostPort(p.Host, strconv.Itoa(firstPort+rand.N(ports)))
		var l net.Listener
		if l, err = p.Listen("tcp", address); err != nil {
			continue
		}
		if err = l.Close(); err != nil {
			return "", err
		}
		if _, taken := given.LoadOrStore(address, true); !taken {
			return address, nil
		}
	}
	return "", fmt.Errorf("no free port at %s: %w", p.Host, err)
}

// Root reports whether the tests run as root, whom many servers do not want to
// serve as.
func (*site) Root() bool { return os.Geteuid() == 0 }

// Host and Port return the parts of the address.
func (s *site) Host() string {
	host, _, _ := net.SplitHostPort(s.Address)
	return host
}

func (s *site) Port() string {
	_, port, _ := net.SplitHostPort(s.Address)
	return port
}

// File returns the path of a file in the directory.
func (s *site) File(name string) string { return filepath.Join(s.Dir, name) }

func (s *site) url() string {
	if s.facts.secure {
		return "https://" + s.Address
	}
	return "http://" + s.Address
}

// write makes a file of a template, which sees the site as .Site and the kind, with
// its settings, as .Kind.
func (s *site) write(name string, t *template.Template, kind any) error {
	var text bytes.Buffer
	if err := t.Execute(&text, map[string]any{"Site": s, "Kind": kind}); err != nil {
		return err
	}
	return os.WriteFile(s.File(name), text.Bytes(), 0o600)
}

// configuration parses the text of a configuration.
func configuration(name, text string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{
		"seconds":      func(d time.Duration) int { return int(d / time.Second) },
		"milliseconds": time.Duration.Milliseconds,
	}).Parse(text))
}

// giveTo makes a user of the system the owner of the directory and its files.
func (s *site) giveTo(u *user.User) error {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return filepath.WalkDir(s.Dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, uid, gid))
	})
}

// account returns the first of the system's users that there is.
func account(names ...string) (*user.User, error) {
	for _, name := range names {
		if u, err := user.Lookup(name); err == nil {
			return u, nil
		}
	}
	return nil, fmt.Errorf("root has no other user to run it as: none of %s", strings.Join(names, ", "))
}

// logged returns how long the error log is.
func (s *site) logged() int {
	info, err := os.Stat(s.File(errorLog))
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// log returns the error log from an offset on.
func (s *site) log(from int) string {
	text, err := os.ReadFile(s.File(errorLog))
	if err != nil {
		return err.Error()
	}
	return string(text[min(max(0, from), len(text)):])
}

// processed reads the log of requests.
func (s *site) processed() (map[string]int, error) {
	times := s.counter.times()
	log, err := os.Open(s.File(requestLog))
	if errors.Is(err, fs.ErrNotExist) {
		return times, nil
	}
	if err != nil {
		return nil, err
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), loggedID); ok && id != "-" && id != "" {
			times[id]++
		}
	}
	return times, lines.Err()
}

// backendPaths are the paths at which a proxy has its pools: /0/, /1/ and so on, and
// one for all others.
func backendPaths(pools int) (paths []string) {
	for pool := range pools {
		paths = append(paths, fmt.Sprintf("/%d/", pool))
	}
	return append(paths, "/")
}

// wholeSeconds is an error for a duration that the server would round.
func wholeSeconds(setting string, d time.Duration) error {
	if d%time.Second != 0 {
		return fmt.Errorf("%s is %v, and can only be whole seconds", setting, d)
	}
	return nil
}
