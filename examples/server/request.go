// This file carries the client's request through the pages, so that all of it
// is back after signing in.

package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server"
)

// ownFields are fields of the pages' own forms. A client's request does not
// bring any.
var ownFields = []string{"ticket", "shown", "verdict", "allowed", "next", "again", "username", "password"}

// maxAddress bounds a request on its way through the pages, in bytes. Twice
// encoded, as it is behind /signin?next=, it must fit into a header.
const maxAddress = 8000

// clientRequest is a client's request, with all that it asks of the pages.
type clientRequest struct {
	*oauth2server.AuthorizationRequest
	asked url.Values
}

// askedBy returns the client's request, be it a GET or a POST, with all
// parameters: what the server does not know, such as resource (RFC 8707), may
// mean something to others.
func askedBy(r *http.Request, request *oauth2server.AuthorizationRequest) url.Values {
	asked := request.Parameters()
	for name, values := range r.Form {
		if asked.Has(name) || slices.Contains(ownFields, name) {
			continue
		}
		for i, value := range values {
			if value != "" && slices.Index(values, value) == i { // in the query and in the body
				asked.Add(name, value)
			}
		}
	}
	return asked
}

// addressOf is a request once more.
func addressOf(asked url.Values) string { return "/authorize?" + asked.Encode() }

// promptsOf returns what the client asks of the pages (OpenID Connect Core,
// section 3.1.2.1): to sign in again, to choose an account, to ask for consent
// again, or, by "none", to show nothing. Other values are ignored.
func promptsOf(asked url.Values) []string {
	return strings.Fields(strings.Join(asked["prompt"], " "))
}

// withoutPrompts returns asked once some of its prompts are done.
func withoutPrompts(asked url.Values, done ...string) url.Values {
	rest := url.Values{}
	for name, values := range asked {
		rest[name] = values
	}
	left := slices.DeleteFunc(promptsOf(asked),
		func(prompt string) bool { return slices.Contains(done, prompt) })
	if rest.Del("prompt"); len(left) > 0 {
		rest.Set("prompt", strings.Join(left, " "))
	}
	return rest
}

// requestIn returns the client's request in the address of a page to go on
// with; empty if it is another page.
func requestIn(next string) url.Values {
	u, err := url.Parse(next)
	if err != nil || u.Path != "/authorize" {
		return url.Values{}
	}
	return u.Query()
}

// localesOf returns the languages that the client asks for, be it in the
// address of the page to go on with: it has them from the user. Empty: it does
// not ask.
func localesOf(r *http.Request) string {
	if locales := r.Form.Get("ui_locales"); locales != "" {
		return locales
	}
	return requestIn(r.Form.Get("next")).Get("ui_locales")
}
