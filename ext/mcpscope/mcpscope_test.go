package mcpscope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/mcpscope"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// byTool are the scopes of the tests, where read is what all requests need.
var byTool = map[string]string{"note": "write", "wipe": "write admin", "größe": "sizes"}

const (
	needsRead  = "read"
	needsWrite = "read write"
	needsAdmin = "read write admin"
	needsAll   = "read sizes write write admin"
)

// required returns what a request needs, and checks that its body is left whole.
func required(t testing.TB, method, body string, mcpNames ...string) string {
	r := httptest.NewRequest(method, "/mcp", strings.NewReader(body))
	for _, name := range mcpNames {
		r.Header.Add("Mcp-Name", name)
	}
	scopes := mcpscope.Tools("read", byTool)(r)
	left, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.True(t, body == string(left), "the body is left as it was")
	return strings.Join(scopes, " ")
}

func call(name string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + name + `","arguments":{}}}`
}

func TestTools(t *testing.T) {
	for _, row := range []struct{ what, body, want string }{
		{"a tool", call("note"), needsWrite},
		{"a tool with two scopes", call("wipe"), needsAdmin},
		{"a tool that is not listed", call("whoami"), needsRead},
		{"a tool in another case is another one", call("Note"), needsRead},
		{"no tool", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, needsRead},
		{"an answer", `{"jsonrpc":"2.0","id":1,"result":{"name":"note"}}`, needsRead},
		{"a name in the arguments", `{"params":{"name":"whoami","arguments":{"name":"note"}}}`, needsRead},
		{"not in params", `{"name":"note","params":{}}`, needsRead},
		{"a name that is no string", `{"params":{"name":{"a":"note"}}}`, needsRead},
		{"a value like a key", `{"params":{"title":"name","a":["name","note"]}}`, needsRead},
		{"after params", `{"params":{},"meta":{"name":"note"}}`, needsRead},
		{"no body", "", needsRead},

		{"the method does not matter", `{"method":"prompts/get","params":{"name":"note"}}`, needsWrite},
		{"a batch", `[` + call("whoami") + `,` + call("note") + `]`, needsWrite},
		{"a batch of two tools", `[` + call("wipe") + `,` + call("note") + `]`, needsAdmin + " write"},
		{"a batch in a batch", `[[` + call("note") + `]]`, needsWrite},
		{"params in upper case", `{"PARAMS":{"name":"note"}}`, needsWrite},
		{"name in upper case", `{"params":{"Name":"note"}}`, needsWrite},
		{"letters that fold to ASCII", `{"paramſ":{"name":"note"}}`, needsWrite},
		{"dashes and underscores", `{"par-ams":{"na_me":"note"}}`, needsWrite},
		{"spaces and controls", `{"params ":{"name\u0000":"note"}}`, needsWrite},
		{"an escaped key", `{"p\u0061rams":{"n\u0061me":"note"}}`, needsWrite},
		{"an escaped name", `{"params":{"name":"n\u006Fte"}}`, needsWrite},
		{"an escaped name beyond ASCII", `{"params":{"name":"gr\u00f6\u00dfe"}}`, "read sizes"},
		{"a name beyond ASCII", call("größe"), "read sizes"},
		{"two names, the first", `{"params":{"name":"note","name":"whoami"}}`, needsWrite},
		{"two names, the last", `{"params":{"name":"whoami","name":"note"}}`, needsWrite},
		{"two names of two tools", `{"params":{"name":"wipe","Name":"note"}}`, needsAdmin + " write"},
		{"two params", `{"params":{"name":"note"},"params":{"name":"whoami"}}`, needsWrite},
		{"params in params", `{"params":{"params":{"name":"note"}}}`, needsWrite},
		{"params deep inside", `{"a":[{"b":{"params":{"name":"note"}}}]}`, needsWrite},
		{"params as an array", `{"params":[{"name":"note"}]}`, needsWrite},
		{"params as an array, the second", `{"params":[{"a":"note"},{"name":"note"}]}`, needsWrite},
		{"a name as an array", `{"params":{"name":["whoami",["note"]]}}`, needsWrite},
		{"after an object and an array", `{"params":{"a":{},"b":[],"c":[{}],"name":"note"}}`, needsWrite},
		{"after quotation marks", `{"params":{"a":"\"}}","b\\":"\\","name":"note"}}`, needsWrite},
		{"white space", "\n{ \"params\"\t:\r\n{ \"name\" : \"note\" } }\n", needsWrite},

		{"no JSON", `tools/call note`, needsAll},
		{"half a document", `{"params":{"name":`, needsAll},
		{"two documents", call("whoami") + call("whoami"), needsAll},
		{"a comment", `{/* */"params":{"name":"whoami"}}`, needsAll},
		{"single quotes", `{'params':{'name':'whoami'}}`, needsAll},
		{"a comma too many", `{"params":{"name":"whoami",}}`, needsAll},
		{"a byte order mark", "\ufeff" + call("whoami"), needsAll},
		{"UTF-16", "{\x00}\x00", needsAll},
		{"white space alone", " ", needsAll},
		{"broken UTF-8 in a name", call("no\xffte"), needsAll},
		{"broken UTF-8 in a key", "{\"params\":{\"na\xffme\":\"note\"}}", needsAll},
		{"broken UTF-8 elsewhere", "{\"params\":{\"name\":\"whoami\",\"a\":\"\xff\"}}", needsAll},
		{"half a surrogate pair in a name", `{"params":{"name":"no\ud800te"}}`, needsAll},
		{"half a surrogate pair in a key", `{"params":{"na\udc00me":"note"}}`, needsAll},
		{"half a surrogate pair elsewhere", `{"params":{"name":"whoami","a":"\ud800"}}`, needsRead},
		{"compressed", "\x1f\x8b\x08\x00", needsAll},
		{"deep nesting", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), needsAll},
		{"a body of 4 MiB", padded(4 << 20), needsRead},
		{"a body over 4 MiB", padded(4<<20 + 1), needsAll},
		{"a body of 5 MiB", padded(5 << 20), needsAll},
	} {
		t.Run(row.what, func(t *testing.T) {
			require.ElementsMatch(t, strings.Fields(row.want), strings.Fields(required(t, "POST", row.body)))
		})
	}
}

// padded is a call that needs nothing but read, of n bytes.
func padded(n int) string {
	text := call("whoami")
	return text + strings.Repeat(" ", n-len(text))
}

func TestToolsOfTheHeader(t *testing.T) {
	for _, row := range []struct {
		name, body string
		want       string
	}{
		{"note", call("note"), needsWrite},
		{"note", call("whoami"), needsWrite},
		{"whoami", call("note"), needsWrite},
		{"wipe", call("note"), needsAdmin + " write"},
		{"file:///note", `{}`, needsRead},
		{"=?base64?bm90ZQ==?=", `{}`, needsWrite},
		{"=?base64?d2hvYW1p?=", `{}`, needsRead},
		{"=?base64?bm90ZQ?=", `{}`, needsAll},
		{"=?BASE64?bm90ZQ==?=", `{}`, needsAll},
		{"=?base64?/w==?=", `{}`, needsAll},
		{"=?", `{}`, needsAll},
		{"no\xffte", `{}`, needsAll},
	} {
		require.ElementsMatch(t, strings.Fields(row.want), strings.Fields(required(t, "POST", row.body, row.name)), row.name)
	}
	require.Equal(t, needsWrite, required(t, "POST", `{}`, "whoami", "note"), "two headers")
}

func TestToolsByMethod(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS"} {
		r := httptest.NewRequest(method, "/mcp", nil)
		require.Equal(t, []string{"read"}, mcpscope.Tools("read", byTool)(r), method)
		require.Equal(t, needsWrite, required(t, method, call("note")), "%s with a call", method)
	}
	r := httptest.NewRequest("POST", "/mcp", nil)
	r.Body = nil
	require.Equal(t, []string{"read"}, mcpscope.Tools("read", byTool)(r))
}

// A body that fails is read again up to the same failure, and closed.
func TestToolsLeaveWhatFails(t *testing.T) {
	lost := errors.New("connection lost")
	closed := false
	r := httptest.NewRequest("POST", "/mcp", nil)
	r.Body = body{io.MultiReader(strings.NewReader(call("whoami")), failing{lost}), &closed}
	require.Contains(t, mcpscope.Tools("read", byTool)(r), "write admin")
	left, err := io.ReadAll(r.Body)
	require.ErrorIs(t, err, lost)
	require.Equal(t, call("whoami"), string(left))
	require.NoError(t, r.Body.Close())
	require.True(t, closed)
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

type body struct {
	io.Reader
	closed *bool
}

func (b body) Close() error { *b.closed = true; return nil }

func TestToolsPanicAtOnce(t *testing.T) {
	for _, row := range []struct{ base, write, want string }{
		{"", "write", "is empty"},
		{" ", "write", "is empty"},
		{"read", "", "is empty"},
		{"read,more", "write", "comma"},
		{"read", `"write"`, "appendix A.4"},
		{"read", "écrire", "appendix A.4"},
		{"read", strings.Repeat("w", 4097), "4096 bytes"},
		{strings.Repeat("r", 3000), strings.Repeat("w", 3000), "all scopes together"},
	} {
		var said error
		func() {
			defer func() { said, _ = recover().(error) }()
			mcpscope.Tools(row.base, map[string]string{"note": row.write})
		}()
		require.ErrorContains(t, said, row.want)
		require.ErrorContains(t, said, "mcpscope: Tools: ")
	}
	scopes := map[string]string{"note": "write"}
	tools := mcpscope.Tools("read more", scopes)
	delete(scopes, "note") // what the program does later changes nothing
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(call("note")))
	require.Equal(t, []string{"read more", "write"}, tools(r))
}

// Each scope is asked for once: a scope has a limit, and a batch may call one tool a
// thousand times.
func TestToolsSayEachScopeOnce(t *testing.T) {
	batch := "[" + strings.Repeat(call("note")+",", 1000) + call("note") + "]"
	require.Equal(t, needsWrite, required(t, "POST", batch))
}

// mcpServer is a resource whose handler repeats what it is sent, and a token for
// it with a scope.
func mcpServer(t testing.TB, scope string) (handler http.Handler, token string) {
	model := memorymodel.New(nil)
	client := &oauth2server.Client{ID: "app", Grants: []string{"client_credentials"}}
	const secret = "a-secret-that-nobody-guesses"
	require.NoError(t, model.AddClient(client, secret))
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Issuer:    "https://as.example",
		Resources: []oauth2server.Resource{{URL: "/mcp"}},
		Logger:    slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	r := httptest.NewRequest("POST", "/token", strings.NewReader(
		"grant_type=client_credentials&resource=https://as.example/mcp&scope="+strings.ReplaceAll(scope, " ", "+")))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("app", secret)
	w := httptest.NewRecorder()
	srv.Token(nil).ServeHTTP(w, r)
	var answer struct {
		Token string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body) // all of it, as a server that has begun to answer may read no more
		w.Write(text)
	})
	return srv.For("/mcp").AuthenticateBy(mcpscope.Tools("read", byTool))(echo), answer.Token
}

// A tool call that is spelt so that a check of the scope could miss it gets 403,
// and the challenge says what to ask for.
func TestAttack_ToolCallsInDisguise(t *testing.T) {
	handler, token := mcpServer(t, "read")
	server := httptest.NewServer(handler)
	defer server.Close()
	for _, row := range []struct {
		what, body, scope string
		header            []string
	}{
		{"as it is", call("note"), "read write", nil},
		{"in a batch", "[" + call("whoami") + "," + call("note") + "]", "read write", nil},
		{"Params", `{"method":"tools/call","Params":{"name":"note"}}`, "read write", nil},
		{"two names", `{"method":"tools/call","params":{"name":"note","name":"whoami"}}`, "read write", nil},
		{"escapes", `{"method":"tools\/call","params":{"\u006eame":"\u006eote"}}`, "read write", nil},
		{"nesting", strings.Repeat("[", 10_001) + call("note") + strings.Repeat("]", 10_001), "read sizes write admin", nil},
		{"a long body", strings.Repeat(" ", 4<<20) + call("note"), "read sizes write admin", nil},
		{"another header", call("whoami"), "read write", []string{"note"}},
		{"broken UTF-8", call("note\xff"), "read sizes write admin", nil},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/mcp", strings.NewReader(row.body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header["Mcp-Name"] = row.header
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 403, res.StatusCode, row.what)
		require.Contains(t, res.Header.Get("WWW-Authenticate"), `scope="`+row.scope+`"`, row.what)
	}
}

// A token with the scope is let in, and the handler reads the whole body.
func TestBodiesAreReadAgain(t *testing.T) {
	handler, token := mcpServer(t, "read write sizes admin")
	server := httptest.NewServer(handler)
	defer server.Close()
	for _, body := range []string{call("note"), padded(5 << 20), "no JSON"} {
		// With a length, and in chunks.
		for _, reader := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} {
			r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/mcp", reader)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			got, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, 200, res.StatusCode)
			require.True(t, bytes.Equal([]byte(body), got))
		}
	}
}
