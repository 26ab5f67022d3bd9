// docs/mcp.md and README.md show how a program becomes an MCP server. These
// tests check that it works.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
)

var fences = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

func read(t *testing.T, path ...string) string {
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	require.NoError(t, err)
	return string(text)
}

// blocks are those of a page with this info string.
func blocks(t *testing.T, page, info string) (blocks []string) {
	for _, block := range fences.FindAllStringSubmatch(page, -1) {
		if block[1] == info {
			blocks = append(blocks, block[2])
		}
	}
	require.NotEmpty(t, blocks, info)
	return blocks
}

// lines returns the lines of a diff with one of the marks.
func lines(diff, marks string) (lines []string) {
	for line := range strings.Lines(diff) {
		if strings.Contains(marks, line[:1]) {
			lines = append(lines, line[1:])
		}
	}
	return lines
}

// The diff of the page applies to examples/minimal, has as many lines as the page
// says, and makes an MCP server of it that the SDK's client signs in at.
func TestTheDiffOfThePage(t *testing.T) {
	t.Parallel()
	page, program := read(t, "docs", "mcp.md"), read(t, "examples", "minimal", "main.go")
	diff := blocks(t, page, "diff")[0]
	require.Contains(t, strings.Join(strings.Fields(page), " "), "loses "+strconv.Itoa(len(lines(diff, "-")))+
		" lines and gains "+strconv.Itoa(len(lines(diff, "+")))+".")
	hunks := regexp.MustCompile(`(?m)^@@ .*\n`).Split(diff, -1)[1:]
	require.Len(t, hunks, 2)
	for _, hunk := range hunks {
		before, after := strings.Join(lines(hunk, " -"), ""), strings.Join(lines(hunk, " +"), "")
		require.Equal(t, 1, strings.Count(program, before), before)
		program = strings.Replace(program, before, after, 1)
	}
	program = strings.Replace(program, `"https://app.example"`, "issuer", 1)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "yours.go"), []byte(`package main

import (
	"net/http"
	"os"
)

var key, issuer = make([]byte, 32), "http://" + os.Getenv("ADDR")

var mcpHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hello(w, r) })
`), 0o600))
	// The directory is in an overlay, so that its imports are those of this module.
	pkg, err := filepath.Abs("patched")
	require.NoError(t, err)
	overlay := `{"Replace":{`
	for i, name := range []string{"main.go", "yours.go"} {
		overlay += strings.Repeat(",", i) + strconv.Quote(filepath.Join(pkg, name)) + ":" +
			strconv.Quote(filepath.Join(dir, name))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), []byte(overlay+"}}"), 0o600))
	binary := filepath.Join(dir, "patched")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"),
		"-o", binary, "./patched").CombinedOutput()
	require.NoError(t, err, "%s", output)
	reserved := httptest.NewServer(nil)
	addr := reserved.Listener.Addr().String()
	reserved.Close()
	command := exec.Command(binary, "-addr", addr)
	command.Env = append(os.Environ(), "ADDR="+addr)
	printed, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		require.NoError(t, command.Process.Signal(os.Interrupt))
		require.NoError(t, command.Wait())
	})
	_, err = printed.Read(make([]byte, 1)) // it prints when it listens
	require.NoError(t, err)

	andy := newPerson(t, "andy", "123456")
	config := registering(andy)
	config.AuthorizationCodeFetcher = func(
		_ context.Context, args *auth.AuthorizationArgs,
	) (*auth.AuthorizationResult, error) {
		res, _ := andy.send(args.URL, url.Values{"username": {"andy"}, "password": {"123456"}})
		got, err := res.Location()
		require.NoError(t, err)
		return &auth.AuthorizationResult{Code: got.Query().Get("code"), State: got.Query().Get("state"),
			Iss: got.Query().Get("iss")}, nil
	}
	require.Equal(t, "Hello, user 1!\n", getAs(t, "http://"+addr+"/mcp", config))
}

// getAs gets an address as a client of the SDK does: it is refused, signs in, and
// tries again.
func getAs(t *testing.T, address string, config *auth.AuthorizationCodeHandlerConfig) string {
	handler, err := auth.NewAuthorizationCodeHandler(config)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
	require.NoError(t, err)
	refused, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.Equal(t, 401, refused.StatusCode)
	require.NoError(t, handler.Authorize(t.Context(), r, refused))
	source, err := handler.TokenSource(t.Context())
	require.NoError(t, err)
	token, err := source.Token()
	require.NoError(t, err)
	_, text := demotest.Get(t, address, token.AccessToken)
	return text
}

// README.md has the same, as a change of its five lines.
func TestTheDiffOfTheREADME(t *testing.T) {
	page, readme := read(t, "docs", "mcp.md"), read(t, "README.md")
	trim := func(lines []string) (trimmed []string) {
		for _, line := range lines {
			line = strings.ReplaceAll(strings.TrimSpace(line), "page(model)", "page")
			if !strings.HasPrefix(line, `"github.com`) {
				trimmed = append(trimmed, line)
			}
		}
		return trimmed
	}
	diff := blocks(t, readme, "diff")[0]
	require.Equal(t, trim(lines(blocks(t, page, "diff")[0], "+")), trim(lines(diff, "+")))
	five := blocks(t, readme, "go")[0]
	for _, line := range lines(diff, " -") {
		require.Contains(t, five, line)
	}
}

// The page quotes this program as it is.
func TestPageAndProgram(t *testing.T) {
	page := read(t, "docs", "mcp.md")
	for _, name := range []string{"main.go", "tools.go"} {
		for _, quoted := range blocks(t, page, "go examples/mcp/"+name) {
			require.Contains(t, read(t, "examples", "mcp", name), "\n"+quoted)
		}
	}
	reasons := read(t, "docs", "reasons.md")
	_, table, found := strings.Cut(page, "| What you see | Reason | What to do |\n|---|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	rows := 0
	for row := range strings.Lines(table) {
		reason := strings.TrimSpace(strings.Split(row, "|")[2])
		if reason != "none" {
			require.Contains(t, reasons, "\n| "+reason+" |", row)
		}
		rows++
	}
	require.Greater(t, rows, 5)
}

// Each client of the page registers with the redirection URIs listed there, and
// later uses another port of loopback.
func TestRedirectionURIsOfClients(t *testing.T) {
	base := start(t, nil)
	_, table, found := strings.Cut(read(t, "docs", "mcp.md"),
		"| Client | Connect | Identifies itself by | Redirection URIs |\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	clients := 0
	for row := range strings.Lines(table) {
		columns := strings.Split(row, "|")
		var uris []string
		for _, uri := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(columns[len(columns)-2], -1) {
			uris = append(uris, strings.NewReplacer("PORT", "4321", "ID", "abc").Replace(uri[1]))
		}
		if len(uris) == 0 { // the line below the heading
			continue
		}
		clients++
		var client struct {
			ID           string   `json:"client_id"`
			RedirectURIs []string `json:"redirect_uris"`
		}
		register(t, base, map[string]any{"client_name": columns[1], "redirect_uris": uris,
			"token_endpoint_auth_method": "none"}, &client)
		require.Equal(t, uris, client.RedirectURIs, row)
		for _, uri := range uris {
			uri = regexp.MustCompile(`^(http://[^/:]+):\d+`).ReplaceAllString(uri, "$1:5555")
			res, _ := newPerson(t, "", "").send(base+"/authorize?"+url.Values{
				"response_type": {"code"}, "client_id": {client.ID},
				"redirect_uri": {uri}, "code_challenge_method": {"S256"}, "code_challenge": {challenge},
				"scope": {"claudeai offline_access"}, "resource": {base + "/"}}.Encode(), nil)
			require.Equal(t, 200, res.StatusCode, uri)
		}
	}
	require.Equal(t, 10, clients)
}

// register registers a client.
func register(t *testing.T, base string, members map[string]any, client any) {
	body, err := json.Marshal(members)
	require.NoError(t, err)
	res, err := http.Post(base+"/register", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 201, res.StatusCode)
	require.NoError(t, json.NewDecoder(res.Body).Decode(client))
}
