package main

// The files of the image, as one layer.

import (
	"archive/tar"
	"bytes"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The user and the group of the operator, who are those of the chart. No file names them: Kubernetes needs numbers.
const user = 65532

// Where the files are.
const (
	programFolder   = "usr/bin"
	documentFolder  = "usr/share/doc/guestlist"
	certificateFile = "etc/ssl/certs/ca-certificates.crt"
	directoryFolder = "var/lib/guestlist"
)

// Every file has this time, as in images of other tools, so that equal files make equal images.
var fileTime = time.Unix(0, 0).UTC()

// entry is a folder or a file. Its path has no slash at either end.
type entry struct {
	path     string
	mode     int64
	isFolder bool
	owner    int
	body     []byte
}

func folder(path string) entry {
	return entry{path: path, mode: 0o755, isFolder: true}
}

func file(path string, mode int64, body []byte) entry {
	return entry{path: path, mode: mode, body: body}
}

// documents are the files about the program.
type documents struct{ license, thirdParty, sbom []byte }

// contents are the entries of the image, each folder before its files.
func contents(program, authorities []byte, about documents) []entry {
	directory := folder(directoryFolder)
	directory.owner = user
	return []entry{
		folder("etc"), folder("etc/ssl"), folder("etc/ssl/certs"),
		file(certificateFile, 0o644, authorities),
		folder("usr"), folder(programFolder),
		file(programFolder+"/guestlist", 0o755, program),
		folder("usr/share"), folder("usr/share/doc"), folder(documentFolder),
		file(documentFolder+"/LICENSE", 0o644, about.license),
		file(documentFolder+"/sbom.cdx.json", 0o644, about.sbom),
		file(documentFolder+"/third-party-licenses.txt", 0o644, about.thirdParty),
		// SQLite may need files for long queries.
		{path: "tmp", mode: 0o1777, isFolder: true},
		folder("var"), folder("var/lib"), directory,
	}
}

// layer makes a compressed layer of the entries, in their order.
func layer(entries []entry) (v1.Layer, error) {
	var archive bytes.Buffer
	if err := writeTar(&archive, entries); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(9))
}

// writeTar writes entries with fixed times and owners.
func writeTar(to io.Writer, entries []entry) error {
	archive := tar.NewWriter(to)
	for _, e := range entries {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: e.path, Mode: e.mode, Size: int64(len(e.body)),
			Uid: e.owner, Gid: e.owner, ModTime: fileTime, Format: tar.FormatUSTAR,
		}
		if e.isFolder {
			header.Typeflag, header.Name = tar.TypeDir, e.path+"/"
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(e.body); err != nil {
			return err
		}
	}
	return archive.Close()
}
