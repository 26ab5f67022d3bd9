package main

import (
	"context"
	"embed"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// start runs the command on a free port and returns its address. The command must end well when the test does.
func start(t *testing.T, args ...string) (base string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append(args, "-addr", "127.0.0.1:0"), write, templates)
		write.Close()
	}()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	line := make([]byte, 4096)
	n, err := read.Read(line)
	require.NoError(t, err)
	match := regexp.MustCompile(`http://[0-9.:]+`).Find(line[:n])
	require.NotNil(t, match, "%s", line[:n])
	return string(match)
}

// browser keeps cookies and follows redirects.
func browser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar}
}

func read(t *testing.T, res *http.Response, err error) string {
	t.Helper()
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// fields are the hidden ones of a page, to which more are added.
func fields(page string, more ...string) url.Values {
	values := url.Values{}
	for _, match := range hiddenField.FindAllStringSubmatch(page, -1) {
		values.Add(html.UnescapeString(match[1]), html.UnescapeString(match[2]))
	}
	for i := 0; i < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return values
}

func TestSigningInByHand(t *testing.T) {
	base := start(t)
	b := browser(t)
	res, err := b.Get(base + "/")
	require.Contains(t, read(t, res, err), `href="/connect"`)
	res, err = b.Get(base + "/connect")
	page := read(t, res, err)
	require.Equal(t, "/authorize", res.Request.URL.Path)
	require.Contains(t, page, `name="password"`)

	res, err = b.PostForm(base+"/user/authorize", fields(page, "username", `an"dy`, "password", "not-it"))
	page = read(t, res, err)
	require.Contains(t, page, "Name or password is wrong.")
	require.Contains(t, page, `value="an&#34;dy"`, "the name is kept")
	require.NotContains(t, page, "not-it", "the password is not")

	res, err = b.PostForm(base+"/user/authorize", fields(page, "username", "andy", "password", "123456"))
	page = html.UnescapeString(read(t, res, err))
	require.Equal(t, "/", res.Request.URL.Path)
	for _, want := range []string{"The server sent a code", "exchanged it", `"access_token":`, `"accessTokenExpiresAt":`, `"id": "1"`, "refreshes it", "and goes on"} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, page, `role="alert"`)

	t.Run("the answer is for this browser", func(t *testing.T) {
		other := browser(t)
		res, err := other.Get(base + "/connect")
		page := read(t, res, err)
		other.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err = other.PostForm(base+"/user/authorize", fields(page, "username", "andy", "password", "123456"))
		read(t, res, err)
		res, err = browser(t).Get(res.Header.Get("Location"))
		require.Contains(t, read(t, res, err), "not asked for in this browser")
	})
	t.Run("the answer is this server's", func(t *testing.T) {
		b := browser(t)
		res, err := b.Get(base + "/connect")
		page := read(t, res, err)
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err = b.PostForm(base+"/user/authorize", fields(page, "username", "andy", "password", "123456"))
		read(t, res, err)
		res, err = b.Get(strings.Replace(res.Header.Get("Location"), "&iss=", "&iss=https%3A%2F%2Fevil.example", 1))
		require.Contains(t, read(t, res, err), "another server&#39;s")
	})
	t.Run("cancel", func(t *testing.T) {
		res, err := b.Get(base + "/connect")
		page := read(t, res, err)
		res, err = b.PostForm(base+"/user/authorize", fields(page, "deny", "1"))
		require.Contains(t, read(t, res, err), "access_denied")
	})
	t.Run("by another name of this machine", func(t *testing.T) {
		res, err := browser(t).Get(strings.Replace(base, "127.0.0.1", "localhost", 1) + "/connect")
		require.Contains(t, read(t, res, err), `name="password"`)
		require.Equal(t, strings.TrimPrefix(base, "http://"), res.Request.URL.Host)
	})
}

// Real clients, unchanged: golang.org/x/oauth2 through each grant that it knows.
func TestRealClients(t *testing.T) {
	base := start(t)
	config := oauth2.Config{ClientID: clientID, ClientSecret: clientSecret, RedirectURL: base + "/", Scopes: []string{"read", "write"},
		Endpoint: oauth2.Endpoint{AuthURL: base + "/user/authorize", TokenURL: base + "/user/token"}}
	// shown is what the API knows of a token.
	shown := func(t *testing.T, client *http.Client) (document struct {
		AccessToken          string
		AccessTokenExpiresAt time.Time
		Scope                string
		Client, User         struct{ ID string }
	}) {
		t.Helper()
		res, err := client.Get(base + "/user/authenticate")
		require.NoError(t, json.Unmarshal([]byte(read(t, res, err)), &document))
		require.NotEmpty(t, document.AccessToken)
		require.WithinDuration(t, time.Now().Add(time.Hour), document.AccessTokenExpiresAt, time.Minute)
		require.Equal(t, "123456", document.Client.ID)
		return document
	}
	t.Run("authorization code with PKCE, and refresh", func(t *testing.T) {
		b := browser(t)
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		verifier := oauth2.GenerateVerifier()
		res, err := b.Get(config.AuthCodeURL("a state", oauth2.S256ChallengeOption(verifier)))
		page := read(t, res, err)
		res, err = b.PostForm(base+"/user/authorize", fields(page, "username", "andy", "password", "123456"))
		read(t, res, err)
		answer, err := res.Location()
		require.NoError(t, err)
		require.Equal(t, "a state", answer.Query().Get("state"))

		_, err = config.Exchange(t.Context(), answer.Query().Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier()))
		require.ErrorContains(t, err, "invalid_grant")
		_, err = config.Exchange(t.Context(), answer.Query().Get("code"), oauth2.VerifierOption(verifier))
		require.ErrorContains(t, err, "invalid_grant", "a wrong verifier spends the code")

		res, err = b.PostForm(base+"/user/authorize", fields(page, "username", "andy", "password", "123456"))
		read(t, res, err)
		answer, err = res.Location()
		require.NoError(t, err)
		token, err := config.Exchange(t.Context(), answer.Query().Get("code"), oauth2.VerifierOption(verifier))
		require.NoError(t, err)
		require.Equal(t, "1", shown(t, config.Client(t.Context(), token)).User.ID)

		token.Expiry = time.Now().Add(-time.Minute) // so that the client refreshes by itself
		require.NotEqual(t, token.AccessToken, shown(t, config.Client(t.Context(), token)).AccessToken)
	})
	t.Run("password", func(t *testing.T) {
		token, err := config.PasswordCredentialsToken(t.Context(), "andy", "123456")
		require.NoError(t, err)
		document := shown(t, config.Client(t.Context(), token))
		require.Equal(t, "1", document.User.ID)
		require.Equal(t, "read write", document.Scope)
		_, err = config.PasswordCredentialsToken(t.Context(), "andy", "wrong")
		require.ErrorContains(t, err, "invalid_grant")
	})
	for name, style := range map[string]oauth2.AuthStyle{"header": oauth2.AuthStyleInHeader, "body": oauth2.AuthStyleInParams} {
		t.Run("client credentials in the "+name, func(t *testing.T) {
			credentials := clientcredentials.Config{ClientID: clientID, ClientSecret: clientSecret, TokenURL: base + "/user/token", AuthStyle: style}
			require.Equal(t, "client:123456", shown(t, credentials.Client(t.Context())).User.ID)
			credentials.ClientSecret = "wrong"
			_, err := credentials.Token(t.Context())
			require.ErrorContains(t, err, "invalid_client")
		})
	}
}

// The README's curl lines, exactly as printed. A configuration of curl's own leads them to the port of this test.
func TestREADMECurlLines(t *testing.T) {
	curl, err := exec.LookPath("curl")
	require.NoError(t, err, "this test runs the README's lines and needs curl")
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```sh\n([^`]*curl [^`]*)```").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, blocks, 1, "the README has one block of curl lines")
	home := t.TempDir()
	host := strings.TrimPrefix(start(t), "http://")
	require.NoError(t, os.WriteFile(filepath.Join(home, ".curlrc"), []byte("connect-to = 127.0.0.1:8080:"+host+"\nfail-with-body\n"), 0o600))
	command := exec.CommandContext(t.Context(), "sh", "-eu")
	command.Dir = home
	command.Stdin = strings.NewReader(blocks[0][1])
	command.Env = []string{"CURL_HOME=" + home, "HOME=" + home, "PATH=" + filepath.Dir(curl) + ":/usr/bin:/bin"}
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{`"access_token":`, `"accessToken":`, `"user":{"id":"1"}`, `"active":true`, `{"active":false}`} {
		require.Contains(t, string(out), want)
	}
}

func TestMistakesAreOneClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for name, row := range map[string]struct {
		args   []string
		want   string
		status int
	}{
		"a port in use":          {[]string{"-addr", taken.Addr().String()}, "address already in use", 1},
		"no address":             {[]string{"-addr", "nonsense"}, "nonsense", 1},
		"an unknown flag":        {[]string{"-port", "1"}, "flag provided but not defined: -port", 2},
		"no MongoDB":             {[]string{"-addr", "127.0.0.1:0", "-mongo", "mongodb://127.0.0.1:1/?timeoutMS=50"}, "mongomodel: ", 1},
		"no URI":                 {[]string{"-addr", "127.0.0.1:0", "-mongo", "127.0.0.1:27017"}, "scheme", 1},
		"an unexpected argument": {[]string{"now"}, `unexpected argument "now"`, 2},
	} {
		err := run(t.Context(), row.args, io.Discard, templates)
		require.ErrorContains(t, err, row.want, name)
		require.NotContains(t, err.Error(), "\n", name)
		require.Equal(t, row.status, report(err), name)
	}
	err = run(t.Context(), []string{"-addr", "127.0.0.1:0"}, io.Discard, embed.FS{})
	require.ErrorContains(t, err, "templates/*.html")
	require.NotContains(t, err.Error(), "\n")
	var help strings.Builder
	require.Error(t, run(t.Context(), []string{"-h"}, &help, templates))
	require.Contains(t, help.String(), "-addr")
}
