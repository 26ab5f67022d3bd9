// This file is what a server does for extensions that have an endpoint or a
// grant of their own.

package oauth2server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
)

// AuthenticateClient authenticates the client of a request, for an endpoint that
// clients call themselves. It takes POST with an urlencoded body. With public, a
// public client is let in by its client_id alone, which proves nothing: look at
// [Client.Public]. parameters are those that the endpoint reads: they must
// not repeat, nor be in the URL. The error is for [Server.WriteClientError].
func (s *Server) AuthenticateClient(
	r *http.Request, public bool, parameters ...string,
) (*ClientRequest, error) {
	known := append([]string{"client_id", "client_secret", "client_assertion", "client_assertion_type"},
		parameters...)
	f := new(posted)
	if refused := s.clientForm(r, known, f); refused != nil {
		return nil, refused
	}
	client, refused := s.authenticateClient(r, f.form, known, exemption{public: public})
	if refused == nil {
		refused = refuseInURL(r.URL.RawQuery, parameters)
	}
	if refused != nil {
		return nil, refused
	}
	return &ClientRequest{Client: client, HTTP: r, form: &f.form}, nil
}

// refuseInURL refuses parameters that belong into the body.
func refuseInURL(rawQuery string, names []string) *Error {
	query, refused := parseForm(rawQuery, nil)
	if refused != nil {
		return refused
	}
	for _, p := range query {
		if slices.Contains(names, p.name) {
			return refusal(InvalidRequest, "secret_in_query",
				"Invalid request: `"+p.name+"` must not be in the URL")
		}
	}
	return nil
}

// WriteClientError answers a request that a client sent to an endpoint of an
// extension (RFC 6749, section 5.2), logs why, and tells [Options.OnEvent].
// client may be nil. [ErrNotFound] is sent as invalid_grant, and an err that is
// no [Error] or [ErrorCode] as server_error.
func (s *Server) WriteClientError(
	w http.ResponseWriter, r *http.Request, endpoint Endpoint, client *Client, err error,
) {
	if err == nil {
		err = misuse("WriteClientError needs an error")
	}
	refused := modelFailure("the extension", err,
		refusal(InvalidGrant, "grant_not_found", "Invalid grant: the grant is invalid"))
	s.refuseClient(w, r, Event{Endpoint: endpoint, ClientID: client.id()}, refused)
}

// CheckAuthorization returns why the server would refuse an authorization
// request of client with these parameters; nil if [Server.Authorize] would ask
// the owner (RFC 9126, section 2.1). Parameters that name a request elsewhere,
// such as request_uri, must not be among them.
func (s *Server) CheckAuthorization(ctx context.Context, client *Client, parameters url.Values) error {
	if client == nil {
		return misuse("CheckAuthorization needs a client")
	}
	q := &authorization{server: s, began: beginNow()}
	q.sent.query = parametersOf(parameters)
	q.by, q.form, q.Client = q, &q.sent.form, client
	if refused := q.checkPushed(ctx); refused != nil {
		return refused
	}
	return nil
}

// checkPushed implements [Server.CheckAuthorization].
func (q *authorization) checkPushed(ctx context.Context) (refused *Error) {
	s := q.server
	for _, name := range s.resolverParameters {
		if q.sent.get(name) != "" || q.sent.repeats(name) {
			return refusal(InvalidRequest, "request_nested", "Invalid request: `"+name+"` is not allowed here")
		}
	}
	if id := q.sent.get("client_id"); id != "" && id != q.Client.ID || q.sent.repeats("client_id") {
		return refusal(InvalidRequest, "request_of_another_client",
			"Invalid request: the request is of another client")
	}
	if refused = q.checkTarget(); refused != nil {
		return refused
	}
	q.ResponseType, q.State = q.form.get("response_type"), q.form.get("state")
	q.RedirectURI, refused = s.redirectURI(ctx, q.Client, q.form.get("redirect_uri"))
	if refused == nil {
		refused = q.checkClient()
	}
	if refused == nil {
		_, refused = q.check(ctx, nil)
	}
	return refused
}

// ScopeFor returns what user may grant the client of the scope that it asks
// for; see [AuthorizationRequest.ScopeFor]. The error is an [Error].
func (s *Server) ScopeFor(ctx context.Context, user *User, client *Client, asked Scope) (Scope, error) {
	if !user.known() || client == nil {
		return nil, misuse("ScopeFor needs a user and a client")
	}
	return orNil(s.validateScope(ctx, user, client, asked))
}

// AccessToken returns the access token with this string if the server knows it
// and it has not expired. It checks neither its resource nor its key nor its
// scope: the caller must look at [Token.Resource], [Token.Details] and
// [Token.Scope]. The error is an [Error].
func (s *Server) AccessToken(r *http.Request, accessToken string) (*Token, error) {
	token, refused := s.lookUpAccessToken(r, accessToken)
	if refused != nil {
		return nil, refused
	}
	return token, nil
}

// Try calls check under [Options.LimitAttempts], for a secret that an extension
// tries. check returns nil if the secret is right, and [ErrNotFound] if it is
// wrong. Try returns what check returned, or an [Error] with status 429 if check
// was not called. Without LimitAttempts there is no limit.
func (s *Server) Try(r *http.Request, attempt Attempt, check func() error) error {
	var result error
	_, refused := try(s.options.LimitAttempts, r, attempt, func() (*struct{}, *Error) {
		if result = check(); result == nil {
			return nil, nil
		}
		if errors.Is(result, ErrNotFound) && asError(result) == nil {
			return nil, refusal(InvalidGrant, "grant_not_found", "")
		}
		return nil, modelFailure("the extension", result, nil)
	})
	if result == nil && refused != nil {
		return refused
	}
	return result
}

// Report tells [Options.OnEvent] what an extension did with a request.
func (s *Server) Report(r *http.Request, event Event) { s.report(r, event) }

// AllowOrigins returns a handler that scripts of [Options.AllowedOrigins] may
// call too, for an endpoint of an extension. The browser sends no cookies along.
// Preflights are answered without h. Without AllowedOrigins it returns h.
func (s *Server) AllowOrigins(h http.Handler) http.Handler { return s.resource.origins.open(h) }
