package main

// The demo takes the programs that are there before it builds any: those of PATH in a version that fits, or the bundle
// that setup-envtest of controller-runtime fetches in seconds. Tests use the pinned versions, or KUBEBUILDER_ASSETS.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	// Its module path and version; the checksum database vouches for them.
	setupEnvtest = "sigs.k8s.io/controller-runtime/tools/setup-envtest@v0.25.1"
	fetchTimeout = 90 * time.Second // after that, building is the faster way
	oldestServer = 33               // the minor version of Kubernetes that the chart requires
	oldestEtcd   = 6                // 3.6: Kubernetes 1.34 and newer need it
)

// version is a major and a minor number.
type version struct{ major, minor int }

var versionNumber = regexp.MustCompile(`\bv?(\d+)\.(\d+)\.\d+`)

// parseVersion finds the first version number in what a program says.
func parseVersion(said string) (version, bool) {
	found := versionNumber.FindStringSubmatch(said)
	if found == nil {
		return version{}, false
	}
	major, _ := strconv.Atoi(found[1])
	minor, _ := strconv.Atoi(found[2])
	return version{major, minor}, true
}

// fits tells whether a program of the demo can be used in a version, with a server of another one.
func fits(name string, v, server version) bool {
	switch name {
	case "etcd":
		return v.major > 3 || v.major == 3 && v.minor >= oldestEtcd
	case "kube-apiserver":
		return v.major == 1 && v.minor >= oldestServer
	case "kubectl": // Kubernetes' own rule for clients
		return v.major == server.major && max(v.minor-server.minor, server.minor-v.minor) <= 1
	}
	return false
}

var versionArgs = map[string][]string{
	"etcd": {"--version"}, "kube-apiserver": {"--version"}, "kubectl": {"version", "--client"},
}

// findPrograms are those of the demo that need not be built. It says on standard error where each comes from.
func findPrograms(out, pinned string) map[string]string {
	if given := fromPath(pinned); len(given) > 0 {
		return given
	}
	server, ok := parseVersion(pinned)
	if !ok {
		return nil
	}
	folder := filepath.Join(out, "envtest")
	if fetched, ok := installed(folder, server); ok {
		return fetched
	}
	fetched, err := fetch(folder, server)
	if err != nil {
		fmt.Fprintf(os.Stderr, "control plane: setup-envtest fetched nothing, so they are built instead: %s\n", err)
		return nil
	}
	return fetched
}

// fromPath has all three, or none: they have to fit each other.
func fromPath(pinned string) map[string]string {
	server, _ := parseVersion(pinned)
	given := map[string]string{}
	for _, p := range programs[:shown] {
		path, err := exec.LookPath(p.name)
		if err != nil {
			return nil
		}
		said, err := exec.Command(path, versionArgs[p.name]...).Output()
		v, ok := parseVersion(string(said))
		if err != nil || !ok || !fits(p.name, v, server) {
			fmt.Fprintf(os.Stderr, "control plane: not using %s of PATH: its version does not fit\n", path)
			return nil
		}
		if p.name == "kube-apiserver" {
			server = v
		}
		given[p.name] = path
	}
	return given
}

// installed are the programs that an earlier run fetched.
func installed(folder string, server version) (map[string]string, bool) {
	bundle := fmt.Sprintf("%d.%d.*-%s-%s", server.major, server.minor, runtime.GOOS, runtime.GOARCH)
	found, err := filepath.Glob(filepath.Join(folder, "k8s", bundle))
	if err != nil || len(found) == 0 {
		return nil, false
	}
	given, err := givenPrograms(found[len(found)-1])
	return given, err == nil
}

// fetch has setup-envtest download the newest bundle of the pinned minor version.
func fetch(folder string, server version) (map[string]string, error) {
	selector := fmt.Sprintf("%d.%d.x", server.major, server.minor)
	fmt.Fprintf(os.Stderr, "control plane: fetching etcd, kube-apiserver and kubectl %s by setup-envtest (at most %s)\n",
		selector, fetchTimeout)
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	var said strings.Builder
	cmd := exec.CommandContext(ctx, "go", "run", setupEnvtest, "use", selector, "--bin-dir", folder, "--print", "path")
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second // "go run" leaves its child, which holds the pipe
	assets, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("no result after %s", fetchTimeout)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, lastLine(said.String()))
	}
	return givenPrograms(strings.TrimSpace(string(assets)))
}

// lastLine leaves out the status with which "go run" ends.
func lastLine(said string) string {
	last := ""
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "exit status ") && !strings.HasPrefix(line, "go: downloading ") {
			last = line
		}
	}
	return last
}
