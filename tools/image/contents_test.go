package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestTarHasFixedTimesOwnersAndOrder(t *testing.T) {
	entries := contents([]byte("program"), []byte("authorities"), documents{})
	var first, second bytes.Buffer
	for _, to := range []*bytes.Buffer{&first, &second} {
		if err := writeTar(to, entries); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same entries differ")
	}
	seen := map[string]bool{"": true}
	archive := tar.NewReader(&first)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(header.Name, "/")
		parent := ""
		if at := strings.LastIndex(name, "/"); at >= 0 {
			parent = name[:at]
		}
		if !seen[parent] {
			t.Errorf("%s comes before its folder", name)
		}
		seen[name] = true
		owner := 0
		if name == directoryFolder {
			owner = user
		}
		if header.Uid != owner || header.Gid != owner || !header.ModTime.Equal(fileTime) {
			t.Errorf("%s: owner %d:%d, time %s", name, header.Uid, header.Gid, header.ModTime)
		}
	}
	if !seen[certificateFile] || !seen[programFolder+"/guestlist"] {
		t.Errorf("files are missing: %v", seen)
	}
}

func TestLayerHasTheSameDigestTwice(t *testing.T) {
	entries := contents([]byte("program"), []byte("authorities"), documents{sbom: []byte("{}")})
	digests := map[string]bool{}
	for range 2 {
		made, err := layer(entries)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := made.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[digest.String()] = true
	}
	if len(digests) != 1 {
		t.Errorf("digests: %v", digests)
	}
}

func TestCertificatesAreAuthoritiesInPEM(t *testing.T) {
	rest, err := certificates()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		count++
	}
	if count < 100 {
		t.Errorf("%d authorities", count)
	}
}
