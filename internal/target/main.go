// Command target is a server with everything mounted at once, for the test tools
// of others. It is written on the public API alone, keeps everything in memory,
// and listens on loopback without TLS: it is for tests and nothing else.
//
//	go run ./internal/target -addr 127.0.0.1:0 -clients clients.json
//
// The first line that it prints is its base URL, which is also the issuer. The
// user is andy, with the password 123456. With -loopback, a client on loopback is
// told that the user signed out, at its backchannel_logout_uri.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "`address` to listen on; a loopback address")
	file := flag.String("clients", "", "JSON `file` with the clients to register")
	algorithm := flag.String("alg", "RS256", "`algorithm` of the signing key: ES256, EdDSA, RS256 or PS256")
	loopback := flag.Bool("loopback", false, "send logout tokens to loopback addresses too, also by http")
	verbose := flag.Bool("v", false, "log refusals")
	flag.Parse()
	if err := run(*addr, *file, *algorithm, *loopback, *verbose); err != nil {
		log.Fatal(err)
	}
}

func run(addr, file, algorithm string, loopback, verbose bool) error {
	var clients []client
	if file != "" {
		var err error
		if clients, err = readClients(file); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return fmt.Errorf("%s is no loopback address", listener.Addr())
	}
	logger := slog.New(slog.DiscardHandler)
	if verbose {
		logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	base := "http://" + listener.Addr().String()
	handler, err := newTarget(base, clients, algorithm, loopback, logger)
	if err != nil {
		return err
	}
	fmt.Println(base)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() { ended <- server.Shutdown(context.Background()) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
