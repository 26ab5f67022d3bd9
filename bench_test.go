package oauth2server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-11d18166/oauth2server"
)

// discard is a response writer that allocates nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkAuthenticate is a request with a good token, through the middleware.
func BenchmarkAuthenticate(b *testing.B) {
	model := newSpy(b).Model
	for i := range 100_000 {
		issued(b, model, "token"+strconv.Itoa(i), "read")
	}
	resource, err := oauth2server.NewResourceServer(model, nil)
	if err != nil {
		b.Fatal(err)
	}
	handler := resource.Authenticate("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest("GET", "/api", nil)
	r.Header.Set("Authorization", "Bearer token50000")
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
	if w.status != 0 {
		b.Fatal(w.status)
	}
}

// BenchmarkTokenClientCredentials is a token request, through the endpoint. Reading the form is part of it.
func BenchmarkTokenClientCredentials(b *testing.B) {
	handler := mount(b, newSpy(b).Model, nil, nil)
	const form = "grant_type=client_credentials&scope=read"
	body := strings.NewReader(form)
	r := httptest.NewRequest("POST", "/token", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", as("machine"))
	r.Body = io.NopCloser(body)
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		body.Reset(form)
		r.PostForm = nil
		handler.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK {
		b.Fatal(w.status)
	}
}
