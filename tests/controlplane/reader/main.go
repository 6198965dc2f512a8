// Command reader reads manifests with the very code of kubectl, thousands a second: a kubectl process for each text would
// take a tenth of a second.
//
// Each text on standard input is its length (four bytes, big-endian) and its bytes. The answer, framed alike, is one line of
// JSON: {"objects":[…]}, or {"error":"…"} where kubectl refuses the text.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
)

type answer struct {
	// JSON in a string: how deep it is does not matter to the frame around it.
	Objects []string `json:"objects,omitempty"`
	Error   string   `json:"error,omitempty"`
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		text, err := frame(in)
		if err == io.EOF {
			return
		}
		if err == nil {
			err = reply(out, read(text))
		}
		// The next text may come only after this answer.
		if err == nil && in.Buffered() == 0 {
			err = out.Flush()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "reader:", err)
			os.Exit(1)
		}
	}
}

func frame(in io.Reader) ([]byte, error) {
	var length uint32
	if err := binary.Read(in, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	text := make([]byte, length)
	_, err := io.ReadFull(in, text)
	return text, err
}

func reply(out io.Writer, a answer) error {
	line, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := binary.Write(out, binary.BigEndian, uint32(len(line))); err != nil {
		return err
	}
	_, err = out.Write(line)
	return err
}

// read does what `kubectl --local -f FILE` does before it touches an object; a file is decoded by its byte order mark.
func read(text []byte) (a answer) {
	defer func() {
		if problem := recover(); problem != nil {
			a = answer{Error: fmt.Sprint("panic: ", problem)}
		}
	}()
	decoded := transform.NewReader(bytes.NewReader(text), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	infos, err := resource.NewLocalBuilder().Unstructured().Local().
		Stream(decoded, "text").ContinueOnError().Flatten().Do().Infos()
	if err != nil {
		return answer{Error: err.Error()}
	}
	for _, info := range infos {
		object, err := info.Object.(*unstructured.Unstructured).MarshalJSON()
		if err != nil {
			return answer{Error: err.Error()}
		}
		a.Objects = append(a.Objects, string(object))
	}
	return a
}
