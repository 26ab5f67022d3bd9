// This file signs people in and out.

package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// signInForm is the data of the sign-in page.
type signInForm struct {
	Next     string // where to go afterwards
	App      string // that the sign-in is for; empty for this one
	Username string
	Trouble  string // what was wrong; a key of the words, or empty
}

// signIn asks for name and password until they are right. It must be behind
// [app.protect], or other sites could sign people in.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	next := ownPath(r.FormValue("next"))
	if r.Method != http.MethodPost {
		a.askToSignIn(w, r, next)
		return
	}
	form := signInForm{
		Next:     next,
		App:      a.appIn(r.Context(), next),
		Username: r.PostFormValue("username"),
		Trouble:  "signin.wrong",
	}
	user, wait, err := a.tryPassword(r, form.Username, r.PostFormValue("password"))
	switch {
	case wait > 0:
		form.Trouble = "signin.wait"
		a.steps.event(r, oauth2server.Event{
			Endpoint: "sign-in",
			Kind:     oauth2server.EventRefused,
			Reason:   "attempt_limited",
		})
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		a.show(w, r, http.StatusTooManyRequests, page{Name: "signin", Data: form})
		return
	case errors.Is(err, oauth2server.ErrNotFound):
		a.steps.event(r, oauth2server.Event{
			Endpoint: "sign-in",
			Kind:     oauth2server.EventRefused,
			Reason:   "user_credentials",
		})
		a.show(w, r, http.StatusOK, page{Name: "signin", Data: form})
		return
	case err == nil:
		err = a.begin(r, user, next)
	}
	if err != nil {
		a.fault(w, r, err)
		return
	}
	a.steps.event(r, oauth2server.Event{Endpoint: "sign-in", Kind: "signed in", UserID: user.ID})
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// askToSignIn shows the form to people who are not signed in, or have to sign
// in again.
func (a *app) askToSignIn(w http.ResponseWriter, r *http.Request, next string) {
	user, err := a.signedIn(r)
	why, hint := r.URL.Query().Get("again"), clean(requestIn(next).Get("login_hint"))
	switch {
	case err != nil && !errors.Is(err, oauth2server.ErrNotFound):
		a.fault(w, r, err)
		return
	case user != nil && why == "": // the user went back
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	notice := ""
	switch {
	case user == nil:
	case why == againAsAnother:
		notice = "signin.another"
	default:
		notice, hint = "signin.again", cmp.Or(hint, clean(profileIn(user.Data, user.ID).Username))
	}
	a.show(w, r, http.StatusOK, page{Name: "signin", Notice: notice,
		Data: signInForm{Next: next, App: a.appIn(r.Context(), next), Username: hint}})
}

// appIn returns the name of the app whose request is in next. It is empty if
// there is none, or if the storage fails, as signing in does not depend on it.
func (a *app) appIn(ctx context.Context, next string) string {
	id := requestIn(next).Get("client_id")
	if id == "" {
		return ""
	}
	client, err := a.model.GetClient(ctx, id, "")
	if err != nil {
		if !errors.Is(err, oauth2server.ErrNotFound) {
			slog.ErrorContext(ctx, "the app on the sign-in page", "error", err)
		}
		return ""
	}
	return a.nameOf(client.Data, client.ID)
}

// tryPassword checks a password. After too many wrong ones it does not, and
// wait is how long the next attempt has to wait.
func (a *app) tryPassword(r *http.Request, username, password string) (
	user *oauth2server.User, wait time.Duration, err error) {
	if username == "" || password == "" {
		return nil, 0, oauth2server.ErrNotFound
	}
	done, wait := a.limiter.LimitAttempts(r, oauth2server.Attempt{Username: username})
	if wait > 0 {
		return nil, wait, nil
	}
	defer func() { done(errors.Is(err, oauth2server.ErrNotFound)) }()
	user, err = a.model.GetUser(r.Context(), username, password, nil)
	return user, 0, err
}

// signOutForm is the data of the page that asks whether to sign out, or says
// that it is done.
type signOutForm struct {
	Ask        bool
	App        string     // that asks for it; empty if the user does
	Parameters url.Values // of the app's request
}

// signOut ends the session, and shows the sign-in page to people who want to
// continue as someone else. Connected apps stay connected: there is a page for
// them. It must be behind [app.protect].
func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		name := a.signedInName(r)
		a.show(w, r, http.StatusOK, page{Name: "signout", User: name, Data: signOutForm{Ask: name != ""}})
		return
	}
	if !a.ended(w, r) {
		return
	}
	if next := r.PostFormValue("next"); next != "" {
		redirectToSignIn(w, r, ownPath(next), "")
		return
	}
	http.Redirect(w, r, "/signout", http.StatusSeeOther)
}

// ended ends the session, and reports whether it could. If not, it shows why.
func (a *app) ended(w http.ResponseWriter, r *http.Request) bool {
	if err := a.end(r); err != nil {
		a.fault(w, r, err)
		return false
	}
	a.steps.event(r, oauth2server.Event{Endpoint: "sign-out", Kind: "signed out"})
	return true
}

// Why people who are signed in must sign in again: the client asks for it, or
// for another account.
const (
	signInAgain    = "1"
	againAsAnother = "another"
)

// redirectToSignIn sends people to the sign-in page and then to next. Unless why
// is empty, they must sign in even if they are signed in.
func redirectToSignIn(w http.ResponseWriter, r *http.Request, next, why string) {
	query := url.Values{"next": {next}}
	if why != "" {
		query.Set("again", why)
	}
	http.Redirect(w, r, "/signin?"+query.Encode(), http.StatusSeeOther)
}

// ownPath returns next if it is a page of this application, and otherwise the
// start page: a link to the sign-in page must not redirect people elsewhere.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || u.Path != "/authorize" &&
		u.Path != "/apps" {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}
