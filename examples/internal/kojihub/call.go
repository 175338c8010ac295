package kojihub

import (
	"time"

	"github.com/ttlpool/ttlpool/examples/internal/xmlrpc"
)

// call is one call while it is run, with Hub.mu held.
type call struct {
	hub     *Hub
	now     time.Time
	session *session // or nil
	number  int64    // in its session; -1: none
	wrote   bool     // it has changed something
}

// method is one method of the API.
type method struct {
	run    func(*call, []any) (any, error)
	writes bool // and so needs a session
}

var methods = map[string]method{
	"getAPIVersion":      {run: (*call).getAPIVersion},
	"echo":               {run: (*call).echo},
	"getLoggedInUser":    {run: (*call).getLoggedInUser},
	"getBuild":           {run: (*call).getBuild},
	"listTasks":          {run: (*call).listTasks},
	"getTaskInfo":        {run: (*call).getTaskInfo},
	"getTaskDescendents": {run: (*call).getTaskDescendents},
	"getTaskResult":      {run: (*call).getTaskResult},
	"listTaskOutput":     {run: (*call).listTaskOutput},
	"downloadTaskOutput": {run: (*call).downloadTaskOutput},
	"login":              {run: (*call).login},
	"logout":             {run: (*call).logout, writes: true},
	"build":              {run: (*call).build, writes: true},
}

func (c *call) runLocked(name string, args []any) (any, error) {
	if name == "multiCall" {
		return c.multiCall(args)
	}
	m, ok := methods[name]
	switch {
	case !ok:
		return nil, fault(genericError, "Invalid method: %s", name)
	case m.writes && c.session == nil:
		return nil, fault(actionNotAllowed, "%s needs a session", name)
	}
	result, err := m.run(c, args)
	c.wrote = c.wrote || m.writes && err == nil
	return result, err
}

// multiCall answers each call with a list of its result, or with its fault.
func (c *call) multiCall(args []any) (any, error) {
	calls, err := argument[[]any](args, 0, "calls")
	if err != nil {
		return nil, err
	}
	answers := make([]any, 0, len(calls))
	for _, one := range calls {
		fields, _ := one.(map[string]any)
		name, _ := fields["methodName"].(string)
		params, _ := fields["params"].([]any)
		if name == "multiCall" {
			name += " in a multiCall"
		}
		result, err := c.runLocked(name, params)
		if f, refused := err.(*xmlrpc.Fault); refused {
			answers = append(answers, map[string]any{"faultCode": f.Code, "faultString": f.String})
			continue
		}
		answers = append(answers, []any{result})
	}
	return answers, nil
}

// argument returns one of a call's arguments.
func argument[T any](args []any, i int, name string) (T, error) {
	var arg T
	if i >= len(args) {
		return arg, fault(parameterError, "missing argument: %s", name)
	}
	arg, ok := args[i].(T)
	if !ok {
		return arg, fault(parameterError, "%s is a %T, not a %T", name, args[i], arg)
	}
	return arg, nil
}

// optional is argument with a value for one that is not there.
func optional[T any](args []any, i int, name string, otherwise T) (T, error) {
	if i >= len(args) || args[i] == nil {
		return otherwise, nil
	}
	return argument[T](args, i, name)
}

func (c *call) getAPIVersion([]any) (any, error) { return int64(1), nil }

func (c *call) echo(args []any) (any, error) { return append([]any{}, args...), nil }

func (c *call) getLoggedInUser([]any) (any, error) {
	if c.session == nil {
		return nil, nil
	}
	return map[string]any{"name": c.session.user}, nil
}
