package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestLanguages(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for accept, want := range map[string]string{
		"": "en", "en": "en", "de, fr;q=0.5": "en", "zh": "zh-Hans", "zh-CN,zh;q=0.9,en;q=0.8": "zh-Hans",
		"zh-Hant-TW":   "zh-Hans",
		"en;q=0.5, zh": "zh-Hans", "zh;q=0.1, en-GB": "en", "nonsense;;;": "en",
		strings.Repeat("aa,", 200) + "zh": "en",
	} {
		r := b.open("/signin").Request.Clone(t.Context())
		r.Header.Set("Accept-Language", accept)
		b.saw(b.Do(r))
		require.Equal(t, want, b.last.Header.Get("Content-Language"), "%.40s", accept)
		require.Contains(t, b.last.page, `<html lang="`+want+`">`)
		require.Contains(t, b.last.page, map[string]string{"en": "<h1 class=\"h4 mb-3\">Sign in</h1>",
			"zh-Hans": "<h1 class=\"h4 mb-3\">登录</h1>"}[want])
	}
}

// Both languages say all, with the same places for names, and nothing that no page says.
func TestWords(t *testing.T) {
	p, err := parsePages(files)
	require.NoError(t, err)
	var sources strings.Builder
	for _, pattern := range []string{"templates/*.html", "static/*.js"} {
		names, err := fs.Glob(files, pattern)
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			require.NoError(t, err)
			sources.Write(text)
		}
	}
	code, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range code {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		sources.Write(text)
	}
	composed := regexp.MustCompile(`^(scope\..*|(server|client|spa)\.name|.*\.title|step\..*\.story)$`)
	for name := range p.words[0] {
		places := strings.Count(p.words[0][name], "%s")
		for i, words := range p.words {
			require.NotEmpty(t, words[name], "%s in %s", name, languages[i])
			require.Equal(t, places, strings.Count(words[name], "%s"), "%s in %s", name, languages[i])
			require.Equal(t, places, strings.Count(words[name], "%"), "%s in %s", name, languages[i])
		}
		require.True(t, composed.MatchString(name) || strings.Contains(sources.String(), `"`+name+`"`),
			"nothing says %s", name)
	}
}

func TestMistakesInPagesAreFoundAtTheStart(t *testing.T) {
	with := func(name, text string) fs.FS {
		changed := fstest.MapFS{}
		require.NoError(t, fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				data, err := fs.ReadFile(files, path)
				require.NoError(t, err)
				changed[path] = &fstest.MapFile{Data: data}
			}
			return err
		}))
		if text == "" {
			delete(changed, name)
		} else {
			changed[name] = &fstest.MapFile{Data: []byte(text)}
		}
		return changed
	}
	for _, row := range []struct{ name, text, want string }{
		{"templates/consent.html", "{{if}}", "consent.html"},
		{"words/zh-Hans.json", "", "other names"},
		{"words/zh-Hans.json", "{", "zh-Hans.json"},
		{"words/zh-Hans.json", `{"date": "x"}`, "other names"},
	} {
		_, err := parsePages(with(row.name, row.text))
		require.ErrorContains(t, err, row.want)
	}
}

// A class that the stylesheet does not know is a mistake, and so is one that no page has.
func TestClassesOfTheStylesheet(t *testing.T) {
	style, err := fs.ReadFile(files, "static/style.css")
	require.NoError(t, err)
	defined := map[string]bool{}
	for _, match := range regexp.MustCompile(`\.([a-z][a-z0-9-]*)`).FindAllStringSubmatch(string(style), -1) {
		defined[match[1]] = true
	}
	used := classes(t)
	for class := range used {
		require.True(t, defined[class], "%s is not in the stylesheet", class)
	}
	for class := range defined {
		require.True(t, used[class], "no page has the class %s", class)
	}
}

// classes are those that the pages have.
func classes(t *testing.T) map[string]bool {
	used := map[string]bool{"client": true, "spa": true} // of the body
	names, err := fs.Glob(files, "templates/*.html")
	require.NoError(t, err)
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`class="([^"{]*)"`).FindAllStringSubmatch(string(text), -1) {
			for _, class := range strings.Fields(match[1]) {
				used[class] = true
			}
		}
	}
	return used
}
