package oauth2server

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// clientForm reads what a client posts to one of the endpoints that it calls itself, of which these parameters are known.
func (s *Server) clientForm(r *http.Request, known []string) (form, *Error) {
	if r.Method != http.MethodPost {
		return form{}, wrongMethod("POST")
	}
	if !isForm(r) {
		return form{}, wrongContent(r)
	}
	body, refused := readBody(r, s.options.MaxFormBytes)
	if refused != nil {
		return form{}, refused
	}
	f := form{body: body}
	return f, f.repeated(known)
}

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
	switch {
	case refused != nil:
		return nil, refused
	case sent[0].secret != "":
		return try(s.options.LimitAttempts, r, Attempt{ClientID: sent[0].id}, func() (*Client, *Error) { return s.proveClient(r, sent) })
	case exempt == (exemption{}):
		return nil, sent[0].noSecret()
	}
	return s.excuseClient(r, sent, exempt)
}

// proveClient returns the client whose secret it is.
func (s *Server) proveClient(r *http.Request, sent readings) (*Client, *Error) {
	client, refused := s.findEither(r, sent)
	if refused != nil && refused.Code == InvalidClient {
		// Nobody is let in. Look without the secret, so that the log has the true reason.
		known, unknown := s.findEither(r, readings{{id: sent[0].id}, {id: sent[1].id}})
		if unknown != nil {
			return nil, unknown
		}
		client = known
	}
	if client != nil && client.Public {
		return nil, aboutClient(client.ID, "client_public_with_secret", wrongCredentials)
	}
	return client, refused
}

// excuseClient returns a client that sent no secret, if it needs none.
func (s *Server) excuseClient(r *http.Request, sent readings, exempt exemption) (*Client, *Error) {
	client, refused := s.findEither(r, sent)
	if refused == nil && !client.Public && !exempt.all {
		return nil, credentials{id: client.ID}.noSecret()
	}
	return client, refused
}

// findEither returns the client of the first reading that names one.
func (s *Server) findEither(r *http.Request, sent readings) (*Client, *Error) {
	client, refused := s.findClient(r, sent[0])
	if refused != nil && refused.Code == InvalidClient && sent[1].id != "" {
		return s.findClient(r, sent[1])
	}
	return client, refused
}

// findClient asks the model for the client, with its secret if there is one.
func (s *Server) findClient(r *http.Request, sent credentials) (*Client, *Error) {
	client, err := s.can.model.GetClient(r.Context(), sent.id, sent.secret)
	if refused := found("GetClient", client, err, sent.refused); refused != nil {
		return nil, refused
	}
	if client.ID != sent.id {
		return nil, sent.refused() // the storage ignores case
	}
	return client, nil
}

// wrongCredentials is the same text for an unknown client and a wrong secret,
// so that a stranger cannot find out which clients exist.
const wrongCredentials = "Invalid client: the client is unknown, or its secret is wrong"

func (sent credentials) refused() *Error {
	if sent.secret != "" { // proveClient finds out whether there is such a client
		return aboutClient(sent.id, "client_secret_wrong", wrongCredentials)
	}
	return aboutClient(sent.id, "client_unknown", wrongCredentials)
}

func (sent credentials) noSecret() *Error {
	return aboutClient(sent.id, "client_secret_missing",
		"Invalid client: it must authenticate, by HTTP Basic or with `client_secret` in the body")
}

// aboutClient refuses whoever calls themselves by this ID.
func aboutClient(id, reason, description string) *Error {
	return &Error{Code: InvalidClient, Description: description, reason: reason,
		sent: []slog.Attr{sentText("client_id", id)}}
}

// readings are what a request may mean by its credentials, the likelier one
// first. The other one is empty if there is none.
type readings [2]credentials

// readCredentials reads what the header and the body say. Only one method may be
// used (RFC 6749, section 2.3): Basic beside the same client_id is one, beside a
// client_secret or another client_id it is two.
func readCredentials(authorization []string, f form) (readings, *Error) {
	if len(authorization) > 1 {
		return readings{}, refusal(InvalidRequest, "authorization_repeated",
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
		return readings{}, refusal(InvalidClient, "client_id_missing",
			"Invalid client: nothing says which client it is; send HTTP Basic, or `client_id` in the body")
	case !grammar.IsVSCHAR(inBody.id):
		return readings{}, invalid("client_id")
	case inBody.secret != "" && !grammar.IsVSCHAR(inBody.secret):
		return readings{}, invalid("client_secret")
	}
	return readings{inBody}, nil
}

func readBasic(encoded string, inBody credentials) (readings, *Error) {
	sent := decodeBasic(encoded)
	if inBody.id != "" && sent[0].id != "" {
		sent = sent.of(inBody.id)
	}
	switch {
	case inBody.secret != "", inBody.id != "" && sent == readings{}:
		return readings{}, refusal(InvalidRequest, "client_auth_twice",
			"Invalid request: only one client authentication method is allowed")
	case sent[0].id == "":
		return readings{}, refusal(InvalidClient, "basic_malformed",
			"Invalid client: the Authorization header must have base64 of id, colon and secret, each form-urlencoded")
	}
	return sent, nil
}

// of returns the readings that mean this client.
func (sent readings) of(clientID string) readings {
	switch {
	case sent[0].id == clientID && sent[1].id == clientID:
		return sent
	case sent[0].id == clientID:
		return readings{sent[0]}
	case sent[1].id == clientID:
		return readings{sent[1]}
	}
	return readings{}
}

// decodeBasic reads id and secret, each form-urlencoded before the base64 (RFC
// 6749, section 2.3.1). Many clients leave that out, so what reads differently
// without it is read both ways. An empty secret names a public client.
func decodeBasic(encoded string) (sent readings) {
	var buffer [128]byte // for most
	pair, err := base64.RawStdEncoding.AppendDecode(buffer[:0], []byte(strings.TrimRight(encoded, "=")))
	id, secret, found := strings.Cut(string(pair), ":")
	if err != nil || !found {
		return sent
	}
	raw := credentials{id, secret}
	decodedID, idErr := url.QueryUnescape(id)
	decodedSecret, secretErr := url.QueryUnescape(secret)
	if decoded := (credentials{decodedID, decodedSecret}); idErr == nil && secretErr == nil && decoded.wellFormed() {
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
