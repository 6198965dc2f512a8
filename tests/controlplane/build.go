package main

// Building takes minutes, so it happens once: the directory is named after a hash of what decides the outcome, and
// what stands in it under its final name is complete (built beside it, then renamed). A build that was interrupted
// goes on where it stopped; a second caller waits for the first.

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A program that go.mod pins with a tool directive.
type program struct {
	name   string
	pkg    string
	module string
	// Variables that the linker sets; the programs would call themselves "v0.0.0-master" otherwise.
	versionVars func(version string) []string
	// How long one core compiles it after those before it in the list, downloads included.
	coreSeconds int
}

// The first three are all that the demo shows.
const shown = 3

var programs = []program{
	{"etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", nil, 100},
	{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes", kubernetesVersion, 680},
	{"kubectl", "k8s.io/kubernetes/cmd/kubectl", "k8s.io/kubernetes", kubernetesVersion, 120},
	{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "k8s.io/kubernetes", kubernetesVersion, 180},
	{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "k8s.io/kubernetes", kubernetesVersion, 60},
	{"kubelet", "k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes", kubernetesVersion, 240},
	{"helm", "helm.sh/helm/v4/cmd/helm", "helm.sh/helm/v4", helmVersion, 180},
}

func kubernetesVersion(version string) []string {
	number := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	var vars []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		vars = append(vars,
			pkg+".gitVersion="+version, pkg+".gitMajor="+number[0], pkg+".gitMinor="+number[1],
			pkg+".gitCommit=unknown", pkg+".gitTreeState=clean")
	}
	return vars
}

func helmVersion(version string) []string {
	return []string{"helm.sh/helm/v4/internal/version.version=" + version}
}

// build is run in the directory of this module: "go run . build".
func build(args []string) error {
	flags := flag.NewFlagSet("build", flag.ExitOnError)
	out := flags.String("out", "", "directory to build into")
	demo := flags.Bool("demo", false, "only the programs of the demo, found on this machine or fetched where that is possible")
	flags.Parse(args)
	if *out == "" {
		return errors.New("build needs --out")
	}
	goMod, err := os.ReadFile("go.mod")
	if err != nil {
		return fmt.Errorf("run this where its go.mod is: %w", err)
	}
	goSum, err := os.ReadFile("go.sum")
	if err != nil {
		return err
	}
	given, err := givenPrograms(os.Getenv("KUBEBUILDER_ASSETS"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(*out, "lock"))
	if err != nil {
		return err
	}
	defer unlock()

	wanted, link := programs, "bin"
	if *demo {
		wanted, link = programs[:shown], "demo"
		built := missing(filepath.Join(*out, key(goMod, goSum, nil)), wanted)
		if len(given) == 0 && len(built) > 0 {
			given = findPrograms(*out, requiredVersion(string(goMod), "k8s.io/kubernetes"))
		}
	}
	dir := filepath.Join(*out, key(goMod, goSum, given))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := buildMissing(dir, string(goMod), given, wanted); err != nil {
		return err
	}
	// Those of this module itself change more often than go.mod.
	for name, pkg := range map[string]string{"controlplane": ".", "reader": "./reader", "pause": "./pause"} {
		if *demo && name != "controlplane" {
			continue
		}
		if err := goBuild(filepath.Join(dir, name), pkg, nil, os.Stderr); err != nil {
			return err
		}
	}
	return pointTo(filepath.Join(*out, link), filepath.Base(dir))
}

// givenPrograms are those that the caller brings along, in the variable that other Kubernetes projects use for it.
func givenPrograms(assets string) (map[string]string, error) {
	given := map[string]string{}
	if assets == "" {
		return given, nil
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		path, err := exec.LookPath(filepath.Join(assets, name))
		if err != nil {
			return nil, fmt.Errorf("KUBEBUILDER_ASSETS=%s must hold etcd, kube-apiserver and kubectl: %w", assets, err)
		}
		if given[name], err = filepath.Abs(path); err != nil {
			return nil, err
		}
	}
	return given, nil
}

func key(goMod, goSum []byte, given map[string]string) string {
	hash := sha256.New()
	hash.Write(goMod)
	hash.Write(goSum)
	for _, p := range programs {
		fmt.Fprintln(hash, given[p.name])
	}
	return fmt.Sprintf("%x", hash.Sum(nil))[:16]
}

// missing are the programs that a directory does not have.
func missing(dir string, wanted []program) []program {
	var missing []program
	for _, p := range wanted {
		if _, err := os.Stat(filepath.Join(dir, p.name)); err != nil {
			missing = append(missing, p)
		}
	}
	return missing
}

func buildMissing(dir, goMod string, given map[string]string, wanted []program) error {
	var toBuild []program
	for _, p := range missing(dir, wanted) {
		if source := given[p.name]; source == "" {
			toBuild = append(toBuild, p)
		} else {
			fmt.Fprintf(os.Stderr, "control plane: using %s\n", source)
			if err := pointTo(filepath.Join(dir, p.name), source); err != nil {
				return err
			}
		}
	}
	if len(toBuild) > 0 {
		fmt.Fprintln(os.Stderr, announcement(toBuild, runtime.NumCPU()))
	}
	started := time.Now()
	for i, p := range toBuild {
		version := requiredVersion(goMod, p.module)
		progress := showProgress(fmt.Sprintf("control plane: %d of %d, %s %s", i+1, len(toBuild), p.name, version), started)
		var vars []string
		if p.versionVars != nil {
			vars = p.versionVars(version)
		}
		err := goBuild(filepath.Join(dir, p.name), p.pkg, vars, progress)
		progress.end()
		if err != nil {
			return fmt.Errorf("building %s: %w", p.name, err)
		}
	}
	return nil
}

// announcement says what is built, and how long that takes the first time.
func announcement(toBuild []program, cores int) string {
	var names []string
	seconds := 0
	for _, p := range toBuild {
		names = append(names, p.name)
		seconds += p.coreSeconds
	}
	minutes := (seconds/cores + 59) / 60
	return fmt.Sprintf("control plane: building %s from source, once; it takes up to %d min on %d cores",
		strings.Join(names, ", "), minutes, cores)
}

// requiredVersion reads a line "module version" of go.mod.
func requiredVersion(goMod, module string) string {
	for line := range strings.Lines(goMod) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == module {
			return fields[1]
		}
	}
	return ""
}

// goBuild writes what the compiler says to said.
func goBuild(path, pkg string, vars []string, said io.Writer) error {
	ldflags := "-s -w"
	for _, v := range vars {
		ldflags += " -X " + v
	}
	unfinished := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".unfinished")
	// Without DWARF, which the linker would drop, the compiler takes a tenth less processor time (measured on etcd).
	args := []string{"build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags", ldflags, "-o", unfinished}
	if _, counted := said.(*progress); counted {
		args = append(args, "-v") // names each package that it compiles
	}
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

// pointTo makes a symbolic link, replacing an older one in one step.
func pointTo(link, destination string) error {
	unfinished := link + ".unfinished"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(destination, unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, link)
}

// lock lets one build run at a time; the kernel lets go of it however the holder ends.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		fmt.Fprintln(os.Stderr, "control plane: another build is running, waiting for it")
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			return nil, fmt.Errorf("waiting for %s: %w", path, err)
		}
	}
	return func() { file.Close() }, nil
}
