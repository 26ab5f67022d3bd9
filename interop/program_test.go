//go:build npm || python

package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// tell runs a program that is a client, with what it has to know as its last
// argument, and holds what the server saw against the story. environment is
// added to the test's own.
func (s *site) tell(c client, environment []string, dir, name string, args ...string) {
	s.t.Helper()
	told, err := json.Marshal(map[string]any{"issuer": s.issuer, "api": s.URL + "/api", "client": c,
		"resources": resources})
	require.NoError(s.t, err)
	run(s.t, environment, dir, name, append(args, string(told))...)
	require.Equal(s.t, story(c), s.seen())
}

func run(t *testing.T, environment []string, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", name, output)
}
