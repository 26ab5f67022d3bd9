// This file keeps the demo client's pending authorization request in a cookie.

package main

import (
	"net/http"
	"strings"
)

// pending is compared with the answer to an authorization request. Nonce is
// empty if the user need not sign in to the client.
type pending struct{ State, Verifier, Nonce string }

// pendingName is the name of the cookie.
const pendingName = "pending"

// pendingTime is how long an answer may take, in seconds.
const pendingTime = 60 * 60

// remember sets the cookie.
func (p pending) remember(w http.ResponseWriter, base string) {
	p.cookie(w, base, p.State+"."+p.Verifier+"."+p.Nonce, pendingTime)
}

// forget deletes the cookie: an answer counts once.
func (p pending) forget(w http.ResponseWriter, base string) { p.cookie(w, base, "", -1) }

func (pending) cookie(w http.ResponseWriter, base, value string, seconds int) {
	name, secure := cookieName(pendingName, base)
	http.SetCookie(w, &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   seconds,
		Secure:   secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

// pendingIn returns what the cookie has, or the zero value.
func pendingIn(r *http.Request, base string) pending {
	name, _ := cookieName(pendingName, base)
	cookie, err := r.Cookie(name)
	if err != nil {
		return pending{}
	}
	state, rest, _ := strings.Cut(cookie.Value, ".")
	verifier, nonce, _ := strings.Cut(rest, ".")
	return pending{state, verifier, nonce}
}
