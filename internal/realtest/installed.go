package realtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// program returns the path of the program, which is often not on the PATH of a
// user.
func (f facts) program() (string, error) {
	for _, name := range f.programs {
		for _, place := range []string{name, filepath.Join("/usr/sbin", name)} {
			if path, err := exec.LookPath(place); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("no %s found. %w. Install it: apt-get install %s", f.name, ErrNotInstalled, f.packages)
}

// installed is nil if the server can be run.
func (f facts) installed() error {
	if len(f.programs) == 0 { // it is in this process
		return nil
	}
	if _, err := f.program(); err != nil {
		return err
	}
	for _, file := range f.needs {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("no %s for %s. %w. Install it: apt-get install %s", file, f.name, ErrNotInstalled, f.packages)
		}
	}
	return nil
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)

func (f facts) nameAndVersion() string {
	if len(f.programs) == 0 { // it is in this process
		return f.name + " " + versionNumber.FindString(runtime.Version())
	}
	program, err := f.program()
	if err != nil {
		return f.name
	}
	text, _ := exec.Command(program, f.version...).CombinedOutput() // some tell, and then fail
	return strings.TrimSpace(f.name + " " + versionNumber.FindString(string(text)))
}
