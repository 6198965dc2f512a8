package main

// Makes an image of each binary, and writes them as an OCI layout and as one file.

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The name that the chart gives the image, with the registry that containerd adds.
const imageName = "docker.io/library/guestlist"

// packAll writes the layout and the file, and returns the digest of the image. Several architectures share an index.
func packAll(root, zig string, given binaries, out string) (v1.Hash, error) {
	images := map[string]v1.Image{}
	var version string
	for arch, path := range given {
		crates, err := linkedCrates(root, targets[arch])
		if err != nil {
			return v1.Hash{}, err
		}
		version = crates[0].Version
		if images[arch], err = imageOf(arch, path, root, zig, crates); err != nil {
			return v1.Hash{}, err
		}
	}
	return writeAll(out, imageName, version, images)
}

// writeAll writes the images as a layout and as a file, under a name with a tag.
func writeAll(out, name, version string, images map[string]v1.Image) (v1.Hash, error) {
	dir := filepath.Join(out, "oci")
	if err := os.RemoveAll(dir); err != nil {
		return v1.Hash{}, err
	}
	written, err := writeLayout(dir, name, version, images)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := writeArchive(dir, filepath.Join(out, filepath.Base(name)+".tar"), name+":"+version, images); err != nil {
		return v1.Hash{}, err
	}
	return written, nil
}

func imageOf(arch, path, root, zig string, crates []crate) (v1.Image, error) {
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := checkStatic(path, arch); err != nil {
		return nil, err
	}
	tools, err := readToolchain(root, zig, crates)
	if err != nil {
		return nil, err
	}
	var about documents
	if about.license, err = os.ReadFile(filepath.Join(root, "LICENSE")); err != nil {
		return nil, err
	}
	if about.thirdParty, err = licenses(crates, tools); err != nil {
		return nil, err
	}
	if about.sbom, err = sbom(crates, tools); err != nil {
		return nil, err
	}
	authorities, err := certificates()
	if err != nil {
		return nil, err
	}
	config := v1.Config{
		User:       fmt.Sprintf("%d:%d", user, user),
		Entrypoint: []string{"/" + programFolder + "/guestlist"},
		WorkingDir: "/",
		Env: []string{
			"PATH=/" + programFolder,
			"GUESTLIST_DIRECTORY=sqlite:/" + directoryFolder + "/directory.db",
			"SSL_CERT_FILE=/" + certificateFile,
		},
		Labels: annotations(crates[0]),
	}
	return newImage(arch, crates[0], config, contents(program, authorities, about))
}

// plainImage has nothing but a program, which needs no arguments.
func plainImage(arch, path string, self crate) (v1.Image, error) {
	if err := checkStatic(path, arch); err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	files := []entry{folder("usr"), folder(programFolder), file(programFolder+"/main", 0o755, program)}
	return newImage(arch, self, v1.Config{Entrypoint: []string{"/" + programFolder + "/main"}}, files)
}

// newImage has one layer.
func newImage(arch string, self crate, config v1.Config, entries []entry) (v1.Image, error) {
	made, err := layer(entries)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{
		Layer:   made,
		History: v1.History{Created: v1.Time{Time: fileTime}, CreatedBy: "make image"},
	})
	if err != nil {
		return nil, err
	}
	file := &v1.ConfigFile{Architecture: arch, OS: "linux", Created: v1.Time{Time: fileTime}, Config: config}
	written, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file.RootFS, file.History = written.RootFS, written.History
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, annotations(self)).(v1.Image), nil
}

func annotations(self crate) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       self.Name,
		"org.opencontainers.image.version":     self.Version,
		"org.opencontainers.image.description": self.Description,
		"org.opencontainers.image.licenses":    self.License,
	}
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// checkStatic fails if a binary needs a file that the image lacks, or is for another architecture.
func checkStatic(path, arch string) error {
	binary, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is not a program for Linux: %w", path, err)
	}
	defer binary.Close()
	if binary.Machine != machines[arch] {
		return fmt.Errorf("%s is for %s, not for %s", path, binary.Machine, arch)
	}
	libraries, err := binary.ImportedLibraries()
	if err != nil {
		return err
	}
	if len(libraries) > 0 {
		return fmt.Errorf("%s is not static: it needs %s", path, strings.Join(libraries, ", "))
	}
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not static: it needs an interpreter", path)
		}
	}
	return nil
}

// writeLayout writes one image as it is, and several in an index of their own, which is then what has the digest.
func writeLayout(dir, name, version string, images map[string]v1.Image) (v1.Hash, error) {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	named := layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          name + ":" + version,
		"org.opencontainers.image.ref.name": version,
	})
	if len(images) == 1 {
		for arch, image := range images {
			if err := path.AppendImage(image, named, layout.WithPlatform(platform(arch))); err != nil {
				return v1.Hash{}, err
			}
		}
	} else {
		index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for _, arch := range sorted(images) {
			p := platform(arch)
			index = mutate.AppendManifests(index, mutate.IndexAddendum{
				Add: images[arch], Descriptor: v1.Descriptor{Platform: &p},
			})
		}
		if err := path.AppendIndex(index, named); err != nil {
			return v1.Hash{}, err
		}
	}
	return layoutDigest(dir)
}

func platform(arch string) v1.Platform {
	return v1.Platform{OS: "linux", Architecture: arch}
}

func sorted(images map[string]v1.Image) []string {
	var names []string
	for arch := range images {
		names = append(names, arch)
	}
	sort.Strings(names)
	return names
}

// layoutDigest is the digest under which a registry knows the image of a layout.
func layoutDigest(dir string) (v1.Hash, error) {
	path, err := layout.FromPath(dir)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("no image in %s: %w", dir, err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		return v1.Hash{}, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	if len(manifest.Manifests) != 1 {
		return v1.Hash{}, fmt.Errorf("%s has %d images, not 1", dir, len(manifest.Manifests))
	}
	return manifest.Manifests[0].Digest, nil
}

// writeArchive writes the layout as one file for "docker load", "podman load" and "ctr images import". The digest stays
// the same. Older Dockers read manifest.json, which can name only one architecture.
func writeArchive(dir, path, name string, images map[string]v1.Image) error {
	var entries []entry
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil || relative == "." {
			return err
		}
		if d.IsDir() {
			entries = append(entries, folder(relative))
			return nil
		}
		body, err := os.ReadFile(name)
		entries = append(entries, file(relative, 0o644, body))
		return err
	})
	if err != nil {
		return err
	}
	first := images[sorted(images)[0]]
	manifest, err := first.Manifest()
	if err != nil {
		return err
	}
	blob := func(hash v1.Hash) string { return "blobs/" + hash.Algorithm + "/" + hash.Hex }
	text, err := json.Marshal([]map[string]any{{
		"Config": blob(manifest.Config.Digest), "RepoTags": []string{strings.TrimPrefix(name, "docker.io/library/")},
		"Layers": []string{blob(manifest.Layers[0].Digest)},
	}})
	if err != nil {
		return err
	}
	entries = append(entries, file("manifest.json", 0o644, text))

	to, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(writeTar(to, entries), to.Close())
}
