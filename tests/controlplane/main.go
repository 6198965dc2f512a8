// Command controlplane gives tests and the demo a real Kubernetes API on one machine, without containers.
//
// No package registry ships kube-apiserver or etcd as programs, but their Go modules build as they are. The go.mod
// beside this file pins them with tool directives; "controlplane build" compiles them once, "controlplane serve" runs
// them on loopback ports for as long as its standard input stays open.
package main

import (
	"fmt"
	"os"
	"runtime"
)

const usage = `usage:
  controlplane build --out DIR   builds the pinned programs, and this one, into DIR/<key>; DIR/bin points there
  controlplane build --demo ...  only those of the demo; takes them from PATH or setup-envtest if it can; DIR/demo
  controlplane serve --dir DIR   starts etcd and kube-apiserver; state and logs go to the empty directory DIR
  controlplane serve --node ...  also starts a node that runs pods, in namespaces of their own
  controlplane check-node DIR    tells whether this machine can run a node, with the packages in DIR

serve prints one line of JSON on standard output when the API is ready:
  {"ready":true,"kubeconfig":"…","server":"https://127.0.0.1:…","ca":"…","pids":{"etcd":1,"kube-apiserver":2}}
It stops everything when its standard input closes or on SIGTERM. Commands, a line each on standard input, are
answered by one line of JSON each, {"done":"…","pids":{…}} or {"error":"…"}:
  stop NAME | start NAME            one of the processes above; same port, same data
  snapshot LABEL | restore LABEL    of etcd's data; everything restarts
  get URL                           {"done":"…","status":200,"body":"…"}; status 0 and the reason if nothing answers
`

func main() {
	// Children die with the thread that started them (see process_linux.go), so all are started from this one,
	// which lives as long as the process.
	runtime.LockOSThread()
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "build":
		err = build(os.Args[2:])
	case "serve":
		err = serve(os.Args[2:])
	case "check-node":
		err = checkNodeCommand(os.Args[2:])
	case "help", "-h", "--help":
		fmt.Print(usage)
	default:
		err = fmt.Errorf("unknown command %q\n%s", os.Args[1], usage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "control plane:", err)
		os.Exit(1)
	}
}
