// This file authenticates the client that sends a request to the token,
// revocation or introspection endpoint.

package oauth2server

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// clientForm reads the form that a client posts to one of the endpoints that it
// calls itself, into f. known are the parameters of the endpoint, which may not
// repeat.
func (s *Server) clientForm(r *http.Request, known []string, f *posted) *Error {
	if r.Method != http.MethodPost {
		return wrongMethod("POST")
	}
	if !isForm(r) {
		return wrongContent(r)
	}
	if refused := f.readBody(r, s.options.MaxFormBytes); refused != nil {
		return refused
	}
	return f.repeated(known)
}

// credentials are how a client names itself (RFC 6749, section 2.3.1).
type credentials struct{ id, secret string }

// exemption tells which clients an endpoint accepts without a secret.
type exemption struct {
	public bool // public clients
	all    bool // all clients: the grant finds out who sends the request
}

// authenticateClient returns the client that sent the request: one that proved
// its secret, or one that exempt accepts without. known are the parameters of
// the endpoint. If the URL has a secret or contradicts the body, the result is
// the client and a refusal.
func (s *Server) authenticateClient(
	r *http.Request, f form, known []string, exempt exemption,
) (*Client, *Error) {
	client, refused := s.identifyClient(r, f, exempt)
	if refused == nil {
		return client, f.refuseQuery(r.URL.RawQuery, client, known)
	}
	if r.Header.Get("Authorization") != "" || s.admits {
		// RFC 6749, section 5.2. Clients that registered themselves know by 401
		// that they are forgotten.
		refused = unauthorized(refused)
	}
	return nil, refused
}

// unauthorized returns refused with status 401, and so with a challenge, if it
// is an invalid_client.
func unauthorized(refused *Error) *Error {
	if refused.Code != InvalidClient || refused.Status != 0 {
		return refused
	}
	own := *refused
	own.Status = http.StatusUnauthorized
	return &own
}

// identifyClient returns the client that the credentials name.
func (s *Server) identifyClient(r *http.Request, f form, exempt exemption) (*Client, *Error) {
	if len(s.ext.authenticators) > 0 {
		client, refused := s.claimedClient(r, f)
		if client != nil || refused != nil {
			return client, refused
		}
	}
	sent, refused := readCredentials(r.Header["Authorization"], f)
	switch {
	case refused != nil:
		return nil, refused
	case sent[0].secret != "":
		return s.tryClient(r, sent)
	case exempt == (exemption{}) && len(s.ext.authenticators) == 0:
		return nil, sent[0].noSecret()
	}
	return s.excuseClient(r, f, sent, exempt)
}

// claimedClient returns the client that proved itself by something else than a
// secret; nil if the request does not try to. The client's registered method is
// asked, whatever the request claims.
func (s *Server) claimedClient(r *http.Request, f form) (*Client, *Error) {
	// A copy, so that the form of a request without extensions stays where it is.
	request := &ClientRequest{HTTP: r, form: &form{body: f.body}}
	claimed := ""
	for _, e := range s.ext.authenticators {
		id, err := e.ClaimedClient(request)
		switch {
		case err != nil:
			return nil, refusedBy(e, "ClaimedClient", err, unproven(""))
		case id == "":
			continue
		case claimed != "":
			return nil, authenticatedTwice()
		case !grammar.IsVSCHAR(id):
			return nil, unproven(id)
		}
		claimed = id
	}
	switch {
	case claimed == "":
		return nil, nil
	case len(r.Header["Authorization"]) > 1:
		return nil, repeatedAuthorization()
	}
	_, isBasic := cutScheme(r.Header.Get("Authorization"), "Basic")
	inBody := f.get("client_id")
	if isBasic || f.get("client_secret") != "" || inBody != "" && inBody != claimed {
		return nil, authenticatedTwice()
	}
	return try(s.options.LimitAttempts, r, Attempt{ClientID: claimed}, func() (*Client, *Error) {
		client, refused := s.findClient(r, credentials{id: claimed})
		if refused == nil {
			refused = s.proveByMethod(request, client)
		}
		if refused != nil {
			return nil, refused
		}
		return client, nil
	})
}

// proveByMethod refuses a request that the client's registered method does not
// prove to be the client's.
func (s *Server) proveByMethod(request *ClientRequest, client *Client) *Error {
	for _, e := range s.ext.authenticators {
		if client.AuthMethod != e.AuthMethod() {
			continue
		}
		if err := e.ProveClient(request.HTTP.Context(), request, client); err != nil {
			return refusedBy(e, "ProveClient", err, unproven(client.ID))
		}
		return nil
	}
	return wrongAuthMethod(client)
}

func unproven(id string) *Error { return aboutClient(id, "client_unproven", wrongCredentials) }

// wrongAuthMethod refuses a client that is registered for another method. The
// text is that for an unknown client.
func wrongAuthMethod(client *Client) *Error {
	refused := aboutClient(client.ID, "client_auth_method", wrongCredentials)
	refused.sent = append(refused.sent, slog.String("registered_method", client.AuthMethod))
	return refused
}

func authenticatedTwice() *Error {
	return refusal(InvalidRequest, "client_auth_twice",
		"Invalid request: only one client authentication method is allowed")
}

// tryClient returns the client that owns the secret which was sent. An attempt
// at each ID that is tried counts.
func (s *Server) tryClient(r *http.Request, sent readings) (*Client, *Error) {
	prove := func() (*Client, *Error) { return s.proveClient(r, sent) }
	if second := sent[1].id; second != "" && second != sent[0].id {
		first := prove
		prove = func() (*Client, *Error) {
			return try(s.options.LimitAttempts, r, Attempt{ClientID: second}, first)
		}
	}
	return try(s.options.LimitAttempts, r, Attempt{ClientID: sent[0].id}, prove)
}

// proveClient returns the client that owns the secret which was sent.
func (s *Server) proveClient(r *http.Request, sent readings) (*Client, *Error) {
	client, refused := s.findEither(r, sent)
	if refused != nil && refused.Code == InvalidClient {
		// The request is refused in any case. Looking the client up without the
		// secret only gives the log the true reason.
		known, unknown := s.findEither(r, readings{{id: sent[0].id}, {id: sent[1].id}})
		if unknown != nil {
			return nil, unknown
		}
		client = known
	}
	if client != nil && client.AuthMethod != "" {
		return nil, wrongAuthMethod(client)
	}
	if client != nil && client.Public {
		return nil, aboutClient(client.ID, "client_public_with_secret", wrongCredentials)
	}
	return client, refused
}

// excuseClient returns a client that sent no secret, if exempt allows that.
// A client with a method of its own must be proven by that; the connection may
// do it (RFC 8705, section 2).
func (s *Server) excuseClient(
	r *http.Request, f form, sent readings, exempt exemption,
) (*Client, *Error) {
	client, refused := s.findEither(r, sent)
	switch {
	case refused != nil && exempt == (exemption{}) && refused.Code == InvalidClient:
		return nil, sent[0].noSecret()
	case refused != nil:
		return nil, refused
	case client.AuthMethod != "":
		request := &ClientRequest{HTTP: r, form: &form{body: f.body}}
		if refused := s.proveByMethod(request, client); refused != nil {
			return nil, refused
		}
		return client, nil
	case exempt == (exemption{}), !client.Public && !exempt.all:
		return nil, credentials{id: client.ID}.noSecret()
	}
	return client, nil
}

// findEither returns the client of the first reading that matches one.
func (s *Server) findEither(r *http.Request, sent readings) (*Client, *Error) {
	client, refused := s.findClient(r, sent[0])
	if refused != nil && refused.Code == InvalidClient && sent[1].id != "" {
		return s.findClient(r, sent[1])
	}
	return client, refused
}

// findClient asks the model for the client, with the secret if one was sent.
func (s *Server) findClient(r *http.Request, sent credentials) (*Client, *Error) {
	client, err := s.getClient(r.Context(), sent.id, sent.secret)
	if refused := found("GetClient", client, err, sent.refused); refused != nil {
		return nil, refused
	}
	if client.ID != sent.id {
		return nil, sent.refused() // the storage ignores case
	}
	return client, nil
}

// wrongCredentials is one text for an unknown client and a wrong secret, so
// that a stranger cannot find out which clients exist.
const wrongCredentials = "Invalid client: the client is unknown, or its credentials are wrong"

func (sent credentials) refused() *Error {
	if sent.secret != "" { // or unknown: proveClient finds out
		return aboutClient(sent.id, "client_secret_wrong", wrongCredentials)
	}
	return aboutClient(sent.id, "client_unknown", wrongCredentials)
}

func (sent credentials) noSecret() *Error {
	return aboutClient(sent.id, "client_secret_missing",
		"Invalid client: it must authenticate, by HTTP Basic or with `client_secret` in the body")
}

// aboutClient refuses a request that names this client.
func aboutClient(id, reason, description string) *Error {
	return &Error{
		Code:        InvalidClient,
		Description: description,
		reason:      reason,
		sent:        []slog.Attr{sentText("client_id", id)},
	}
}

// readings are the ways to read a request's credentials, the likelier one
// first. The second is empty if there is only one.
type readings [2]credentials

// readCredentials reads the credentials in the header or the body. A client may
// use only one method (RFC 6749, section 2.3). Basic and the same client_id in
// the body count as one; Basic and a client_secret, or another client_id, as
// two.
func readCredentials(authorization []string, f form) (readings, *Error) {
	if len(authorization) > 1 {
		return readings{}, repeatedAuthorization()
	}
	inBody := credentials{f.get("client_id"), f.get("client_secret")}
	if len(authorization) == 1 {
		if encoded, ok := cutScheme(authorization[0], "Basic"); ok {
			return readBasic(encoded, inBody)
		}
	}
	switch {
	case inBody.id == "":
		return readings{}, refusal(InvalidClient, "client_id_missing",
			"Invalid client: nothing says which client it is; send HTTP Basic, or `client_id` in the body")
	case !grammar.IsVSCHAR(inBody.id):
		return readings{}, invalid("client_id")
	case inBody.secret != "" && !grammar.IsVSCHAR(inBody.secret):
		return readings{}, invalid("client_secret")
	}
	return readings{inBody}, nil
}

// readBasic reads the credentials of a Basic header, beside those in the body.
func readBasic(encoded string, inBody credentials) (readings, *Error) {
	sent := decodeBasic(encoded)
	malformed := sent[0].id == ""
	if inBody.id != "" && !malformed {
		sent = sent.of(inBody.id)
	}
	switch {
	case inBody.secret != "", sent[0].id == "" && !malformed:
		return readings{}, authenticatedTwice()
	case malformed:
		return readings{}, refusal(InvalidClient, "basic_malformed",
			"Invalid client: the Authorization header must have base64 of id, colon and secret, "+
				"each form-urlencoded")
	}
	return sent, nil
}

// of returns the readings that name this client.
func (sent readings) of(clientID string) (named readings) {
	n := 0
	for _, reading := range sent {
		if reading.id == clientID {
			named[n] = reading
			n++
		}
	}
	return named
}

// decodeBasic reads ID and secret, which clients form-urlencode before the
// base64 (RFC 6749, section 2.3.1). Many clients leave that out, so a pair that
// reads differently without it is read both ways. An empty secret is that of a
// public client.
func decodeBasic(encoded string) (sent readings) {
	var buffer [128]byte // enough for most pairs, without an allocation
	pair, err := base64.RawStdEncoding.AppendDecode(buffer[:0], []byte(strings.TrimRight(encoded, "=")))
	id, secret, found := strings.Cut(string(pair), ":")
	if err != nil || !found {
		return sent
	}
	raw := credentials{id, secret}
	decodedID, idErr := url.QueryUnescape(id)
	decodedSecret, secretErr := url.QueryUnescape(secret)
	decoded := credentials{decodedID, decodedSecret}
	if idErr == nil && secretErr == nil && decoded.wellFormed() {
		sent[0] = decoded
	}
	switch {
	case raw == sent[0] || !raw.wellFormed():
	case sent[0].id == "":
		sent[0] = raw
	default:
		sent[1] = raw
	}
	return sent
}

func (sent credentials) wellFormed() bool {
	return grammar.IsVSCHAR(sent.id) && (sent.secret == "" || grammar.IsVSCHAR(sent.secret))
}
