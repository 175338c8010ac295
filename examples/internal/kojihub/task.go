package kojihub

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Koji's states of tasks.
const (
	taskFree   = int64(0)
	taskOpen   = int64(1)
	taskClosed = int64(2)
	taskFailed = int64(5)
)

const firstTask = int64(1) << 31 // Fedora's are not there yet, but a client should not mind

// task goes on by the clock: all that changes about it follows from the time.
type task struct {
	id, parent int64 // parent 0: none
	source     string
	begun      time.Time // when its build was
	step       step
	unit       time.Duration
	fails      bool
}

// step is the part of a task in a build, in units since the build began.
type step struct {
	method, arch               string
	created, opened, completed int
	logs                       bool
}

// steps are those of every build. The first is the parent of the others.
var steps = []step{
	{method: "build", arch: "noarch", created: 0, opened: 1, completed: 12},
	{method: "buildSRPMFromSCM", arch: "noarch", created: 1, opened: 2, completed: 4, logs: true},
	{method: "buildArch", arch: "x86_64", created: 4, opened: 5, completed: 10, logs: true},
	{method: "buildArch", arch: "aarch64", created: 4, opened: 6, completed: 11, logs: true},
	{method: "tagBuild", arch: "noarch", created: 11, opened: 11, completed: 12},
}

func (t *task) at(unit int) time.Time { return t.begun.Add(time.Duration(unit) * t.unit) }

// exists reports whether it has been created.
func (t *task) exists(now time.Time) bool { return !now.Before(t.at(t.step.created)) }

func (t *task) state(now time.Time) int64 {
	switch {
	case now.Before(t.at(t.step.opened)):
		return taskFree
	case now.Before(t.at(t.step.completed)):
		return taskOpen
	case t.fails:
		return taskFailed
	}
	return taskClosed
}

// info is the task as hubs describe it: dates as text, and again as seconds.
func (t *task) info(now time.Time) map[string]any {
	state := t.state(now)
	info := map[string]any{
		"id": t.id, "method": t.step.method, "arch": t.step.arch, "state": state, "parent": nil,
		"weight": 1.5, "waiting": state == taskOpen && t.parent == 0, "label": nil,
		"create_time": t.at(t.step.created).UTC().Format("2006-01-02 15:04:05.000000"),
		"create_ts":   seconds(t.at(t.step.created)), "start_ts": nil, "completion_ts": nil,
	}
	if t.parent != 0 {
		info["parent"] = t.parent
	}
	if state != taskFree {
		info["start_ts"] = seconds(t.at(t.step.opened))
	}
	if state == taskClosed || state == taskFailed {
		info["completion_ts"] = seconds(t.at(t.step.completed))
	}
	return info
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// log is what the task has written to build.log so far: four lines a unit.
func (t *task) log(now time.Time) string {
	end := min(now.Sub(t.begun), time.Duration(t.step.completed)*t.unit)
	lines := int((end - time.Duration(t.step.opened)*t.unit) * 4 / t.unit)
	var text strings.Builder
	for i := range max(0, lines) {
		fmt.Fprintf(&text, "+ %s: line %d of the build of %s\n", t.step.arch, i+1, t.source)
	}
	return text.String()
}

// build starts a build of a source, which succeeds unless the source is named after its failure.
func (c *call) build(args []any) (any, error) {
	source, err := argument[string](args, 0, "src")
	if err != nil {
		return nil, err
	}
	if _, err := argument[string](args, 1, "target"); err != nil {
		return nil, err
	}
	h := c.hub
	top := firstTask + int64(len(h.tasks))
	for i, s := range steps {
		t := &task{id: top + int64(i), source: source, begun: c.now, step: s, unit: h.unit}
		if i > 0 {
			t.parent = top
		}
		t.fails = strings.Contains(source, "broken") && s.arch != "x86_64" && s.method != "buildSRPMFromSCM"
		h.tasks = append(h.tasks, t)
	}
	return top, nil
}

// task finds the task that a call is about, or nil.
func (c *call) task(args []any) (*task, error) {
	id, err := argument[int64](args, 0, "task_id")
	if err != nil {
		return nil, err
	}
	if i := id - firstTask; i >= 0 && i < int64(len(c.hub.tasks)) && c.hub.tasks[i].exists(c.now) {
		return c.hub.tasks[i], nil
	}
	return nil, nil
}

// knownTask is task for calls that refuse one that there is not.
func (c *call) knownTask(args []any) (*task, error) {
	t, err := c.task(args)
	if err == nil && t == nil {
		err = fault(genericError, "No such task: %v", args[0])
	}
	return t, err
}

func (c *call) getTaskInfo(args []any) (any, error) {
	t, err := c.task(args)
	if err != nil || t == nil {
		return nil, err
	}
	return t.info(c.now), nil
}

// getTaskDescendents lists the tasks below one by the id of their parent, which is text: the name of a member.
func (c *call) getTaskDescendents(args []any) (any, error) {
	top, err := c.knownTask(args)
	if err != nil {
		return nil, err
	}
	family := map[string]any{fmt.Sprint(top.id): []any{}}
	for _, t := range c.hub.tasks {
		if t.parent == top.id && t.exists(c.now) {
			name := fmt.Sprint(top.id)
			family[name] = append(family[name].([]any), t.info(c.now))
			family[fmt.Sprint(t.id)] = []any{}
		}
	}
	return family, nil
}

func (c *call) getTaskResult(args []any) (any, error) {
	t, err := c.knownTask(args)
	if err != nil {
		return nil, err
	}
	switch t.state(c.now) {
	case taskClosed:
		return map[string]any{"source": t.source, "task_id": t.id}, nil
	case taskFailed:
		return nil, fault(buildError, "error building package (arch aarch64): %s", t.source)
	}
	return nil, fault(genericError, "Task %d is not finished", t.id)
}

// listTasks lists the newest first.
func (c *call) listTasks(args []any) (any, error) {
	options, err := optional(args, 0, "opts", map[string]any{})
	if err != nil {
		return nil, err
	}
	query, err := optional(args, 1, "queryOpts", map[string]any{})
	if err != nil {
		return nil, err
	}
	states, _ := options["state"].([]any)
	method, _ := options["method"].(string)
	limit, _ := query["limit"].(int64)
	list := []any{}
	for i := len(c.hub.tasks) - 1; i >= 0 && len(list) < int(cmp.Or(limit, 100)); i-- {
		if t := c.hub.tasks[i]; t.exists(c.now) && t.matches(method, states, c.now) {
			list = append(list, t.info(c.now))
		}
	}
	return list, nil
}

func (t *task) matches(method string, states []any, now time.Time) bool {
	if method != "" && t.step.method != method {
		return false
	}
	for _, s := range states {
		if s == t.state(now) {
			return true
		}
	}
	return len(states) == 0
}
