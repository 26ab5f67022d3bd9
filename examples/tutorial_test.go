package examples_test

import (
	"fmt"
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
)

var (
	tutorialBlock = regexp.MustCompile("(?ms)(?:`([a-z_]+\\.go)`:\n\n)?^```(go|sh)\n(.*?)^```$")
	expectation   = regexp.MustCompile(`(?m) # (.*)$`)
)

// The commands of docs/tutorial.md, in their order, in an empty folder. Two
// things are not as there: what is cloned is this working copy, and the port is
// one that is free.
func TestTutorial(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "tutorial.md"))
	require.NoError(t, err)
	dir, port := t.TempDir(), freePort(t)
	environment := append(os.Environ(), "GOWORK=off")
	started, stop := 0, func() {}
	defer func() { stop() }()
	variables := "" // each block goes on with those of the blocks before, as a terminal does
	for _, block := range tutorialBlock.FindAllStringSubmatch(string(text), -1) {
		file, kind, content := block[1], block[2], strings.ReplaceAll(block[3], "127.0.0.1:8080", "127.0.0.1:"+port)
		if kind == "go" {
			require.NotEmpty(t, file, "a block of Go without the name of its file")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "shop", file), []byte(content), 0o600))
			continue
		}
		script := exec.CommandContext(t.Context(), "sh", "-eu")
		script.Dir, script.Env = dir, environment
		if variables != "" {
			script.Dir = filepath.Join(dir, "shop")
		}
		serves := strings.Contains(content, "go run .")
		if serves {
			// which can be ended
			content = strings.ReplaceAll(content, "go run .", "go build -o "+filepath.Join(dir, "program")+" .")
		}
		script.Stdin = strings.NewReader(variables + cloned(t, content))
		output, err := script.CombinedOutput()
		require.NoError(t, err, "%s\n%s", content, output)
		for _, want := range expectation.FindAllStringSubmatch(content, -1) {
			require.Contains(t, string(output), want[1], content)
		}
		if variables += definitions(content); variables == "" {
			variables = "\n"
		}
		if serves {
			stop()
			stop = serve(t, filepath.Join(dir, "program"), port)
			started++
		}
	}
	require.Equal(t, 2, started, "without OpenID Connect and with it")
}

// cloned is a script with a link to the working copy in place of the clone.
func cloned(t *testing.T, script string) string {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	return strings.ReplaceAll(script, "git clone https://github.com/seed-11d18166/oauth2server", "ln -s '"+root+"'")
}

// definitions are the lines that set variables.
func definitions(script string) string {
	return strings.Join(regexp.MustCompile(`(?m)^[a-z]+=\$\((?:.*\\\n)*.*\n`).FindAllString(script, -1), "")
}

func freePort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

// serve runs a program until stop, and returns when it answers.
func serve(t *testing.T, program, port string) (stop func()) {
	server := exec.CommandContext(t.Context(), program)
	require.NoError(t, server.Start())
	stop = func() {
		server.Process.Kill()
		server.Wait() // it was killed, and says so
	}
	require.Eventually(t, func() bool {
		res, err := http.Get("http://127.0.0.1:" + port + "/api")
		if err != nil {
			return false
		}
		res.Body.Close()
		return true
	}, time.Minute, 10*time.Millisecond)
	return stop
}
