// This file serves models that have old data, for the tests to use over HTTP.

package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
	"github.com/seed-11d18166/oauth2server/examples/internal/takeover"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

func init() { passwordCost = bcrypt.MinCost }

// stored is a Target with two more methods that the tests use.
type stored interface {
	takeover.Target
	UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error)
	RevokeUser(ctx context.Context, userID string) error
}

// addresses returns one address for each kind of model.
func addresses(t *testing.T) map[string]string {
	return map[string]string{
		"memory":  "",
		"MongoDB": mongotest.DatabaseURI(t),
		"SQLite":  "file:" + filepath.Join(t.TempDir(), "new.db") + "?_pragma=busy_timeout(10000)",
	}
}

func opened(t *testing.T, address string) stored {
	model, shut, err := open(t.Context(), address, true)
	require.NoError(t, err)
	t.Cleanup(shut)
	return model.(stored)
}

// site is a server with the routes of the article.
type site struct {
	*testing.T
	base string
	oauth2.Config
}

// serve serves a model, for a client.
func serve(t *testing.T, model oauth2server.Model, id, secret string) site {
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Grants: []string{"authorization_code", "refresh_token", "client_credentials"},
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/user/authorize", srv.Authorize(nil))
	mux.Handle("/user/token", srv.Token(nil))
	mux.Handle("/user/authenticate", srv.Authenticate()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, oauth2server.UserFromContext(r.Context()).ID)
	})))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return site{t, server.URL, oauth2.Config{ClientID: id, ClientSecret: secret,
		Endpoint: oauth2.Endpoint{AuthURL: server.URL + "/user/authorize", TokenURL: server.URL + "/user/token"}}}
}

// opens requires that an access token is accepted, as one of user.
func (s site) opens(token, user string) {
	s.Helper()
	res, text := demotest.Get(s.T, s.base+"/user/authenticate", token)
	require.Equal(s, 200, res.StatusCode, text)
	require.Equal(s, user, text)
}

func (s site) refuses(token string) {
	s.Helper()
	res, _ := demotest.Get(s.T, s.base+"/user/authenticate", token)
	require.Equal(s, 401, res.StatusCode)
}

// refresh uses a refresh token.
func (s site) refresh(token string) (*oauth2.Token, error) {
	return s.TokenSource(s.Context(), &oauth2.Token{RefreshToken: token}).Token()
}

// invalid requires that a code or a refresh token was refused.
func (s site) invalid(_ *oauth2.Token, err error) {
	s.Helper()
	refused := new(oauth2.RetrieveError)
	require.ErrorAs(s, err, &refused)
	require.Equal(s, "invalid_grant", refused.ErrorCode)
}

// signIn sends the form of the sign-in page, and returns the ID of the user, or
// "" if nobody was signed in.
func (s site) signIn(username, password string) string {
	s.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	res, err := browser.PostForm(s.AuthCodeURL("xyz"), url.Values{"username": {username}, "password": {password}})
	require.NoError(s, err)
	defer res.Body.Close()
	location, err := res.Location()
	if err != nil {
		return ""
	}
	token, err := s.Exchange(s.Context(), location.Query().Get("code"))
	require.NoError(s, err, location)
	_, user := demotest.Get(s.T, s.base+"/user/authenticate", token.AccessToken)
	return user
}

// table returns a report with one space between its cells.
func table(report string) string {
	var lines []string
	for line := range strings.Lines(report) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}
