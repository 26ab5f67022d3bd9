// The curl lines of the article and those that are printed, run by a shell as they are.

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inShell runs lines in one shell, as somebody does who pastes them one after the
// other, and returns what each of them prints. A line that fails is the last.
func (s site) inShell(lines ...string) (printed []string) {
	s.Helper()
	curl, err := exec.LookPath("curl")
	require.NoError(s, err, "this test runs curl lines and needs curl")
	script := `curl() { command curl --silent --show-error --fail-with-body "$@"; }` + "\n"
	for i, line := range lines {
		script += fmt.Sprintf("%s\nprintf '\\n--end of line %d--\\n'\n", line, i)
	}
	command := exec.CommandContext(s.Context(), "sh", "-eu")
	command.Stdin = strings.NewReader(script)
	command.Env = []string{"HOME=" + s.TempDir(), "PATH=" + filepath.Dir(curl) + string(os.PathListSeparator) + "/usr/bin:/bin"}
	output, err := command.CombinedOutput()
	require.NoError(s, err, "%s", output)
	rest := string(output)
	for i := range lines {
		text, after, found := strings.Cut(rest, fmt.Sprintf("\n--end of line %d--\n", i))
		require.True(s, found, "%s", output)
		printed, rest = append(printed, text), after
	}
	return printed
}

// including is the body of what curl --include prints.
func including(t *testing.T, text string) (body string) {
	t.Helper()
	head, body, found := strings.Cut(text, "\r\n\r\n")
	require.True(t, found, text)
	require.True(t, strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n"), head)
	require.Contains(t, head+"\r\n", "\r\nContent-Type: application/json\r\n")
	require.Contains(t, head+"\r\n", "\r\nCache-Control: no-store\r\n")
	return body
}

func requireTokenOf(t *testing.T, text, access string) {
	t.Helper()
	require.True(t, strings.HasPrefix(text, `{"token":{"accessToken":"`+access+`","accessTokenExpiresAt":"`), text)
	require.True(t, strings.HasSuffix(text, `,"scope":"","client":{"id":"123456"},"user":{"id":"1"}}}`+"\n"), text)
}

// The article's own lines. The tokens and the port are not as there.
func TestCurlLinesOfTheArticle(t *testing.T) {
	onEach(t, func(s site) {
		_, refresh := tokenOf(t, s.exchange(s.code()).text)
		here := strings.NewReplacer(":7001", strings.TrimPrefix(s.base, "http://127.0.0.1"), "9f36f4f0f90c62b6f775906cc0f7afa4f6362d37", refresh)
		answer := including(t, s.inShell(here.Replace(`curl --include \
     --request POST http://127.0.0.1:7001/user/token \
     --data 'grant_type=refresh_token&refresh_token=9f36f4f0f90c62b6f775906cc0f7afa4f6362d37&client_id=123456&client_secret=qwerty'`))[0])
		access, _ := tokenOf(t, answer)
		here = strings.NewReplacer(":7001", strings.TrimPrefix(s.base, "http://127.0.0.1"), "034ab4f6182290e4363e9c9f650fe8e13f8eb6b7", access)
		answer = including(t, s.inShell(here.Replace(`curl --include \
     http://localhost:7001/user/authenticate \
     -H "Authorization: Bearer 034ab4f6182290e4363e9c9f650fe8e13f8eb6b7"`))[0])
		requireTokenOf(t, answer, access)
	})
}

// lines are the indented ones of a text.
func lines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if line, ok := strings.CutPrefix(line, "  "); ok {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// Each line that is printed at the start does what it should, pasted as it is.
func TestPrintedLines(t *testing.T) {
	onEach(t, func(s site) {
		require.Contains(t, s.story, "andy with the password 123456")
		require.Contains(t, s.story, "123456, whose secret is qwerty")
		all := lines(s.story)
		require.Len(t, all, 8)

		b := s.browser()
		b.get(all[0])
		b.signIn("andy", "123456")
		b.follow()
		tokenOf(t, b.shown.text)

		printed := s.inShell(all[1:]...)
		require.Empty(t, printed[0])
		access, refresh := tokenOf(t, printed[1])
		require.Empty(t, printed[2])
		_, next := tokenOf(t, including(t, printed[3]))
		require.NotEqual(t, refresh, next)
		requireTokenOf(t, including(t, printed[4]), access)
		tokenOf(t, including(t, printed[5]))
		names, _ := document(t, including(t, printed[6]))
		require.Equal(t, []string{"access_token", "token_type", "expires_in"}, names, "a client has no need to refresh (RFC 6749, section 4.4.3)")
	})
}
