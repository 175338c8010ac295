package koji

import (
	"fmt"
	"time"
)

// Build is a build of a package.
type Build struct {
	ID        int64
	NVR       string
	State     BuildState
	Owner     string
	TaskID    int64 // 0: it was imported
	Completed time.Time
}

// BuildState is what has become of a build.
type BuildState int64

// The states of a build.
const (
	Building BuildState = iota
	BuildComplete
	BuildDeleted
	BuildFailed
	BuildCanceled
)

// String returns the state in a word.
func (s BuildState) String() string {
	return nameOf(int64(s), "building", "complete", "deleted", "failed", "canceled")
}

func buildOf(v any) (*Build, error) {
	f := fieldsOf("build", v)
	return &Build{
		ID:        f.int("id"),
		NVR:       f.text("nvr"),
		State:     BuildState(f.int("state")),
		Owner:     f.text("owner_name"),
		TaskID:    f.int("task_id"),
		Completed: f.time("completion_ts"),
	}, f.err
}

// Task is a piece of work for the hub's builders.
type Task struct {
	ID        int64
	Parent    int64 // 0: none
	Method    string
	Arch      string
	State     TaskState
	Created   time.Time
	Started   time.Time // zero: not yet
	Completed time.Time // zero: not yet
}

// TaskState is how far a task has come.
type TaskState int64

// The states of a task.
const (
	TaskFree TaskState = iota
	TaskOpen
	TaskClosed
	TaskCanceled
	TaskAssigned
	TaskFailed
)

// String returns the state in a word.
func (s TaskState) String() string {
	return nameOf(int64(s), "free", "open", "closed", "canceled", "assigned", "failed")
}

// Done reports whether the task will not change any more.
func (s TaskState) Done() bool { return s == TaskClosed || s == TaskCanceled || s == TaskFailed }

func taskOf(v any) (*Task, error) {
	f := fieldsOf("task", v)
	return &Task{
		ID:        f.int("id"),
		Parent:    f.int("parent"),
		Method:    f.text("method"),
		Arch:      f.text("arch"),
		State:     TaskState(f.int("state")),
		Created:   f.time("create_ts"),
		Started:   f.time("start_ts"),
		Completed: f.time("completion_ts"),
	}, f.err
}

func tasksOf(list []any) ([]Task, error) {
	tasks := make([]Task, 0, len(list))
	for _, item := range list {
		t, err := taskOf(item)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, *t)
	}
	return tasks, nil
}

// TaskFilter says which tasks to list. Zero values do not restrict.
type TaskFilter struct {
	States []TaskState
	Method string
	Limit  int // the newest so many
}

func (f TaskFilter) options() map[string]any {
	options := make(map[string]any)
	if f.Method != "" {
		options["method"] = f.Method
	}
	if len(f.States) > 0 {
		states := make([]any, 0, len(f.States))
		for _, s := range f.States {
			states = append(states, int64(s))
		}
		options["state"] = states
	}
	return options
}

func (f TaskFilter) query() map[string]any {
	query := map[string]any{"order": "-id"}
	if f.Limit > 0 {
		query["limit"] = f.Limit
	}
	return query
}

func nameOf(state int64, names ...string) string {
	if state < 0 || state >= int64(len(names)) {
		return fmt.Sprintf("state %d", state)
	}
	return names[state]
}
