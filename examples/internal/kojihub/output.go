package kojihub

import (
	"encoding/base64"
	"fmt"
	"path"
)

const logName = "build.log"

func (c *call) listTaskOutput(args []any) (any, error) {
	t, err := c.knownTask(args)
	if err != nil {
		return nil, err
	}
	if !t.step.logs || t.state(c.now) == taskFree {
		return []any{}, nil
	}
	return []any{logName}, nil
}

// downloadTaskOutput returns a piece of a file as text in base64, as hubs do; a negative size is the rest of it.
func (c *call) downloadTaskOutput(args []any) (any, error) {
	t, err := c.knownTask(args)
	if err != nil {
		return nil, err
	}
	name, err := argument[string](args, 1, "fileName")
	if err != nil {
		return nil, err
	}
	offset, err := optional(args, 2, "offset", int64(0))
	if err != nil {
		return nil, err
	}
	size, err := optional(args, 3, "size", int64(-1))
	if err != nil {
		return nil, err
	}
	if name != logName || !t.step.logs {
		return nil, fault(genericError, "no file %q output by task %d", name, t.id)
	}
	text := t.log(c.now)
	text = text[min(max(offset, 0), int64(len(text))):]
	if size >= 0 {
		text = text[:min(size, int64(len(text)))]
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}

// getBuild finds a build by its name, version and release: the last part of the source that it was built from.
func (c *call) getBuild(args []any) (any, error) {
	nvr, err := argument[string](args, 0, "buildInfo")
	if err != nil {
		return nil, err
	}
	for _, t := range c.hub.tasks {
		if t.parent == 0 && path.Base(t.source) == nvr {
			return t.buildInfo(c), nil
		}
	}
	return nil, nil
}

func (t *task) buildInfo(c *call) map[string]any {
	states := map[int64]int64{taskFree: 0, taskOpen: 0, taskClosed: 1, taskFailed: 3}
	info := map[string]any{
		"id": t.id - firstTask + 1, "nvr": path.Base(t.source), "task_id": t.id, "owner_name": "packager",
		"state": states[t.state(c.now)], "epoch": nil, "completion_ts": nil, "source": fmt.Sprint("git+", t.source),
	}
	if done := t.at(t.step.completed); !c.now.Before(done) {
		info["completion_ts"] = seconds(done)
	}
	return info
}
