package main

// The software bill of materials, in CycloneDX.

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// sbom lists the crates, of which the first is guestlist, and what the toolchain adds. It has no time and no random
// number, so that equal inputs give equal texts.
func sbom(crates []crate, tools toolchain) ([]byte, error) {
	bom := cdx.NewBOM()
	self := component(crates[0])
	self.Type = cdx.ComponentTypeApplication
	bom.Metadata = &cdx.Metadata{Component: &self}
	var components []cdx.Component
	var dependencies []cdx.Dependency
	refs := map[string]string{}
	for _, c := range crates {
		refs[c.ID] = ref(c)
	}
	added := toolComponents(tools)
	for i, c := range crates {
		if i > 0 {
			components = append(components, component(c))
		}
		links := []string{}
		for _, id := range c.links {
			links = append(links, refs[id])
		}
		switch {
		case i == 0:
			for _, tool := range added {
				if tool.Name != "sqlite" {
					links = append(links, tool.BOMRef)
				}
			}
		case c.Name == "libsqlite3-sys":
			for _, tool := range added {
				if tool.Name == "sqlite" {
					links = append(links, tool.BOMRef)
				}
			}
		}
		dependencies = append(dependencies, cdx.Dependency{Ref: ref(c), Dependencies: &links})
	}
	components = append(components, added...)
	bom.Components, bom.Dependencies = &components, &dependencies

	unnamed, err := encode(bom)
	if err != nil {
		return nil, err
	}
	// The serial number is a UUID of version 8, which a program may derive from the content.
	id := sha256.Sum256(unnamed)
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	bom.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
	return encode(bom)
}

func encode(bom *cdx.BOM) ([]byte, error) {
	var text bytes.Buffer
	// Common scanners read 1.5.
	err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_5)
	return text.Bytes(), err
}

func ref(c crate) string {
	return fmt.Sprintf("pkg:cargo/%s@%s", c.Name, c.Version)
}

func component(c crate) cdx.Component {
	found := cdx.Component{
		Type: cdx.ComponentTypeLibrary, BOMRef: ref(c), PackageURL: ref(c), Name: c.Name, Version: c.Version,
		Description: strings.Join(strings.Fields(c.Description), " "), Scope: cdx.ScopeRequired,
	}
	if c.License != "" {
		found.Licenses = &cdx.Licenses{{Expression: expression(c.License)}}
	}
	if c.checksum != "" {
		found.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: c.checksum}}
	}
	if c.Repository != "" {
		found.ExternalReferences = &[]cdx.ExternalReference{{Type: cdx.ERTypeVCS, URL: c.Repository}}
	}
	return found
}

// expression writes the slash of older crates as SPDX does.
func expression(license string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(license, "/", " OR ")), " ")
}

func toolComponents(tools toolchain) []cdx.Component {
	var found []cdx.Component
	for _, part := range []struct{ name, version, license, url string }{
		{"musl", tools.musl, "MIT", "pkg:generic/musl"},
		{"rust-std", tools.rust, "MIT OR Apache-2.0", "pkg:generic/rust-std"},
		{"sqlite", tools.sqlite, "blessing", "pkg:generic/sqlite"},
	} {
		if part.version == "" {
			continue
		}
		url := part.url + "@" + part.version
		found = append(found, cdx.Component{
			Type: cdx.ComponentTypeLibrary, BOMRef: url, PackageURL: url, Name: part.name, Version: part.version,
			Scope: cdx.ScopeRequired, Licenses: &cdx.Licenses{{Expression: part.license}},
		})
	}
	return found
}
