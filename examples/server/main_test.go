package main

import (
	"context"
	"embed"
	"encoding/json"
	"io"
	"net"
	"net/http"
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

// start runs the command on a free port and returns its address. The command
// must end well when the test does.
func start(t *testing.T, args ...string) (base string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), write, files)
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

// Real clients, unchanged: golang.org/x/oauth2 through each grant that it knows.
func TestRealClients(t *testing.T) {
	base := start(t)
	config := oauth2.Config{ClientID: clientID, ClientSecret: clientSecret,
		RedirectURL: base + callbackPath, Scopes: []string{"read", "write"},
		Endpoint: oauth2.Endpoint{AuthURL: base + "/authorize", TokenURL: base + "/user/token"}}
	// shown is what the API knows of a token.
	shown := func(t *testing.T, client *http.Client) (document struct {
		AccessToken          string
		AccessTokenExpiresAt time.Time
		Scope                string
		Client, User         struct{ ID string }
	}) {
		t.Helper()
		res, err := client.Get(base + "/user/authenticate")
		require.NoError(t, json.Unmarshal([]byte(body(t, res, err)), &document))
		require.NotEmpty(t, document.AccessToken)
		require.WithinDuration(t, time.Now().Add(time.Hour), document.AccessTokenExpiresAt, time.Minute)
		require.Equal(t, "123456", document.Client.ID)
		return document
	}
	t.Run("authorization code with PKCE, and refresh", func(t *testing.T) {
		b := newBrowser(t, base)
		code := func(verifier string) string {
			t.Helper()
			answer := b.allow(config.AuthCodeURL("a state", oauth2.S256ChallengeOption(verifier)))
			require.Equal(t, "a state", answer.Get("state"))
			return answer.Get("code")
		}
		verifier := oauth2.GenerateVerifier()
		burnt := code(verifier)
		_, err := config.Exchange(t.Context(), burnt, oauth2.VerifierOption(oauth2.GenerateVerifier()))
		require.ErrorContains(t, err, "invalid_grant")
		_, err = config.Exchange(t.Context(), burnt, oauth2.VerifierOption(verifier))
		require.ErrorContains(t, err, "invalid_grant", "a wrong verifier spends the code")

		token, err := config.Exchange(t.Context(), code(verifier), oauth2.VerifierOption(verifier))
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
	for name, style := range map[string]oauth2.AuthStyle{"header": oauth2.AuthStyleInHeader,
		"body": oauth2.AuthStyleInParams} {
		t.Run("client credentials in the "+name, func(t *testing.T) {
			credentials := clientcredentials.Config{ClientID: clientID, ClientSecret: clientSecret,
				TokenURL: base + "/user/token", AuthStyle: style}
			require.Equal(t, "client:123456", shown(t, credentials.Client(t.Context())).User.ID)
			credentials.ClientSecret = "wrong"
			_, err := credentials.Token(t.Context())
			require.ErrorContains(t, err, "invalid_client")
		})
	}
}

// The curl lines of docs/try-it.md, exactly as printed. A configuration of
// curl's own leads them to the port of this test.
func TestCurlLinesOfThePage(t *testing.T) {
	curl, err := exec.LookPath("curl")
	require.NoError(t, err, "this test runs the page's lines and needs curl")
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "try-it.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```sh\n([^`]*curl [^`]*)```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, blocks, 1, "the page has one block of curl lines")
	home := t.TempDir()
	host := strings.TrimPrefix(start(t), "http://")
	require.NoError(t, os.WriteFile(filepath.Join(home, ".curlrc"),
		[]byte("connect-to = 127.0.0.1:8080:"+host+"\nfail-with-body\n"), 0o600))
	command := exec.CommandContext(t.Context(), "sh", "-eu")
	command.Dir = home
	command.Stdin = strings.NewReader(blocks[0][1])
	command.Env = []string{"CURL_HOME=" + home, "HOME=" + home, "PATH=" + filepath.Dir(curl) + ":/usr/bin:/bin"}
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{`"access_token":`, `"accessToken":`, `"user":{"id":"1"}`, `"active":true`,
		`{"active":false}`} {
		require.Contains(t, string(out), want)
	}
}

func TestOrigin(t *testing.T) {
	for public, want := range map[string]string{
		"": "", "https://auth.example": "https://auth.example", "HTTPS://Auth.Example:443": "https://auth.example",
		"https://auth.example:8443": "https://auth.example:8443", "http://127.0.0.1:80": "http://127.0.0.1",
	} {
		got, err := origin(public)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, public := range []string{"auth.example", "https://", "https://auth.example/",
		"https://auth.example/x", "https://u@auth.example", "https://auth.example?x", "%"} {
		_, err := origin(public)
		require.ErrorContains(t, err, "scheme and host alone", public)
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
		"a port in use":   {[]string{"-addr", taken.Addr().String()}, "address already in use", 1},
		"no address":      {[]string{"-addr", "nonsense"}, "nonsense", 1},
		"an unknown flag": {[]string{"-port", "1"}, "flag provided but not defined: -port", 2},
		"no MongoDB": {[]string{"-addr", "127.0.0.1:0", "-mongo",
			"mongodb://127.0.0.1:1/?timeoutMS=50"}, "mongomodel: ", 1},
		"no URI":                 {[]string{"-addr", "127.0.0.1:0", "-mongo", "127.0.0.1:27017"}, "scheme", 1},
		"a URL with a path":      {[]string{"-url", "https://auth.example/sub"}, "scheme and host alone", 2},
		"a URL of something":     {[]string{"-addr", "127.0.0.1:0", "-url", "ftp://auth.example"}, "Issuer", 1},
		"a proxy that is none":   {[]string{"-proxy", "10.0.0.0/8,proxy.example"}, "-proxy", 2},
		"an unexpected argument": {[]string{"now"}, `unexpected argument "now"`, 2},
	} {
		err := run(t.Context(), row.args, io.Discard, files)
		require.ErrorContains(t, err, row.want, name)
		require.NotContains(t, err.Error(), "\n", name)
		require.Equal(t, row.status, report(err), name)
	}
	err = run(t.Context(), []string{"-addr", "127.0.0.1:0"}, io.Discard, embed.FS{})
	require.ErrorContains(t, err, "templates/*.html")
	require.NotContains(t, err.Error(), "\n")
	var help strings.Builder
	require.Error(t, run(t.Context(), []string{"-h"}, &help, files))
	require.Contains(t, help.String(), "-addr")
}

func TestAddressFor(t *testing.T) {
	for base, want := range map[string]string{
		"": "127.0.0.1:8080", "https://auth.example": "127.0.0.1:8080",
		"https://auth.example:8443": "127.0.0.1:8080", "http://127.0.0.1:9": "127.0.0.1:8080",
		"http://192.168.1.5": "127.0.0.1:8080", "http://192.168.1.5:8081": ":8081",
		"http://machine.local:8080": ":8080",
	} {
		require.Equal(t, want, addressFor(base), base)
	}
}
