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

// ReadAtMost returns what a body has, or of a longer one its first limit+1
// bytes; with an error what came before it.
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

// Buffer lends a buffer of no bytes, until Release.
func Buffer() *[]byte { return buffers.Get().(*[]byte) }

// Release gives back a buffer that has become b. What was in it is nobody's any
// more: there were secrets.
func Release(buffer *[]byte, b []byte) {
	clear(b)
	if *buffer = b[:0]; cap(b) <= 64<<10 {
		buffers.Put(buffer)
	}
}

// restored is a body that was read, to be read again.
type restored struct {
	strings.Reader
	io.Closer
}

// Restore returns a body that has text, and closes as body does.
func Restore(text string, body io.Closer) io.ReadCloser {
	return &restored{*strings.NewReader(text), body}
}

// partlyRead is a body of which the beginning was read.
type partlyRead struct {
	io.Reader
	io.Closer
}

// Resume returns a body that has text, and then what is left of body.
func Resume(text string, body io.ReadCloser) io.ReadCloser {
	return &partlyRead{io.MultiReader(strings.NewReader(text), body), body}
}
