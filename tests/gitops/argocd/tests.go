package main

// The tests of each kind in the layout of Argo CD's own repository.

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

type healthTests struct {
	Tests []struct {
		InputPath    string       `json:"inputPath"`
		HealthStatus healthStatus `json:"healthStatus"`
	} `json:"tests"`
}

type actionTests struct {
	DiscoveryTests []struct {
		InputPath string   `json:"inputPath"`
		Result    []action `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

// The time of an action is that of its run. In the expected objects it is this one.
var (
	timeOfRun = regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	someTime  = "0001-01-01T00:00:00Z"
)

// testAll runs all tests. It fails if a kind has no test of a sort, or an action none.
func testAll(all allScripts) error {
	var failed []error
	count := 0
	for _, s := range all {
		for _, run := range []func(scripts) (int, []error){testHealth, testActions} {
			ran, problems := run(s)
			count += ran
			failed = append(failed, problems...)
			if ran == 0 {
				failed = append(failed, fmt.Errorf("%s: no test ran", s.folder))
			}
		}
	}
	fmt.Printf("%d tests of %d kinds, %d failed\n", count, len(all), len(failed))
	return errors.Join(failed...)
}

func testHealth(s scripts) (int, []error) {
	var tests healthTests
	if err := decode(filepath.Join(s.folder, "health_test.yaml"), &tests); err != nil {
		return 0, []error{err}
	}
	var failed []error
	for _, test := range tests.Tests {
		input := filepath.Join(s.folder, test.InputPath)
		object, err := object(input)
		if err == nil {
			var result healthStatus
			if result, err = s.healthOf(object); err == nil {
				err = differs(test.HealthStatus, result)
			}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("health of %s: %w", input, err))
		}
	}
	return len(tests.Tests), failed
}

func testActions(s scripts) (int, []error) {
	folder := filepath.Join(s.folder, "actions")
	var tests actionTests
	if err := decode(filepath.Join(folder, "action_test.yaml"), &tests); err != nil {
		return 0, []error{err}
	}
	var failed []error
	untested := maps.Clone(s.actions)
	for _, test := range tests.DiscoveryTests {
		input := filepath.Join(folder, test.InputPath)
		object, err := object(input)
		if err == nil {
			var found map[string]action
			if found, err = s.discover(object); err == nil {
				wanted := map[string]action{}
				for _, action := range test.Result {
					wanted[action.Name] = action
				}
				err = differs(wanted, found)
			}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("actions of %s: %w", input, err))
		}
	}
	for _, test := range tests.ActionTests {
		delete(untested, test.Action)
		if err := testAction(s, folder, test.Action, test.InputPath, test.ExpectedOutputPath); err != nil {
			failed = append(failed, fmt.Errorf("action %s of %s: %w", test.Action, filepath.Join(folder, test.InputPath), err))
		}
	}
	for _, name := range sortedKeys(untested) {
		failed = append(failed, fmt.Errorf("%s: no test of the action %s", folder, name))
	}
	return len(tests.DiscoveryTests) + len(tests.ActionTests), failed
}

func testAction(s scripts, folder, action, inputPath, expectedPath string) error {
	input, err := object(filepath.Join(folder, inputPath))
	if err != nil {
		return err
	}
	expected, err := object(filepath.Join(folder, expectedPath))
	if err != nil {
		return err
	}
	changed, err := s.act(input, action)
	if err != nil {
		return err
	}
	annotations := changed.GetAnnotations()
	for name, value := range annotations {
		if timeOfRun.MatchString(value) {
			annotations[name] = someTime
		}
	}
	changed.SetAnnotations(annotations)
	patch, err := mergePatch(expected, changed)
	if err == nil && string(patch) != "{}" {
		err = fmt.Errorf("differs from %s by %s", expectedPath, patch)
	}
	return err
}

func differs(expected, result any) error {
	if reflect.DeepEqual(expected, result) {
		return nil
	}
	return fmt.Errorf("%+v, not %+v", result, expected)
}

func decode(path string, into any) error {
	content, err := text(path)
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict([]byte(content), into)
}

func object(path string) (*unstructured.Unstructured, error) {
	var fields map[string]any
	if err := decode(path, &fields); err != nil {
		return nil, err
	}
	// Through JSON, because apimachinery has integers of its own.
	object := &unstructured.Unstructured{Object: fields}
	json, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return object, object.UnmarshalJSON(json)
}

func sortedKeys[K cmp.Ordered, V any](all map[K]V) []K {
	return slices.Sorted(maps.Keys(all))
}
