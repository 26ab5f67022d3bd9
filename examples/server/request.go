// This file carries the client's request through the pages, so that all of it
// is back after signing in.

package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
)

// ownFields are the fields of the pages' own forms. They are removed from a
// client's request.
var ownFields = []string{"ticket", "shown", "verdict", "allowed", "next", "again", "username", "password"}

// maxAddress bounds a request on its way through the pages, in bytes. It must
// fit into a header when encoded twice, as in /signin?next=.
const maxAddress = 8000

// clientRequest is a client's request, with everything that it asks of the
// pages.
type clientRequest struct {
	*oauth2server.AuthorizationRequest
	wants *oidc.Request
	asked url.Values
	now   *signIn // nil if nobody is signed in
}

// askedBy returns all parameters of the client's request, GET or POST. Those
// that the server does not know, such as resource (RFC 8707), may mean
// something to others.
func askedBy(r *http.Request, request *oauth2server.AuthorizationRequest) url.Values {
	asked := request.Parameters()
	for name, values := range r.Form {
		if asked.Has(name) || slices.Contains(ownFields, name) {
			continue
		}
		for i, value := range values {
			if value != "" && slices.Index(values, value) == i { // once, if in both the query and the body
				asked.Add(name, value)
			}
		}
	}
	return asked
}

// addressOf returns the address that repeats a request.
func addressOf(asked url.Values) string { return "/authorize?" + asked.Encode() }

// promptsOf returns what the client asks of the pages (OpenID Connect Core,
// section 3.1.2.1): to sign in again, to choose an account, to ask for consent
// again, or, by "none", to show nothing. Other values are ignored, unless the
// client asks for the scope openid: then the server has refused them.
func promptsOf(asked url.Values) []string {
	return strings.Fields(strings.Join(asked["prompt"], " "))
}

// withoutPrompt returns asked without a prompt that is done.
func withoutPrompt(asked url.Values, done string) url.Values {
	rest := url.Values{}
	for name, values := range asked {
		rest[name] = values
	}
	left := slices.DeleteFunc(promptsOf(asked),
		func(prompt string) bool { return prompt == done })
	if rest.Del("prompt"); len(left) > 0 {
		rest.Set("prompt", strings.Join(left, " "))
	}
	return rest
}

// freshTime is how long a sign-in for a request is good for that request,
// whatever max_age the client asks for: people read the consent page. The server
// refuses it after ten minutes.
const freshTime = 9 * time.Minute

// fresh reports whether the user signed in for this very request, just now.
func (q clientRequest) fresh() bool {
	return q.now.For == oauth2server.Digest(q.asked.Encode()) && time.Since(q.now.At) < freshTime
}

// again returns why the user must sign in once more; empty if they need not.
func (q clientRequest) again() string {
	switch {
	case q.now == nil || q.fresh():
		return ""
	case q.otherExpected():
		return againAsAnother
	case slices.Contains(promptsOf(q.asked), "login"), q.wants.SignInAgain, q.wants.NeedsSignIn(q.now.At):
		return signInAgain
	}
	return ""
}

// otherExpected reports whether the client expects another user, by an ID token
// or a subject that it named.
func (q clientRequest) otherExpected() bool {
	return q.wants.HintSubject != "" && q.wants.HintSubject != q.User.ID
}

// authentication is what clients are told of the sign-in.
func (q clientRequest) authentication() *oauth2server.Authentication {
	return &oauth2server.Authentication{
		Time:    q.now.At,
		Context: acrPassword,
		Methods: []string{"pwd"},
		Session: q.now.Session,
	}
}

// requestIn returns the client's request in next, the address to continue with.
// It is empty if next is another page.
func requestIn(next string) url.Values {
	u, err := url.Parse(next)
	if err != nil || u.Path != "/authorize" {
		return url.Values{}
	}
	return u.Query()
}

// inPopup reports whether the client shows the pages in a small window, where a
// menu has no place.
func inPopup(r *http.Request) bool {
	return r.Form.Get("display") == "popup" || requestIn(r.Form.Get("next")).Get("display") == "popup"
}

// localesOf returns the languages that the client asks for, in the request or
// in the address to continue with. It is empty if the client does not ask.
func localesOf(r *http.Request) string {
	if locales := r.Form.Get("ui_locales"); locales != "" {
		return locales
	}
	return requestIn(r.Form.Get("next")).Get("ui_locales")
}
