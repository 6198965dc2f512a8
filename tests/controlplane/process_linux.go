package main

import (
	"fmt"
	"syscall"
)

// childAttributes: a child does not outlive the launcher, even if that is killed outright, and a Ctrl-C in the
// terminal reaches the launcher alone, which stops its children in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

const (
	soReusePort      = 0xf // not in package syscall for every architecture
	portsCanBeShared = true
)

// reservePort binds a free loopback port without listening and keeps it until the launcher ends. The child shares it
// (SO_REUSEPORT), so nobody can take the port between choosing and using it, nor while the child is stopped; the
// kernel never hands out a reserved port as a free one, and connections to it are refused while the child is away.
func reservePort() (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soReusePort, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	address, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("unexpected socket address %T", name)
	}
	return address.Port, nil
}
