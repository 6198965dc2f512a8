package main

// The life of one control plane: start, answer commands, stop.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
)

type options struct {
	bin, dir          string
	controllerManager bool
	stay, remove      bool
	apiserverArgs     []string
	node              *machineNode // nil: there is none
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	flags.StringVar(&o.bin, "bin", "", "where the programs are (default: beside this one)")
	flags.StringVar(&o.dir, "dir", "", "an empty or new directory for state, keys, kubeconfig and logs")
	flags.BoolVar(&o.controllerManager, "controller-manager", false,
		"also run garbage collection, namespace deletion, default service accounts and role aggregation")
	flags.BoolVar(&o.stay, "stay", false, "stay when standard input closes; only a signal ends it")
	flags.BoolVar(&o.remove, "remove", false, "remove --dir when standard input closes")
	packages := flags.String("node", "", "also run a node that runs pods; the folder with containerd, runc and the CNI plugins")
	var images []string
	flags.Func("image", "an archive of an image for the node; may be repeated", func(path string) error {
		images = append(images, path)
		return nil
	})
	flags.Func("apiserver-arg", "one more argument for kube-apiserver; may be repeated", func(arg string) error {
		o.apiserverArgs = append(o.apiserverArgs, arg)
		return nil
	})
	flags.Parse(args)
	if o.dir == "" {
		return o, errors.New("serve needs --dir")
	}
	if o.bin == "" {
		self, err := os.Executable()
		if err != nil {
			return o, err
		}
		o.bin = filepath.Dir(self)
	}
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return o, err
	}
	if *packages != "" {
		o.controllerManager = true
		o.node = &machineNode{
			images: images, dir: filepath.Join(o.dir, "node"), cgroup: filepath.Base(o.dir),
		}
		if o.node.packages, err = filepath.Abs(*packages); err != nil {
			return o, err
		}
	}
	return o, nil
}

// emptyDirectory refuses leftovers: a control plane that inherits objects proves nothing.
func emptyDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	}
	return nil
}

func serve(args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	if o.node == nil || os.Getenv(stageVariable) == "" {
		if err := emptyDirectory(o.dir); err != nil {
			return err
		}
	}
	if o.node != nil {
		if done, err := inNamespaces(o.dir, o.node.cgroup); done || err != nil {
			return err
		}
		if err := o.node.network(); err != nil {
			return err
		}
	}
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer end()
	commands := make(chan string)
	var closed atomic.Bool
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			commands <- lines.Text()
		}
		closed.Store(true)
		if !o.stay {
			end()
		}
	}()

	plane, err := newControlPlane(o)
	if err != nil {
		return err
	}
	defer func() {
		plane.stopAll(0)
		if o.remove && closed.Load() && !plane.keep {
			os.RemoveAll(o.dir)
		}
	}()
	if err := plane.startAll(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	answer(map[string]any{
		"ready": true, "kubeconfig": plane.kubeconfig, "server": plane.server, "ca": plane.ca.path("ca.crt"), "pids": plane.pids(),
	})
	for {
		select {
		case <-ctx.Done():
			return nil
		case command := <-commands:
			if url, found := strings.CutPrefix(command, "get "); found {
				status, body := plane.get(ctx, url)
				answer(map[string]any{"done": command, "status": status, "body": body})
			} else if err := plane.obey(ctx, command); err != nil {
				answer(map[string]any{"error": err.Error()})
			} else {
				answer(map[string]any{"done": command, "pids": plane.pids()})
			}
		case p := <-plane.died:
			if p.running() && p.hasExited() {
				return fmt.Errorf("%s ended by itself; %s", p.name, p.lastWords())
			}
		}
	}
}

func answer(line map[string]any) {
	json.NewEncoder(os.Stdout).Encode(line)
}

func (plane *controlPlane) obey(ctx context.Context, command string) error {
	verb, name, _ := strings.Cut(strings.TrimSpace(command), " ")
	switch verb {
	case "start", "stop":
		for _, c := range plane.components {
			if c.name != name {
				continue
			}
			if verb == "start" {
				return plane.start(ctx, c)
			}
			c.stop(stopGrace)
			return nil
		}
		return fmt.Errorf("%q does not run here", name)
	case "keep":
		plane.keep = true
		return nil
	case "snapshot":
		return plane.whileStopped(ctx, func() error { return os.CopyFS(plane.snapshot(name), os.DirFS(plane.data)) })
	case "restore":
		if _, err := os.Stat(plane.snapshot(name)); err != nil {
			return err
		}
		return plane.whileStopped(ctx, func() error {
			if err := os.RemoveAll(plane.data); err != nil {
				return err
			}
			return os.CopyFS(plane.data, os.DirFS(plane.snapshot(name)))
		})
	}
	return fmt.Errorf("unknown command %q", command)
}

// get reads a URL from inside the network namespace of a node. Without an answer, the body is the reason.
func (plane *controlPlane) get(ctx context.Context, url string) (int, string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	response, err := plane.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

func (plane *controlPlane) snapshot(label string) string {
	return filepath.Join(plane.dir, "snapshots", filepath.Base(label))
}

func (plane *controlPlane) whileStopped(ctx context.Context, work func() error) error {
	plane.stopAll(stopGrace)
	if err := work(); err != nil {
		return err
	}
	return plane.startAll(ctx)
}
