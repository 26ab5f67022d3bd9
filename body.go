package oauth2server

import (
	"io"
	"strings"
	"sync"
)

// buffers are for bodies while they are read, and for answers while they are written; see release.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// readAtMost returns what a body has, or of a longer one its first limit+1 bytes; with an error what came before it.
func readAtMost(body io.Reader, limit int64) (text string, err error) {
	buffer := buffers.Get().(*[]byte)
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
	release(buffer, b)
	return text, err
}

// release gives back a buffer that has become b. What was in it is nobody's any more: there were secrets.
func release(buffer *[]byte, b []byte) {
	clear(b)
	if *buffer = b[:0]; cap(b) <= 64<<10 {
		buffers.Put(buffer)
	}
}

// restoredBody is a body that was read, to be read again.
type restoredBody struct {
	strings.Reader
	io.Closer
}

// partlyReadBody is a body of which the beginning was read.
type partlyReadBody struct {
	io.Reader
	io.Closer
}
