package main

// The crates that are linked into the binary, as cargo resolves them from Cargo.lock.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// targets are the architectures of an image, by their names in OCI and in Rust.
var targets = map[string]string{
	"amd64": "x86_64-unknown-linux-musl",
	"arm64": "aarch64-unknown-linux-musl",
}

// crate is a package of Cargo that is linked into the binary.
type crate struct {
	Name        string
	Version     string
	ID          string
	License     string
	Authors     []string
	Repository  string
	Description string
	Source      string
	// The folder of its source.
	dir string
	// The checksum of Cargo.lock, in hexadecimal. Empty: it comes from this project.
	checksum string
	// The IDs of the crates that it links, in the order of their names.
	links []string
}

// metadata is the part of the output of "cargo metadata" that is read here.
type metadata struct {
	Packages []struct {
		crate
		ManifestPath string `json:"manifest_path"`
		Targets      []struct{ Kind []string }
	}
	Resolve struct {
		Root  string
		Nodes []struct {
			ID   string
			Deps []struct {
				Pkg      string
				DepKinds []struct{ Kind *string } `json:"dep_kinds"`
			}
		}
	}
}

// linkedCrates are this project's package, which is the first, and the crates that it links on a target. Build scripts,
// procedural macros and the dependencies of tests are not linked.
func linkedCrates(root, target string) ([]crate, error) {
	cmd := exec.Command("cargo", "metadata", "--locked", "--format-version=1", "--filter-platform="+target)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("failed to read the dependencies by cargo metadata: %w", err)
	}
	lock, err := os.ReadFile(filepath.Join(root, "Cargo.lock"))
	if err != nil {
		return nil, err
	}
	return readCrates(output, string(lock))
}

func readCrates(output []byte, lock string) ([]crate, error) {
	var all metadata
	if err := json.Unmarshal(output, &all); err != nil {
		return nil, fmt.Errorf("failed to parse the output of cargo metadata: %w", err)
	}
	checksums := lockChecksums(lock)
	crates := map[string]*crate{}
	for _, p := range all.Packages {
		isMacro := slices.ContainsFunc(p.Targets, func(t struct{ Kind []string }) bool {
			return slices.Contains(t.Kind, "proc-macro")
		})
		if isMacro {
			continue
		}
		c := p.crate
		c.dir = filepath.Dir(p.ManifestPath)
		c.checksum = checksums[c.Name+" "+c.Version]
		crates[c.ID] = &c
	}
	for _, node := range all.Resolve.Nodes {
		c, known := crates[node.ID]
		if !known {
			continue
		}
		for _, dep := range node.Deps {
			isLinked := slices.ContainsFunc(dep.DepKinds, func(k struct{ Kind *string }) bool { return k.Kind == nil })
			if _, known := crates[dep.Pkg]; known && isLinked {
				c.links = append(c.links, dep.Pkg)
			}
		}
	}
	return reachable(crates, all.Resolve.Root)
}

// reachable are the crates that the root links, directly or through others: the root first, then by name and version.
func reachable(crates map[string]*crate, root string) ([]crate, error) {
	if crates[root] == nil {
		return nil, errors.New("cargo metadata names no root package")
	}
	seen := map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		if seen[id] {
			return
		}
		seen[id] = true
		for _, linked := range crates[id].links {
			visit(linked)
		}
	}
	visit(root)
	var found []crate
	for id := range seen {
		c := *crates[id]
		sort.Slice(c.links, func(i, j int) bool { return before(*crates[c.links[i]], *crates[c.links[j]]) })
		found = append(found, c)
	}
	sort.Slice(found, func(i, j int) bool {
		if (found[i].ID == root) != (found[j].ID == root) {
			return found[i].ID == root
		}
		return before(found[i], found[j])
	})
	return found, nil
}

func before(a, b crate) bool {
	if a.Name != b.Name {
		return a.Name < b.Name
	}
	return a.Version < b.Version
}

// lockChecksums are the checksums of Cargo.lock by "name version".
func lockChecksums(lock string) map[string]string {
	checksums := map[string]string{}
	for _, entry := range strings.Split(lock, "[[package]]") {
		field := map[string]string{}
		for line := range strings.Lines(entry) {
			if key, value, found := strings.Cut(strings.TrimSpace(line), " = "); found {
				field[key] = strings.Trim(value, `"`)
			}
		}
		if field["checksum"] != "" {
			checksums[field["name"]+" "+field["version"]] = field["checksum"]
		}
	}
	return checksums
}

// toolchain is what the binary contains besides crates.
type toolchain struct {
	// Versions, and the licences' texts.
	rust, musl, sqlite       string
	rustLicense, muslLicense []byte
	unwindLicense            []byte
}

func readToolchain(root, zig string, crates []crate) (toolchain, error) {
	var t toolchain
	cmd := exec.Command("rustc", "--print", "sysroot", "--version")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("failed to ask rustc for its version: %w", err)
	}
	for line := range strings.Lines(string(output)) {
		line = strings.TrimSpace(line)
		if number, found := strings.CutPrefix(line, "rustc "); found {
			t.rust, _, _ = strings.Cut(number, " ")
		} else if line != "" {
			if t.rustLicense, err = os.ReadFile(filepath.Join(line, "share/doc/rust/licenses/MIT.txt")); err != nil {
				return t, fmt.Errorf("the Rust toolchain has no text of its licence: %w", err)
			}
		}
	}
	if t.musl, err = defined(filepath.Join(zig, "lib/libc/musl/src/internal/version.h"), "VERSION"); err != nil {
		return t, err
	}
	if t.muslLicense, err = os.ReadFile(filepath.Join(zig, "lib/libc/musl/COPYRIGHT")); err != nil {
		return t, err
	}
	if t.unwindLicense, err = os.ReadFile(filepath.Join(zig, "lib/libunwind/LICENSE.TXT")); err != nil {
		return t, err
	}
	for _, c := range crates {
		if c.Name == "libsqlite3-sys" {
			if t.sqlite, err = defined(filepath.Join(c.dir, "sqlite3/sqlite3.h"), "SQLITE_VERSION"); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}

// defined is the text that a header defines for a name.
func defined(header, name string) (string, error) {
	text, err := os.ReadFile(header)
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) == 3 && fields[0] == "#define" && fields[1] == name {
			return strings.Trim(fields[2], `"`), nil
		}
	}
	return "", fmt.Errorf("%s does not define %s", header, name)
}
