package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"log/slog"

	"github.com/stretchr/testify/require"
)

// clientsFile is one as test tools write it, with things of later versions.
const clientsFile = `[
 {"id":"web","secret":"s1","grants":["authorization_code","refresh_token","client_credentials"],
  "redirect_uris":["http://127.0.0.1:9199/cb"],"post_logout_redirect_uris":["http://127.0.0.1:9199/bye"]},
 {"id":"app","public":true,"grants":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],
  "redirect_uris":["http://127.0.0.1:9199/cb"]},
 {"id":"jwt","auth_method":"private_key_jwt","jwk":{"kty":"EC"},"grants":["client_credentials"],
  "redirect_uris":["http://127.0.0.1:9199/cb"]},
 {"id":"api","secret":"s2","may_introspect":true}]`

// browser is a user in front of a target.
type browser struct {
	*http.Client
	t    *testing.T
	base string
}

func newBrowser(t *testing.T, base string) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}, t, base}
}

func (b *browser) read(res *http.Response, err error) (string, url.Values) {
	require.NoError(b.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	location, err := res.Location()
	if err != nil {
		return string(text), nil
	}
	return string(text), location.Query()
}

func (b *browser) link(params ...string) string {
	query := url.Values{"client_id": {"web"}, "response_type": {"code"}, "state": {"1"},
		"redirect_uri": {"http://127.0.0.1:9199/cb"}, "scope": {"openid read"}}
	for i := 0; i < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	return b.base + "/authorize?" + query.Encode()
}

// signIn goes through both pages.
func (b *browser) signIn(params ...string) url.Values {
	link := b.link(params...)
	text, _ := b.read(b.Get(link))
	if strings.Contains(text, "<h1>Sign in</h1>") {
		text, _ = b.read(b.PostForm(link, url.Values{"username": {"andy"}, "password": {"123456"}}))
	}
	require.Contains(b.t, text, "Allow web?")
	_, answer := b.read(b.PostForm(link, url.Values{"verdict": {"allow"}, "signed_in": {"now"}}))
	return answer
}

func (b *browser) token(id, secret string, params url.Values) map[string]any {
	r, err := http.NewRequest("POST", b.base+"/token", strings.NewReader(params.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, secret)
	text, _ := b.read(http.DefaultClient.Do(r))
	answer := map[string]any{}
	require.NoError(b.t, json.Unmarshal([]byte(text), &answer), text)
	return answer
}

func (b *browser) redeem(answer url.Values) map[string]any {
	return b.token("web", "s1", url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")},
		"redirect_uri": {"http://127.0.0.1:9199/cb"}})
}

func (b *browser) call(path string, token any) int {
	r, err := http.NewRequest("GET", b.base+path, nil)
	require.NoError(b.t, err)
	r.Header.Set("Authorization", "Bearer "+token.(string))
	res, err := http.DefaultClient.Do(r)
	require.NoError(b.t, err)
	res.Body.Close()
	return res.StatusCode
}

func start(t *testing.T, algorithm string) *browser { return startWith(t, algorithm, clientsFile) }

// startWith starts a target that may tell clients on loopback of a logout.
func startWith(t *testing.T, algorithm, text string) *browser {
	file := filepath.Join(t.TempDir(), "clients.json")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	clients, err := readClients(file)
	require.NoError(t, err)
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	handler, err = newTarget(server.URL, clients, algorithm, true, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return newBrowser(t, server.URL)
}

func TestTarget(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			b := start(t, algorithm)
			tokens := b.redeem(b.signIn())
			require.NotEmpty(t, tokens["id_token"], tokens)
			for _, path := range []string{"/api", "/local"} {
				require.Equal(t, 200, b.call(path, tokens["access_token"]), path)
			}
			require.Equal(t, 401, b.call("/resource", tokens["access_token"]))
			res, err := b.Post(b.base+"/rotate", "", nil)
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, 200, res.StatusCode)
			after := b.redeem(b.signIn())
			kid := func(tokens map[string]any) string {
				head, _, _ := strings.Cut(tokens["access_token"].(string), ".")
				return head
			}
			require.NotEqual(t, kid(tokens), kid(after))
			for _, token := range []any{tokens["access_token"], after["access_token"]} {
				require.Equal(t, 200, b.call("/local", token))
			}
			onResource := b.redeem(b.signIn("resource", b.base+"/resource"))
			require.Equal(t, 200, b.call("/resource", onResource["access_token"]))
			require.Equal(t, 401, b.call("/api", onResource["access_token"]))
			require.Equal(t, 401, b.call("/local", onResource["access_token"]))
		})
	}
}

func TestTargetAsksTheUser(t *testing.T) {
	b := start(t, "ES256")
	_, answer := b.read(b.Get(b.link("prompt", "none")))
	require.Equal(t, "login_required", answer.Get("error"))
	text, _ := b.read(b.PostForm(b.link(), url.Values{"username": {"andy"}, "password": {"wrong"}}))
	require.Contains(t, text, "Name or password is wrong")
	b.signIn()
	_, answer = b.read(b.Get(b.link("prompt", "none")))
	require.NotEmpty(t, answer.Get("code"))
	for _, params := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
		text, _ = b.read(b.Get(b.link(params...)))
		require.Contains(t, text, "<h1>Sign in</h1>", params)
		require.NotEmpty(t, b.signIn(params...).Get("code"), params)
	}
	_, answer = b.read(b.PostForm(b.link(), url.Values{"verdict": {"deny"}}))
	require.Equal(t, "access_denied", answer.Get("error"))

	text, _ = b.read(b.Get(b.base + "/logout"))
	require.Contains(t, text, "Do you want to sign out?")
	tokens := b.redeem(b.signIn())
	_, answer = b.read(b.Get(b.base + "/logout?" + url.Values{"id_token_hint": {tokens["id_token"].(string)},
		"post_logout_redirect_uri": {"http://127.0.0.1:9199/bye"}, "state": {"7"}}.Encode()))
	require.Equal(t, "7", answer.Get("state"))
	_, answer = b.read(b.Get(b.link("prompt", "none")))
	require.Equal(t, "login_required", answer.Get("error"))
}

// Clients of later versions are accepted, and let nobody in.
func TestTargetAcceptsWhatItDoesNotOffer(t *testing.T) {
	b := start(t, "ES256")
	require.Equal(t, "invalid_client", b.token("jwt", "", url.Values{"grant_type": {"client_credentials"}})["error"])
	require.NotEmpty(t, b.token("web", "s1", url.Values{"grant_type": {"client_credentials"}})["access_token"])
	require.Equal(t, "unauthorized_client", b.token("api", "s2",
		url.Values{"grant_type": {"client_credentials"}})["error"])
}

// asCommand is the environment variable that makes the test binary the command,
// which saves building it.
const asCommand = "TARGET_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	m.Run()
}

// command is the command with these arguments.
func command(t *testing.T, args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

// startCommand starts the command with a file of these clients, and returns what
// it prints first. At the end it is told to end, and must do so well.
func startCommand(t *testing.T, clients string, args ...string) (base string) {
	file := filepath.Join(t.TempDir(), "clients.json")
	require.NoError(t, os.WriteFile(file, []byte(clients), 0o600))
	c := command(t, append(args, "-addr", "127.0.0.1:0", "-clients", file)...)
	printed, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		require.NoError(t, c.Process.Signal(os.Interrupt))
		require.NoError(t, c.Wait())
	})
	base, err = bufio.NewReader(printed).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(base)
}

// The command prints its address first, serves, and ends when it is told to.
func TestTheCommand(t *testing.T) {
	base := startCommand(t, clientsFile)
	res, err := http.Get(base + "/.well-known/openid-configuration")
	require.NoError(t, err)
	var document struct{ Issuer string }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&document))
	require.NoError(t, res.Body.Close())
	require.Equal(t, base, document.Issuer)

	for _, args := range [][]string{{"-addr", "0.0.0.0:0"}, {"-clients", "none.json"}, {"-alg", "HS256"}} {
		require.Error(t, command(t, args...).Run(), args)
	}
}

// A client that registered itself signs its user in, and gets a token for a
// resource alone.
func TestTargetLetsClientsRegister(t *testing.T) {
	b := start(t, "ES256")
	text, _ := b.read(b.Post(b.discovery()["registration_endpoint"].(string), "application/json",
		strings.NewReader(`{"redirect_uris":["http://127.0.0.1:9199/cb"]}`)))
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &made), text)
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	link := b.link("client_id", made.ID, "scope", "openid read", "code_challenge_method", "S256",
		"code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	b.read(b.PostForm(link, url.Values{"username": {"andy"}, "password": {"123456"}}))
	_, answer := b.read(b.PostForm(link, url.Values{"verdict": {"allow"}, "signed_in": {"now"}}))
	tokens := b.token(made.ID, made.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")},
		"redirect_uri": {"http://127.0.0.1:9199/cb"}, "code_verifier": {verifier}})
	require.Equal(t, made.ID, b.claims(tokens)["aud"], tokens)
	require.Equal(t, 200, b.call("/resource", tokens["access_token"]))
	for _, path := range []string{"/api", "/local"} {
		require.Equal(t, 401, b.call(path, tokens["access_token"]), path)
	}
}
