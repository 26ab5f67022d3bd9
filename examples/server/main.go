// Command server is a whole application with an authorization server in it: pages to sign in, consent and take consent
// back, the token endpoint, an API, and two clients that connect to them. Start it, open the address that it prints, and
// follow a token from its issue to its end.
//
//	go run ./examples/server [-v] [-addr 127.0.0.1:8080] [-url https://auth.example] [-mongo mongodb://127.0.0.1:27017/]
//
// It knows the client 123456 with the secret qwerty and the user andy with the password 123456. Everything is in
// memory and forgotten at the end, unless -mongo names a MongoDB to keep it in, all but sign-in sessions. One to try is
// started by
//
//	go run -C tools ./ferretdb
package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

//go:embed templates words static
var files embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	os.Exit(report(run(ctx, os.Args[1:], os.Stdout, files)))
}

// report says what went wrong in one line and returns the exit status: 2 for a mistake on the command line.
func report(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "server:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// run serves until ctx is done, then lets the requests in flight end.
func run(ctx context.Context, args []string, out io.Writer, files fs.FS) error {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on")
	public := flags.String("url", "", "`URL` by which browsers reach it, such as https://auth.example behind a proxy; without it, http and the address")
	mongo := flags.String("mongo", "", "`URI` of a MongoDB to keep everything in but sign-in sessions; without it, everything is in memory")
	verbose := flags.Bool("v", false, "print a line for each step of OAuth, with the reason of each refusal")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		flags.PrintDefaults()
		return err
	} else if err != nil {
		return usageError{err}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	}
	if u, err := url.Parse(*public); err != nil || u.Path != "" {
		return usageError{fmt.Errorf("-url %q: want scheme and host alone, as in https://auth.example", *public)}
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	base := cmp.Or(*public, "http://"+reachable(listener.Addr().(*net.TCPAddr)))
	model, closeModel, err := open(ctx, *mongo, base)
	if err != nil {
		listener.Close()
		return err
	}
	defer closeModel()
	var steps io.Writer
	if *verbose {
		steps = out
	}
	handler, err := newApp(base, model, files, steps)
	if err != nil {
		listener.Close()
		return err
	}
	fmt.Fprintf(out, welcome, base)
	return serve(ctx, listener, handler)
}

// open returns the storage that the flag -mongo asks for.
func open(ctx context.Context, mongo, base string) (storage, func(), error) {
	if mongo != "" {
		return openMongo(ctx, mongo, base)
	}
	model, err := openMemory(base)
	return model, func() {}, err
}

// drainTime is how long requests in flight may take at the end.
const drainTime = 5 * time.Second

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := server.Shutdown(draining)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}

// reachable is an address that a browser on this machine can open.
func reachable(addr *net.TCPAddr) string {
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, fmt.Sprint(addr.Port))
}

const welcome = `The example is at %[1]s/

Open it in a browser, press Connect and sign in as andy with the password 123456. Or try:

  curl -u 123456:qwerty -d grant_type=client_credentials %[1]s/user/token
  curl -u 123456:qwerty -d grant_type=password -d username=andy -d password=123456 %[1]s/user/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" %[1]s/user/authenticate
  curl -u 123456:qwerty -d token=ACCESS_TOKEN %[1]s/user/introspect
  curl -u 123456:qwerty -d token=ACCESS_TOKEN %[1]s/user/revoke
  curl %[1]s/.well-known/oauth-authorization-server

Ctrl-C stops it.
`
