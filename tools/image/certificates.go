package main

// The certificate authorities that Mozilla trusts for servers. A Go module pins them, so that the image has the same
// ones whatever the machine that builds it.

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// certificates are the authorities in PEM. Those that Mozilla trusts only with a constraint are left out: a file of
// certificates cannot say the constraint.
func certificates() ([]byte, error) {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		parsed, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "# %s\n", parsed.Subject)
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	if text.Len() == 0 {
		return nil, errors.New("the bundle has no certificate authorities")
	}
	return text.Bytes(), nil
}
