package main

// The programs, their arguments, and when each counts as ready.

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	startTimeout = 2 * time.Minute // a busy machine with two cores needs a while
	stopGrace    = 2 * time.Second // a server with open watches would take its time; clients must bear either end
	auditPolicy  = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: ["system:serviceaccount:guestlist:guestlist"]}
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
`
	// Those that change what a user of custom resources sees; nothing here schedules pods.
	controllers = "garbage-collector-controller,namespace-controller,serviceaccount-controller," +
		"clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller"
)

type component struct {
	process
	ready []string // URLs that answer 200 when it is, and sockets that accept connections
	then  func(context.Context) error
}

type controlPlane struct {
	dir, data, kubeconfig, server string
	ca                            *authority
	client                        *http.Client
	components                    []*component // in the order of their start
	keep                          bool         // --remove has no effect: the files of a failed test are read
	died                          chan *process
}

func newControlPlane(o options) (*controlPlane, error) {
	ca, err := newAuthority(filepath.Join(o.dir, "pki"))
	if err != nil {
		return nil, err
	}
	plane := &controlPlane{
		dir: o.dir, data: filepath.Join(o.dir, "etcd"), kubeconfig: filepath.Join(o.dir, "admin.kubeconfig"),
		ca: ca, died: make(chan *process, 16),
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = reservePort(); err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
	}
	address, controllerManagerArgs := "127.0.0.1", plane.controllerManagerArgs(controllers)
	if o.node != nil {
		// The port of the Service kubernetes.
		address, ports[2] = "0.0.0.0", 443
		controllerManagerArgs = append(plane.controllerManagerArgs(controllers+nodeControllers), nodeMonitorArgs...)
	}
	etcd, peer := url("http", ports[0]), url("http", ports[1])
	plane.server = url("https", ports[2])
	if err := plane.writeFiles(); err != nil {
		return nil, err
	}
	add := func(name string, args []string, ready ...string) {
		plane.components = append(plane.components, &component{process: process{
			name: name, path: filepath.Join(o.bin, name), args: args, log: filepath.Join(o.dir, name+".log"),
		}, ready: ready})
	}
	add("etcd", plane.etcdArgs(etcd, peer), etcd+"/readyz")
	add("kube-apiserver", append(plane.apiserverArgs(etcd, address, ports[2], o.node), o.apiserverArgs...),
		plane.server+"/readyz", plane.server+"/api/v1/namespaces/default", plane.server+"/api/v1/namespaces/kube-system")
	if o.controllerManager {
		add("kube-controller-manager", controllerManagerArgs,
			plane.server+"/api/v1/namespaces/default/serviceaccounts/default")
	}
	if o.node != nil {
		if err := o.node.writeFiles(ca); err != nil {
			return nil, err
		}
		more, err := o.node.components(plane, o.bin)
		if err != nil {
			return nil, err
		}
		plane.components = append(plane.components, more...)
	}
	for _, c := range plane.components {
		if _, err := os.Stat(c.path); err != nil {
			return nil, fmt.Errorf("%s is not built: %w", c.name, err)
		}
	}
	return plane, nil
}

func url(scheme string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port) }

func (plane *controlPlane) writeFiles() error {
	_, serviceAccountKey, err := newKey()
	if err != nil {
		return err
	}
	if err := os.WriteFile(plane.ca.path("service-accounts.key"), serviceAccountKey, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(plane.dir, "audit-policy.yaml"), []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	if _, _, err := plane.ca.issue("kube-apiserver", pkix.Name{CommonName: "kube-apiserver"}); err != nil {
		return err
	}
	cert, key, err := plane.ca.issue("kube-controller-manager", pkix.Name{CommonName: "system:kube-controller-manager"})
	if err != nil {
		return err
	}
	if err := plane.ca.writeKubeconfig(plane.controllerManagerKubeconfig(), plane.server, cert, key); err != nil {
		return err
	}
	cert, key, err = plane.ca.issue("admin", pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}})
	if err != nil {
		return err
	}
	var config *tls.Config
	if config, err = plane.ca.client(cert, key); err != nil {
		return err
	}
	plane.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	return plane.ca.writeKubeconfig(plane.kubeconfig, plane.server, cert, key)
}

func (plane *controlPlane) controllerManagerKubeconfig() string {
	return filepath.Join(plane.dir, "kube-controller-manager.kubeconfig")
}

func (plane *controlPlane) etcdArgs(client, peer string) []string {
	return sharingPorts([]string{
		"--name=test", "--data-dir=" + plane.data, "--log-level=warn",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=test=" + peer,
		"--unsafe-no-fsync", // what is thrown away need not survive a power cut
	}, "--socket-reuse-port")
}

func (plane *controlPlane) apiserverArgs(etcd, address string, port int, node *machineNode) []string {
	pki := plane.ca.path
	args := sharingPorts([]string{
		"--etcd-servers=" + etcd,
		"--bind-address=" + address, "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--endpoint-reconciler-type=none", // loopback is no endpoint, and nobody looks for one
		"--service-cluster-ip-range=10.0.0.0/24",
		"--tls-cert-file=" + pki("kube-apiserver.crt"), "--tls-private-key-file=" + pki("kube-apiserver.key"),
		"--client-ca-file=" + pki("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + pki("service-accounts.key"),
		"--service-account-signing-key-file=" + pki("service-accounts.key"),
		// The audit log shows the writer of each object: tests look there for unwanted writes.
		"--audit-policy-file=" + filepath.Join(plane.dir, "audit-policy.yaml"),
		"--audit-log-path=" + filepath.Join(plane.dir, "audit.log"),
	}, "--permit-port-sharing")
	if node != nil {
		return append(args, node.apiserverArgs(pki)...)
	}
	// Pods are accepted without anybody making tokens for them.
	return append(args, "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount")
}

func (plane *controlPlane) controllerManagerArgs(controllers string) []string {
	return []string{
		"--root-ca-file=" + plane.ca.path("ca.crt"),
		"--kubeconfig=" + plane.controllerManagerKubeconfig(),
		"--controllers=" + controllers, "--use-service-account-credentials", "--leader-elect=false",
		"--secure-port=0", "--kube-api-qps=200", "--kube-api-burst=400",
	}
}

func sharingPorts(args []string, flag string) []string {
	if portsCanBeShared {
		return append(args, flag+"=true")
	}
	return args
}

func (plane *controlPlane) startAll(ctx context.Context) error {
	for _, c := range plane.components {
		if err := plane.start(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (plane *controlPlane) stopAll(grace time.Duration) {
	for _, c := range slices.Backward(plane.components) {
		c.stop(grace)
	}
}

// start returns when the component is ready, and at once if it already runs.
func (plane *controlPlane) start(ctx context.Context, c *component) error {
	if c.running() {
		return nil
	}
	if err := c.process.start(plane.died); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if plane.answers(ctx, c.ready) {
			if c.then != nil {
				return c.then(ctx)
			}
			return nil
		}
		select {
		case <-c.exited:
			return fmt.Errorf("%s ended while starting; %s", c.name, c.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in %s; %s", c.name, startTimeout, c.lastWords())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (plane *controlPlane) answers(ctx context.Context, urls []string) bool {
	for _, url := range urls {
		if socket, found := strings.CutPrefix(url, "unix://"); found {
			connection, err := net.Dial("unix", socket)
			if err != nil {
				return false
			}
			connection.Close()
			continue
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		response, err := plane.client.Do(request)
		if err != nil {
			return false
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return false
		}
	}
	return true
}

func (plane *controlPlane) pids() map[string]int {
	pids := map[string]int{}
	for _, c := range plane.components {
		if c.running() {
			pids[c.name] = c.cmd.Process.Pid
		}
	}
	return pids
}
