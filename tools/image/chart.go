package main

// Packages the chart for one image.

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The value of the chart that is replaced.
const noDigest = "\n  digest: \"\"\n"

func chart(args []string) error {
	flags := flag.NewFlagSet("chart", flag.ContinueOnError)
	root := flags.String("root", "", "the project, with its charts")
	dir := flags.String("layout", "", "the OCI layout of the image")
	helm := flags.String("helm", "", "the program helm")
	out := flags.String("out", "", "the folder to write to")
	if err := required(flags, args, "root", "layout", "helm", "out"); err != nil {
		return err
	}
	digest, err := layoutDigest(*dir)
	if err != nil {
		return err
	}
	copied, err := os.MkdirTemp("", "guestlist-chart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(copied)
	source := filepath.Join(copied, "guestlist")
	if err := os.CopyFS(source, os.DirFS(filepath.Join(*root, "charts", "guestlist"))); err != nil {
		return err
	}
	if err := setDigest(filepath.Join(source, "values.yaml"), digest.String()); err != nil {
		return err
	}
	cmd := exec.Command(*helm, "package", source, "--destination", *out)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("failed to package the chart: %w", err)
	}
	return nil
}

func setDigest(path, digest string) error {
	values, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.Count(string(values), noDigest) != 1 {
		return errors.New("values.yaml has no single empty image.digest")
	}
	text := strings.Replace(string(values), noDigest, fmt.Sprintf("\n  digest: %s\n", digest), 1)
	return os.WriteFile(path, []byte(text), 0o644)
}
