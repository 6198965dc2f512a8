package main

// The licences of everything that the binary contains, as one text. Their conditions ask for it.

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// The names of files that have a licence or a notice, in lower case.
var licenseNames = []string{"license", "licence", "copying", "copyright", "notice", "unlicense"}

// licenses lists the crates with their licences, and each text once, with the parts to which it belongs.
func licenses(crates []crate, tools toolchain) ([]byte, error) {
	var list, bodies bytes.Buffer
	list.WriteString("guestlist is one program with these parts. The texts of their licences follow.\n\n")
	texts := &textList{index: map[[32]byte]int{}}
	own, err := os.ReadFile(filepath.Join(crates[0].dir, "LICENSE"))
	if err != nil {
		return nil, err
	}
	for _, c := range crates {
		fmt.Fprintf(&list, "%s %s: %s\n", c.Name, c.Version, expression(c.License))
		found, err := licenseFiles(c.dir)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			// guestlist's own licence has the text of Apache-2.0.
			if !permits(c.License, "Apache-2.0") {
				return nil, fmt.Errorf("the crate %s %s (%s) has no file with its licence", c.Name, c.Version, c.License)
			}
			found = [][]byte{own}
		}
		for _, text := range found {
			texts.add(c.Name+" "+c.Version, text)
		}
	}
	fmt.Fprintf(&list, "the Rust standard library %s: MIT OR Apache-2.0\n", tools.rust)
	texts.add("the Rust standard library", tools.rustLicense)
	fmt.Fprintf(&list, "musl %s: MIT\n", tools.musl)
	texts.add("musl", tools.muslLicense)
	fmt.Fprintf(&list, "LLVM libunwind: Apache-2.0 WITH LLVM-exception\n")
	texts.add("LLVM libunwind", tools.unwindLicense)
	if tools.sqlite != "" {
		fmt.Fprintf(&list, "SQLite %s: in the public domain\n", tools.sqlite)
	}
	for _, text := range texts.all {
		fmt.Fprintf(&bodies, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(text.parts, ", "), text.body)
	}
	return append(list.Bytes(), bodies.Bytes()...), nil
}

// permits tells whether an expression of SPDX has a licence as an alternative, or is that licence.
func permits(license, wanted string) bool {
	for _, alternative := range strings.Split(expression(license), " OR ") {
		if strings.Trim(alternative, "()") == wanted {
			return true
		}
	}
	return false
}

type textList struct {
	all   []licenseText
	index map[[32]byte]int
}

type licenseText struct {
	parts []string
	body  []byte
}

// add keeps equal texts once, whatever their line breaks.
func (l *textList) add(part string, text []byte) {
	body := bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	key := sha256.Sum256(bytes.Join(bytes.Fields(body), []byte(" ")))
	at, known := l.index[key]
	if !known {
		at = len(l.all)
		l.index[key] = at
		l.all = append(l.all, licenseText{body: body})
	}
	l.all[at].parts = append(l.all[at].parts, part)
}

// licenseFiles are the texts in a crate's folder, in the order of their names.
func licenseFiles(dir string) ([][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	var found [][]byte
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isLicense(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		found = append(found, text)
	}
	return found, nil
}

func isLicense(name string) bool {
	name = strings.ToLower(name)
	for _, start := range licenseNames {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}
