package koji

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
)

// caller makes a call: a Client or a Session.
type caller interface {
	call(ctx context.Context, method string, args []any) (any, error)
}

// API has the hub's methods. An error that the hub returned is a [*Fault], one of a proxy before it a [*StatusError];
// errors of the connection are the transport's.
type API struct{ caller caller }

// Call makes any call. Arguments and result are of the types that package xmlrpc lists: int64, float64, bool, string,
// []byte, time.Time, nil, []any and map[string]any.
func (a API) Call(ctx context.Context, method string, args ...any) (any, error) {
	return a.caller.call(ctx, method, args)
}

// APIVersion returns the version of the hub's API.
func (a API) APIVersion(ctx context.Context) (int64, error) {
	return as[int64](a.Call(ctx, "getAPIVersion"))
}

// Build returns the build with that name, version and release: "bash-5.2.26-3.fc40".
func (a API) Build(ctx context.Context, nvr string) (*Build, error) {
	return found(buildOf, nvr)(a.Call(ctx, "getBuild", nvr))
}

// Tasks lists tasks.
func (a API) Tasks(ctx context.Context, filter TaskFilter) ([]Task, error) {
	list, err := as[[]any](a.Call(ctx, "listTasks", filter.options(), filter.query()))
	if err != nil {
		return nil, err
	}
	return tasksOf(list)
}

// TaskInfo returns a task.
func (a API) TaskInfo(ctx context.Context, id int64) (*Task, error) {
	return found(taskOf, id)(a.Call(ctx, "getTaskInfo", id))
}

// TaskResult returns the result of a task that is closed. That of a failed task is the fault that it failed with.
func (a API) TaskResult(ctx context.Context, id int64) (any, error) {
	return a.Call(ctx, "getTaskResult", id)
}

// TaskFamily returns a task and all tasks below it, in the order of their ids.
func (a API) TaskFamily(ctx context.Context, id int64) ([]Task, error) {
	results, err := a.MultiCall(ctx, Invocation{"getTaskInfo", []any{id}}, Invocation{"getTaskDescendents", []any{id}})
	if err != nil {
		return nil, err
	}
	top, err := found(taskOf, id)(results[0].Value, results[0].Err)
	if err != nil {
		return nil, err
	}
	children, err := as[map[string]any](results[1].Value, results[1].Err) // by the id of their parent
	if err != nil {
		return nil, err
	}
	family := []Task{*top}
	for parent, list := range children {
		list, err := as[[]any](list, nil)
		if err != nil {
			return nil, fmt.Errorf("children of task %s: %w", parent, err)
		}
		tasks, err := tasksOf(list)
		if err != nil {
			return nil, err
		}
		family = append(family, tasks...)
	}
	slices.SortFunc(family, func(a, b Task) int { return int(a.ID - b.ID) })
	return family, nil
}

// TaskOutputs lists the names of a task's files.
func (a API) TaskOutputs(ctx context.Context, id int64) ([]string, error) {
	list, err := as[[]any](a.Call(ctx, "listTaskOutput", id))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list))
	for _, item := range list {
		name, err := as[string](item, nil)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// TaskOutput returns at most size bytes of one of a task's files, from offset; none at its present end.
func (a API) TaskOutput(ctx context.Context, id int64, name string, offset, size int64) ([]byte, error) {
	text, err := as[string](a.Call(ctx, "downloadTaskOutput", id, name, offset, size)) // not XML-RPC's own base64
	if err != nil {
		return nil, err
	}
	chunk, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("koji: %s of task %d: %w", name, id, err)
	}
	return chunk, nil
}

// StartBuild has a source built for a target and returns the task that does it. If it fails with anything but a Fault,
// the task may have been made: look for it before trying again.
func (s *Session) StartBuild(ctx context.Context, source, target string) (task int64, err error) {
	return as[int64](s.Call(ctx, "build", source, target))
}

// Invocation is one call of a MultiCall.
type Invocation struct {
	Method string
	Args   []any
}

// Result is what became of it. Err is a [*Fault] or nil.
type Result struct {
	Value any
	Err   error
}

// MultiCall makes several calls in one. Each has a result of its own, in the same order.
func (a API) MultiCall(ctx context.Context, calls ...Invocation) ([]Result, error) {
	list := make([]any, 0, len(calls))
	for _, c := range calls {
		list = append(list, map[string]any{"methodName": c.Method, "params": append([]any{}, c.Args...)})
	}
	answers, err := as[[]any](a.Call(ctx, "multiCall", list))
	if err != nil {
		return nil, err
	}
	if len(answers) != len(calls) {
		return nil, fmt.Errorf("koji: multiCall: %d results for %d calls", len(answers), len(calls))
	}
	results := make([]Result, 0, len(answers))
	for i, answer := range answers {
		r, err := resultOf(answer)
		if err != nil {
			return nil, fmt.Errorf("koji: multiCall: %s: %w", calls[i].Method, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// resultOf takes apart one answer of a multiCall: a list with the result in it, or a fault.
func resultOf(answer any) (Result, error) {
	if list, ok := answer.([]any); ok && len(list) == 1 {
		return Result{Value: list[0]}, nil
	}
	f := fieldsOf("result", answer)
	fault := &Fault{Code: FaultCode(f.int("faultCode")), Message: f.text("faultString")}
	if f.err != nil {
		return Result{}, f.err
	}
	return Result{Err: fault}, nil
}

// as is a result as the type that it should have.
func as[T any](result any, err error) (T, error) {
	typed, ok := result.(T)
	if err == nil && !ok {
		err = fmt.Errorf("koji: the result is a %T, not a %T", result, typed)
	}
	return typed, err
}

// found takes a result apart that is nil if the hub does not know what was asked for.
func found[T, K any](parse func(any) (*T, error), key K) func(any, error) (*T, error) {
	return func(result any, err error) (*T, error) {
		switch {
		case err != nil:
			return nil, err
		case result == nil:
			return nil, fmt.Errorf("koji: %v: %w", key, ErrNotFound)
		}
		return parse(result)
	}
}
