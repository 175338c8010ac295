package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/ttlpool/ttlpool/examples/internal/kojihub"
	"github.com/ttlpool/ttlpool/examples/kojiclient/koji"
)

// demo is a hub within this program that builds something. It closes connections at just the time at which it is asked
// again, which is what ttlpool is for.
type demo struct {
	hub  *kojihub.Server
	task int64
}

const (
	demoKeepAlive = time.Second
	demoUnit      = time.Second / 2 // of a build, which takes twelve
	demoSource    = "git+https://src.example.org/rpms/hello-2.12-1.fc44"
)

func startDemo(ctx context.Context) (*demo, error) {
	hub, err := kojihub.Listen(kojihub.New(demoUnit), demoKeepAlive)
	if err != nil {
		return nil, err
	}
	d := &demo{hub: hub}
	if d.task, err = startBuild(ctx, hub.URL); err != nil {
		hub.Close()
		return nil, err
	}
	return d, nil
}

// startBuild logs in, has the source built, and logs out.
func startBuild(ctx context.Context, hub string) (task int64, err error) {
	client, err := koji.New(hub, nil)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	session, err := client.Login(ctx, "packager", kojihub.Password)
	if err != nil {
		return 0, err
	}
	if task, err = session.StartBuild(ctx, demoSource, "f44"); err != nil {
		return 0, err
	}
	return task, session.Logout(ctx)
}

// configure makes a command be about the demonstration where nothing else was asked for.
func (d *demo) configure(cfg *config) {
	cfg.hub = d.hub.URL
	cfg.timeout = cmp.Or(cfg.timeout, demoKeepAlive)
	cfg.poll = cmp.Or(cfg.poll, time.Second)
	if cfg.arg == "" {
		cfg.arg = fmt.Sprint(d.task)
		if cfg.command.name == "build" {
			cfg.arg = "hello-2.12-1.fc44"
		}
	}
}

func (d *demo) String() string {
	return fmt.Sprintf("The hub at %s closes idle connections after %v. Task %d builds there.", d.hub.URL, demoKeepAlive, d.task)
}
