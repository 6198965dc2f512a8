// Command argocd runs the health checks and the actions of deploy/argocd as Argo CD does, with the same Lua engine.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const usage = `usage: argocd COMMAND
DIR has a folder for each kind, in the layout of Argo CD's resource_customizations. OBJECTS are JSON, one after another.
  test DIR                       runs health_test.yaml and action_test.yaml of each kind, like Argo CD's own repository
  configmap DIR                  prints the ConfigMap argocd-cm with all scripts
  health DIR < OBJECTS           prints one line of JSON for each object: {"status":"Healthy","message":"…"}
  actions DIR < OBJECT           prints one line for each action that is enabled
  action DIR NAME < OBJECT       prints the merge patch that Argo CD sends
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "argocd:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New(usage)
	}
	command, dir := arguments[0], arguments[1]
	all, err := load(dir)
	if err != nil {
		return err
	}
	switch {
	case command == "test" && len(arguments) == 2:
		return testAll(all)
	case command == "configmap" && len(arguments) == 2:
		return configMap(all)
	}
	objects, err := read(os.Stdin)
	if err != nil {
		return err
	}
	switch {
	case command == "health" && len(arguments) == 2:
		return healthOf(all, objects)
	case command == "actions" && len(arguments) == 2 && len(objects) == 1:
		return actionsOf(all, objects[0])
	case command == "action" && len(arguments) == 3 && len(objects) == 1:
		return actionOf(all, objects[0], arguments[2])
	}
	return errors.New(usage)
}

func read(input io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for decoder := json.NewDecoder(input); ; {
		var text json.RawMessage
		if err := decoder.Decode(&text); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

func healthOf(all allScripts, objects []*unstructured.Unstructured) error {
	out := json.NewEncoder(os.Stdout)
	for _, object := range objects {
		s, err := all.of(object)
		if err != nil {
			return err
		}
		result, err := s.healthOf(object)
		if err != nil {
			return err
		}
		if err := out.Encode(result); err != nil {
			return err
		}
	}
	return nil
}

func actionsOf(all allScripts, object *unstructured.Unstructured) error {
	s, err := all.of(object)
	if err != nil {
		return err
	}
	actions, err := s.discover(object)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(actions) {
		if !actions[name].Disabled {
			fmt.Println(name)
		}
	}
	return nil
}

func actionOf(all allScripts, object *unstructured.Unstructured, name string) error {
	s, err := all.of(object)
	if err != nil {
		return err
	}
	changed, err := s.act(object, name)
	if err != nil {
		return err
	}
	patch, err := mergePatch(object, changed)
	if err != nil {
		return err
	}
	fmt.Println(string(patch))
	return nil
}
