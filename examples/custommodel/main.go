// Command custommodel shows an application that has its own types and its own database, and becomes an authorization
// server by a model between them and oauth2server: see model.go. Start it and try the line that it prints.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

func main() {
	path := flag.String("db", "", "`file` of the database (default: a new one in the temporary directory)")
	flag.Parse()
	if err := run(context.Background(), *path); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string) error {
	if path == "" {
		dir, err := os.MkdirTemp("", "custommodel")
		if err != nil {
			return err
		}
		path = filepath.Join(dir, "shop.db")
	}
	s, err := openShop(ctx, "sqlite", sqliteFile(path))
	if err != nil {
		return err
	}
	defer s.db.Close()
	if err := s.addSamples(ctx); err != nil {
		return err
	}
	m := &model{s}
	handler, err := newHandler(m)
	if err != nil {
		return err
	}
	go func() {
		for range time.Tick(time.Hour) {
			if err := m.DeleteExpired(ctx); err != nil {
				log.Print(err)
			}
		}
	}()
	fmt.Println("the database:", path)
	fmt.Println("try: curl -u till:a-secret-that-nobody-guesses -d grant_type=password -d username=andy@example.com -d password=123456 http://127.0.0.1:8080/token")
	return http.ListenAndServe("127.0.0.1:8080", handler)
}

func newHandler(m *model) (http.Handler, error) {
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

// ValidateScope gives "orders" to whoever asks for nothing.
func (m *model) ValidateScope(_ context.Context, _ *oauth2server.User, _ *oauth2server.Client, scope oauth2server.Scope) (oauth2server.Scope, error) {
	if len(scope) == 0 {
		return oauth2server.Scope{"orders"}, nil
	}
	return scope, nil
}
