//go:build npm

package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// remote is mcp-remote, by which programs that only start MCP servers use one
// elsewhere, and its user's browser.
type remote struct {
	*toolSite
	session *mcp.ClientSession
	store   string
}

var asksFor = regexp.MustCompile(`https://\S+/authorize\?\S+`)

// newRemote starts it. It prints what it asks the browser to open.
func newRemote(t *testing.T) *remote {
	r := &remote{toolSite: newToolSite(t, 0), store: t.TempDir()}
	command := exec.CommandContext(t.Context(), "node", "node_modules/mcp-remote/dist/proxy.js", r.URL+"/mcp")
	command.Dir = node(t)
	command.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+caFile(t, r.Server), "MCP_REMOTE_CONFIG_DIR="+r.store,
		"BROWSER=true") // a command that does nothing
	output, err := command.StderrPipe()
	require.NoError(t, err)
	r.watch(output)
	r.session, err = mcp.NewClient(&mcp.Implementation{Name: "fern", Version: "1"}, nil).Connect(t.Context(),
		&mcp.CommandTransport{Command: command}, nil)
	require.NoError(t, err)
	return r
}

// watch reads what a program prints, to its end, and opens the links to
// /authorize. It logs the rest if the test fails.
func (s *toolSite) watch(output io.Reader) {
	log, ended := new(bytes.Buffer), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if link := asksFor.FindString(lines.Text()); link != "" {
				go s.open(link)
			}
		}
	}()
	s.t.Cleanup(func() {
		<-ended
		if s.t.Failed() {
			s.t.Logf("%s", log)
		}
	})
}

// open signs in. mcp-remote begins to listen for the answer after it has asked.
func (s *toolSite) open(link string) {
	answer := s.browse(link).String()
	for s.t.Context().Err() == nil {
		if res, err := http.Get(answer); err == nil {
			res.Body.Close()
			return
		}
		select {
		case <-s.t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// endToken puts another access token where mcp-remote keeps its own.
func (r *remote) endToken() {
	r.t.Helper()
	names, err := filepath.Glob(r.store + "/*/*_tokens.json")
	require.NoError(r.t, err)
	require.Len(r.t, names, 1)
	text, err := os.ReadFile(names[0])
	require.NoError(r.t, err)
	var tokens map[string]any
	require.NoError(r.t, json.Unmarshal(text, &tokens))
	tokens["access_token"] = "ended"
	text, err = json.Marshal(tokens)
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(names[0], text, 0o600))
}

// mcp-remote does as the SDKs do.
func TestMCPRemote(t *testing.T) {
	r := newRemote(t)
	r.call(r.session, "whoami")
	r.endToken()
	r.call(r.session, "whoami")
	r.call(r.session, "note")
	r.forget()
	r.call(r.session, "whoami")
	require.NoError(t, r.session.Close())
	begin := slices.Insert(signsIn("none"), 3, "authenticate refused unauthorized_request") // looks before it begins
	require.Equal(t, slices.Concat(begin, refreshes, stepsUp, comesBack("none")), r.told())
}
