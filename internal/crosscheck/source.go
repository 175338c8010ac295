package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"sync"
)

// A source parses files, each of them once: the platforms share most of them, and the type checker changes none.
type source struct {
	positions *token.FileSet

	mu     sync.Mutex // guards parsed; no file is read under it
	parsed map[string]func() (*ast.File, error)
}

func newSource() *source {
	return &source{positions: token.NewFileSet(), parsed: make(map[string]func() (*ast.File, error))}
}

func (s *source) parse(path string) (*ast.File, error) {
	s.mu.Lock()
	once, ok := s.parsed[path]
	if !ok {
		once = sync.OnceValues(func() (*ast.File, error) {
			return parser.ParseFile(s.positions, path, nil, parser.SkipObjectResolution)
		})
		s.parsed[path] = once
	}
	s.mu.Unlock()
	return once()
}
