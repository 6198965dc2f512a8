package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// said is what the programs really say, each in its own way.
var said = map[string]string{
	"etcd":           "etcd Version: %s\nGit SHA: 12345678\nGo Version: go1.26.0\n",
	"kube-apiserver": "Kubernetes v%s\n",
	"kubectl":        "Client Version: v%s\nKustomize Version: v5.7.1\n",
}

// onPath makes programs of these versions, and a PATH that has no others.
func onPath(t *testing.T, versions map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, version := range versions {
		script := "#!/bin/sh\nprintf '" + strings.ReplaceAll(fmt.Sprintf(said[name], version), "\n", "\\n") + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestFromPath(t *testing.T) {
	for _, c := range []struct {
		etcd, server, kubectl string
		taken                 bool
	}{
		{"3.6.4", "1.37.2", "1.37.0", true},
		{"3.6.4", "1.33.0", "1.34.9", true},
		{"4.0.0", "1.38.1", "1.37.1", true},
		{"3.5.21", "1.37.2", "1.37.2", false}, // an old etcd
		{"3.6.4", "1.32.9", "1.32.9", false},  // a server below the chart's oldest
		{"3.6.4", "1.37.2", "1.35.9", false},  // a client two versions behind its server
		{"3.6.4", "1.37.2", "", false},        // one is missing
		{"3.6.4", "devel", "1.37.2", false},   // no version
	} {
		versions := map[string]string{"etcd": c.etcd, "kube-apiserver": c.server}
		if c.kubectl != "" {
			versions["kubectl"] = c.kubectl
		}
		onPath(t, versions)
		names := slices.Sorted(maps.Keys(fromPath("v1.37.2")))
		wanted := []string{}
		if c.taken {
			wanted = []string{"etcd", "kube-apiserver", "kubectl"}
		}
		if !slices.Equal(names, wanted) {
			t.Errorf("%v: took %v", c, names)
		}
	}
}

func TestInstalledTakesTheBundleOfThisMachineAndVersion(t *testing.T) {
	folder := t.TempDir()
	bundle := func(version, arch string) string {
		return filepath.Join(folder, "k8s", version+"-"+runtime.GOOS+"-"+arch)
	}
	for _, dir := range []string{bundle("1.37.1", runtime.GOARCH), bundle("1.36.2", runtime.GOARCH), bundle("1.37.9", "z80")} {
		os.MkdirAll(dir, 0o755)
		for name := range said {
			os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755)
		}
	}
	given, ok := installed(folder, version{1, 37})
	if wanted := filepath.Join(bundle("1.37.1", runtime.GOARCH), "etcd"); !ok || given["etcd"] != wanted {
		t.Errorf("%v %v", given, ok)
	}
	os.Remove(filepath.Join(bundle("1.37.1", runtime.GOARCH), "kubectl"))
	if given, ok := installed(folder, version{1, 37}); ok {
		t.Errorf("took an incomplete bundle: %v", given)
	}
}

func TestLastLineIsTheReason(t *testing.T) {
	text := "go: downloading example.com v1\nunable to fetch index: dial tcp: no route\nexit status 2\n"
	if last := lastLine(text); last != "unable to fetch index: dial tcp: no route" {
		t.Error(last)
	}
}

func TestAnnouncementCountsOnlyWhatIsBuilt(t *testing.T) {
	got := announcement(programs[:shown], 2)
	if got != "control plane: building etcd, kube-apiserver, kubectl from source, once; it takes up to 8 min on 2 cores" {
		t.Error(got)
	}
}

func TestProgressCountsAndShowsOneLine(t *testing.T) {
	start := time.Now()
	for _, terminal := range []bool{true, false} {
		var out bytes.Buffer
		p := newProgress(&out, terminal, "control plane: 1 of 3, etcd v3.6.4", start)
		p.own = start
		p.show(start)
		p.Write([]byte("go: downloading a.example v1.0.0\ngo: down"))
		p.Write([]byte("loading b.example v1.0.0\n"))
		p.show(start.Add(3 * time.Second))
		p.Write([]byte("a.example/pkg\nb.example/p-k_g.v2\nio\n# b.example/cmd\nmain.go:1:1: undefined: x\nno line end"))
		p.show(start.Add(75 * time.Second))
		p.finish(start.Add(80 * time.Second))
		lines := []string{
			"control plane: 1 of 3, etcd v3.6.4: starting, 0s",
			"control plane: 1 of 3, etcd v3.6.4: 2 modules downloaded, 3s",
			"control plane: 1 of 3, etcd v3.6.4: 3 packages compiled, 1m15s",
		}
		end := "# b.example/cmd\nmain.go:1:1: undefined: x\nno line end\ncontrol plane: 1 of 3, etcd v3.6.4: 1m20s\n"
		wanted := strings.Join(lines, "\n") + "\n" + end
		if terminal {
			wanted = "\r" + strings.Join(lines, "\x1b[K\r") + "\x1b[K\r\x1b[K" + end
		}
		if out.String() != wanted {
			t.Errorf("%q\n%q", out.String(), wanted)
		}
	}
}

func TestALongLineIsCutOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, true, strings.Repeat("x", 200), time.Now())
	p.show(time.Now())
	if got := len(strings.Trim(out.String(), "\r\x1b[K")); got != lineWidth {
		t.Error(got)
	}
}
