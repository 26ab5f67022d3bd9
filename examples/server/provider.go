// This file makes the server an OpenID provider: its signing keys, what it
// tells about users, and how clients sign them out.

package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
)

const (
	jwksPath     = "/jwks"
	userInfoPath = "/userinfo"
	logoutPath   = "/logout"
)

// acrPassword is the acr, the class of authentication, of each sign-in: there
// is only one way to sign in.
const acrPassword = "password"

// openKeys returns the signing keys, which are kept in the model.
func openKeys(ctx context.Context, model storage) (*keys.Ring, error) {
	source, err := keys.Kept(oauth2server.LogRecords(model), []byte(sealingSecret),
		&keys.KeptOptions{Algorithm: signingAlgorithm})
	if err != nil {
		return nil, err
	}
	return keys.New(ctx, source)
}

func (a *app) newProvider() *oidc.Provider {
	return oidc.New(a.ring, oidc.Options{
		Claims:     a.claims,
		JWKS:       jwksPath,
		UserInfo:   userInfoPath,
		EndSession: logoutPath,
		Session:    a.sessionID,
		ACRValues:  []string{acrPassword},
		PostLogoutRedirectURIs: func(client *oauth2server.Client) []string {
			return profileIn(client.Data, client.ID).SignedOutURIs
		},
	})
}

// claims returns what the application knows of a user. The provider tells a
// client only what its scopes allow.
func (a *app) claims(
	ctx context.Context, user *oauth2server.User, _ *oauth2server.Client,
) (map[string]any, error) {
	user, err := a.model.UserByID(ctx, user.ID) // as they are now
	if err != nil {
		return nil, err
	}
	known, claims := profileIn(user.Data, user.ID), map[string]any{}
	for name, value := range map[string]string{
		"name": known.Name, "preferred_username": known.Username, "email": known.Email,
	} {
		if value != "" {
			claims[name] = value
		}
	}
	return claims, nil
}

// logoutParameters are those of a client that signs a user out (OpenID Connect
// RP-Initiated Logout 1.0, section 2).
var logoutParameters = []string{
	"id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales",
}

// logout ends the session at the request of a client. It asks first, unless the
// client showed that it means this session: any page can send people here. A
// form of another site comes without the cookie, as if nobody were signed in,
// so the question follows each POST.
func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	request := oidc.LogoutRequestFromContext(r.Context())
	user, err := a.signedIn(r)
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		a.fault(w, r, err)
		return
	}
	if !request.Confirmed && (user != nil || r.Method == http.MethodPost) {
		a.askToSignOut(w, r, request, user)
		return
	}
	if a.sessionID(r) != "" && !a.ended(w, r) {
		return
	}
	if !request.Done(w, r) {
		a.show(w, r, http.StatusOK, page{Name: "signout", Data: signOutForm{}})
	}
}

// askToSignOut shows the question, with a form that repeats the request.
func (a *app) askToSignOut(
	w http.ResponseWriter, r *http.Request, request *oidc.LogoutRequest, user *oauth2server.User,
) {
	form := signOutForm{Ask: true, Parameters: url.Values{oidc.Confirm: {"yes"}}}
	for _, name := range logoutParameters {
		if values := r.Form[name]; len(values) > 0 {
			form.Parameters[name] = values
		}
	}
	if request.Client != nil {
		form.App = a.nameOf(request.Client.Data, request.Client.ID)
	}
	name := ""
	if user != nil {
		name = a.nameOf(user.Data, user.ID)
	}
	a.show(w, r, http.StatusOK, page{Name: "signout", User: name, Data: form})
}
