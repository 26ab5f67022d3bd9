// Package everything has an extension that uses every door of the server, for
// tests. It is written on the exported API alone, as any extension could be.
// Its proofs are toys: they show when the server asks, and prove nothing.
package everything

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// The names by which clients use the extension.
const (
	Name         = "everything"
	GrantType    = "toy-grant"
	AuthMethod   = "toy_assertion"
	TokenType    = "Toy"
	Confirms     = "toy"
	KeyHeader    = "Toy-Key"
	ResponseMode = "toy_post"
	FinderPrefix = "toy:"
)

// Extension implements every interface of an extension. The zero value is ready
// for use. Its fields must not change while a server uses it.
type Extension struct {
	// Fail names the methods that return a fault.
	Fail map[string]bool

	// Bad names the methods that break their contract: they try to replace what
	// the server says.
	Bad map[string]bool

	// Requests are the parameters of the requests that can be resolved, by
	// request_uri.
	Requests map[string]url.Values

	// Format makes the access tokens.
	Format bool

	server *oauth2server.Server

	mu    sync.Mutex
	calls map[string]int
}

// Fault is the text of the faults, which no client must see.
const Fault = "the inner text of a fault"

func (e *Extension) called(method string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.calls == nil {
		e.calls = map[string]int{}
	}
	e.calls[method]++
	if e.Fail[method] {
		return errors.New(Fault)
	}
	return nil
}

// Calls returns how often a method was called.
func (e *Extension) Calls(method string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[method]
}

// ExtensionName implements [oauth2server.Extension].
func (e *Extension) ExtensionName() string { return Name }

// Attach implements [oauth2server.Attacher].
func (e *Extension) Attach(s *oauth2server.Server) error {
	e.server = s
	if s.Records() == nil {
		return errors.New("the model keeps no records")
	}
	return e.called("Attach")
}

// Grants implements [oauth2server.GrantExtender]. The grant issues a token to
// the user u1, with the parameter note in its Details and in its answer.
func (e *Extension) Grants() map[string]oauth2server.GrantFunc {
	return map[string]oauth2server.GrantFunc{GrantType: e.grant}
}

func (e *Extension) grant(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
	if err := e.called("Grant"); err != nil {
		return nil, err
	}
	resource, err := g.Resource()
	if err != nil {
		return nil, err
	}
	user := &oauth2server.User{ID: "u1"}
	scope, err := g.Scope(ctx, user)
	if err != nil {
		return nil, err
	}
	details := &oauth2server.Details{}
	if err := details.Set(Name, note{Note: g.Param("note")}); err != nil {
		return nil, err
	}
	token, err := g.Issue(ctx, oauth2server.Issuance{
		User: user, Scope: scope, Resource: resource, Details: details, Refresh: true,
	})
	if err == nil {
		token.Answer("note_of_the_grant", g.Param("note"))
	}
	return token, err
}

// note is what the extension keeps in Details.
type note struct {
	Note string `json:"note,omitempty"`
}

// AuthMethod implements [oauth2server.ClientAuthenticator]. An assertion is the
// client's ID and "!" and a key, which is "key of " and the ID.
func (e *Extension) AuthMethod() string { return AuthMethod }

// ClaimedClient implements [oauth2server.ClientAuthenticator].
func (e *Extension) ClaimedClient(r *oauth2server.ClientRequest) (string, error) {
	if err := e.called("ClaimedClient"); err != nil {
		return "", err
	}
	assertion := r.Param("client_assertion")
	id, _, found := strings.Cut(assertion, "!")
	if assertion != "" && !found {
		return "", oauth2server.ErrNotFound
	}
	return id, nil
}

// ProveClient implements [oauth2server.ClientAuthenticator]. Each assertion
// works once.
func (e *Extension) ProveClient(
	ctx context.Context, r *oauth2server.ClientRequest, client *oauth2server.Client,
) error {
	if err := e.called("ProveClient"); err != nil {
		return err
	}
	_, key, _ := strings.Cut(r.Param("client_assertion"), "!")
	key, serial, _ := strings.Cut(key, "#")
	if key != "key of "+client.ID {
		return oauth2server.ErrNotFound
	}
	until := time.Now().Add(time.Minute)
	err := e.server.Records().SaveRecord(ctx, "assertion:"+client.ID+":"+serial, nil, until)
	if errors.Is(err, oauth2server.ErrExists) {
		return &oauth2server.Error{Code: oauth2server.InvalidClient, Reason: "toy_replayed", Err: err}
	}
	return err
}

// FindClient implements [oauth2server.ClientFinder]: it knows the clients whose
// ID begins with "toy:", and each ID that it is asked about.
func (e *Extension) FindClient(_ context.Context, id, secret string) (*oauth2server.Client, error) {
	if err := e.called("FindClient"); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(id, FinderPrefix) && !e.Bad["FindClient"] || secret != "" {
		return nil, oauth2server.ErrNotFound
	}
	return &oauth2server.Client{
		ID:           id,
		RedirectURIs: []string{"https://toy.example/cb"},
		Grants:       []string{"authorization_code", "refresh_token"},
		Public:       true,
	}, nil
}

// TokenType implements [oauth2server.TokenBinder].
func (e *Extension) TokenType() string { return TokenType }

// Confirms implements [oauth2server.TokenBinder].
func (e *Extension) Confirms() string { return Confirms }

// Challenge implements [oauth2server.TokenBinder].
func (e *Extension) Challenge() string { return `algs="toy"` }

// BindToken implements [oauth2server.TokenBinder]: the key is in a header.
func (e *Extension) BindToken(r *http.Request) (string, error) {
	if err := e.called("BindToken"); err != nil {
		return "", err
	}
	key := r.Header.Get(KeyHeader)
	if key == "malformed" {
		return "", &oauth2server.Error{
			Code:        "invalid_toy_proof",
			Description: "the key is malformed",
			Header: http.Header{"Toy-Nonce": {"n1"}, "Cache-Control": {"public"}, "content-length": {"1"},
				"retry-after": {"7"}},
			Reason: "toy_proof",
		}
	}
	if key == "fault" {
		return "", &oauth2server.Error{Code: oauth2server.ServerError, Header: http.Header{"Toy-Nonce": {Fault}},
			Err: errors.New(Fault), Reason: "toy_fault"}
	}
	return key, nil
}

// VerifyToken implements [oauth2server.TokenBinder].
func (e *Extension) VerifyToken(r *http.Request, token *oauth2server.Token) error {
	if err := e.called("VerifyToken"); err != nil {
		return err
	}
	if token.AccessToken == "" || r.Header.Get(KeyHeader) != token.Details.Confirmation[Confirms] {
		return oauth2server.ErrNotFound
	}
	if r.Header.Get("Toy-Step") == "up" {
		return &oauth2server.Error{
			Code: "insufficient_user_authentication", Status: http.StatusUnauthorized,
			Challenge: `acr_values="gold"`, Reason: "toy_step",
		}
	}
	return nil
}

// RequestParameters implements [oauth2server.RequestResolver].
func (e *Extension) RequestParameters() []string { return []string{"request_uri"} }

// ResolveRequest implements [oauth2server.RequestResolver].
func (e *Extension) ResolveRequest(
	_ context.Context, _ *oauth2server.Client, sent func(string) string,
) (*oauth2server.ResolvedRequest, error) {
	if err := e.called("ResolveRequest"); err != nil {
		return nil, err
	}
	name := sent("request_uri")
	if name == "" {
		return nil, nil
	}
	found := e.Requests[name]
	if found == nil {
		return nil, oauth2server.ErrNotFound
	}
	return &oauth2server.ResolvedRequest{Parameters: found, Spend: func(ctx context.Context) error {
		if err := e.called("Spend"); err != nil {
			return err
		}
		err := e.server.Records().SaveRecord(ctx, "spent:"+name, nil, time.Now().Add(time.Minute))
		if errors.Is(err, oauth2server.ErrExists) {
			return oauth2server.ErrNotFound
		}
		return err
	}}, nil
}

// AuthorizationParameters implements [oauth2server.AuthorizationExtender].
func (e *Extension) AuthorizationParameters() []string { return []string{"note"} }

// CheckAuthorization implements [oauth2server.AuthorizationExtender].
func (e *Extension) CheckAuthorization(
	_ context.Context, request *oauth2server.AuthorizationRequest,
) error {
	if err := e.called("CheckAuthorization"); err != nil {
		return err
	}
	if request.Param("note") == "refuse" {
		return &oauth2server.Error{Code: "login_required", Reason: "toy_refused"}
	}
	return nil
}

// ApproveAuthorization implements [oauth2server.AuthorizationExtender].
func (e *Extension) ApproveAuthorization(
	_ context.Context, request *oauth2server.AuthorizationRequest,
	_ *oauth2server.Approval, details *oauth2server.Details,
) error {
	if err := e.called("ApproveAuthorization"); err != nil {
		return err
	}
	if key := request.Param("note"); strings.HasPrefix(key, "key:") {
		details.Confirmation = map[string]string{Confirms: strings.TrimPrefix(key, "key:")}
	}
	return details.Set(Name, note{Note: request.Param("note")})
}

// ResponseModes implements [oauth2server.ResponseMode].
func (e *Extension) ResponseModes() []string { return []string{ResponseMode} }

// Respond implements [oauth2server.ResponseMode].
func (e *Extension) Respond(
	w http.ResponseWriter, _ *http.Request, response *oauth2server.AuthorizationResponse,
) {
	e.called("Respond")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<form method=post action=%q>", response.RedirectURI)
	for name, values := range response.Parameters {
		fmt.Fprintf(w, "<input name=%q value=\"%s\">", name, html.EscapeString(values[0]))
	}
}

// FormatToken implements [oauth2server.TokenFormatter].
func (e *Extension) FormatToken(
	_ context.Context, client *oauth2server.Client, token *oauth2server.Token,
) (string, error) {
	if err := e.called("FormatToken"); err != nil {
		return "", err
	}
	switch {
	case e.Bad["FormatToken"]:
		token.Scope = append(token.Scope, "admin")
		token.User = &oauth2server.User{ID: "somebody else"}
		return "short", nil
	case !e.Format:
		return "", nil
	}
	return "toy." + client.ID + "." + rand.Text(), nil
}

// ExtendToken implements [oauth2server.TokenExtender].
func (e *Extension) ExtendToken(
	_ context.Context, _ *oauth2server.Client, token *oauth2server.Token,
) (map[string]any, error) {
	if err := e.called("ExtendToken"); err != nil {
		return nil, err
	}
	var kept note
	if _, err := token.Details.Get(Name, &kept); err != nil {
		return nil, err
	}
	members := map[string]any{"note": kept.Note}
	if e.Bad["ExtendToken"] {
		token.AccessToken, token.Scope = "another", oauth2server.Scope{"admin"}
		members["access_token"], members["Token_Type"], members["scope"] = "another", "none", "admin"
	}
	return members, nil
}

// ExtendIntrospection implements [oauth2server.IntrospectionExtender].
func (e *Extension) ExtendIntrospection(
	_ context.Context, _ *oauth2server.Client, _ *oauth2server.Token,
) (map[string]any, error) {
	if err := e.called("ExtendIntrospection"); err != nil {
		return nil, err
	}
	members := map[string]any{"toy": json.RawMessage(`{"deep":[1]}`)}
	if e.Bad["ExtendIntrospection"] {
		members["active"], members["sub"], members["cnf"] = false, "somebody else", nil
	}
	return members, nil
}

// ExtendMetadata implements [oauth2server.MetadataExtender].
func (e *Extension) ExtendMetadata(members map[string]any) {
	members["toy_supported"] = true
	if scopes, ok := members["scopes_supported"].([]any); ok {
		members["scopes_supported"] = append(scopes, "toy")
	}
	if e.Bad["ExtendMetadata"] {
		members["issuer"] = "https://evil.example"
	}
	if e.Bad["ExtendMetadata list"] {
		members["response_types_supported"] = []string{"token"}
	}
}

// Endpoint is an endpoint of the extension's own: it answers with the name of
// the client that sent the request and what the request would be bound to.
func (e *Extension) Endpoint() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := e.server.AuthenticateClient(r, true, "pushed", "secret_word")
		if err == nil && request.Param("secret_word") != "" {
			err = e.server.Try(r, oauth2server.Attempt{ClientID: request.Client.ID, Username: "word"},
				func() error {
					if request.Param("secret_word") != "sesame" {
						return oauth2server.ErrNotFound
					}
					return nil
				})
		}
		var client *oauth2server.Client
		if request != nil {
			client = request.Client
		}
		if err == nil && request.Param("pushed") != "" {
			var pushed url.Values
			pushed, err = url.ParseQuery(request.Param("pushed"))
			if err == nil {
				err = e.server.CheckAuthorization(r.Context(), client, pushed)
			}
		}
		var bound map[string]string
		if err == nil {
			bound, err = e.server.BindRequest(r)
		}
		if err != nil {
			e.server.WriteClientError(w, r, "toy", client, err)
			return
		}
		e.server.Report(r, oauth2server.Event{
			Kind: "toy", Endpoint: "toy", ClientID: client.ID,
		})
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"client": client.ID, "bound": bound})
	})
}

// Scopes implements [oauth2server.ScopeExtender].
func (e *Extension) Scopes() oauth2server.Scope { return oauth2server.Scope{"toy"} }

// Endpoints implements [oauth2server.EndpointExtender].
func (e *Extension) Endpoints() map[string]http.Handler {
	return map[string]http.Handler{"/toy": e.server.AllowOrigins(http.NotFoundHandler())}
}
