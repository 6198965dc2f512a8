package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A package that links "linked", which links "deep". The rest takes part in a build or in tests only.
const resolved = `{"packages": [
  {"id": "own", "name": "own", "version": "1.0.0", "license": "Apache-2.0", "manifest_path": "DIR/own/Cargo.toml", "targets": [{"kind": ["bin"]}]},
  {"id": "linked", "name": "linked", "version": "2.0.0", "license": "MIT/Apache-2.0", "manifest_path": "DIR/linked/Cargo.toml", "targets": [{"kind": ["lib"]}]},
  {"id": "deep", "name": "deep", "version": "3.0.0", "license": "MIT", "manifest_path": "DIR/deep/Cargo.toml", "targets": [{"kind": ["lib"]}]},
  {"id": "macros", "name": "macros", "version": "1.0.0", "license": "MIT", "manifest_path": "DIR/macros/Cargo.toml", "targets": [{"kind": ["proc-macro"]}]},
  {"id": "tests", "name": "tests", "version": "1.0.0", "license": null, "manifest_path": "DIR/tests/Cargo.toml", "targets": [{"kind": ["lib"]}]}
], "resolve": {"root": "own", "nodes": [
  {"id": "own", "deps": [
    {"pkg": "linked", "dep_kinds": [{"kind": null}]}, {"pkg": "macros", "dep_kinds": [{"kind": null}]},
    {"pkg": "tests", "dep_kinds": [{"kind": "dev"}, {"kind": "build"}]}]},
  {"id": "linked", "deps": [{"pkg": "deep", "dep_kinds": [{"kind": "dev"}, {"kind": null}]}]},
  {"id": "deep", "deps": []}, {"id": "macros", "deps": []}, {"id": "tests", "deps": []}]}}`

const lockFile = "[[package]]\nname = \"deep\"\nversion = \"3.0.0\"\nchecksum = \"abc\"\n"

func example(t *testing.T) (string, []crate) {
	t.Helper()
	dir := t.TempDir()
	crates, err := readCrates([]byte(strings.ReplaceAll(resolved, "DIR", dir)), lockFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range crates {
		if err := os.MkdirAll(c.dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "own", "LICENSE"), "text of Apache-2.0")
	return dir, crates
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyLinkedCratesAreFound(t *testing.T) {
	_, crates := example(t)
	var names []string
	for _, c := range crates {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "own deep linked" {
		t.Errorf("crates: %s", got)
	}
	if crates[1].checksum != "abc" {
		t.Errorf("checksum: %q", crates[1].checksum)
	}
}

func TestBillOfMaterialsIsRepeatableAndNamesCrates(t *testing.T) {
	_, crates := example(t)
	tools := toolchain{rust: "1.0.0", musl: "1.2.5"}
	first, err := sbom(crates, tools)
	if err != nil {
		t.Fatal(err)
	}
	second, err := sbom(crates, tools)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two texts of the same crates differ")
	}
	var read struct {
		Components []struct {
			Name     string
			Licenses []struct{ Expression string }
		}
	}
	if err := json.Unmarshal(first, &read); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range read.Components {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "deep linked musl rust-std" {
		t.Errorf("components: %s", got)
	}
	if got := read.Components[1].Licenses[0].Expression; got != "MIT OR Apache-2.0" {
		t.Errorf("licence of linked: %s", got)
	}
}

func TestLicencesOfEachCrateAreThereOnce(t *testing.T) {
	dir, crates := example(t)
	write(t, filepath.Join(dir, "deep", "LICENSE-MIT"), "text of MIT\r\n")
	write(t, filepath.Join(dir, "linked", "license"), "text of\nMIT")
	text, err := licenses(crates, toolchain{})
	if err != nil {
		t.Fatal(err)
	}
	for _, expected := range []string{"linked 2.0.0: MIT OR Apache-2.0\n", "\ndeep 3.0.0, linked 2.0.0\n"} {
		if strings.Count(string(text), expected) != 1 {
			t.Errorf("%q is not there once:\n%s", expected, text)
		}
	}
}

func TestCrateWithoutLicenceTextIsRefused(t *testing.T) {
	dir, crates := example(t)
	write(t, filepath.Join(dir, "linked", "LICENSE"), "text of MIT")
	if _, err := licenses(crates, toolchain{}); err == nil || !strings.Contains(err.Error(), "deep 3.0.0 (MIT)") {
		t.Errorf("error: %v", err)
	}
}
