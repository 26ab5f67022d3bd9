// This file has the pages: sign in, allow, sign out.

package main

import (
	"crypto/rand"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
)

var pages = template.Must(template.New("").Parse(`
{{define "sign in"}}<!DOCTYPE html><title>Sign in</title><h1>Sign in</h1>{{with .}}<p>{{.}}</p>{{end}}
<form method="post"><label>Name <input name="username"></label>
<label>Password <input name="password" type="password"></label>
<button>Sign in</button></form>{{end}}

{{define "consent"}}<!DOCTYPE html><title>Allow</title><h1>Allow {{.Client.ID}}?</h1>
<p>Scope: {{.Scope}}{{with .Resource}}, for {{.}}{{end}}</p>{{with .Claims}}<p>It also asks for {{.}}.</p>{{end}}
<form method="post"><input type="hidden" name="signed_in" value="now">
<button name="verdict" value="allow">Allow</button>
<button name="verdict" value="deny">Deny</button></form>{{end}}

{{define "sign out"}}<!DOCTYPE html><title>Sign out</title><h1>Do you want to sign out?</h1>
<form method="post"><button name="confirm_logout" value="yes">Sign out</button></form>{{end}}

{{define "signed out"}}<!DOCTYPE html><title>Signed out</title><h1>You are signed out</h1>{{end}}
`))

func show(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	pages.ExecuteTemplate(w, name, data) // an error means that the browser hung up
}

// session is a browser whose user is signed in.
type session struct {
	id, user string
	since    time.Time
	clients  *clientList
}

// clientList are the clients at which a session signed its user in.
type clientList struct {
	mu  sync.Mutex
	all []*oauth2server.Client
}

func (l *clientList) add(c *oauth2server.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.all, func(known *oauth2server.Client) bool { return known.ID == c.ID }) {
		l.all = append(l.all, c)
	}
}

func (l *clientList) list() []*oauth2server.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// sessions are all browsers, by their cookie.
type sessions struct{ all sync.Map }

const cookie = "target_session"

func (s *sessions) of(r *http.Request) *session {
	sent, err := r.Cookie(cookie)
	if err != nil {
		return nil
	}
	found, ok := s.all.Load(sent.Value)
	if !ok {
		return nil
	}
	return found.(*session)
}

func (s *sessions) id(r *http.Request) string {
	if found := s.of(r); found != nil {
		return found.id
	}
	return ""
}

// begin signs a user in, with a new cookie. Whoever is signed in already stays in
// the same session, as its clients are to be told when it ends.
func (s *sessions) begin(w http.ResponseWriter, user string, before *session) *session {
	begun := &session{id: rand.Text(), user: user, since: time.Now(), clients: &clientList{}}
	if before != nil && before.user == user {
		begun.id, begun.clients = before.id, before.clients
	}
	value := rand.Text()
	s.all.Store(value, begun)
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode})
	return begun
}

func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if sent, err := r.Cookie(cookie); err == nil {
		s.all.Delete(sent.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1})
}

// page signs the user in and asks what they allow.
func (t *target) page(w http.ResponseWriter, r *http.Request) {
	q := oauth2server.AuthorizationRequestFromContext(r.Context())
	asked, err := t.provider.Request(r.Context(), q)
	if err != nil {
		q.Fail(w, r, err)
		return
	}
	now := t.sessions.of(r)
	if name := r.PostForm.Get("username"); r.Method == http.MethodPost && name != "" {
		user, err := t.model.GetUser(r.Context(), name, r.PostForm.Get("password"), q.Client)
		if err != nil {
			show(w, "sign in", "Name or password is wrong.")
			return
		}
		t.sessions.end(w, r)
		now = t.sessions.begin(w, user.ID, now)
	} else if now != nil && r.PostForm.Get("signed_in") == "" && tooOld(asked, now) {
		now = nil // the consent page, which comes after a sign-in, says so
	}
	verdict := r.PostForm.Get("verdict")
	silently := asked.Silent && !q.Client.Public // a public client's user is asked each time
	switch {
	case now == nil && asked.Silent:
		q.Fail(w, r, oidc.LoginRequired)
	case now == nil:
		show(w, "sign in", "")
	case verdict == "deny":
		q.Deny(w, r, "")
	case verdict == "allow", silently:
		now.clients.add(q.Client)
		q.Approve(w, r, oauth2server.Approval{
			User: &oauth2server.User{ID: now.user},
			All:  true,
			Authentication: &oauth2server.Authentication{
				Time: now.since, Context: "password", Methods: []string{"pwd"}, Session: now.id,
			},
		})
	case asked.Silent:
		q.Fail(w, r, oidc.ConsentRequired)
	default:
		show(w, "consent", struct {
			*oauth2server.AuthorizationRequest
			Claims []string
		}{q, asked.Claims})
	}
}

// tooOld reports whether the user must sign in again.
func tooOld(asked *oidc.Request, now *session) bool {
	return asked.SignInAgain || asked.NeedsSignIn(now.since)
}

// logout asks, unless the client showed that it means this session.
func (t *target) logout(w http.ResponseWriter, r *http.Request) {
	request := oidc.LogoutRequestFromContext(r.Context())
	if !request.Confirmed {
		show(w, "sign out", nil)
		return
	}
	ended := t.sessions.of(r)
	t.sessions.end(w, r)
	if ended != nil {
		user := &oauth2server.User{ID: ended.user}
		// It waits, so that a test tool need not.
		if err := t.provider.NotifyLogout(r.Context(), user, ended.id, ended.clients.list()...); err != nil {
			t.logger.WarnContext(r.Context(), "a client was not told of the logout", "error", err)
		}
	}
	if !request.Done(w, r) {
		show(w, "signed out", nil)
	}
}
