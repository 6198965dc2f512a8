//go:build !linux

package main

import "errors"

const stageVariable = "GUESTLIST_NODE_STAGE"

func inNamespaces(dir, cgroup string) (bool, error) {
	return true, errors.New("a node needs Linux")
}

func checkNamespaces() error { return errors.New("a node needs Linux") }
