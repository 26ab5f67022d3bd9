// The curl lines of the article and those that are printed are run by a shell here.

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inShell runs commands in one shell, as somebody does who pastes them one after the
// other, and returns what each of them prints. Each must end well.
func (s site) inShell(commands ...string) (printed []string) {
	s.Helper()
	curl, err := exec.LookPath("curl")
	require.NoError(s, err, "this test runs curl")
	script := `curl() { command curl --silent --show-error --fail-with-body "$@"; }` + "\n"
	for i, text := range commands {
		script += fmt.Sprintf("%s\nprintf '\\n--end of %d--\\n'\n", text, i)
	}
	command := exec.CommandContext(s.Context(), "sh", "-eu")
	command.Stdin = strings.NewReader(script)
	command.Env = []string{"HOME=" + s.TempDir(), "PATH=" + filepath.Dir(curl) + ":/usr/bin:/bin"}
	output, err := command.CombinedOutput()
	require.NoError(s, err, "%s", output)
	rest := string(output)
	for i := range commands {
		text, after, found := strings.Cut(rest, fmt.Sprintf("\n--end of %d--\n", i))
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

// The article's own lines, with the tokens that it shows.
const refreshLine = `curl --include \
     --request POST http://127.0.0.1:7001/user/token \
     --data 'grant_type=refresh_token&refresh_token=` + shownRefresh + `&client_id=123456&client_secret=qwerty'`

const authenticateLine = `curl --include \
     http://localhost:7001/user/authenticate \
     -H "Authorization: Bearer ` + shownAccess + `"`

const shownRefresh, shownAccess = "9f36f4f0f90c62b6f775906cc0f7afa4f6362d37", "034ab4f6182290e4363e9c9f650fe8e13f8eb6b7"

func TestCurlLinesOfTheArticle(t *testing.T) {
	onEach(t, func(s site) {
		_, refresh := tokenOf(t, s.exchange(s.code()).text)
		printed := s.inShell(strings.Replace(s.here(refreshLine), shownRefresh, refresh, 1))
		access, _ := tokenOf(t, including(t, printed[0]))
		printed = s.inShell(strings.Replace(s.here(authenticateLine), shownAccess, access, 1))
		requireTokenOf(t, including(t, printed[0]), access)
	})
}

// commands are the indented paragraphs of a text.
func commands(text string) (commands []string) {
	for _, paragraph := range strings.Split(text, "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			commands = append(commands, strings.TrimSpace(strings.ReplaceAll("\n"+paragraph, "\n  ", "\n")))
		}
	}
	return commands
}

// Each command that is printed at the start does what it should, pasted as it is.
func TestPrintedCommands(t *testing.T) {
	onEach(t, func(s site) {
		require.Contains(t, s.story, "andy with the password 123456")
		require.Contains(t, s.story, "123456, whose secret is qwerty")
		all := commands(s.story)
		require.Len(t, all, 7)

		b := s.browser()
		b.get(all[0])
		b.signIn("andy", "123456")
		b.follow()
		tokenOf(t, b.shown.text)

		printed := s.inShell(all[1:]...)
		require.Empty(t, printed[0])
		access, refresh := tokenOf(t, printed[1])
		_, next := tokenOf(t, including(t, printed[2]))
		require.NotEqual(t, refresh, next)
		requireTokenOf(t, including(t, printed[3]), access)
		tokenOf(t, including(t, printed[4]))
		names, _ := document(t, including(t, printed[5]))
		require.Equal(t, []string{"access_token", "token_type", "expires_in"}, names,
			"a client has no need to refresh (RFC 6749, section 4.4.3)")
	})
}
