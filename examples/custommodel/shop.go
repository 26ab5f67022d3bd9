// This file stands for the program that was there before: a shop with customers
// and partners in its own database.

package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
	_ "modernc.org/sqlite" // SQLite in Go: no C compiler, no server

	"github.com/seed-11d18166/oauth2server"
)

// shop finds and registers customers and partners.
type shop struct {
	db   *sql.DB
	cost int // of bcrypt
}

type customer struct{ number string }

type partner struct {
	secretDigest sql.NullString // NULL for an app on a phone, which cannot keep a secret
	callback     string
}

//go:embed schema.sql
var schema string

// openShop opens the database and creates missing tables. All statements work
// on SQLite and PostgreSQL, placeholders included, so the caller chooses the
// driver.
func openShop(ctx context.Context, driver, source string) (*shop, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	s := &shop{db, bcrypt.DefaultCost}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("make the tables: %w", err)
	}
	return s, nil
}

// sqliteFile returns the data source name of a file. With the write-ahead log,
// readers do not wait for the writer. The timeout makes writers wait for each
// other, in this process and in others; cancelling a context does not end that
// wait. By default a commit reaches the disk before it is acknowledged. Leave it
// so: a used code must not come back after a power failure.
func sqliteFile(path string) string {
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)"}}
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: pragmas.Encode()}).String()
}

// addSamples registers a customer and a partner, unless they are there.
func (s *shop) addSamples(ctx context.Context) error {
	if err := s.addCustomer(ctx, "K-17", "andy@example.com", "123456"); err != nil {
		return err
	}
	return s.addPartner(ctx, "till", "a-secret-that-nobody-guesses", "https://till.example/callback")
}

func (s *shop) addCustomer(ctx context.Context, number, email, password string) error {
	err := errors.Join(oauth2server.CheckUser(&oauth2server.User{ID: number}, email),
		oauth2server.CheckUserPassword(password))
	if err != nil {
		return err
	}
	hash, err := s.hashPassword(password)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx,
		`INSERT INTO customers (number, email, password) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		number, email, string(hash))
	return err
}

// addPartner registers a partner, or one that cannot keep a secret, without one.
func (s *shop) addPartner(ctx context.Context, id, secret, callback string) error {
	p := partner{sql.NullString{String: oauth2server.Digest(secret), Valid: secret != ""}, callback}
	client := clientOf(id, p)
	if err := errors.Join(oauth2server.CheckClient(client),
		oauth2server.CheckClientSecret(client, secret)); err != nil {
		return err
	}
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO partners (id, secret_digest, callback) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		id, p.secretDigest, p.callback)
	return err
}

// clientOf returns the client of a partner.
func clientOf(id string, p partner) *oauth2server.Client {
	client := &oauth2server.Client{
		ID:           id,
		RedirectURIs: []string{p.callback},
		Scope:        oauth2server.Scope{"orders"},
		Grants:       []string{"authorization_code", "refresh_token"},
		Public:       !p.secretDigest.Valid,
		Data:         p,
	}
	if !client.Public {
		client.Grants = append(client.Grants, "client_credentials", "password")
	}
	return client
}

// signIn returns the customer with this address and password, or
// [sql.ErrNoRows].
func (s *shop) signIn(ctx context.Context, email, password string) (customer, error) {
	var c customer
	var hash []byte
	if !isText(email) {
		return c, sql.ErrNoRows
	}
	err := s.db.QueryRowContext(ctx, `SELECT number, password FROM customers WHERE email = $1`,
		email).Scan(&c.number, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		s.hashPassword(password) // an unknown address takes as long as a known one
	}
	if err != nil {
		return customer{}, err
	}
	err = bcrypt.CompareHashAndPassword(hash, condense(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return customer{}, sql.ErrNoRows
	}
	return c, err
}

// partner returns the partner with that id, or [sql.ErrNoRows].
func (s *shop) partner(ctx context.Context, id string) (p partner, err error) {
	if !isText(id) {
		return p, sql.ErrNoRows
	}
	err = s.db.QueryRowContext(ctx, `SELECT secret_digest, callback FROM partners WHERE id = $1`,
		id).Scan(&p.secretDigest, &p.callback)
	return p, err
}

// isText reports whether a column can hold s. For other strings PostgreSQL
// returns an error, though simply no row has them.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func (s *shop) hashPassword(password string) ([]byte, error) {
	return bcrypt.GenerateFromPassword(condense(password), s.cost)
}

// condense returns a digest of 43 characters, as bcrypt reads at most 72 bytes.
func condense(password string) []byte { return []byte(oauth2server.Digest(password)) }
