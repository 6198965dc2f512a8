package main

// A node that runs pods, for tests of the image and the chart: containerd, kube-scheduler and kubelet. All of them,
// and the control plane, are in network, mount and process namespaces of their own, which end with the launcher.

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	nodeName       = "node"
	nodeAddress    = "10.1.0.1" // also the gateway of the pods
	serviceAddress = "10.0.0.1" // of the Service kubernetes, on the same bridge: nothing translates addresses
	bridge         = "cni0"
	// In a file system of the mount namespace, which ends with it. A path of a socket must be short.
	runtimeFolder    = "/run/guestlist-node"
	containerdSocket = runtimeFolder + "/containerd.sock"
	kubeletHealth    = "http://127.0.0.1:10248/healthz"
	volumeFolder     = runtimeFolder + "/volume"
	pauseImage       = "guestlist.test/pause:1"
	// Those that a pod of a Deployment with a volume needs, besides those of every control plane.
	nodeControllers = ",deployment-controller,replicaset-controller,root-ca-certificate-publisher-controller," +
		"node-lifecycle-controller,persistentvolume-binder-controller,persistentvolumeclaim-protection-controller," +
		"persistentvolume-protection-controller,taint-eviction-controller,pod-garbage-collector-controller"
)

// nodeMonitorArgs have a node without a kubelet count as unknown after 15 s instead of 50 s.
var nodeMonitorArgs = []string{"--node-monitor-grace-period=15s", "--node-monitor-period=1s"}

// machineNode is the part of a control plane that runs pods.
type machineNode struct {
	// The folder with Debian's packages, unpacked.
	packages string
	// Archives of images that containerd imports before the kubelet starts.
	images []string
	dir    string
	// The parent of the pods' control groups, which the launcher outside removes.
	cgroup string
}

func (n *machineNode) program(name string) string {
	for _, folder := range []string{"usr/bin", "usr/sbin"} {
		path := filepath.Join(n.packages, folder, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return filepath.Join(n.packages, "usr/bin", name)
}

// network makes the interfaces of the namespace.
func (n *machineNode) network() error {
	for _, args := range []string{
		"link set lo up",
		"link add " + bridge + " type bridge",
		"address add " + nodeAddress + "/24 dev " + bridge,
		"address add " + serviceAddress + "/32 dev " + bridge,
		"link set " + bridge + " up",
	} {
		if said, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, said)
		}
	}
	return nil
}

// writeFiles writes the settings of containerd, of the network of pods and of the kubelet.
func (n *machineNode) writeFiles(ca *authority) error {
	if err := os.MkdirAll(filepath.Join(n.dir, "cni"), 0o700); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"containerd.toml":    n.containerdConfig(),
		"cni/10-bridge.conf": cniConfig(),
		"kubelet.yaml":       n.kubeletConfig(ca),
		"resolv.conf":        "",
	} {
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (n *machineNode) containerdConfig() string {
	return fmt.Sprintf(`version = 2
root = %[1]q
state = %[2]q
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = %[3]q
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %[4]q
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %[5]q
conf_dir = %[6]q
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = %[7]q
`, runtimeFolder+"/containerd", runtimeFolder+"/state", containerdSocket, pauseImage,
		filepath.Join(n.packages, "usr/lib/cni"), filepath.Join(n.dir, "cni"), n.program("runc"))
}

func cniConfig() string {
	return fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "pods", "type": "bridge", "bridge": %q, "isGateway": true, "ipMasq": false,
"ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.1.0.0/24", "gateway": %q}]],
"routes": [{"dst": "0.0.0.0/0"}]}}
`, bridge, runtimeFolder+"/addresses", nodeAddress)
}

func (n *machineNode) kubeletConfig(ca *authority) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %q
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: %q}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: %q
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://%s
resolvConf: %q
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "0%%"}
oomScoreAdj: 0
# A changed ConfigMap reaches its pods with the next of these.
syncFrequency: 2s
# The kubelet renews its Lease each 2 s.
nodeLeaseDurationSeconds: 8
`, nodeAddress, ca.path("ca.crt"), "/"+n.cgroup, containerdSocket, filepath.Join(n.dir, "resolv.conf"))
}

// components are the programs of the node, in the order of their start.
func (n *machineNode) components(plane *controlPlane, bin string) ([]*component, error) {
	kubeconfig := func(name string, subject pkix.Name) (string, error) {
		path := filepath.Join(plane.dir, name+".kubeconfig")
		cert, key, err := plane.ca.issue(name, subject)
		if err != nil {
			return "", err
		}
		return path, plane.ca.writeKubeconfig(path, plane.server, cert, key)
	}
	scheduler, err := kubeconfig("kube-scheduler", pkix.Name{CommonName: "system:kube-scheduler"})
	if err != nil {
		return nil, err
	}
	user := pkix.Name{CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes"}}
	kubelet, err := kubeconfig("kubelet", user)
	if err != nil {
		return nil, err
	}
	if _, _, err := plane.ca.issue("kubelet-client", pkix.Name{
		CommonName: "kube-apiserver", Organization: []string{"system:masters"},
	}); err != nil {
		return nil, err
	}
	log := func(name string) string { return filepath.Join(plane.dir, name+".log") }
	return []*component{
		{process: process{
			name: "kube-scheduler", path: filepath.Join(bin, "kube-scheduler"), log: log("kube-scheduler"),
			args: []string{"--kubeconfig=" + scheduler, "--leader-elect=false", "--secure-port=0"},
		}},
		{
			process: process{
				name: "containerd", path: n.program("containerd"), log: log("containerd"),
				args: []string{"--config=" + filepath.Join(n.dir, "containerd.toml")},
				// Its shim is beside it.
				env: []string{"PATH=" + filepath.Join(n.packages, "usr/bin") + ":" + os.Getenv("PATH")},
			},
			ready: []string{"unix://" + containerdSocket}, then: n.importImages,
		},
		{
			process: process{
				name: "kubelet", path: filepath.Join(bin, "kubelet"), log: log("kubelet"),
				args: []string{
					"--config=" + filepath.Join(n.dir, "kubelet.yaml"), "--kubeconfig=" + kubelet,
					"--hostname-override=" + nodeName, "--node-ip=" + nodeAddress,
					"--root-dir=" + runtimeFolder + "/kubelet", "--cert-dir=" + runtimeFolder + "/kubelet-pki",
				},
			},
			ready: []string{kubeletHealth},
		},
	}, nil
}

// apiserverArgs are what a control plane with a node needs besides.
func (n *machineNode) apiserverArgs(pki func(string) string) []string {
	return []string{
		"--authorization-mode=Node,RBAC",
		"--kubelet-client-certificate=" + pki("kubelet-client.crt"), "--kubelet-client-key=" + pki("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
	}
}

// importImages gives containerd the images that pods name. The node cannot pull any.
func (n *machineNode) importImages(ctx context.Context) error {
	for _, image := range n.images {
		cmd := exec.CommandContext(ctx, n.program("ctr"), "--address", containerdSocket, "--namespace", "k8s.io",
			"images", "import", "--digests", "--base-name", "docker.io/library/guestlist", image)
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("failed to import %s: %w: %s", image, err, said)
		}
	}
	return nil
}

func checkNodeCommand(args []string) error {
	if len(args) != 1 {
		return errors.New("check-node needs the folder of the packages")
	}
	return checkNode(args[0])
}

// checkNode tells why this machine cannot run a node. It starts nothing.
func checkNode(packages string) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can make the namespaces of a node")
	}
	n := machineNode{packages: packages}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc"} {
		if _, err := os.Stat(n.program(name)); err != nil {
			return fmt.Errorf("%s is missing in %s", name, packages)
		}
	}
	for _, name := range []string{"ip", "nsenter", "mount"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is not in PATH", name)
		}
	}
	return checkNamespaces()
}
