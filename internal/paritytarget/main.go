// Command paritytarget serves the fixture of the parity suite, each
// configuration under its name. The recorded behaviour of node-oauth2-server
// can then be replayed against this library:
//
//	go run ./internal/paritytarget -addr 127.0.0.1:8080
//
// Its first line is the URL that it listens on. POST /__reset restores the
// fixture. The header X-Model-Calls of an answer names the model functions that
// were called, in order.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	path := flag.String("fixture", defaultFixture(), "the fixture's file")
	flag.Parse()
	if err := serve(*addr, *path); err != nil {
		fmt.Fprintln(os.Stderr, "paritytarget:", err)
		os.Exit(1)
	}
}

// defaultFixture returns the path of the project's fixture, whatever the
// working directory.
func defaultFixture() string {
	_, source, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(source), "..", "..", "testdata", "parity", "fixture.json")
}

func serve(addr, path string) error {
	handler, err := newTarget(path)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	return http.Serve(listener, handler)
}
