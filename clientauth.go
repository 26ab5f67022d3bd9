package oauth2server

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// credentials are how a client names itself at the token endpoint (RFC 6749, section 2.3.1).
type credentials struct{ id, secret string }

// authenticateClient returns the client that sent the request: a confidential one that proved its secret, or a public
// one where those are allowed.
func (s *Server) authenticateClient(ctx context.Context, r *http.Request, f form) (*Client, *Error) {
	client, refused := s.identifyClient(ctx, r, f)
	if refused != nil && refused.Code == InvalidClient && refused.Status == 0 && r.Header.Get("Authorization") != "" {
		// RFC 6749, section 5.2: who tried the header is told 401 and a challenge.
		unauthorized := *refused
		unauthorized.Status = http.StatusUnauthorized
		return nil, &unauthorized
	}
	return client, refused
}

func (s *Server) identifyClient(ctx context.Context, r *http.Request, f form) (*Client, *Error) {
	sent, refused := readCredentials(r.Header["Authorization"], f)
	if refused != nil {
		return nil, refused
	}
	grant := f.get("grant_type")
	skip := slices.Contains(s.options.InsecureSkipClientAuthentication, grant)
	if sent.secret == "" && !skip && !s.openToPublic(grant, f) {
		return nil, noCredentials("client_secret_missing")
	}
	if !isVSCHAR(sent.id) {
		return nil, invalid("client_id")
	}
	client, err := s.can.model.GetClient(ctx, sent.id, sent.secret)
	unknown := refusal(InvalidClient, "client_unknown", "Invalid client: client is invalid")
	if refused := found(client, err, unknown); refused != nil {
		return nil, refused
	}
	switch {
	case client.ID != sent.id:
		return nil, unknown // a storage that folds case
	case client.Public && sent.secret != "":
		return nil, refusal(InvalidClient, "client_public_with_secret", "Invalid client: client is invalid")
	case !client.Public && sent.secret == "" && !skip:
		return nil, noCredentials("client_secret_missing")
	}
	return client, nil
}

// openToPublic says whether the request is one that a public client may make. In the code grant its PKCE verifier is
// what stands in for the secret, so without one there is nothing to look at.
func (s *Server) openToPublic(grant string, f form) bool {
	return slices.Contains(s.options.PublicClientGrants, grant) &&
		(grant != "authorization_code" || f.get("code_verifier") != "")
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
	pair, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
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
