package examples_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// An example that README.md does not list is not found.
func TestEveryExampleIsListed(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	listed := 0
	for _, entry := range entries {
		if name := entry.Name(); entry.IsDir() && name != "internal" {
			require.Contains(t, string(text), "\n| ["+name+"]("+name+"/")
			listed++
		}
	}
	require.NotZero(t, listed)
}

// withFiveLines is a program made of the first Go of the project's README.md.
const withFiveLines = `package main

import (
	"log"
	"net/http"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func handler(page, api http.Handler) http.Handler {
	model := memorymodel.New(nil)
	mux := http.NewServeMux()
LINES	return mux
}

func main() { handler(http.NotFoundHandler(), http.NotFoundHandler()) }
`

// Both ways of the project's README.md to install the library, in a module of
// its own. With either, the five lines compile and run. What is fetched or
// cloned is this working copy.
func TestInstallByTheREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(readme), "\n"), 180)
	lines := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(readme, -1)
	require.Len(t, lines, 1)
	program := strings.Replace(withFiveLines, "LINES", string(lines[0][1]), 1)
	_, section, found := strings.Cut(string(readme), "\n## Install\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	ways := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(section, -1)
	require.Len(t, ways, 2)
	environments := [][]string{environmentOfMain(t), {"GOWORK=off", "GOFLAGS=-trimpath " + goFlags(t)}}
	for i, way := range ways {
		dir := filepath.Join(t.TempDir(), "app")
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600))
		script := exec.CommandContext(t.Context(), "sh", "-eux")
		script.Dir, script.Env = dir, append(os.Environ(), environments[i]...)
		script.Stdin = strings.NewReader("go mod init app.example\n" + cloned(t, way[1]) + "go mod tidy\ngo run .\n")
		output, err := script.CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
}

// environmentOfMain makes the go command take the library's main branch from
// the working copy, and all else from where it was fetched before, or is
// fetched from.
func environmentOfMain(t *testing.T) []string {
	proxy := t.TempDir()
	version := module.Version{Path: "github.com/seed-11d18166/oauth2server",
		// Always the same, so that what was compiled in another run is not compiled again.
		Version: module.PseudoVersion("v0", "", time.Unix(1_700_000_000, 0).UTC(), "abcdefabcdef")}
	dir := filepath.Join(proxy, filepath.FromSlash(version.Path), "@v")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	info, err := json.Marshal(map[string]any{"Version": version.Version, "Time": time.Now().UTC()})
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join("..", "go.mod"))
	require.NoError(t, err)
	for name, content := range map[string][]byte{"main.info": info, version.Version + ".info": info,
		version.Version + ".mod": mod, "list": nil} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	archive, err := os.Create(filepath.Join(dir, version.Version+".zip"))
	require.NoError(t, err)
	require.NoError(t, zip.CreateFromDir(archive, version, ".."))
	require.NoError(t, archive.Close())

	output, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	require.NoError(t, err)
	settings := strings.Split(string(output), "\n")
	cache := filepath.Join(t.TempDir(), "cache") // of its own: what is fetched here is no release
	return []string{"GOWORK=off", "GOFLAGS=-trimpath -modcacherw " + goFlags(t), "GOMODCACHE=" + cache,
		"GONOSUMDB=" + version.Path,
		"GOPROXY=" + "file://" + filepath.ToSlash(proxy) + ",file://" +
			filepath.ToSlash(filepath.Join(settings[0], "cache", "download")) + "," + settings[1]}
}

func goFlags(t *testing.T) string {
	output, err := exec.Command("go", "env", "GOFLAGS").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(output))
}

// What README.md quotes of examples/custommodel is there.
func TestTheModelOfTheREADME(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	quoted := regexp.MustCompile("(?ms)^```go examples/custommodel/model.go\n(.*?)^```$").FindSubmatch(readme)
	require.NotNil(t, quoted)
	file, err := os.ReadFile("custommodel/model.go")
	require.NoError(t, err)
	for part := range strings.SplitSeq(string(quoted[1]), "\n\n") {
		require.Contains(t, string(file), part)
	}
	require.Contains(t, string(readme), fmt.Sprintf("in %d lines:", strings.Count(string(file), "\n")))
}

// The lines that README.md adds for OpenID Connect are those of examples/oidc.
func TestTheLinesForOpenIDConnect(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Three more lines for OpenID Connect\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	program, err := os.ReadFile("oidc/main.go")
	require.NoError(t, err)
	added := regexp.MustCompile(`(?m)^\+\s*(.*?)(?: // .*)?$`).FindAllStringSubmatch(section, -1)
	require.Len(t, added, 3)
	for _, line := range added {
		line[1] = strings.NewReplacer("ctx, source", "context.Background(), keys.Development()").Replace(line[1])
		require.Contains(t, string(program), line[1])
	}
}

// The trap of the first day, as README.md has it: a route requires a scope, and
// a client has to ask for it.
func TestAClientAsksForTheScope(t *testing.T) {
	const secret = "a-secret-that-nobody-guesses"
	model := memorymodel.New(nil)
	for id, scope := range map[string]oauth2server.Scope{"unlimited": nil, "limited": {"read"}} {
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, Scope: scope,
			RedirectURIs: []string{"https://client.example/"},
			Grants:       []string{"authorization_code", "client_credentials"}}, secret))
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "7"}, All: true})
	})
	for _, row := range []struct {
		model           oauth2server.Model
		client, asksFor string
		status          int
	}{
		{model, "unlimited", "", 403},
		{model, "unlimited", "read", 200},
		{model, "limited", "", 403},
		{model, "limited", "read", 200},
		{reading{model}, "limited", "", 200},
	} {
		srv, err := oauth2server.New(row.model, nil)
		require.NoError(t, err)
		api := srv.Authenticate("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for grant, form := range map[string]url.Values{
			"client_credentials": {},
			"authorization_code": {"code": {codeGiven(t, srv.Authorize(page), row.client, row.asksFor)}},
		} {
			form.Set("grant_type", grant)
			if grant == "client_credentials" && row.asksFor != "" {
				form.Set("scope", row.asksFor)
			}
			r := httptest.NewRequest("POST", "/token", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth(row.client, secret)
			w := httptest.NewRecorder()
			srv.Token(nil).ServeHTTP(w, r)
			var token struct {
				AccessToken string `json:"access_token"`
				Scope       string `json:"scope"`
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &token))

			r = httptest.NewRequest("GET", "/api/", nil)
			r.Header.Set("Authorization", "Bearer "+token.AccessToken)
			w = httptest.NewRecorder()
			api.ServeHTTP(w, r)
			require.Equal(t, row.status, w.Code, "%s, %v", grant, row)
			if row.status == 403 {
				require.Empty(t, token.Scope)
				require.Contains(t, w.Header().Get("WWW-Authenticate"), `error="insufficient_scope"`)
			}
		}
	}
}

// reading gives a scope by default.
type reading struct{ *memorymodel.Model }

func (reading) ValidateScope(_ context.Context, _ *oauth2server.User, _ *oauth2server.Client,
	scope oauth2server.Scope) (oauth2server.Scope, error) {
	if len(scope) == 0 {
		return oauth2server.Scope{"read"}, nil
	}
	return scope, nil
}

func codeGiven(t *testing.T, authorize http.Handler, client, scope string) string {
	query := url.Values{"response_type": {"code"}, "client_id": {client}, "state": {"1"}}
	if scope != "" {
		query.Set("scope", scope)
	}
	w := httptest.NewRecorder()
	authorize.ServeHTTP(w, httptest.NewRequest("GET", "/authorize?"+query.Encode(), nil))
	location, err := w.Result().Location()
	require.NoError(t, err)
	require.NotEmpty(t, location.Query().Get("code"), location)
	return location.Query().Get("code")
}
