// This file turns each configuration of the fixture into a server.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// newTarget returns a handler that serves every configuration of the fixture
// under its name.
func newTarget(path string) (http.Handler, error) {
	f, err := loadFixture(path)
	if err != nil {
		return nil, err
	}
	s := newStore(f)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /__reset", func(w http.ResponseWriter, r *http.Request) {
		s.reset()
		w.WriteHeader(http.StatusNoContent)
	})
	for name, c := range f.Configs {
		handler, err := newConfig(s, c)
		if err != nil {
			return nil, fmt.Errorf("config %s: %w", name, err)
		}
		mux.Handle("/"+name+"/", http.StripPrefix("/"+name, countCalls(handler)))
	}
	return mux, nil
}

func newConfig(s *store, c config) (http.Handler, error) {
	model := newModel(s, c)
	options := newOptions(s, c, model)
	srv, err := oauth2server.New(model, options)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/user/token", srv.Token(nil))
	if c.Model.Only == nil { // a model of a resource server has no grants
		mux.Handle("/user/authorize", srv.Authorize(nil))
	}
	mux.Handle("/user/authenticate", srv.Authenticate()(http.HandlerFunc(protected)))
	for path, scope := range map[string]string{"read": "read", "write": "write", "admin": "admin",
		"readwrite": "read write"} {
		mux.Handle("/user/authenticate/"+path, srv.Authenticate(scope)(http.HandlerFunc(protected)))
	}
	return mux, nil
}

// newModel returns the model that the configuration asks for.
func newModel(s *store, c config) oauth2server.Model {
	base := minimal{s, c.Model.ValidateScope == "filter"}
	switch {
	case c.Model.Only != nil:
		return base
	case slices.Contains(c.Model.Without, "validateScope"):
		return unscoped{base}
	case c.Model.ValidateRedirectURI:
		return redirecting{scoped{unscoped{base}}}
	case c.Model.Generators:
		return generating{scoped{unscoped{base}}}
	}
	return scoped{unscoped{base}}
}

// newOptions translates the options of node-oauth2-server into those of this
// library.
func newOptions(s *store, c config, model oauth2server.Model) *oauth2server.Options {
	o := c.Options
	options := &oauth2server.Options{
		Grants: []string{"password"},
		// As in node: with a code_verifier, it asks for no secret.
		PublicClientGrants:             []string{"authorization_code"},
		AllowEmptyState:                o.AllowEmptyState,
		AllowBearerTokensInQueryString: o.AllowBearerTokensInQueryString,
		AllowExtendedTokenAttributes:   o.AllowExtendedTokenAttributes,
		AddAcceptedScopesHeader:        o.AddAcceptedScopesHeader == nil || *o.AddAcceptedScopesHeader,
		AddAuthorizedScopesHeader:      o.AddAuthorizedScopesHeader == nil || *o.AddAuthorizedScopesHeader,
		InsecureAllowPlainPKCE:         o.EnablePlainPKCE,
		InsecureApprovePublicClients:   true, // as node does
		AccessTokenLifetime:            time.Duration(o.AccessTokenLifetime) * time.Second,
		RefreshTokenLifetime:           time.Duration(o.RefreshTokenLifetime) * time.Second,
		AuthorizationCodeLifetime:      time.Duration(o.AuthorizationCodeLifetime) * time.Second,
		ExtensionGrants:                map[string]oauth2server.GrantFunc{},
		Logger:                         slog.New(slog.DiscardHandler),
	}
	if o.AlwaysIssueNewRefreshToken != nil && !*o.AlwaysIssueNewRefreshToken {
		options.RefreshRotation = oauth2server.RotateNever
	}
	if c.Model.Only == nil {
		options.Grants = append(options.Grants, "authorization_code", "refresh_token",
			"client_credentials")
	}
	for _, name := range o.ExtendedGrantTypes {
		options.ExtensionGrants[name] = s.otp
	}
	for grant, required := range o.RequireClientAuthentication {
		// The client credentials grant is for confidential clients: RFC 6749,
		// section 4.4
		if required || grant == "client_credentials" {
			continue
		}
		options.PublicClientGrants = append(options.PublicClientGrants, grant)
		if options.ExtensionGrants[grant] != nil {
			options.InsecureSkipClientAuthentication = append(
				options.InsecureSkipClientAuthentication, grant)
		}
	}
	switch c.Authorize {
	case "session":
		options.AuthenticateUser = func(r *http.Request) (*oauth2server.User, error) {
			if name := r.Header.Get("X-Session-User"); s.users[name].Username != "" {
				return &oauth2server.User{ID: name}, nil
			}
			return nil, nil
		}
	case "bearer":
		tokens := model.(oauth2server.AccessTokenModel)
		resource, err := oauth2server.NewResourceServer(tokens,
			&oauth2server.ResourceOptions{Logger: options.Logger})
		options.AuthenticateUser = func(r *http.Request) (*oauth2server.User, error) {
			if err != nil {
				return nil, err
			}
			token, err := resource.AuthenticateRequest(r)
			if err != nil {
				return nil, err
			}
			return token.User, nil
		}
	}
	return options
}

// otp is the fixture's extension grant.
func (s *store) otp(
	ctx context.Context, request *oauth2server.GrantRequest,
) (*oauth2server.Token, error) {
	otp := request.Param("otp")
	if otp == "" {
		return nil, &oauth2server.Error{Code: oauth2server.InvalidRequest,
			Description: "Missing parameter: `otp`"}
	}
	name, ok := s.OTPs[otp]
	if !ok {
		return nil, &oauth2server.Error{Code: oauth2server.InvalidGrant,
			Description: "Invalid grant: otp is invalid"}
	}
	user := &oauth2server.User{ID: name}
	scope, err := request.Scope(ctx, user)
	if err != nil {
		return nil, err
	}
	return request.Issue(ctx, oauth2server.Issuance{User: user, Scope: scope})
}

// protected is the protected resource.
func protected(w http.ResponseWriter, r *http.Request) {
	token := oauth2server.TokenFromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(
		map[string]any{"result": "ok", "user": token.User.ID, "client": token.Client.ID,
			"scope": token.Scope})
}

// countCalls writes the model calls before the answer into its header.
func countCalls(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var calls []string
		next.ServeHTTP(&callsWriter{w, &calls},
			r.WithContext(context.WithValue(r.Context(), callsKey{}, &calls)))
	})
}

type callsWriter struct {
	http.ResponseWriter
	calls *[]string
}

func (w *callsWriter) WriteHeader(status int) {
	w.Header().Set("X-Model-Calls", strings.Join(*w.calls, ","))
	w.ResponseWriter.WriteHeader(status)
}

func (w *callsWriter) Write(b []byte) (int, error) {
	if w.Header().Get("X-Model-Calls") == "" {
		w.Header().Set("X-Model-Calls", strings.Join(*w.calls, ","))
	}
	return w.ResponseWriter.Write(b)
}

func (w *callsWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
