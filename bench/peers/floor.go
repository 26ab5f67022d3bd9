// This file is the floor: the least code that does the work.

package peers

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Floor is the least code in ordinary style that passes the gate with the
// standard library. It shows what net/http allows.
var Floor = Peer{
	Name:      "floor",
	New:       newFloor,
	Authorize: "/authorize",
	Token:     "/token",
	API:       "/api",
	App:       app,
	Machine:   machine,
	Other:     other,
	Scope:     Scope,
	Unequal: []string{"tokens are stored in clear; refresh tokens are used once, without a " +
		"retry, theft detection or revocation; nothing ever expires from memory; any scope that " +
		"is asked for is granted, as by all but fosite; no error descriptions, options, hooks or log"},
}

type floorClient struct {
	secret   [32]byte
	grants   []string
	callback string
}

type floorToken struct {
	client  *floorClient
	user    string
	scope   string
	expires time.Time
}

type floorCode struct {
	floorToken
	callback, challenge string
}

type floor struct {
	mu      sync.RWMutex
	clients map[string]*floorClient
	codes   map[string]floorCode
	access  map[string]floorToken
	refresh map[string]floorToken
}

func floorClients() map[string]*floorClient {
	code := []string{"authorization_code", "refresh_token"}
	return map[string]*floorClient{
		app.ID:     {sha256.Sum256([]byte(app.Secret)), code, Callback},
		other.ID:   {sha256.Sum256([]byte(other.Secret)), code, Callback},
		machine.ID: {sha256.Sum256([]byte(machine.Secret)), []string{"client_credentials"}, ""},
	}
}

func newFloor(string) (http.Handler, error) {
	f := &floor{
		clients: floorClients(), codes: map[string]floorCode{},
		access: map[string]floorToken{}, refresh: map[string]floorToken{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", f.authorize)
	mux.HandleFunc("/token", f.token)
	mux.HandleFunc("/api", f.api)
	return mux, nil
}

func randomToken() string {
	var random [32]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}

func (f *floor) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	client := f.clients[query.Get("client_id")]
	if client == nil || query.Get("redirect_uri") != client.callback {
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {query.Get("state")}}
	if query.Get("response_type") != "code" || query.Get("code_challenge_method") != "S256" ||
		query.Get("code_challenge") == "" {
		answer.Set("error", "invalid_request")
	} else {
		code := randomToken()
		f.mu.Lock()
		f.codes[code] = floorCode{floorToken{client, User, query.Get("scope"),
			time.Now().Add(5 * time.Minute)}, query.Get("redirect_uri"), query.Get("code_challenge")}
		f.mu.Unlock()
		answer.Set("code", code)
	}
	http.Redirect(w, r, client.callback+"?"+answer.Encode(), http.StatusFound)
}

func (f *floor) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	id, secret, _ := r.BasicAuth()
	client, digest := f.clients[id], sha256.Sum256([]byte(secret))
	if client == nil || subtle.ConstantTimeCompare(digest[:], client.secret[:]) != 1 {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	grant := r.PostForm.Get("grant_type")
	if !slices.Contains(client.grants, grant) {
		refuse(w, http.StatusBadRequest, "unauthorized_client")
		return
	}
	token := floorToken{client, "client:" + id, r.PostForm.Get("scope"), time.Now().Add(time.Hour)}
	switch grant {
	case "authorization_code":
		f.mu.Lock()
		code, ok := f.codes[r.PostForm.Get("code")]
		delete(f.codes, r.PostForm.Get("code"))
		f.mu.Unlock()
		verifier := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if !ok || code.client != client || code.callback != r.PostForm.Get("redirect_uri") ||
			code.expires.Before(time.Now()) ||
			base64.RawURLEncoding.EncodeToString(verifier[:]) != code.challenge {
			refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
		token.user, token.scope = code.user, code.scope
	case "refresh_token":
		f.mu.Lock()
		old, ok := f.refresh[r.PostForm.Get("refresh_token")]
		if ok && old.client == client {
			delete(f.refresh, r.PostForm.Get("refresh_token"))
		}
		f.mu.Unlock()
		if !ok || old.client != client || old.expires.Before(time.Now()) {
			refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
		token.user, token.scope = old.user, old.scope
	}
	answer := floorAnswer{
		AccessToken: randomToken(),
		TokenType:   "Bearer",
		ExpiresIn:   3600,
		Scope:       token.scope,
	}
	f.mu.Lock()
	f.access[answer.AccessToken] = token
	if grant != "client_credentials" {
		answer.RefreshToken = randomToken()
		token.expires = time.Now().Add(14 * 24 * time.Hour)
		f.refresh[answer.RefreshToken] = token
	}
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(answer)
}

type floorAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

func (f *floor) api(w http.ResponseWriter, r *http.Request) {
	presented, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.mu.RLock()
	token, known := f.access[presented]
	f.mu.RUnlock()
	if !ok || !known || token.expires.Before(time.Now()) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	if !slices.Contains(strings.Fields(token.scope), Scope) {
		refuse(w, http.StatusForbidden, "insufficient_scope")
		return
	}
	api(w, r)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": code})
}
