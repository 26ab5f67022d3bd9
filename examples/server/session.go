package main

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"github.com/seed-11d18166/oauth2server"
)

// newSessions keeps sessions in memory: scs has stores for databases. The cookie, of that name, is out of reach for
// scripts and other sites' forms, and goes over TLS alone where browsers reach the application by that (base). When the
// store fails, fault answers.
func newSessions(name, base string, fault func(http.ResponseWriter, *http.Request, error)) *scs.SessionManager {
	sessions := scs.New()
	sessions.ErrorFunc = fault
	sessions.Lifetime, sessions.IdleTimeout = 12*time.Hour, time.Hour
	sessions.HashTokenInStore = true
	sessions.Cookie.Name = name
	sessions.Cookie.HttpOnly = true
	sessions.Cookie.SameSite = http.SameSiteLaxMode // Strict would lose it on the way from a client
	sessions.Cookie.Persist = false                 // it ends with the browser
	if strings.HasPrefix(base, "https://") {
		sessions.Cookie.Secure = true
		sessions.Cookie.Name = "__Host-" + name // which no other host of the domain can set
	}
	return sessions
}

// What a session has: the name of a sign-in, and what the next page says first, by its name among the words.
const (
	sessionSignIn = "sign-in"
	sessionNotice = "notice"
)

// signIns are the IDs of who is signed in, by the name of the sign-in, which is a secret of the session. They are apart
// from the sessions, as those are loaded and saved: a request that takes its time can bring back a session that was
// destroyed meanwhile, but not the sign-in.
type signIns = scs.Store

func newSignIns() signIns { return memstore.New() } // scs has others

// signedIn is for [oauth2server.Options.AuthenticateUser]. Nil: nobody. The user is looked up each time, so that one
// who was deleted is nobody.
func (a *app) signedIn(r *http.Request) (*oauth2server.User, error) {
	id, known, err := a.signIns.Find(a.sessions.GetString(r.Context(), sessionSignIn))
	if err != nil || !known {
		return nil, err
	}
	return a.model.UserByID(r.Context(), string(id))
}

// begin makes the session user's. What was in it was somebody else's, and who knew its old name must not share it.
func (a *app) begin(r *http.Request, user *oauth2server.User) error {
	ctx, name := r.Context(), rand.Text()
	if err := errors.Join(a.signIns.Delete(a.sessions.GetString(ctx, sessionSignIn)), a.sessions.Clear(ctx), a.sessions.RenewToken(ctx),
		a.signIns.Commit(name, []byte(user.ID), time.Now().Add(a.sessions.Lifetime))); err != nil {
		return err
	}
	a.sessions.Put(ctx, sessionSignIn, name)
	return nil
}

// end ends the sign-in of the session, and the session.
func (a *app) end(r *http.Request) error {
	return errors.Join(a.signIns.Delete(a.sessions.GetString(r.Context(), sessionSignIn)), a.sessions.Destroy(r.Context()))
}

// signedInName is for the menu of pages that need nobody; empty: nobody is signed in, or it is not known at the moment.
func (a *app) signedInName(r *http.Request) string {
	user, err := a.signedIn(r)
	if err != nil || user == nil {
		return ""
	}
	return a.nameOf(user.Data, user.ID)
}

// requireUser lets in who is signed in, and sends others to the sign-in page and back.
func (a *app) requireUser(next func(http.ResponseWriter, *http.Request, *oauth2server.User)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, err := a.signedIn(r)
		switch {
		case user == nil && (err == nil || errors.Is(err, oauth2server.ErrNotFound)):
			redirectToSignIn(w, r, r.URL.Path, false)
		case err != nil:
			a.fault(w, r, err)
		default:
			next(w, r, user)
		}
	}
}
