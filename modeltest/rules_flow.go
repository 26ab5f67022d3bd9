// This file has the rules that run a whole server on the model.

package modeltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/seed-11d18166/oauth2server"
)

var flowRules = []rule{
	{
		name:  "generated",
		needs: []need{generators},
		check: generated,
		reason: "what a model generates must be unguessable and new each time, however many " +
			"requests there are at once",
		harm: "two users get the same token, and each is the other; or a token is guessed",
	},
	{
		name:  "flow",
		needs: []need{codes, refresh, flows},
		check: flow,
		last:  true,
		reason: "in the end, all methods serve one purpose: an owner's consent becomes tokens, " +
			"which work, and are refreshed, and a code that comes twice is refused",
		harm: "no client can sign anybody in",
	},
}

type generator = func(context.Context, *oauth2server.Client, *oauth2server.User, oauth2server.Scope) (string, error)

// generators are the Generate methods of the model.
func (h *handle) generators() map[string]generator {
	all := map[string]generator{}
	if g := outermost[oauth2server.AccessTokenGenerator](h.given); g != nil {
		all["GenerateAccessToken"] = g.GenerateAccessToken
	}
	if g := outermost[oauth2server.RefreshTokenGenerator](h.given); g != nil {
		all["GenerateRefreshToken"] = g.GenerateRefreshToken
	}
	if g := outermost[oauth2server.AuthorizationCodeGenerator](h.given); g != nil {
		all["GenerateAuthorizationCode"] = g.GenerateAuthorizationCode
	}
	return all
}

var generators = need{"AccessTokenGenerator, RefreshTokenGenerator or AuthorizationCodeGenerator",
	func(t *trial) bool { return len(t.on.generators()) > 0 }}

// generated accepts an empty string, which leaves it to the server.
func generated(ctx context.Context, t *trial) error {
	for name := range t.on.generators() {
		var seen sync.Map
		errs := t.storm(func(h *handle, _ int) error {
			text, err := h.generators()[name](ctx, t.client(0), t.user(0), oauth2server.Scope{"read"})
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", name, err)
			case text == "":
				return nil
			case len(text) < 20:
				return fmt.Errorf("%s returned %d characters: 128 bits take 20 or more", name, len(text))
			case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
				return fmt.Errorf("%s returned characters that cannot be sent", name)
			}
			if _, twice := seen.LoadOrStore(text, true); twice {
				return fmt.Errorf("%s returned the same twice", name)
			}
			return nil
		})
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// flows is needed for what flow does as the first client.
var flows = need{"a redirection URI and the grants authorization_code and refresh_token for the " +
	"first of Fixture.Clients", func(t *trial) bool {
	c := t.Clients[0]
	return len(c.RedirectURIs) > 0 && slices.Contains(c.Grants, "authorization_code") &&
		slices.Contains(c.Grants, "refresh_token")
}}

// quiet returns options for a server that logs nothing.
func quiet() *oauth2server.Options {
	return &oauth2server.Options{Logger: slog.New(slog.DiscardHandler)}
}

// flow runs the code flow with PKCE and a refresh, each twice.
func flow(ctx context.Context, t *trial) error {
	srv, err := oauth2server.New(t.Model, quiet())
	if err != nil {
		return err
	}
	redemption, err := t.code(ctx, srv)
	if err != nil {
		return err
	}
	first, err := t.token(ctx, srv, redemption)
	if err != nil {
		return fmt.Errorf("the exchange of a code: %w", err)
	}
	second, err := t.refreshed(ctx, srv, first)
	if err != nil {
		return fmt.Errorf("a refresh: %w", err)
	}
	if t.on.tokens != nil {
		for _, token := range []string{first.Access, second.Access} {
			if err := accessWorks(ctx, srv, token); err != nil {
				return fmt.Errorf("an access token that was just issued: %w", err)
			}
		}
	}
	if _, err := t.token(ctx, srv, redemption); err == nil {
		return errors.New("a code was exchanged twice")
	}
	return nil
}

// code lets the first user connect the first client. It returns the request
// that redeems the code.
func (t *trial) code(ctx context.Context, srv *oauth2server.Server) (redemption url.Values, err error) {
	c, verifier := t.Clients[0], unique()
	code, err := t.authorize(ctx, srv,
		url.Values{"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {c.RedirectURIs[0]},
			"state": {"x"}, "code_challenge": {oauth2server.Digest(verifier)},
			"code_challenge_method": {"S256"}})
	return url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri":  {c.RedirectURIs[0]},
		"code_verifier": {verifier}}, err
}

// refreshed returns the answer to a refresh.
func (t *trial) refreshed(ctx context.Context, srv *oauth2server.Server, a answer) (answer, error) {
	return t.token(ctx, srv, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Refresh}})
}

// accessWorks returns nil if the access token is accepted.
func accessWorks(ctx context.Context, srv *oauth2server.Server, token string) error {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	_, err := srv.AuthenticateRequest(r)
	return err
}

// authorize lets the first user approve and returns the code.
func (t *trial) authorize(
	ctx context.Context, srv *oauth2server.Server, query url.Values,
) (code string, err error) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		approval := oauth2server.Approval{User: t.user(0), All: true}
		oauth2server.AuthorizationRequestFromContext(r.Context()).Approve(w, r, approval)
	})
	if scope := t.Clients[0].Scope; len(scope) > 0 {
		query.Set("scope", scope[0])
	} else {
		query.Set("scope", "read")
	}
	w := httptest.NewRecorder()
	srv.Authorize(page).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/?"+query.Encode(), nil))
	location, err := url.Parse(w.Header().Get("Location"))
	if err != nil || location.Query().Get("code") == "" {
		return "", fmt.Errorf("the authorization endpoint gave no code, but status %d, Location "+
			"%q and the body %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	return location.Query().Get("code"), nil
}

// answer is an answer of the token endpoint.
type answer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// token asks the token endpoint as the first client.
func (t *trial) token(
	ctx context.Context, srv *oauth2server.Server, form url.Values,
) (a answer, err error) {
	r := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(t.Clients[0].ID), url.QueryEscape(t.Clients[0].Secret))
	w := httptest.NewRecorder()
	srv.Token(nil).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return a, fmt.Errorf("%d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		return a, err
	}
	if a.Access == "" || a.Refresh == "" {
		return a, fmt.Errorf("an answer without both tokens: %s", w.Body)
	}
	return a, nil
}
