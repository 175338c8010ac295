package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// module writes a module of the given files and returns its directory.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(directory, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	write("go.mod", "module example.org\n\ngo 1.26.0\n")
	for name, content := range files {
		write(name, content)
	}
	return directory
}

// planted are errors, each in a package of its own, with the platforms on which it is one.
var planted = []struct {
	path, source string
	wrong        func(platform) bool
	message      string
}{
	{
		"system/more_windows.go", "package system\n\nvar Wrong int = \"text\"\n",
		func(p platform) bool { return p.system == "windows" }, "more_windows.go:3:17: cannot use",
	},
	{
		"architecture/more_arm64.go", "package architecture\n\nfunc wrong() { missing() }\n",
		func(p platform) bool { return p.architecture == "arm64" }, "more_arm64.go:3:16: undefined: missing",
	},
	{
		"library/library.go", "package library\n\nimport \"syscall\"\n\nfunc set(fd int) { syscall.SetNonblock(fd, true) }\n",
		func(p platform) bool { return p.system == "windows" }, "library.go:5:40: cannot use fd",
	},
	{
		"inside/more_darwin_test.go", "package inside\n\nimport \"testing\"\n\nfunc TestIt(t *testing.T) { t.Missing() }\n",
		func(p platform) bool { return p.system == "darwin" }, "more_darwin_test.go:5:31: t.Missing undefined",
	},
	{
		"outside/more_linux_test.go", "package outside_test\n\nimport \"example.org/outside\"\n\nvar _ = outside.Missing\n",
		func(p platform) bool { return p.system == "linux" }, "more_linux_test.go:5:17: undefined: outside.Missing",
	},
	{
		"large/large.go", "package large\n\nconst size = 1 << 40\n\nfunc Size() int { return size }\n",
		narrow, "large.go:5:26: cannot use size",
	},
	{
		"misaligned/atomic.go", "package misaligned\n\nimport \"sync/atomic\"\n\ntype word struct {\n\tflag bool\n\tn    int64\n}\n\n" +
			"func (w *word) add() { atomic.AddInt64(&w.n, 1) }\n",
		func(platform) bool { return true }, "atomic.go:10:31: atomic.AddInt64 panics",
	},
}

func narrow(p platform) bool { return p.architecture == "386" || p.architecture == "arm" }

func TestWhatDoesNotCompileIsFoundWhereItDoesNot(t *testing.T) {
	files := make(map[string]string)
	for _, plant := range planted {
		files[plant.path] = plant.source
		name := filepath.Dir(plant.path)
		files[name+"/sound.go"] = "package " + name + "\n" // so that every platform has the package
	}
	for i, result := range checkAll(module(t, files), platforms) {
		assert.GreaterOrEqual(t, result.packages, len(planted), "%v", platforms[i])
		for _, plant := range planted {
			if plant.wrong(platforms[i]) {
				assert.ErrorContains(t, result.err, plant.message, "%v", platforms[i])
			} else {
				assert.NotContains(t, result.err.Error(), plant.path, "%v", platforms[i])
			}
		}
	}
}

func TestWhatIsSoundPasses(t *testing.T) {
	directory := module(t, map[string]string{
		"sound.go": "package sound\n\nimport \"sync/atomic\"\n\nvar Count atomic.Int64\n\nfunc Add() int64 { return Count.Add(1) }\n",
	})
	for i, result := range checkAll(directory, platforms) {
		assert.NoError(t, result.err, "%v", platforms[i])
		assert.Equal(t, 1, result.packages, "%v", platforms[i])
	}
}

func TestWhatCannotBeListedIsAnErrorWhereItCannot(t *testing.T) {
	for name, source := range map[string]string{
		"it imports what there is not": "package sound\n\nimport _ \"example.org/missing\"\n",
		"it cannot be parsed":          "package sound\n\nfunc {\n",
	} {
		t.Run(name, func(t *testing.T) {
			directory := module(t, map[string]string{"sound.go": "package sound\n", "more_windows.go": source})
			results := checkAll(directory, []platform{{"linux", "amd64"}, {"windows", "amd64"}})
			assert.NoError(t, results[0].err)
			assert.ErrorContains(t, results[1].err, "more_windows.go:3:")
		})
	}
}

func TestAModuleWithoutAPackageIsAnError(t *testing.T) {
	assert.ErrorContains(t, checkAll(module(t, nil), platforms[:1])[0].err, "no package of the module")
}
