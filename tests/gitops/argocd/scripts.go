package main

// The scripts in the layout of Argo CD's resource_customizations, and the ConfigMap that has them.

import (
	"fmt"
	"os"
	"path/filepath"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// A kind's scripts.
type scripts struct {
	folder, group, kind string
	health, discovery   string
	actions             map[string]string
}

type allScripts []scripts

// of has the scripts of an object's kind.
func (all allScripts) of(object *unstructured.Unstructured) (scripts, error) {
	for _, s := range all {
		if kind := object.GroupVersionKind(); s.group == kind.Group && s.kind == kind.Kind {
			return s, nil
		}
	}
	return scripts{}, fmt.Errorf("no scripts for %s", object.GroupVersionKind())
}

func load(dir string) (allScripts, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*", "health.lua"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no health.lua in %s", dir)
	}
	var all allScripts
	for _, path := range paths {
		folder := filepath.Dir(path)
		s := scripts{
			folder: folder, group: filepath.Base(filepath.Dir(folder)), kind: filepath.Base(folder),
			actions: map[string]string{},
		}
		if s.health, err = text(path); err != nil {
			return nil, err
		}
		if s.discovery, err = text(filepath.Join(folder, "actions", "discovery.lua")); err != nil {
			return nil, err
		}
		actions, err := filepath.Glob(filepath.Join(folder, "actions", "*", "action.lua"))
		if err != nil {
			return nil, err
		}
		for _, path := range actions {
			name := filepath.Base(filepath.Dir(path))
			if s.actions[name], err = text(path); err != nil {
				return nil, err
			}
		}
		all = append(all, s)
	}
	return all, nil
}

func text(path string) (string, error) {
	content, err := os.ReadFile(path)
	return string(content), err
}

// A kind's actions as argocd-cm has them: YAML in a string.
type actionsOfConfigMap struct {
	Discovery   string       `json:"discovery.lua"`
	Definitions []definition `json:"definitions"`
}

type definition struct {
	Name   string `json:"name"`
	Script string `json:"action.lua"`
}

// configMap prints the scripts with the keys that Argo CD reads.
func configMap(all allScripts) error {
	data := map[string]string{}
	for _, s := range all {
		actions := actionsOfConfigMap{Discovery: s.discovery}
		for _, name := range sortedKeys(s.actions) {
			actions.Definitions = append(actions.Definitions, definition{Name: name, Script: s.actions[name]})
		}
		text, err := yaml.Marshal(actions)
		if err != nil {
			return err
		}
		data["resource.customizations.health."+s.group+"_"+s.kind] = s.health
		data["resource.customizations.actions."+s.group+"_"+s.kind] = string(text)
	}
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "argocd-cm", "namespace": "argocd"},
		"data": data,
	})
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func mergePatch(before, after *unstructured.Unstructured) ([]byte, error) {
	old, err := before.MarshalJSON()
	if err != nil {
		return nil, err
	}
	changed, err := after.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return jsonpatch.CreateMergePatch(old, changed)
}
