// Command ferretdb is a MongoDB-compatible server for tests and for trying
// things out: FerretDB with SQLite, in one process and without a container. Its
// first line of output is the URI to connect to.
//
//	go run -C tools ./ferretdb [-addr 127.0.0.1:0] [-dir DIR] [-stdin]
//
// It ends on SIGINT and SIGTERM, and with -stdin also when its standard input
// ends, so that it does not outlive the test that started it. It lacks TTL
// indexes and transactions and is not for production.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, or with -stdin until in ends.
func run(ctx context.Context, args []string, in io.Reader, out, log io.Writer) error {
	flags := flag.NewFlagSet("ferretdb", flag.ContinueOnError)
	flags.SetOutput(log)
	addr := flags.String("addr", "127.0.0.1:0", "`address` to listen on")
	dir := flags.String("dir", "", "`folder` to keep the data in; without it, a temporary one "+
		"that goes at the end")
	stdin := flags.Bool("stdin", false, "end when standard input does")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	folder, remove, err := dataFolder(*dir)
	if err != nil {
		return err
	}
	defer remove()
	server, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: *addr},
		Handler:  "sqlite",
		// Acknowledged writes survive the end of the process, but not of the
		// machine: no test waits for a disk.
		SQLiteURL: (&url.URL{
			Scheme:   "file",
			Path:     folder + "/",
			OmitHost: true,
			RawQuery: "_pragma=synchronous(off)",
		}).String(),
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if *stdin {
		go func() {
			io.Copy(io.Discard, in)
			cancel()
		}()
	}
	fmt.Fprintln(out, server.MongoDBURI())
	return server.Run(ctx)
}

// dataFolder returns the folder for the data, and a function to call at the
// end.
func dataFolder(dir string) (folder string, remove func(), err error) {
	if dir == "" {
		folder, err = os.MkdirTemp("", "ferretdb-")
		return folder, func() { os.RemoveAll(folder) }, err
	}
	if folder, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	return folder, func() {}, os.MkdirAll(folder, 0o700)
}
