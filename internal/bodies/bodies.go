// Package bodies reads bodies up to a limit, and lends buffers for that and for
// answers.
package bodies

import (
	"io"
	"strings"
	"sync"
)

// buffers are for bodies while they are read, and for answers while they are
// written.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// ReadAtMost returns the whole body, or the first limit+1 bytes of a longer
// one. With an error, it returns what it read before.
func ReadAtMost(body io.Reader, limit int64) (text string, err error) {
	buffer := Buffer()
	b := (*buffer)[:0]
	for err == nil && int64(len(b)) <= limit {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		var n int
		n, err = body.Read(b[len(b):min(int64(cap(b)), limit+1)])
		b = b[:len(b)+n]
	}
	if err == io.EOF {
		err = nil
	}
	text = string(b)
	Release(buffer, b)
	return text, err
}

// Buffer lends an empty buffer, until Release.
func Buffer() *[]byte { return buffers.Get().(*[]byte) }

// Release gives a buffer back, which the caller has grown to b. It clears the
// contents, which may be secret.
func Release(buffer *[]byte, b []byte) {
	clear(b)
	if *buffer = b[:0]; cap(b) <= 64<<10 {
		buffers.Put(buffer)
	}
}

// Restored is a body that was read, for reading it again.
type Restored struct {
	strings.Reader
	io.Closer
}

// Restore returns a body that reads text and closes body.
func Restore(text string, body io.Closer) Restored {
	return Restored{*strings.NewReader(text), body}
}

// partlyRead is a body whose beginning was read.
type partlyRead struct {
	io.Reader
	io.Closer
}

// Resume returns a body that reads text, and then the rest of body.
func Resume(text string, body io.ReadCloser) io.ReadCloser {
	return &partlyRead{io.MultiReader(strings.NewReader(text), body), body}
}
