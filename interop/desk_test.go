//go:build browser || proxy

package interop

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
)

// desk has the pages of a provider where people sign in with a password and are
// remembered by a cookie.
type desk struct {
	provider *provider
	sameSite http.SameSite

	mu       sync.Mutex
	sessions map[string]visit
	agreed   map[string]bool // the clients that the user allowed before
}

// visit is a session of the user.
type visit struct {
	id    string
	since time.Time
}

const cookie = "__Host-desk"

var form = template.Must(template.New("").Parse(`<!DOCTYPE html><title>{{.}}</title><form method="post">
{{if eq . "Sign in"}}<input name="username"><input name="password" type="password">{{end}}
<button name="confirm_logout" value="yes">{{.}}</button></form>`))

// openDesk puts the pages into a provider.
func openDesk(p *provider) *desk {
	d := &desk{provider: p, sameSite: http.SameSiteLaxMode, sessions: map[string]visit{}, agreed: map[string]bool{}}
	p.page, p.logout = http.HandlerFunc(d.authorize), http.HandlerFunc(d.signOut)
	p.sessionOf = func(r *http.Request) string { return d.visit(r).id }
	return d
}

// visit returns the session of a request; its ID is empty if there is none.
func (d *desk) visit(r *http.Request) visit {
	sent, err := r.Cookie(cookie)
	if err != nil {
		return visit{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sessions[sent.Value]
}

func (d *desk) begin(w http.ResponseWriter) visit {
	begun, value := visit{rand.Text(), time.Now()}, rand.Text()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions[value] = begun
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Path: "/", Secure: true, HttpOnly: true,
		SameSite: d.sameSite})
	return begun
}

// remembers reports whether the user allowed the client before, and the answer
// can only reach that client: it has a secret, or its redirection URI is of a
// host that is its own (RFC 6749, section 10.2; RFC 8252, section 8.6).
func (d *desk) remembers(q *oauth2server.AuthorizationRequest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.agreed[q.Client.ID] && (!q.Client.Public || strings.HasPrefix(q.RedirectURI, "https://"))
}

func (d *desk) authorize(w http.ResponseWriter, r *http.Request) {
	q := oauth2server.AuthorizationRequestFromContext(r.Context())
	asked, err := d.provider.oidc.Request(r.Context(), q)
	if err != nil {
		q.Fail(w, r, err)
		return
	}
	posted, now := r.Method == http.MethodPost, d.visit(r)
	if posted && r.PostForm.Get("username") == "andy" && r.PostForm.Get("password") == "123456" {
		now = d.begin(w)
	}
	switch {
	case now.id == "" && asked.Silent:
		q.Fail(w, r, oidc.LoginRequired)
	case now.id == "":
		form.Execute(w, "Sign in")
	case posted, d.remembers(q):
		d.mu.Lock()
		d.agreed[q.Client.ID] = true
		d.mu.Unlock()
		q.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "andy"}, All: true,
			Authentication: &oauth2server.Authentication{Time: now.since, Session: now.id}})
	case asked.Silent:
		q.Fail(w, r, oidc.ConsentRequired)
	default:
		form.Execute(w, "Allow")
	}
}

func (d *desk) signOut(w http.ResponseWriter, r *http.Request) {
	request := oidc.LogoutRequestFromContext(r.Context())
	if !request.Confirmed {
		form.Execute(w, "Sign out")
		return
	}
	if sent, err := r.Cookie(cookie); err == nil {
		d.mu.Lock()
		delete(d.sessions, sent.Value)
		d.mu.Unlock()
	}
	if !request.Done(w, r) {
		w.Write([]byte("You are signed out."))
	}
}

// rotate makes a new key, which signs from now on.
func (p *provider) rotate() {
	p.t.Helper()
	next := newKey(p.t, "RS256")
	next.SignsFrom = time.Now()
	p.keys = append(p.keys, next)
	require.NoError(p.t, p.ring.Reload(p.t.Context()))
}

// keyOf returns the ID of the key that signed a token.
func keyOf(t *testing.T, token string) string {
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	require.NoError(t, err)
	var header struct {
		KeyID string `json:"kid"`
	}
	require.NoError(t, json.Unmarshal(text, &header))
	return header.KeyID
}
