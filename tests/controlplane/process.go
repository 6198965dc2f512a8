package main

// One child process: its log, its end, the last words of its log.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

type process struct {
	name string
	path string
	args []string
	log  string
	env  []string // besides those of the launcher

	cmd    *exec.Cmd     // nil while it does not run
	exited chan struct{} // closed when it ended
}

func (p *process) running() bool { return p.cmd != nil }

// start reports on died if the process ends; whether that was meant is for the receiver to know.
func (p *process) start(died chan<- *process) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir = filepath.Dir(p.log)
	cmd.Stdout, cmd.Stderr = log, log
	if p.env != nil {
		cmd.Env = append(os.Environ(), p.env...)
	}
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		cmd.Wait() // how it ended stands in its log
		close(exited)
		died <- p
	}()
	return nil
}

// stop asks, waits for the grace period, then kills.
func (p *process) stop(grace time.Duration) {
	if !p.running() {
		return
	}
	if grace > 0 {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(grace):
		}
	}
	p.cmd.Process.Kill()
	<-p.exited
	p.cmd = nil
}

func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *process) lastWords() string {
	const lines = 20
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return fmt.Sprintf("the end of %s:\n%s", p.log, bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
