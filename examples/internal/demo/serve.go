// This file runs an example: it listens, prints, serves and ends.

package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Addr is where the examples listen, unless the flag -addr says otherwise.
const Addr = "127.0.0.1:8080"

// Program is the main function of an example: it listens at the address that
// the flag -addr names, or else at addr, prints the story that newHandler
// returns, and serves its handler until Ctrl-C. In the story BASE stands for
// the address.
func Program(addr string, newHandler func(base string) (handler http.Handler, story string, err error)) {
	flag.StringVar(&addr, "addr", addr, "`address` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := Run(ctx, addr, os.Stdout, newHandler); err != nil {
		log.Fatal(err)
	}
}

// Run is [Program] for an example with its own flags: it prints to out and
// serves until ctx is done.
func Run(
	ctx context.Context, addr string, out io.Writer,
	newHandler func(string) (http.Handler, string, error),
) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	base := "http://" + Reachable(listener.Addr())
	handler, story, err := newHandler(base)
	if err != nil {
		listener.Close()
		return err
	}
	fmt.Fprintf(out, "The example is at %s/\n\n%s\nCtrl-C stops it.\n", base,
		strings.ReplaceAll(story, "BASE", base))
	return Serve(ctx, listener, handler)
}

// Reachable returns the host and port by which a browser on this machine
// reaches a listener.
func Reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return addr.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}

// drainTime is how long requests in flight may take at the end.
const drainTime = 5 * time.Second

// Serve serves until ctx is done, then lets the requests in flight end. Slow
// senders and readers are cut off, so that nobody can hold connections for
// ever.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute, // from the end of the header on, so it includes ReadTimeout
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := server.Shutdown(draining)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}
