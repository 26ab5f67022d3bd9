// Command fromegg moves what the article about egg-oauth2-server keeps in MongoDB
// into a model: its clients, its users, and the codes and tokens that are alive.
// Without -to it only tries the import, in memory. It prints a report without
// secrets, and does not change what it reads. Stop the old server first.
//
//	go run ./examples/fromegg -from mongodb://127.0.0.1/egg [-to mongodb://127.0.0.1/app] [-short-secrets]
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
	_ "modernc.org/sqlite"

	"github.com/seed-11d18166/oauth2server/examples/internal/takeover"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fromegg:", err)
		os.Exit(1)
	}
}

// run moves everything and prints the report, even if an error ended the import.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("fromegg", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	from := flags.String("from", "", "`URI` of the old MongoDB, with its database")
	to := flags.String("to", "", "`URI` of a MongoDB with its database, of PostgreSQL, or file: for SQLite; without it "+
		"nothing is stored")
	shortSecrets := flags.Bool("short-secrets", false, "allow client secrets of fewer than 22 characters")
	newIDs := flags.Bool("new-ids", false, "give users who share an ID their _id, and leave out the tokens of that ID")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(out)
		flags.PrintDefaults()
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	old, closeOld, err := database(*from)
	if err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	defer closeOld()
	target, closeTarget, err := open(ctx, *to, *shortSecrets)
	if err != nil {
		return fmt.Errorf("-to: %w", err)
	}
	defer closeTarget()
	if err := takeover.CheckEgg(ctx, old); err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	report, err := takeover.Import(ctx, takeover.Egg(old), target, &takeover.Options{NewIDs: *newIDs})
	_, printing := io.WriteString(out, report.String())
	if shared := (takeover.SharedIDs)(nil); errors.As(err, &shared) {
		err = fmt.Errorf("%w\nnothing was moved; -new-ids gives each of them their _id as ID, and leaves out "+
			"these tokens", err)
	}
	return errors.Join(err, printing)
}

// passwordCost is the cost of bcrypt. 0 means the default of the model; tests
// lower it.
var passwordCost = 0

// open returns the model at an address, with its tables or indexes; without an
// address, one in memory.
func open(ctx context.Context, address string, shortSecrets bool) (_ takeover.Target, shut func(), err error) {
	scheme, _, _ := strings.Cut(address, ":")
	switch scheme {
	case "":
		return takeover.Memory{Model: memorymodel.New(&memorymodel.Options{
			InsecureAllowShortSecrets: shortSecrets, PasswordCost: passwordCost})}, func() {}, nil
	case "mongodb", "mongodb+srv":
		db, shut, err := database(address)
		if err != nil {
			return nil, nil, err
		}
		model := mongomodel.New(db, &mongomodel.Options{
			InsecureAllowShortSecrets: shortSecrets, PasswordCost: passwordCost})
		return ready(model, model.EnsureIndexes(ctx), shut)
	case "postgres", "postgresql":
		return openSQL(ctx, "pgx", address, sqlmodel.PostgreSQL, shortSecrets)
	case "file":
		return openSQL(ctx, "sqlite", address, sqlmodel.SQLite, shortSecrets)
	}
	return nil, nil, fmt.Errorf("the scheme %q is not known: use mongodb, mongodb+srv, postgres, postgresql or file", scheme)
}

func openSQL(ctx context.Context, driver, source string, dialect sqlmodel.Dialect, shortSecrets bool,
) (takeover.Target, func(), error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, nil, err
	}
	if dialect == sqlmodel.SQLite {
		db.SetMaxOpenConns(1) // it has one writer at a time
	}
	model := sqlmodel.New(db, dialect, &sqlmodel.Options{
		InsecureAllowShortSecrets: shortSecrets, PasswordCost: passwordCost})
	return ready(model, model.Migrate(ctx), func() { db.Close() })
}

// ready returns a model, unless it could not be prepared.
func ready(model takeover.Target, err error, shut func()) (takeover.Target, func(), error) {
	if err != nil {
		shut()
		return nil, nil, err
	}
	return model, shut, nil
}

// database returns the database that a URI names. Its errors do not quote the
// URI, which may have a password.
func database(uri string) (*mongo.Database, func(), error) {
	at, err := connstring.ParseAndValidate(uri)
	if parsing := new(url.Error); errors.As(err, &parsing) {
		err = parsing.Err
	}
	switch {
	case err != nil:
		return nil, nil, err
	case at.Database == "":
		return nil, nil, errors.New("the URI names no database")
	}
	client, err := mongo.Connect(options.Client().SetTimeout(30 * time.Second).ApplyURI(uri))
	if err != nil {
		return nil, nil, err
	}
	shut := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		client.Disconnect(ctx)
	}
	return client.Database(at.Database), shut, nil
}
