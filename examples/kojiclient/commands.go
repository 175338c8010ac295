package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ttlpool/ttlpool/examples/kojiclient/koji"
)

// command is something to ask the hub for.
type command struct {
	name, argument string // argument "": it takes none
	help           string
	run            func(context.Context, koji.API, config, io.Writer) error
}

var commands = []command{
	{"api-version", "", "show the version of the hub's API", apiVersion},
	{"build", "NVR", "show a build by its name, version and release", build},
	{"tasks", "", "list the newest tasks", tasks},
	{"task-info", "ID", "show a task", onTask(taskInfo)},
	{"task-result", "ID", "show what a task came to", onTask(taskResult)},
	{"watch-task", "ID", "show how a task and those below it go on, until it is done", onTask(watchTask)},
	{"watch-logs", "ID", "show what they write to their logs, until it is done", onTask(watchLogs)},
}

func commandList() string {
	var list strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&list, "  %-15s %s\n", strings.TrimSpace(c.name+" "+c.argument), c.help)
	}
	return list.String()
}

// onTask is a command about the task that its argument names.
func onTask(run func(context.Context, koji.API, int64, time.Duration, io.Writer) error) func(context.Context, koji.API, config, io.Writer) error {
	return func(ctx context.Context, api koji.API, cfg config, out io.Writer) error {
		id, err := strconv.ParseInt(cfg.arg, 10, 64)
		if err != nil {
			return fmt.Errorf("task %q: not a number", cfg.arg)
		}
		return run(ctx, api, id, cmp.Or(cfg.poll, 5*time.Second), out)
	}
}

func apiVersion(ctx context.Context, api koji.API, _ config, out io.Writer) error {
	version, err := api.APIVersion(ctx)
	if err == nil {
		fmt.Fprintln(out, version)
	}
	return err
}

func build(ctx context.Context, api koji.API, cfg config, out io.Writer) error {
	b, err := api.Build(ctx, cfg.arg)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "build %d: %s, %s, of %s\n", b.ID, b.NVR, b.State, b.Owner)
	if b.TaskID != 0 {
		fmt.Fprintf(out, "by task %d\n", b.TaskID)
	}
	if !b.Completed.IsZero() {
		fmt.Fprintf(out, "completed %s\n", b.Completed.UTC().Format(time.DateTime))
	}
	return nil
}

func tasks(ctx context.Context, api koji.API, _ config, out io.Writer) error {
	list, err := api.Tasks(ctx, koji.TaskFilter{Limit: 20})
	for _, t := range list {
		fmt.Fprintf(out, "%s: %s\n", title(t), t.State)
	}
	return err
}

func taskInfo(ctx context.Context, api koji.API, id int64, _ time.Duration, out io.Writer) error {
	t, err := api.TaskInfo(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s, created %s\n", title(*t), t.State, t.Created.UTC().Format(time.DateTime))
	return nil
}

func taskResult(ctx context.Context, api koji.API, id int64, _ time.Duration, out io.Writer) error {
	result, err := api.TaskResult(ctx, id)
	if err == nil {
		fmt.Fprintln(out, result)
	}
	return err
}

func title(t koji.Task) string { return fmt.Sprintf("%d %s (%s)", t.ID, t.Method, t.Arch) }
