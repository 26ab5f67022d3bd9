// docs/moving-from-egg.md goes along the article and this program. These tests hold
// that what it quotes is here.

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var fences = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

// blocks are those of the page with this info string.
func blocks(t *testing.T, info string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "moving-from-egg.md"))
	require.NoError(t, err)
	for _, block := range fences.FindAllStringSubmatch(string(page), -1) {
		if block[1] == info {
			blocks = append(blocks, block[2])
		}
	}
	require.NotEmpty(t, blocks, info)
	return blocks
}

func TestPageAndProgram(t *testing.T) {
	for _, name := range []string{"main.go", "login.html"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		language := map[string]string{".go": "go", ".html": "html"}[filepath.Ext(name)]
		for _, quoted := range blocks(t, language+" examples/article/"+name) {
			require.Contains(t, "\n"+string(text), "\n"+quoted)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "moving-from-egg.md"))
	require.NoError(t, err)
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| The article | In `main.go` |\n|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	places := 0
	for row := range strings.Lines(table) {
		columns := strings.Split(row, "|")
		for _, place := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(columns[2], -1) {
			require.Regexp(t, `(?m)^(func|type|const|	)? ?`+place[1]+`\b`, string(program), row)
			places++
		}
	}
	require.GreaterOrEqual(t, places, 7)
}

// The page has the lines that are printed at the default address.
func TestPageAndStory(t *testing.T) {
	printed := commands(strings.ReplaceAll(story, "BASE", "http://127.0.0.1:7001"))
	require.Equal(t, []string{printed[0] + "\n"}, blocks(t, ""))
	require.Contains(t, blocks(t, "sh"), strings.Join(printed[1:], "\n\n")+"\n")
}

// The page shows what is answered, but for the values.
func TestPageAndAnswers(t *testing.T) {
	s := start(t)
	shown := blocks(t, "json")
	require.Len(t, shown, 2)
	answer := s.exchange(s.code()).text
	access, _ := tokenOf(t, answer)
	tokenOf(t, shown[0])
	require.Equal(t, values(answer), values(shown[0]))
	require.Equal(t, values(s.authenticate(access).text), values(shown[1]))
}

// values is JSON in its shortest form, without random strings and times.
func values(text string) string {
	text = regexp.MustCompile(`\s`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`"[\w-]{43}"`).ReplaceAllString(text, `"TOKEN"`)
	return regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`).ReplaceAllString(text, `"TIME"`)
}
