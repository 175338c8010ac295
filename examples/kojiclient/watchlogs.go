package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ttlpool/ttlpool/examples/kojiclient/koji"
)

// file is a file that a task writes.
type file struct {
	task int64
	name string
}

// logs shows what files have grown by.
type logs struct {
	api    koji.API
	out    io.Writer
	shown  map[file]int64 // bytes
	latest file           // the one shown last
}

// watchLogs shows what a task and those below it write, until it is done.
func watchLogs(ctx context.Context, api koji.API, id int64, every time.Duration, out io.Writer) error {
	l := &logs{api: api, out: out, shown: make(map[file]int64)}
	done, err := follow(ctx, api, id, every, func(family []koji.Task) error {
		for _, t := range family {
			if err := l.showTask(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return outcome(ctx, api, *done, out)
}

func (l *logs) showTask(ctx context.Context, t koji.Task) error {
	if t.State == koji.TaskFree {
		return nil
	}
	names, err := l.api.TaskOutputs(ctx, t.ID)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.showFile(ctx, file{t.ID, name}); err != nil {
			return err
		}
	}
	return nil
}

const chunkBytes = 64 << 10

func (l *logs) showFile(ctx context.Context, f file) error {
	for {
		chunk, err := l.api.TaskOutput(ctx, f.task, f.name, l.shown[f], chunkBytes)
		if err != nil {
			return err
		}
		if len(chunk) > 0 && l.latest != f {
			fmt.Fprintf(l.out, "==> %s of task %d <==\n", f.name, f.task)
			l.latest = f
		}
		if _, err := l.out.Write(chunk); err != nil {
			return err
		}
		l.shown[f] += int64(len(chunk))
		if len(chunk) < chunkBytes {
			return nil
		}
	}
}
