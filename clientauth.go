package oauth2server

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// credentials are how a client names itself (RFC 6749, section 2.3.1).
type credentials struct{ id, secret string }

// exemption is whom an endpoint lets in without a secret.
type exemption struct {
	public bool // public clients
	all    bool // any client: somebody else finds out who asks
}

// authenticateClient returns the client that sent the request: a confidential one that proved its secret, or one that
// needs none; also with the refusal of what else it sent in the URL. known are the parameters of the endpoint.
func (s *Server) authenticateClient(r *http.Request, f form, known []string, exempt exemption) (*Client, *Error) {
	client, refused := s.identifyClient(r, f, exempt)
	if refused == nil {
		return client, f.refuseQuery(r.URL.RawQuery, client, known)
	}
	if r.Header.Get("Authorization") != "" {
		refused = unauthorized(refused) // RFC 6749, section 5.2
	}
	return nil, refused
}

// unauthorized is refused with the status 401, and so with a challenge, if it is about who the client is.
func unauthorized(refused *Error) *Error {
	if refused.Code != InvalidClient || refused.Status != 0 {
		return refused
	}
	own := *refused
	own.Status = http.StatusUnauthorized
	return &own
}

func (s *Server) identifyClient(r *http.Request, f form, exempt exemption) (*Client, *Error) {
	sent, refused := readCredentials(r.Header["Authorization"], f)
	if refused != nil {
		return nil, refused
	}
	if sent.secret == "" && exempt == (exemption{}) {
		return nil, noCredentials("client_secret_missing")
	}
	if !isVSCHAR(sent.id) {
		return nil, invalid("client_id")
	}
	if sent.secret == "" {
		return s.excuseClient(r, sent.id, exempt)
	}
	return try(s, r, Attempt{ClientID: sent.id}, func() (*Client, *Error) {
		client, refused := s.findClient(r, sent)
		if refused == nil && client.Public {
			refused = refusal(InvalidClient, "client_public_with_secret", "Invalid client: client is invalid")
		}
		return client, refused
	})
}

// excuseClient returns a client that sent no secret, if it needs none.
func (s *Server) excuseClient(r *http.Request, id string, exempt exemption) (*Client, *Error) {
	client, refused := s.findClient(r, credentials{id: id})
	if refused == nil && !client.Public && !exempt.all {
		return nil, noCredentials("client_secret_missing")
	}
	return client, refused
}

func (s *Server) findClient(r *http.Request, sent credentials) (*Client, *Error) {
	client, err := s.can.model.GetClient(r.Context(), sent.id, sent.secret)
	if refused := found(client, err, wrongClient); refused != nil {
		return nil, refused
	}
	if client.ID != sent.id {
		return nil, wrongClient() // a storage that folds case
	}
	return client, nil
}

func wrongClient() *Error {
	return refusal(InvalidClient, "client_unknown", "Invalid client: client is invalid")
}

func noCredentials(reason string) *Error {
	return refusal(InvalidClient, reason, "Invalid client: cannot retrieve client credentials")
}

// readCredentials reads what the header and the body say. Only one method may be used (RFC 6749, section 2.3): Basic
// beside the same client_id is one, beside a client_secret or another client_id it is two.
func readCredentials(authorization []string, f form) (credentials, *Error) {
	if len(authorization) > 1 {
		return credentials{}, refusal(InvalidRequest, "authorization_repeated",
			"Invalid request: more than one Authorization header")
	}
	inBody := credentials{f.get("client_id"), f.get("client_secret")}
	if len(authorization) == 1 {
		if encoded, ok := cutScheme(authorization[0], "Basic"); ok {
			return readBasic(encoded, inBody)
		}
	}
	switch {
	case inBody.id == "":
		return credentials{}, noCredentials("client_id_missing")
	case inBody.secret != "" && !isVSCHAR(inBody.secret):
		return credentials{}, invalid("client_secret")
	}
	return inBody, nil
}

func readBasic(encoded string, inBody credentials) (credentials, *Error) {
	sent, ok := decodeBasic(encoded)
	switch {
	case inBody.secret != "" || inBody.id != "" && ok && inBody.id != sent.id:
		return credentials{}, refusal(InvalidRequest, "client_auth_twice",
			"Invalid request: only one client authentication method is allowed")
	case !ok:
		return credentials{}, noCredentials("basic_malformed")
	}
	return sent, nil
}

// decodeBasic reads id and secret, each form-urlencoded before the base64 (RFC 6749, section 2.3.1). An empty secret
// names a public client.
func decodeBasic(encoded string) (credentials, bool) {
	var buffer [128]byte // for most
	pair, err := base64.RawStdEncoding.AppendDecode(buffer[:0], []byte(strings.TrimRight(encoded, "=")))
	if err != nil {
		return credentials{}, false
	}
	encodedID, encodedSecret, found := strings.Cut(string(pair), ":")
	id, idErr := url.QueryUnescape(encodedID)
	secret, secretErr := url.QueryUnescape(encodedSecret)
	ok := found && idErr == nil && secretErr == nil && isVSCHAR(id) && (secret == "" || isVSCHAR(secret))
	return credentials{id, secret}, ok
}

// cutScheme returns what follows the scheme in an Authorization header, "" when that does not follow after spaces.
// The name of a scheme is case-insensitive (RFC 9110, section 11.1).
func cutScheme(header, scheme string) (rest string, ok bool) {
	end := strings.IndexFunc(header, func(r rune) bool { return r == ' ' || r == '\t' })
	if end < 0 {
		return "", equalFold(header, scheme)
	}
	if !equalFold(header[:end], scheme) {
		return "", false
	}
	return strings.TrimLeft(header[end:], " "), true
}
