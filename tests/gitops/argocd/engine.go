package main

// The scripts of a folder, run as Argo CD runs scripts of argocd-cm. Argo CD's own package (util/lua) needs 1,452 packages, so
// this file has its rules: the engine gopher-lua; the libraries base, package, table and a part of os; a second for a script;
// the object in the global variable obj.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Longest run of a script.
const longestScript = time.Second

// run has what a script returns for an object.
func (s scripts) run(script string, object *unstructured.Unstructured) (any, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	open := func(name string, library lua.LGFunction) error {
		return state.CallByParam(lua.P{Fn: state.NewFunction(library), Protect: true}, lua.LString(name))
	}
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable},
		{lua.OsLibName, openClock},
	} {
		if err := open(library.name, library.open); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestScript)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", toLua(state, object.Object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	return fromLua(state.Get(-1), object.Object), nil
}

// openClock leaves only the clock of the library os: Argo CD does not let scripts run programs, read files or exit.
func openClock(state *lua.LState) int {
	lua.OpenOs(state)
	whole := state.Get(-1).(*lua.LTable)
	clock := state.NewTable()
	for _, name := range []string{"time", "date"} {
		clock.RawSetString(name, whole.RawGetString(name))
	}
	state.SetGlobal(lua.OsLibName, clock)
	loaded := state.GetField(state.Get(lua.RegistryIndex), "_LOADED")
	state.SetField(loaded, lua.OsLibName, clock)
	state.Push(clock)
	return 1
}

// The health of an object.
type healthStatus struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// healthOf has the health of an object. Argo CD asks no script about an object that is being deleted.
func (s scripts) healthOf(object *unstructured.Unstructured) (healthStatus, error) {
	if object.GetDeletionTimestamp() != nil {
		return healthStatus{Status: "Progressing", Message: "Pending deletion"}, nil
	}
	returned, err := s.run(s.health, object)
	if err != nil {
		return healthStatus{}, err
	}
	table, ok := returned.(map[string]any)
	if !ok {
		return healthStatus{}, fmt.Errorf("the script returns %T, and no table", returned)
	}
	status, _ := table["status"].(string)
	message, _ := table["message"].(string)
	if !slices.Contains([]string{"Healthy", "Progressing", "Degraded", "Suspended"}, status) {
		return healthStatus{}, fmt.Errorf("the script returns the status %q", status)
	}
	return healthStatus{Status: status, Message: message}, nil
}

// act has the object after an action.
func (s scripts) act(object *unstructured.Unstructured, name string) (*unstructured.Unstructured, error) {
	script, ok := s.actions[name]
	if !ok {
		return nil, fmt.Errorf("there is no action %s", name)
	}
	returned, err := s.run(script, object)
	if err != nil {
		return nil, err
	}
	changed, ok := returned.(map[string]any)
	if !ok {
		return nil, errors.New("the action returns no object")
	}
	return &unstructured.Unstructured{Object: changed}, nil
}

// An action as discovery.lua describes it.
type action struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Disabled    bool   `json:"disabled"`
}

// discover has the actions by name.
func (s scripts) discover(object *unstructured.Unstructured) (map[string]action, error) {
	returned, err := s.run(s.discovery, object)
	if err != nil {
		return nil, err
	}
	table, ok := returned.(map[string]any)
	if !ok {
		return nil, errors.New("discovery returns no table")
	}
	found := map[string]action{}
	for name, value := range table {
		settings, _ := value.(map[string]any)
		if _, ok := s.actions[name]; !ok {
			return nil, fmt.Errorf("discovery names %s, which has no script", name)
		}
		displayName, _ := settings["displayName"].(string)
		disabled, _ := settings["disabled"].(bool)
		found[name] = action{Name: name, DisplayName: displayName, Disabled: disabled}
	}
	return found, nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case float64:
		return lua.LNumber(value)
	case int64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.CreateTable(len(value), 0)
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for name, item := range value {
			table.RawSetString(name, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}

// fromLua has the value of Lua as JSON. An empty table is a list to Lua; it stays what it was in the object.
func fromLua(value lua.LValue, before any) any {
	switch value := value.(type) {
	case lua.LBool:
		return bool(value)
	case lua.LNumber:
		if whole := int64(value); lua.LNumber(whole) == value {
			return whole
		}
		return float64(value)
	case lua.LString:
		return string(value)
	case *lua.LTable:
		old, wasMap := before.(map[string]any)
		if value.Len() > 0 || (!wasMap && isEmpty(value)) {
			oldList, _ := before.([]any)
			list := []any{}
			for i := 1; i <= value.Len(); i++ {
				var item any
				if i <= len(oldList) {
					item = oldList[i-1]
				}
				list = append(list, fromLua(value.RawGetInt(i), item))
			}
			return list
		}
		object := map[string]any{}
		value.ForEach(func(name, item lua.LValue) { object[name.String()] = fromLua(item, old[name.String()]) })
		return object
	}
	return nil
}

func isEmpty(table *lua.LTable) bool {
	key, _ := table.Next(lua.LNil)
	return key == lua.LNil
}
