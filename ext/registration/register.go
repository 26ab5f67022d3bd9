// This file answers registrations (RFC 7591, section 3).

package registration

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/clientdata"
)

// endpoint is what the log and events call the endpoint.
const endpoint oauth2server.Endpoint = "registration"

// maxBody bounds a registration, in bytes.
const maxBody = 16 << 10

// answer is what a client is told (RFC 7591, section 3.2.1). No member is ever
// null, as clients refuse that.
type answer struct {
	ID              string   `json:"client_id"`
	IssuedAt        int64    `json:"client_id_issued_at"`
	Secret          string   `json:"client_secret,omitempty"`
	SecretExpiresAt *int     `json:"client_secret_expires_at,omitempty"` // 0: never
	Name            string   `json:"client_name,omitempty"`
	URI             string   `json:"client_uri,omitempty"`
	RedirectURIs    []string `json:"redirect_uris"`
	Grants          []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	ApplicationType string   `json:"application_type,omitempty"`
}

// Handler returns the endpoint, for a program that does not call
// [oauth2server.Server.Mount]. Call it after [oauth2server.New].
func (e *Endpoint) Handler() http.Handler {
	return e.server.AllowOrigins(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told, err := e.register(w, r)
		if err != nil {
			e.server.WriteClientError(w, r, endpoint, nil, err)
			return
		}
		body, err := json.Marshal(told)
		if err != nil {
			e.server.WriteClientError(w, r, endpoint, nil, err)
			return
		}
		e.server.Report(r, oauth2server.Event{
			Kind: oauth2server.EventRegistered, Endpoint: endpoint, ClientID: told.ID})
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(http.StatusCreated)
		w.Write(body) // an error means that the client hung up
	}))
}

// register registers the client of a request.
func (e *Endpoint) register(w http.ResponseWriter, r *http.Request) (*answer, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, refused(oauth2server.InvalidRequest, http.StatusMethodNotAllowed, "method",
			"Invalid request: method must be POST")
	}
	if wait := e.limit(r); wait > 0 {
		err := refused(oauth2server.InvalidRequest, http.StatusTooManyRequests, "registration_limited",
			"Invalid request: too many registrations")
		err.Header = http.Header{"Retry-After": {strconv.FormatInt(int64((wait-1)/time.Second+1), 10)}}
		return nil, err
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	data, err := clientdata.Read(body, e.options.RedirectSchemes)
	if err != nil {
		return nil, err
	}
	client := data.Client
	if may := e.options.MayRegister; may != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err := may(r, client); err != nil {
			return nil, chosen("MayRegister", err)
		}
	}
	var secret string
	if e.seal != nil {
		secret, err = e.seal.register(client)
	} else if secret, err = saveClient(r.Context(), e.store, client); err != nil {
		err = chosen("SaveClient", err)
	}
	if err != nil {
		return nil, err
	}
	told := &answer{ID: client.ID, IssuedAt: time.Now().Unix(), Secret: secret, Name: client.Name, URI: client.URI,
		RedirectURIs: client.RedirectURIs, Grants: client.Grants, ResponseTypes: []string{"code"},
		AuthMethod: "none", ApplicationType: data.Text("application_type")}
	if secret != "" {
		told.SecretExpiresAt = new(int)
		told.AuthMethod = cmp.Or(data.AuthMethod, "client_secret_basic") // RFC 7591, section 2
	}
	return told, nil
}

// limit counts a request, and returns how long its address has to wait; 0 means
// not at all.
func (e *Endpoint) limit(r *http.Request) time.Duration {
	done, wait := e.limiter.LimitAttempts(r, oauth2server.Attempt{})
	if wait > 0 {
		return wait
	}
	done(true) // count it: the limiter counts failures alone
	return 0
}

// readBody returns the body of a request. It must be JSON, which a form on a
// foreign page cannot send (CSRF).
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, refused(clientdata.InvalidClientMetadata, 0, "content_type",
			"Invalid client metadata: content must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, refused(clientdata.InvalidClientMetadata, http.StatusRequestEntityTooLarge,
			"registration_too_large",
			fmt.Sprintf("Invalid client metadata: the body has more than %d bytes", maxBody))
	}
	if err != nil {
		unreadable := refused(clientdata.InvalidClientMetadata, 0, "registration_unreadable",
			"Invalid client metadata: the body could not be read")
		unreadable.Err = err
		return nil, unreadable
	}
	return body, nil
}

// chosen names the function of the program that failed. It hides a bare
// [oauth2server.ErrNotFound], which has no meaning here.
func chosen(method string, err error) error {
	told := errors.As(err, new(*oauth2server.Error)) || errors.As(err, new(oauth2server.ErrorCode))
	if errors.Is(err, oauth2server.ErrNotFound) && !told {
		return fmt.Errorf("registration: %s: %v", method, err)
	}
	return fmt.Errorf("registration: %s: %w", method, err)
}

func refused(code oauth2server.ErrorCode, status int, reason, description string) *oauth2server.Error {
	return &oauth2server.Error{Code: code, Status: status, Reason: reason, Description: description}
}
