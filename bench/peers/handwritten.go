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
// allows, which nobody would want to maintain. It shows what ordinary style
// costs.
var HandWritten = Peer{
	Name: "hand-written", New: newHandWritten, Authorize: "/authorize", Token: "/token", API: "/api",
	App: app, Machine: machine, Other: other, Scope: Scope,
	Unequal: []string{"leaves out what floor leaves out, and has fixed sizes: 4 KB for a query or a form, 16 " +
		"parameters, 512 bytes for credentials; tokens are kept as bytes, not text; refuses scopes and " +
		"challenges that break their grammar, which floor takes; redirects have no body; all answers share " +
		"the values of two headers, which a middleware could change for everybody"},
}

// handKey is a token as the maps have it: without a pointer.
type handKey [32]byte

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
	clients map[string]*floorClient
	mu      sync.RWMutex
	codes   map[handKey]handCode
	access  map[handKey]handToken
	refresh map[handKey]handToken
}

// handMemory is what a request needs until it is answered.
type handMemory struct {
	input              [4096]byte    // the query or the form
	parameters         [16][2][]byte // names and values, within input
	many               int
	credentials, plain [512]byte // of a Basic header, in base64 and decoded
	random             [64]byte
	output             []byte
}

var handPool = sync.Pool{New: func() any { return new(handMemory) }}

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
	n := copy(m.input[:], r.URL.RawQuery)
	ok := n == len(r.URL.RawQuery) && m.parse(m.input[:n])
	client := h.clients[string(m.get("client_id"))]
	if !ok || client == nil || string(m.get("redirect_uri")) != client.callback {
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
		token := handToken{client, User, scope, time.Now().Unix() + 5*60}
		h.mu.Lock()
		h.codes[handKey(code)] = handCode{token, challenge}
		h.mu.Unlock()
		out = base64.RawURLEncoding.AppendEncode(append(out, "code="...), code)
	}
	m.output = appendEscaped(append(out, "&state="...), m.get("state"))
	w.Header()["Location"] = []string{string(m.output)}
	w.WriteHeader(http.StatusFound)
}

// Header values that all answers share.
var handJSON, handNoStore = []string{"application/json"}, []string{"no-store"}

func (h *handWritten) token(w http.ResponseWriter, r *http.Request) {
	m := handPool.Get().(*handMemory)
	defer handPool.Put(m)
	scope, refreshes, refused := h.grant(r, m)
	if refused != "" {
		status := http.StatusBadRequest
		if refused == "invalid_client" {
			status = http.StatusUnauthorized
		}
		refuse(w, status, refused)
		return
	}
	out := append(m.output[:0], `{"access_token":"`...)
	out = base64.RawURLEncoding.AppendEncode(out, m.random[:32])
	out = append(out, `","token_type":"Bearer","expires_in":3600`...)
	if refreshes {
		out = append(out, `,"refresh_token":"`...)
		out = append(base64.RawURLEncoding.AppendEncode(out, m.random[32:]), '"')
	}
	if scope != "" {
		out = append(append(append(out, `,"scope":"`...), scope...), '"')
	}
	m.output = append(out, "}\n"...)
	header := w.Header()
	header["Content-Type"], header["Cache-Control"] = handJSON, handNoStore
	w.Write(m.output)
}

// grant stores the tokens that it leaves in m.random: an access token, and a
// refresh token if refreshes.
func (h *handWritten) grant(r *http.Request, m *handMemory) (scope string, refreshes bool, refused string) {
	n, err := io.ReadFull(r.Body, m.input[:])
	whole := err == io.EOF || err == io.ErrUnexpectedEOF
	if !whole || r.Method != http.MethodPost || !m.parse(m.input[:n]) {
		return "", false, "invalid_request"
	}
	id, secret, _ := bytes.Cut(m.basic(r.Header.Get("Authorization")), []byte(":"))
	client, digest := h.clients[string(id)], sha256.Sum256(secret)
	if client == nil || subtle.ConstantTimeCompare(digest[:], client.secret[:]) != 1 {
		return "", false, "invalid_client"
	}
	grant := string(m.get("grant_type"))
	if !slices.Contains(client.grants, grant) {
		return "", false, "unauthorized_client"
	}
	now, ok := time.Now().Unix(), false
	token := handToken{client: client, expires: now + 3600}
	rand.Read(m.random[:])
	h.mu.Lock()
	defer h.mu.Unlock()
	switch grant {
	case "authorization_code":
		var code handCode
		key, sent := decodeKey(m.get("code"))
		code, ok = h.codes[key]
		delete(h.codes, key)
		ok = ok && sent && code.client == client && code.expires >= now &&
			client.callback == string(m.get("redirect_uri")) && code.challenge == sha256.Sum256(m.get("code_verifier"))
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
		return "", false, "invalid_grant"
	}
	h.access[handKey(m.random[:32])] = token
	if refreshes = grant != "client_credentials"; refreshes {
		token.expires = now + 14*24*3600
		h.refresh[handKey(m.random[32:])] = token
	}
	return token.scope, refreshes, ""
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
	for one := range strings.SplitSeq(token.scope, " ") {
		if one == Scope {
			api(w, r)
			return
		}
	}
	refuse(w, http.StatusForbidden, "insufficient_scope")
}

// basic returns what a Basic header says, or nil.
func (m *handMemory) basic(header string) []byte {
	scheme, encoded, _ := strings.Cut(header, " ")
	n, err := base64.StdEncoding.Decode(m.plain[:], m.credentials[:copy(m.credentials[:], encoded)])
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return nil
	}
	return m.plain[:n]
}

var strictBase64 = base64.RawURLEncoding.Strict()

func decodeKey(text []byte) (key handKey, ok bool) {
	if len(text) != 43 {
		return key, false
	}
	n, err := strictBase64.Decode(key[:], text)
	return key, err == nil && n == len(key)
}

// scopeOf returns a scope if JSON escapes none of it (RFC 6749, section 3.3).
func scopeOf(text []byte) (scope string, ok bool) {
	if string(text) == Scope {
		return Scope, true // which needs no new string
	}
	strange := func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }
	return string(text), !bytes.ContainsFunc(text, strange)
}

// parse splits a query or a form, and decodes it in place.
func (m *handMemory) parse(text []byte) (ok bool) {
	for m.many = 0; len(text) > 0; m.many++ {
		pair, rest, _ := bytes.Cut(text, []byte("&"))
		name, value, _ := bytes.Cut(pair, []byte("="))
		name, named := unescape(name)
		value, ok := unescape(value)
		if !named || !ok || m.many == len(m.parameters) {
			return false
		}
		m.parameters[m.many], text = [2][]byte{name, value}, rest
	}
	return true
}

func (m *handMemory) get(name string) []byte {
	for _, p := range m.parameters[:m.many] {
		if string(p[0]) == name {
			return p[1]
		}
	}
	return nil
}

func unescape(text []byte) (plain []byte, ok bool) {
	for plain = text[:0]; len(text) > 0; {
		length := 1
		switch text[0] {
		case '+':
			text[0] = ' '
		case '%':
			if length, _ = hex.Decode(text, text[1:min(3, len(text))]); length == 0 {
				return nil, false
			}
			length = 3
		}
		plain, text = append(plain, text[0]), text[length:]
	}
	return plain, true
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
