package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/types"
	"path/filepath"
	"strings"
)

// A checker type-checks packages for one platform, one after the other.
type checker struct {
	platform platform
	files    *source
	done     map[string]*types.Package // by import path as go list has it
}

func newChecker(p platform, files *source) *checker {
	return &checker{p, files, map[string]*types.Package{"unsafe": types.Unsafe}}
}

// check checks one package, whose imports have been checked. Of packages that are not the module's own only the declarations
// are looked at, and nothing is reported: what is missing there is reported where it is used.
func (c *checker) check(listed listing) error {
	if c.done[listed.ImportPath] != nil {
		return nil
	}
	var errs []error
	report := func(err error) {
		if listed.own() {
			errs = append(errs, err)
		}
	}
	var parsed []*ast.File
	for _, name := range listed.GoFiles {
		file, err := c.files.parse(filepath.Join(listed.Dir, name))
		if err != nil {
			report(err)
			continue
		}
		parsed = append(parsed, file)
	}
	config := types.Config{
		Importer:         imports{c.done, listed.ImportMap},
		Sizes:            types.SizesFor("gc", c.platform.architecture),
		GoVersion:        listed.goVersion(),
		IgnoreFuncBodies: !listed.own(),
		Error:            report,
	}
	info := &types.Info{}
	if listed.own() {
		info.Uses = make(map[*ast.Ident]types.Object)
	}
	path, _, _ := strings.Cut(listed.ImportPath, " ")
	c.done[listed.ImportPath], _ = config.Check(path, c.files.positions, parsed, info) // its error was reported
	for identifier, object := range info.Uses {
		if mayBeMisaligned(object) {
			report(fmt.Errorf("%v: atomic.%s panics on 32-bit platforms unless its word is aligned: use a type of sync/atomic",
				c.files.positions.Position(identifier.Pos()), object.Name()))
		}
	}
	return errors.Join(errs...)
}

// mayBeMisaligned says whether an object is one of the functions of sync/atomic for 64 bits. Methods have types that are aligned.
func mayBeMisaligned(object types.Object) bool {
	function, ok := object.(*types.Func)
	return ok && function.Pkg() != nil && function.Pkg().Path() == "sync/atomic" &&
		function.Signature().Recv() == nil && strings.HasSuffix(function.Name(), "64")
}

// imports finds the packages that one package imports.
type imports struct {
	done    map[string]*types.Package
	renamed map[string]string
}

func (i imports) Import(path string) (*types.Package, error) {
	if meant, ok := i.renamed[path]; ok {
		path = meant
	}
	if found := i.done[path]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("package %s was not listed", path)
}
