// These tests run each example as people do, and hold what it prints.

package examples_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each example prints where it is and how to try it, and what it prints is
// true: its address opens, the user that it names signs in, and its curl lines
// do what they show. It ends well when it is told to.
func TestWhatTheExamplesPrint(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	require.NoError(t, err, "this test runs the lines that are printed and needs curl")
	issuer := startProgram(t, "server", nil)
	for _, c := range []struct {
		name    string
		args    []string
		answers []string // what the lines print, besides tokens
	}{
		{"minimal", nil, []string{"Hello, user 1!"}},
		{"oidc", nil, []string{`"id_token":"`, `"email":"andy@example.com"`}},
		{"mcp", nil, []string{`"serverInfo":{"name":"notes"`}},
		{"consent", nil, nil},
		{"custommodel", []string{"-db", filepath.Join(t.TempDir(), "shop.db")},
			[]string{"the orders of customer K-17"}},
		{"chi", nil, []string{"Hello, user 1!", "Hello, user client:app!"}},
		{"gin", nil, []string{"Hello, user 1!", "Hello, user client:app!"}},
		{"echo", nil, []string{"Hello, user 1!", "Hello, user client:app!"}},
		{"cors", []string{"-origin", "http://localhost:4321"},
			[]string{"Access-Control-Allow-Origin: http://localhost:4321", "Hello, user client:app!"}},
		{"websocket", nil, []string{"101 Switching Protocols"}},
		{"resource", []string{"-introspect", issuer.base + "/user/introspect"}, []string{"Hello, user 1!"}},
		{"server", nil, []string{`"user":{"id":"1"}`, `"active":true`, `"issuer":`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startProgram(t, c.name, c.args)
			require.Contains(t, strings.ToLower(p.story), "secret")
			if c.name != "websocket" { // where nobody does
				p.user(t)
			}
			res, err := http.Get(p.base)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			values := map[string]string{}
			for _, line := range p.lines() {
				if strings.HasPrefix(line, "http") {
					values["CODE"] = codeOf(t, line, p)
					continue
				}
				for name, value := range values {
					line = strings.ReplaceAll(line, name, value)
				}
				output := run(t, curl, line)
				if token := regexp.MustCompile(`"access_token":"([^"]+)"`).FindStringSubmatch(output); token != nil {
					values["ACCESS_TOKEN"] = token[1]
				}
				p.answers += output
			}
			require.NotEmpty(t, values["ACCESS_TOKEN"], p.story)
			for _, want := range c.answers {
				require.Contains(t, p.answers, want)
			}
		})
	}
}

// program is an example that runs.
type program struct {
	base, story, answers string
}

// startProgram builds an example and starts it on a free port. At the end of
// the test it is told to end, and must do so with the status 0.
func startProgram(t *testing.T, name string, args []string) *program {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./"+name).CombinedOutput()
	require.NoError(t, err, "%s", output)
	command := exec.Command(binary, append(args, "-addr", "127.0.0.1:0")...)
	command.Env = append(os.Environ(), "API_SECRET=qwerty")
	printed, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		require.NoError(t, command.Process.Signal(os.Interrupt))
		require.NoError(t, command.Wait(), "it ends well")
	})
	p := &program{}
	lines := bufio.NewScanner(printed)
	for !strings.HasPrefix(lines.Text(), "Ctrl-C") && lines.Scan() {
		p.story += lines.Text() + "\n"
	}
	p.base = regexp.MustCompile(`http://[^\s/]+`).FindString(p.story)
	require.NotEmpty(t, p.base, p.story)
	return p
}

// user is who may sign in, as the story has it.
func (p *program) user(t *testing.T) (name, password string) {
	match := regexp.MustCompile(`(?s)(\S+@\S+|andy)\s(?:with|and)\sthe\spassword\s(\w+)`).FindStringSubmatch(p.story)
	require.NotNil(t, match, "who may sign in?\n%s", p.story)
	return match[1], match[2]
}

// lines are those to open or to run, which are indented.
func (p *program) lines() (lines []string) {
	for line := range strings.Lines(p.story) {
		if text, ok := strings.CutPrefix(line, "  "); ok {
			lines = append(lines, strings.TrimSpace(text))
		}
	}
	return lines
}

// run runs a line as a shell does. A line that limits its own time ends by that.
func run(t *testing.T, curl, line string) string {
	require.True(t, strings.HasPrefix(line, "curl "), line)
	command := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(line, "curl ",
		"curl -sS --fail-with-body ", 1))
	command.Env = []string{"PATH=" + filepath.Dir(curl) + ":/usr/bin:/bin"}
	output, err := command.CombinedOutput()
	if !strings.Contains(line, "--max-time") {
		require.NoError(t, err, "%s\n%s", line, output)
	}
	return string(output)
}

var (
	formFields  = regexp.MustCompile(`<input[^>]*?(?:type="(\w+)")?[^>]*? name="(\w+)"(?: value="([^"]*)")?[^>]*>`)
	formButtons = regexp.MustCompile(`<button name="(\w+)" value="(\w+)">`)
)

// codeOf opens an address, signs in, agrees if that is asked, and returns the code.
func codeOf(t *testing.T, address string, p *program) string {
	name, password := p.user(t)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := browser.Get(address)
	for range 3 {
		require.NoError(t, err)
		page, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		if location, err := res.Location(); err == nil {
			return location.Query().Get("code")
		}
		form := url.Values{}
		for _, field := range formFields.FindAllStringSubmatch(string(page), -1) {
			form.Add(field[2], html.UnescapeString(field[3]))
		}
		for _, button := range formButtons.FindAllStringSubmatch(string(page), 1) {
			form.Set(button[1], button[2])
		}
		if form.Has("password") {
			form.Set("username", name)
			form.Set("password", password)
		}
		res, err = browser.PostForm(address, form)
		require.NoError(t, err)
	}
	require.FailNow(t, "no code", address)
	return ""
}

// What listens cuts off whoever is slow: no example calls the functions of net/http
// that set no timeouts, and neither does the documentation.
func TestWhatListensHasTimeouts(t *testing.T) {
	timeouts := []string{"ReadHeaderTimeout", "ReadTimeout", "WriteTimeout"}
	servers := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				require.NotContains(t, []string{"ListenAndServe", "ListenAndServeTLS", "ServeTLS"}, n.Sel.Name, path)
				if name, ok := n.X.(*ast.Ident); ok && name.Name == "http" {
					require.NotEqual(t, "Serve", n.Sel.Name, path)
				}
			case *ast.CompositeLit:
				if kind, ok := n.Type.(*ast.SelectorExpr); ok && kind.Sel.Name == "Server" {
					servers++
					var set []string
					for _, element := range n.Elts {
						if pair, ok := element.(*ast.KeyValueExpr); ok {
							set = append(set, pair.Key.(*ast.Ident).Name)
						}
					}
					for _, name := range timeouts {
						require.True(t, slices.Contains(set, name), "%s: a server without %s", path, name)
					}
				}
			}
			return true
		})
		return nil
	}))
	require.NotZero(t, servers)
	pages, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	require.NoError(t, err)
	for _, page := range append(pages, filepath.Join("..", "README.md"), filepath.Join("..", "doc.go")) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		require.NotRegexp(t, `http\.(ListenAndServe|Serve)\w*\(`, string(text), page)
	}
}
