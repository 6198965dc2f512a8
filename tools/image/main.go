// Command image makes guestlist's container image from a static binary, without a container engine, and puts the
// image's digest into the chart. Equal inputs give equal digests.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const usage = `usage:
  image pack --root DIR --zig DIR --binary ARCH=FILE ... --out DIR
      writes the OCI layout DIR/oci, and the same as the file DIR/guestlist.tar, for each architecture (amd64, arm64)
  image plain --name NAME --binary ARCH=FILE --out DIR
      writes an image of another static program, for tests, to the same places
  image digest --layout DIR
      prints the digest of the image in an OCI layout
  image chart --root DIR --layout DIR --helm FILE --out DIR
      packages the chart with the digest of the image in an OCI layout
`

func main() {
	var err error
	switch command(os.Args) {
	case "pack":
		err = pack(os.Args[2:])
	case "plain":
		err = plain(os.Args[2:])
	case "digest":
		err = printDigest(os.Args[2:])
	case "chart":
		err = chart(os.Args[2:])
	case "help", "-h", "--help":
		fmt.Print(usage)
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func command(args []string) string {
	if len(args) < 2 {
		return ""
	}
	return args[1]
}

// binaries are the values of --binary: a file for each architecture.
type binaries map[string]string

func (b binaries) String() string { return "" }

func (b binaries) Set(value string) error {
	arch, file, found := strings.Cut(value, "=")
	if !found || file == "" {
		return fmt.Errorf("%q is not ARCH=FILE", value)
	}
	if _, known := targets[arch]; !known {
		return fmt.Errorf("the architecture %q is not amd64 or arm64", arch)
	}
	b[arch] = file
	return nil
}

// required fails if an option has no value.
func required(flags *flag.FlagSet, args []string, names ...string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for _, name := range names {
		if flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("%s needs --%s", flags.Name(), name)
		}
	}
	return nil
}

func pack(args []string) error {
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	root := flags.String("root", "", "the project, with its Cargo.lock")
	zig := flags.String("zig", "", "the folder of Zig, whose musl is part of the binary")
	out := flags.String("out", "", "the folder to write to")
	given := binaries{}
	flags.Var(given, "binary", "ARCH=FILE, for each architecture")
	if err := required(flags, args, "root", "zig", "out"); err != nil {
		return err
	}
	if len(given) == 0 {
		return errors.New("pack needs --binary")
	}
	digest, err := packAll(*root, *zig, given, *out)
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}

func plain(args []string) error {
	flags := flag.NewFlagSet("plain", flag.ContinueOnError)
	name := flags.String("name", "", "the name of the image, such as guestlist.test/pause:1")
	out := flags.String("out", "", "the folder to write to")
	given := binaries{}
	flags.Var(given, "binary", "ARCH=FILE")
	if err := required(flags, args, "name", "out"); err != nil {
		return err
	}
	repository, version, found := strings.Cut(*name, ":")
	if !found || len(given) != 1 {
		return errors.New("plain needs a name with a tag, and one binary")
	}
	images := map[string]v1.Image{}
	for arch, path := range given {
		image, err := plainImage(arch, path, crate{Name: repository, Version: version})
		if err != nil {
			return err
		}
		images[arch] = image
	}
	digest, err := writeAll(*out, repository, version, images)
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}

func printDigest(args []string) error {
	flags := flag.NewFlagSet("digest", flag.ContinueOnError)
	dir := flags.String("layout", "", "an OCI layout")
	if err := required(flags, args, "layout"); err != nil {
		return err
	}
	digest, err := layoutDigest(*dir)
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}
