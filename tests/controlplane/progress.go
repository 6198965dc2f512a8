package main

// The output while a program is built: one line at a time, rewritten on a terminal, repeated every 15 seconds in a
// pipe. It takes the output of "go build -v", which names the modules that it downloads and the packages that it compiles.

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"time"
)

const (
	terminalInterval = time.Second
	pipeInterval     = 15 * time.Second
	lineWidth        = 79 // a longer line would wrap, and could not be rewritten
)

type progress struct {
	to         io.Writer
	terminal   bool
	label      string
	own, total time.Time // when this program's build started, and the first one's
	stop, done chan struct{}

	mu         sync.Mutex
	unfinished []byte // the last line, until its end arrives
	downloads  int
	packages   int
	rest       [][]byte // lines that people have to see
}

var importPath = regexp.MustCompile(`^[\w.~/+-]+$`)

// showProgress begins to show a build. It writes nothing after end.
func showProgress(label string, total time.Time) *progress {
	p := newProgress(os.Stderr, isTerminal(os.Stderr), label, total)
	interval := pipeInterval
	if p.terminal {
		interval = terminalInterval
	}
	go func() {
		defer close(p.done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.show(time.Now())
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

func newProgress(to io.Writer, terminal bool, label string, total time.Time) *progress {
	return &progress{
		to: to, terminal: terminal, label: label, own: time.Now(), total: total,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
}

func isTerminal(file *os.File) bool {
	status, err := file.Stat()
	return err == nil && status.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// Write takes what the compiler says.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unfinished = append(p.unfinished, text...)
	for {
		line, after, ended := bytes.Cut(p.unfinished, []byte("\n"))
		if !ended {
			return len(text), nil
		}
		switch {
		case bytes.HasPrefix(line, []byte("go: downloading ")):
			p.downloads++
		case importPath.Match(line):
			p.packages++
		default:
			p.rest = append(p.rest, bytes.Clone(line))
		}
		p.unfinished = after
	}
}

func (p *progress) line(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := "starting"
	switch {
	case p.packages > 0:
		state = fmt.Sprintf("%d packages compiled", p.packages)
	case p.downloads > 0:
		state = fmt.Sprintf("%d modules downloaded", p.downloads)
	}
	return fmt.Sprintf("%s: %s, %s", p.label, state, since(p.total, now))
}

func (p *progress) show(now time.Time) {
	line := p.line(now)
	if p.terminal {
		fmt.Fprintf(p.to, "\r%s\x1b[K", line[:min(len(line), lineWidth)])
	} else {
		fmt.Fprintln(p.to, line)
	}
}

// end stops showing, and prints how long the build took, and the lines that are neither a download nor a package.
func (p *progress) end() {
	close(p.stop)
	<-p.done
	p.finish(time.Now())
}

func (p *progress) finish(now time.Time) {
	if p.terminal {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
	for _, line := range append(p.rest, p.unfinished) {
		if len(line) > 0 {
			fmt.Fprintf(p.to, "%s\n", line)
		}
	}
	fmt.Fprintf(p.to, "%s: %s\n", p.label, since(p.own, now))
}

func since(start, now time.Time) time.Duration {
	return now.Sub(start).Round(time.Second)
}
