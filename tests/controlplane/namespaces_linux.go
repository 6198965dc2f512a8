package main

// The namespaces of a node. The launcher starts itself again in them: first as their init process, which starts the
// launcher proper. When the init process ends, the kernel ends every process in them, and their mounts and interfaces.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	stageVariable = "GUESTLIST_NODE_STAGE"
	namespaces    = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID
	controlGroups = "/sys/fs/cgroup"
)

// inNamespaces runs the same command again in new namespaces, and cleans up what outlives them. It returns true if it
// did, and false in the process that has to do the work.
func inNamespaces(dir, cgroup string) (bool, error) {
	switch os.Getenv(stageVariable) {
	case "":
		return true, startInit(dir, cgroup)
	case "init":
		status, err := runInit()
		if err != nil {
			return true, err
		}
		os.Exit(status)
	case "launcher":
		return false, nil
	}
	return true, fmt.Errorf("%s is for the launcher alone", stageVariable)
}

func startInit(dir, cgroup string) error {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), stageVariable+"=init")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	if err := makeControlGroups(cgroup); err != nil {
		return err
	}
	defer removeControlGroups(cgroup)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("failed to make the namespaces of the node: %w", err)
	}
	// For programs that enter the network namespace from outside.
	pid := strconv.Itoa(cmd.Process.Pid)
	if err := os.WriteFile(filepath.Join(dir, "node.pid"), []byte(pid), 0o600); err != nil {
		cmd.Process.Kill()
		return errors.Join(err, cmd.Wait())
	}
	return cmd.Wait()
}

// runInit prepares the mounts, starts the launcher proper, and waits for all processes until that one ends.
func runInit() (int, error) {
	if err := mountAll(); err != nil {
		return 0, err
	}
	if err := os.Setenv(stageVariable, "launcher"); err != nil {
		return 0, err
	}
	child, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Env:   os.Environ(),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 0, err
		}
		if pid == child.Pid {
			return status.ExitStatus(), nil
		}
	}
}

// mountAll gives the mount namespace its own /proc, and empty folders where containerd and the kubelet write.
func mountAll() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("failed to make the mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("failed to mount /proc: %w", err)
	}
	mount := func(folder, options string) error {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, options); err != nil {
			return fmt.Errorf("failed to mount %s: %w", folder, err)
		}
		return nil
	}
	for _, folder := range []string{"/run", "/var/log"} {
		if err := mount(folder, "mode=755"); err != nil {
			return err
		}
	}
	// A volume beside the folders of containerd and of the kubelet. It is small, so that a test can fill it.
	return mount(volumeFolder, "mode=755,size=16m")
}

// hierarchies are the folders of the control groups: one, or one for each controller in version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(controlGroups, "cgroup.controllers")); err == nil {
		return []string{controlGroups}, nil
	}
	entries, err := os.ReadDir(controlGroups)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		// cpu is a link to cpu,cpuacct on some machines.
		if path := filepath.Join(controlGroups, entry.Name()); entry.IsDir() {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("the machine has no control groups")
	}
	return found, nil
}

func makeControlGroups(name string) error {
	folders, err := hierarchies()
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o755); err != nil {
			return fmt.Errorf("failed to make a control group: %w", err)
		}
	}
	return nil
}

// removeControlGroups removes the groups from the innermost one. Their processes have ended.
func removeControlGroups(name string) {
	folders, err := hierarchies()
	if err != nil {
		return
	}
	for _, folder := range folders {
		removeFolders(filepath.Join(folder, name))
	}
}

func removeFolders(path string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if entry.IsDir() {
			removeFolders(filepath.Join(path, entry.Name()))
		}
	}
	os.Remove(path)
}

// checkNamespaces makes the namespaces and a control group, and lets them go again.
func checkNamespaces() error {
	name := fmt.Sprintf("guestlist-check-%d", os.Getpid())
	defer removeControlGroups(name)
	if err := makeControlGroups(name); err != nil {
		return err
	}
	cmd := exec.Command("mount", "--make-rprivate", "/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("this machine does not let us make namespaces: %w: %s", err, said)
	}
	return nil
}
