package ttlpool_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ttlpool/ttlpool"
)

// snippetImports are the packages that snippets may use.
var snippetImports = []string{
	"context", "errors", "expvar", "fmt", "io", "log", "log/slog", "net", "net/http", "net/http/httputil", "net/url", "os",
	"time", "github.com/ttlpool/ttlpool", "github.com/ttlpool/ttlpool/debugpage",
}

// snippetScope declares what a snippet takes from its reader's program.
const snippetScope = `
var (
	ctx       context.Context
	rewrite   func(*httputil.ProxyRequest)
	transport *ttlpool.Transport
	logger    *slog.Logger
)
`

// TestSnippetsCompile type-checks each Go snippet of the documents as the beginning of a function that returns an error.
// What it declares last, its reader uses: an unused variable is no error.
func TestSnippetsCompile(t *testing.T) {
	require.NotEmpty(t, goSnippets(readme(t)))
	packages := exportData(t)
	for _, document := range documents(t) {
		for line, snippet := range goSnippets(textOf(t, document)) {
			t.Run(fmt.Sprintf("%s:%d", document, line), func(t *testing.T) {
				source := "package snippet\n" + imports(snippet+snippetScope) + snippetScope +
					fmt.Sprintf("func _() error {\n//line %s:%d\n%s\nreturn nil\n}\n", document, line, snippet)
				require.NoError(t, typeCheck(source, packages), source)
			})
		}
	}
}

// goSnippets returns the fenced Go blocks by the line on which they begin.
func goSnippets(text string) map[int]string {
	snippets := make(map[int]string)
	begun := 0
	for i, line := range strings.Split(text, "\n") {
		switch {
		case line == "```go":
			begun = i + 2
		case line == "```":
			begun = 0
		case begun > 0:
			snippets[begun] += line + "\n"
		}
	}
	return snippets
}

// imports returns the imports of the packages that source names.
func imports(source string) string {
	var b strings.Builder
	for _, p := range snippetImports {
		if regexp.MustCompile(`\b` + path.Base(p) + `\.`).MatchString(source) {
			fmt.Fprintf(&b, "import %q\n", p)
		}
	}
	return b.String()
}

// exportData returns where the compiler has put what it knows of each package.
func exportData(t *testing.T) map[string]string {
	args := append([]string{"list", "-export", "-deps", "-json=ImportPath,Export"}, snippetImports...)
	list := exec.CommandContext(t.Context(), "go", args...)
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	require.NoError(t, err, stderr.String())

	files := make(map[string]string)
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		files[p.ImportPath] = p.Export
	}
}

func typeCheck(source string, packages map[string]string) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "snippet.go", source, 0)
	if err != nil {
		return err
	}
	var failures []error
	config := types.Config{
		Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(packages[path]) }),
		Error: func(err error) {
			if failure, ok := errors.AsType[types.Error](err); !ok || !failure.Soft {
				failures = append(failures, err)
			}
		},
	}
	_, _ = config.Check("snippet", fset, []*ast.File{file}, nil) // its error is the first of those above, a soft one too
	return errors.Join(failures...)
}

// TestReadmeListsEveryOption compares the README's options with the package's.
func TestReadmeListsEveryOption(t *testing.T) {
	var declared []string
	for _, file := range parsePackage(t, ".") {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "With") {
				declared = append(declared, f.Name.Name)
			}
		}
	}
	require.NotEmpty(t, declared)

	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(With\\w+)").FindAllStringSubmatch(readme(t), -1) {
		listed = append(listed, row[1])
	}
	slices.Sort(declared)
	slices.Sort(listed)
	require.Equal(t, declared, listed)
}

// parsePackage returns the files of a package by their name, without its tests.
func parsePackage(t *testing.T, directory string) map[string]*ast.File {
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	files := make(map[string]*ast.File)
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(directory, name), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files[name] = file
		}
	}
	return files
}

// TestTheDesignNamesEveryRoom looks for each file of the package in docs/design.md.
func TestTheDesignNamesEveryRoom(t *testing.T) {
	text := textOf(t, "docs/design.md")
	for name := range parsePackage(t, ".") {
		room := strings.TrimSuffix(name, ".go")
		require.True(t, regexp.MustCompile(`\b`+room+`\b`).MatchString(text), "docs/design.md does not name the room %s", room)
	}
}

// TestThePageOnLocksNamesEveryLock looks for each mutex of the package and those that it is made of in CONTRIBUTING.md.
func TestThePageOnLocksNamesEveryLock(t *testing.T) {
	text := textOf(t, "CONTRIBUTING.md")
	found := 0
	for _, directory := range []string{".", "internal/connect", "internal/h1", "internal/h2", "internal/hangup",
		"internal/opaque", "internal/replay", "internal/tcpinfo"} {
		for _, file := range parsePackage(t, directory) {
			for _, lock := range mutexes(file) {
				require.True(t, strings.Contains(text, lock+"`"), "CONTRIBUTING.md does not name the lock %s", lock)
				found++
			}
		}
	}
	require.NotZero(t, found)
}

// mutexes returns the fields of structs that are one, as "Type.field".
func mutexes(file *ast.File) (names []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		structure, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range structure.Fields.List {
			kind, ok := field.Type.(*ast.SelectorExpr)
			if !ok || kind.Sel.Name != "Mutex" && kind.Sel.Name != "RWMutex" {
				continue
			}
			for _, name := range field.Names {
				names = append(names, spec.Name.Name+"."+name.Name)
			}
		}
		return true
	})
	return names
}

// TestLinksLeadSomewhere looks at the documents' links to files of this repository.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)[)#]`)
	code := regexp.MustCompile("(?s)```.*?```")
	for _, document := range documents(t) {
		prose := code.ReplaceAllString(textOf(t, document), "")
		for _, link := range link.FindAllStringSubmatch(prose, -1) {
			_, err := os.Stat(path.Join(path.Dir(document), link[1]))
			require.NoError(t, err, document)
		}
	}
}

// TestOperationsNamesEveryNumber compares the tables for operators with what Stats has.
func TestOperationsNamesEveryNumber(t *testing.T) {
	text := textOf(t, "docs/operations.md")
	for _, of := range []reflect.Type{
		reflect.TypeFor[ttlpool.Stats](), reflect.TypeFor[ttlpool.Counts](), reflect.TypeFor[ttlpool.HostStats](),
	} {
		for field := range of.Fields() {
			if !field.Anonymous {
				require.True(t, strings.Contains(text, "`"+field.Name+"`"), "docs/operations.md does not name %s", field.Name)
			}
		}
	}
	require.NotEqual(t, "unknown", ttlpool.ClosedTTL.String())
	for reason := ttlpool.ClosedTTL; reason.String() != "unknown"; reason++ {
		require.True(t, strings.Contains(text, "`"+reason.String()+"`"), "docs/operations.md does not name %s", reason)
	}
}

func TestTimelineIsWellFormed(t *testing.T) {
	file, err := os.Open("docs/timeline.svg")
	require.NoError(t, err)
	defer file.Close()
	for decoder := xml.NewDecoder(file); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func readme(t *testing.T) string { return textOf(t, "README.md") }

// documents are the paths of all texts about the package.
func documents(t *testing.T) []string {
	atRoot, err := filepath.Glob("*.md")
	require.NoError(t, err)
	below, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, below)
	return append(atRoot, below...)
}

func textOf(t *testing.T, document string) string {
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	return string(text)
}
