package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// A platform is an operating system and an architecture, by Go's names.
type platform struct{ system, architecture string }

func (p platform) String() string { return p.system + "/" + p.architecture }

// A listing is what go list says of one package. A package with its tests is one more, "path [path.test]".
type listing struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string // from what the source says to what is meant, where they differ
	Module     *struct {
		Main      bool
		GoVersion string
	}
}

// own says whether the package belongs to the module that is checked.
func (l listing) own() bool { return l.Module != nil && l.Module.Main }

// goVersion is the version of the language, empty for the newest.
func (l listing) goVersion() string {
	if l.Module == nil || l.Module.GoVersion == "" {
		return ""
	}
	return "go" + l.Module.GoVersion
}

// list lists the module's packages, their tests and all that they import, what is imported before what imports it. The main
// programs that the go command makes for tests are left out.
func list(directory string, p platform) ([]listing, error) {
	command := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Module", "./...")
	command.Dir = directory
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.system, "GOARCH="+p.architecture)
	output, err := command.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("go list: %w\n%s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []listing
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var listed listing
		switch err := decoder.Decode(&listed); {
		case err == io.EOF:
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("output of go list: %w", err)
		case !strings.HasSuffix(listed.ImportPath, ".test"):
			packages = append(packages, listed)
		}
	}
}
