// This file measures handlers in this process, without a network.

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"testing"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// local is a [sender] that calls a handler of this process, and allocates
// nothing by itself once it has seen each path.
type local struct {
	handler http.Handler
	request map[string]*http.Request // by path, made once
	form    bytes.Reader
	header  http.Header
	status  int
	written []byte
}

func newLocal(h http.Handler) *local {
	return &local{handler: h, request: map[string]*http.Request{}, header: http.Header{}}
}

func (l *local) send(method, path, authorization string, body []byte) (int, error) {
	r := l.request[path]
	if r == nil {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return 0, err
		}
		r = &http.Request{
			Method:     method,
			URL:        u,
			RequestURI: path,
			Proto:      "HTTP/1.1",
			ProtoMajor: 1,
			ProtoMinor: 1,
			Host:       "127.0.0.1",
			RemoteAddr: "127.0.0.1:1234",
			Header: http.Header{"Authorization": {""},
				"Content-Type": {"application/x-www-form-urlencoded"}},
		}
		if len(l.request) < 10 { // redirects within a server have another path each time
			l.request[path] = r
		}
	}
	r.Form, r.PostForm, r.MultipartForm, r.Body = nil, nil, nil, http.NoBody
	if authorization == "" {
		delete(r.Header, "Authorization")
	} else {
		values := r.Header["Authorization"]
		if values == nil {
			values = []string{""}
		}
		values[0] = authorization
		r.Header["Authorization"] = values
	}
	if r.ContentLength = int64(len(body)); body != nil {
		l.form.Reset(body)
		r.Body = reader{&l.form}
	}
	clear(l.header)
	l.status, l.written = 0, l.written[:0]
	l.handler.ServeHTTP(l, r)
	return l.status, nil
}

// reader is a body that needs no closing. It has one pointer, so that it fits
// into an interface without an allocation.
type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

func (l *local) location() string {
	if values := l.header["Location"]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (l *local) body() []byte        { return l.written }
func (l *local) Header() http.Header { return l.header }

func (l *local) WriteHeader(status int) {
	if l.status == 0 {
		l.status = status
	}
}

func (l *local) Write(b []byte) (int, error) {
	l.WriteHeader(http.StatusOK)
	l.written = append(l.written, b...)
	return len(b), nil
}

func (l *local) WriteString(s string) (int, error) {
	l.WriteHeader(http.StatusOK)
	l.written = append(l.written, s...)
	return len(s), nil
}

var _ io.StringWriter = (*local)(nil)

// inProcess is the cost of a handler, without the server of net/http.
type inProcess struct{ nanoseconds, bytes, allocs int64 }

// measureLocal runs a flow of a peer in this process, with tokens in its
// storage.
func measureLocal(p peers.Peer, f flow, stored int) (inProcess, error) {
	handler, err := p.New("http://127.0.0.1")
	if err != nil {
		return inProcess{}, err
	}
	l := newLocal(handler)
	tokens, err := issue(p, "http://127.0.0.1", l, max(stored, 1))
	if err != nil {
		return inProcess{}, err
	}
	n := newSession(p, "http://127.0.0.1", l, tokens)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err = f.run(n); err != nil {
				b.FailNow()
			}
		}
	})
	return inProcess{result.NsPerOp(), result.AllocedBytesPerOp(), result.AllocsPerOp()}, err
}

// heapPerToken returns the bytes of heap for each stored access token.
func heapPerToken(p peers.Peer, stored int) (int64, error) {
	handler, err := p.New("http://127.0.0.1")
	if err != nil {
		return 0, err
	}
	l := newLocal(handler)
	n := newSession(p, "http://127.0.0.1", l, nil)
	before := heap()
	if err := n.fill(stored); err != nil {
		return 0, err
	}
	after := heap()
	runtime.KeepAlive(handler)
	return (after - before) / int64(stored), nil
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
