// This file is the floor that allocates least: what floor.go does, by hand.

package peers

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// HandWritten does what [Floor] does with as few allocations as net/http
// allows. It shows what ordinary style costs.
var HandWritten = Peer{
	Name: "hand-written", New: newHandWritten, Authorize: "/authorize", Token: "/token", API: "/api",
	App: app, Machine: machine, Other: other, Scope: Scope,
	Unequal: []string{"as floor, but refuses a query, form or header over 4 KB, and a scope or a challenge " +
		"against the grammar; takes any content type, and broken escapes as they are; redirects have no body; all answers share the " +
		"values of two headers, which a middleware could change"},
}

type handKey [32]byte // a token, in a map without a pointer

type handToken struct {
	client      *floorClient
	user, scope string // without a user, it is the client's own
	expires     int64  // Unix time
}

type handCode struct {
	handToken
	challenge handKey
}

type handWritten struct {
	clients         map[string]*floorClient
	mu              sync.RWMutex
	codes           map[handKey]handCode
	access, refresh map[handKey]handToken
}

// handMemory is what a request needs until it is answered.
type handMemory struct {
	input, basic, plain [4096]byte  // a query or a form; a Basic header, in base64 and decoded
	parameters          [][2][]byte // names and values, within input
	random              [2 * 32]byte
	output              []byte
}

var (
	handPool              = sync.Pool{New: func() any { return new(handMemory) }}
	strictBase64          = base64.RawURLEncoding.Strict()
	handJSON, handNoStore = []string{"application/json"}, []string{"no-store"} // shared by all answers
)

func newHandWritten(string) (http.Handler, error) {
	h := &handWritten{clients: floorClients(), codes: map[handKey]handCode{},
		access: map[handKey]handToken{}, refresh: map[handKey]handToken{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", h.authorize)
	mux.HandleFunc("/token", h.token)
	mux.HandleFunc("/api", h.api)
	return mux, nil
}

func (h *handWritten) authorize(w http.ResponseWriter, r *http.Request) {
	m := handPool.Get().(*handMemory)
	defer handPool.Put(m)
	m.parse(m.input[:copy(m.input[:], r.URL.RawQuery)])
	client := h.clients[string(m.get("client_id"))]
	if client == nil || string(m.get("redirect_uri")) != client.callback || len(r.URL.RawQuery) > len(m.input) {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	out := append(append(m.output[:0], client.callback...), '?')
	challenge, ok := decodeKey(m.get("code_challenge"))
	scope, fine := scopeOf(m.get("scope"))
	if !ok || !fine || string(m.get("response_type")) != "code" ||
		string(m.get("code_challenge_method")) != "S256" {
		out = append(out, "error=invalid_request"...)
	} else {
		code := m.random[:32]
		rand.Read(code)
		h.mu.Lock()
		h.codes[handKey(code)] = handCode{handToken{client, User, scope, time.Now().Unix() + 5*60}, challenge}
		h.mu.Unlock()
		out = base64.RawURLEncoding.AppendEncode(append(out, "code="...), code)
	}
	m.output = appendEscaped(append(out, "&state="...), m.get("state"))
	w.Header()["Location"] = []string{string(m.output)}
	w.WriteHeader(http.StatusFound)
}

func (h *handWritten) token(w http.ResponseWriter, r *http.Request) {
	m := handPool.Get().(*handMemory)
	defer handPool.Put(m)
	token, status, refused := h.grant(r, m)
	if refused != "" {
		refuse(w, status, refused)
		return
	}
	out := base64.RawURLEncoding.AppendEncode(append(m.output[:0], `{"access_token":"`...), m.random[:32])
	out = append(out, `","token_type":"Bearer","expires_in":3600`...)
	if string(m.get("grant_type")) != "client_credentials" {
		out = base64.RawURLEncoding.AppendEncode(append(out, `,"refresh_token":"`...), m.random[32:])
		out = append(out, '"')
	}
	if token.scope != "" {
		out = append(append(append(out, `,"scope":"`...), token.scope...), '"')
	}
	m.output = append(out, "}\n"...)
	w.Header()["Content-Type"], w.Header()["Cache-Control"] = handJSON, handNoStore
	w.Write(m.output)
}

// grant stores the tokens that it leaves in m.random. The second one is a
// refresh token, which client credentials get none of.
func (h *handWritten) grant(r *http.Request, m *handMemory) (token handToken, status int, refused string) {
	n, err := io.ReadFull(r.Body, m.input[:])
	if r.Method != http.MethodPost || err != io.EOF && err != io.ErrUnexpectedEOF {
		return token, http.StatusBadRequest, "invalid_request"
	}
	m.parse(m.input[:n])
	scheme, encoded, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	n, err = base64.StdEncoding.Decode(m.plain[:], m.basic[:copy(m.basic[:], encoded)])
	id, secret, _ := bytes.Cut(m.plain[:n], []byte(":"))
	client, digest := h.clients[string(id)], sha256.Sum256(secret)
	if err != nil || !strings.EqualFold(scheme, "Basic") || client == nil ||
		subtle.ConstantTimeCompare(digest[:], client.secret[:]) != 1 {
		return token, http.StatusUnauthorized, "invalid_client"
	}
	grant := string(m.get("grant_type"))
	if !slices.Contains(client.grants, grant) {
		return token, http.StatusBadRequest, "unauthorized_client"
	}
	now, ok := time.Now().Unix(), true
	token = handToken{client: client, expires: now + 3600}
	rand.Read(m.random[:])
	h.mu.Lock()
	defer h.mu.Unlock()
	switch grant {
	case "authorization_code":
		key, sent := decodeKey(m.get("code"))
		code := h.codes[key]
		delete(h.codes, key)
		ok = sent && code.client == client && code.expires >= now &&
			code.challenge == sha256.Sum256(m.get("code_verifier")) && client.callback == string(m.get("redirect_uri"))
		token.user, token.scope = code.user, code.scope
	case "refresh_token":
		key, sent := decodeKey(m.get("refresh_token"))
		old := h.refresh[key]
		if ok = sent && old.client == client && old.expires >= now; ok {
			delete(h.refresh, key)
		}
		token.user, token.scope = old.user, old.scope
	default:
		token.scope, ok = scopeOf(m.get("scope"))
	}
	if !ok {
		return token, http.StatusBadRequest, "invalid_grant"
	}
	h.access[handKey(m.random[:32])] = token
	if grant != "client_credentials" {
		token.expires = now + 14*24*3600
		h.refresh[handKey(m.random[32:])] = token
	}
	return token, http.StatusOK, ""
}

func (h *handWritten) api(w http.ResponseWriter, r *http.Request) {
	var text [64]byte
	presented, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	key, sent := decodeKey(text[:copy(text[:], presented)])
	h.mu.RLock()
	token, known := h.access[key]
	h.mu.RUnlock()
	if !ok || !sent || !known || token.expires < time.Now().Unix() {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	if !strings.Contains(" "+token.scope+" ", " "+Scope+" ") {
		refuse(w, http.StatusForbidden, "insufficient_scope")
		return
	}
	api(w, r)
}

func decodeKey(text []byte) (key handKey, ok bool) {
	n, err := strictBase64.Decode(key[:], text[:min(len(text), 43)])
	return key, err == nil && n == len(key) && len(text) == 43
}

// scopeOf returns a scope if JSON escapes none of it (RFC 6749, section 3.3).
func scopeOf(text []byte) (scope string, ok bool) {
	if string(text) == Scope {
		return Scope, true // which needs no new string
	}
	return string(text), !bytes.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' })
}

// parse splits a query or a form, and decodes it in place.
func (m *handMemory) parse(text []byte) {
	m.parameters = m.parameters[:0]
	for pair := range bytes.SplitSeq(text, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		m.parameters = append(m.parameters, [2][]byte{unescape(name), unescape(value)})
	}
}

func (m *handMemory) get(name string) []byte {
	for _, p := range m.parameters {
		if string(p[0]) == name {
			return p[1]
		}
	}
	return nil
}

func unescape(text []byte) (plain []byte) {
	for plain = text[:0]; len(text) > 0; {
		n := 0
		if text[0] == '+' {
			text[0] = ' '
		} else if text[0] == '%' {
			n, _ = hex.Decode(text, text[1:min(len(text), 3)])
		}
		plain, text = append(plain, text[0]), text[1+2*n:]
	}
	return plain
}

func appendEscaped(out, text []byte) []byte {
	for _, c := range text {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			out = append(out, c)
		} else {
			out = append(out, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return out
}
