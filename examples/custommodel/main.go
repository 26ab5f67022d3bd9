// Command custommodel is an application with customers and partners in its own
// tables that becomes an authorization server: they are its users and clients,
// and sqlmodel stores the rest. See model.go. Start it and try what it prints.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// story is printed at the start; see [demo.Program].
const story = `The shop's database is DATABASE. Its customer signs in as
andy@example.com with the password 123456. Its partner is the client till, with the
secret a-secret-that-nobody-guesses.

The first line gets a token. Put it in the place of ACCESS_TOKEN:

  curl -u till:a-secret-that-nobody-guesses -d grant_type=password -d username=andy@example.com -d password=123456 BASE/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" BASE/orders
`

func main() {
	path := flag.String("db", "",
		"`file` of the database (default: a new one in the temporary directory)")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var s *shop
	demo.Program(demo.Addr, func(string) (handler http.Handler, _ string, err error) {
		file, err := fileOf(*path)
		if err != nil {
			return nil, "", err
		}
		if s, err = openShop(ctx, "sqlite", sqliteFile(file)); err != nil {
			return nil, "", err
		}
		if err := s.addSamples(ctx); err != nil {
			return nil, "", err
		}
		m, err := newModel(ctx, s, sqlmodel.SQLite)
		if err != nil {
			return nil, "", err
		}
		go deleteExpired(ctx, m)
		handler, err = newHandler(m)
		return handler, strings.ReplaceAll(story, "DATABASE", file), err
	})
	if err := s.db.Close(); err != nil {
		log.Print(err)
	}
}

// fileOf returns path, or a new file if path is empty.
func fileOf(path string) (string, error) {
	if path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "custommodel")
	return filepath.Join(dir, "shop.db"), err
}

// deleteExpired deletes what has expired, every hour until ctx is done.
func deleteExpired(ctx context.Context, m model) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Hour):
		}
		if _, err := m.DeleteExpired(ctx); err != nil {
			log.Print(err)
		}
	}
}

func newHandler(m oauth2server.Model) (http.Handler, error) {
	srv, err := oauth2server.New(m, &oauth2server.Options{
		Grants: []string{"authorization_code", "refresh_token", "client_credentials", "password"}})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(nil)) // takes username and password from a form of the shop's
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/orders", srv.Authenticate("orders")(http.HandlerFunc(orders)))
	return mux, nil
}

func orders(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "the orders of customer %s\n", oauth2server.UserFromContext(r.Context()).ID)
}
