package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ttlpool/ttlpool/examples/kojiclient/koji"
)

// watchTask shows each change of a task and of those below it, until it is done. One that failed is an error.
func watchTask(ctx context.Context, api koji.API, id int64, every time.Duration, out io.Writer) error {
	seen := make(map[int64]koji.TaskState)
	depth := make(map[int64]int)
	done, err := follow(ctx, api, id, every, func(family []koji.Task) error {
		for _, t := range family {
			if t.ID != id {
				depth[t.ID] = depth[t.Parent] + 1 // a parent's id is the smaller one
			}
			before, known := seen[t.ID]
			seen[t.ID] = t.State
			indent := strings.Repeat("  ", depth[t.ID])
			switch {
			case !known:
				fmt.Fprintf(out, "%s%s: %s\n", indent, title(t), t.State)
			case before != t.State:
				fmt.Fprintf(out, "%s%s: %s -> %s\n", indent, title(t), before, t.State)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return outcome(ctx, api, *done, out)
}

// outcome says how a task ended.
func outcome(ctx context.Context, api koji.API, t koji.Task, out io.Writer) error {
	if t.State == koji.TaskClosed {
		fmt.Fprintf(out, "%s: done in %v\n", title(t), t.Completed.Sub(t.Created).Round(time.Second/10))
		return nil
	}
	if _, err := api.TaskResult(ctx, t.ID); err != nil {
		return fmt.Errorf("%s: %s: %w", title(t), t.State, err)
	}
	return fmt.Errorf("%s: %s", title(t), t.State)
}

// follow looks at a task and those below it again and again, until the task is done; that look is the last.
func follow(ctx context.Context, api koji.API, id int64, every time.Duration, look func([]koji.Task) error) (*koji.Task, error) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		family, err := api.TaskFamily(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := look(family); err != nil {
			return nil, err
		}
		for _, t := range family {
			if t.ID == id && t.State.Done() {
				return &t, nil
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
