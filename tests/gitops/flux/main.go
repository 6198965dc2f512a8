// Command flux does to objects what Flux's kustomize-controller does, with Flux's own libraries: kstatus, and the resource
// manager that applies, waits and prunes. The options are those that the controller passes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/ssa"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const usage = `usage: flux COMMAND < OBJECTS
OBJECTS are JSON, one after another. The cluster is that of KUBECONFIG. Commands:
  kstatus  prints one line of JSON for each object: {"status":"Current","message":"…"}
  apply    applies the objects, and prints a line for each: "AccountShare/partners/instagram created"
  wait     waits for the objects as "wait: true" does, at most a minute
  prune    deletes the objects, and prints a line for each, in the order of the deletions
`

// The name and the namespace of the Kustomization, and the names under which the controller acts.
const (
	name, namespace = "partners", "flux-system"
	controller      = "kustomize-controller"
	group           = "kustomize.toolkit.fluxcd.io"
)

func main() {
	log.SetLogger(logr.Discard())
	if len(os.Args) != 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "flux:", err)
		os.Exit(1)
	}
}

func run(command string) error {
	objects, err := read(os.Stdin)
	if err != nil {
		return err
	}
	if command == "kstatus" {
		return kstatus(objects)
	}
	manager, err := connect()
	if err != nil {
		return err
	}
	switch command {
	case "apply":
		manager.SetOwnerLabels(objects, name, namespace)
		changes, err := manager.ApplyAllStaged(context.Background(), objects, applyOptions())
		return report(changes, err)
	case "wait":
		return manager.Wait(objects, ssa.WaitOptions{Interval: time.Second, Timeout: time.Minute, FailFast: true})
	case "prune":
		changes, err := manager.DeleteAll(context.Background(), objects, deleteOptions(manager))
		return report(changes, err)
	}
	return fmt.Errorf("unknown command %q\n%s", command, usage)
}

func read(input io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for decoder := json.NewDecoder(input); ; {
		object := &unstructured.Unstructured{}
		// The library expects numbers as apimachinery decodes them, so each text goes through its decoder.
		var text json.RawMessage
		if err := decoder.Decode(&text); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if err := object.UnmarshalJSON(text); err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

func kstatus(objects []*unstructured.Unstructured) error {
	out := json.NewEncoder(os.Stdout)
	for _, object := range objects {
		result, err := status.Compute(object)
		if err != nil {
			return err
		}
		if err := out.Encode(map[string]string{"status": result.Status.String(), "message": result.Message}); err != nil {
			return err
		}
	}
	return nil
}

func connect() (*ssa.ResourceManager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	kube, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	poller := polling.NewStatusPoller(kube, kube.RESTMapper(), polling.Options{})
	return ssa.NewResourceManager(kube, poller, ssa.Owner{Field: controller, Group: group}), nil
}

// applyOptions has the selectors and the clean-up of the controller without its flags.
func applyOptions() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.ExclusionSelector = map[string]string{group + "/reconcile": "disabled", group + "/ssa": "Ignore"}
	options.IfNotPresentSelector = map[string]string{group + "/ssa": "IfNotPresent"}
	options.ForceSelector = map[string]string{group + "/force": "enabled"}
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{"kubectl.kubernetes.io/last-applied-configuration"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: controller, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
		Exclusions: map[string]string{group + "/ssa": "Merge"},
	}
	return options
}

func deleteOptions(manager *ssa.ResourceManager) ssa.DeleteOptions {
	return ssa.DeleteOptions{
		PropagationPolicy: metav1.DeletePropagationBackground,
		Inclusions:        manager.GetOwnerLabels(name, namespace),
		Exclusions:        map[string]string{group + "/prune": "disabled", group + "/reconcile": "disabled", group + "/ssa": "Ignore"},
	}
}

func report(changes *ssa.ChangeSet, err error) error {
	if changes != nil {
		fmt.Println(changes)
	}
	return err
}
