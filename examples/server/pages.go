// This file renders pages in the language of the reader.

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// languages are the languages with words, in files that end in TAG.json. The
// first one is the default.
var languages = []language.Tag{language.English, language.SimplifiedChinese}

// pages shows pages in the language of the reader.
type pages struct {
	templates *template.Template
	matcher   language.Matcher
	words     []map[string]string // in the order of languages
}

// page is the data of a template.
type page struct {
	Name   string // of the template
	Title  string // as a key of the words; empty means that of the template
	Site   string // "client" or "spa"; empty for the server's own pages
	User   string // signed in, for the menu; or empty
	Notice string // shown first; a key of the words, or empty
	Data   any    // for the template alone
	Script bool   // whether it needs our script
	Popup  bool   // whether it is in a small window, without a menu

	Lang  string
	words map[string]string
}

// parsePages returns at the start the errors that would come up at a request.
func parsePages(files fs.FS) (*pages, error) {
	templates, err := template.ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	p := &pages{templates: templates, matcher: language.NewMatcher(languages)}
	for _, tag := range languages {
		words, err := readWords(files, tag)
		if err != nil {
			return nil, err
		}
		p.words = append(p.words, words)
		if !slices.Equal(sortedNames(words), sortedNames(p.words[0])) {
			return nil, fmt.Errorf("the words in %v have other names than those in %v", tag, languages[0])
		}
	}
	return p, nil
}

// readWords reads all files of a language. The words of the demonstration are
// in separate files, as copies do not need them.
func readWords(files fs.FS, tag language.Tag) (map[string]string, error) {
	names, err := fs.Glob(files, "words/*"+tag.String()+".json")
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("there are no words in %v", tag)
	}
	if err != nil {
		return nil, err
	}
	words := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err == nil {
			err = json.Unmarshal(text, &words)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return words, nil
}

func sortedNames(words map[string]string) []string { return slices.Sorted(maps.Keys(words)) }

// show writes a page. Its headers forbid caches, frames, other hosts, and
// scripts other than the one that the page names. They have no form-action,
// which would stop the redirect from the consent form to the client.
func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, content page) {
	i := p.language(r)
	content.Site, content.Lang, content.words = cmp.Or(content.Site, "server"),
		languages[i].String(), p.words[i]
	content.Popup = inPopup(r)
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, content.Name+".html", content); err != nil {
		reference := p.log(r, http.StatusInternalServerError, "the page "+content.Name, err)
		http.Error(w, "This page cannot be shown. Reference: "+reference, http.StatusInternalServerError)
		return
	}
	referrer := "same-origin" // with no-referrer a browser sends "Origin: null" with the form
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'"
	if content.Script {
		policy += "; script-src 'self'; connect-src 'self'"
		referrer = "no-referrer" // without a form; the address may have a code
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", content.Lang)
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", referrer)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	body.WriteTo(w) // it fails only if the browser hung up
}

// maxLanguages bounds a list of languages, in bytes, as long lists take time to
// sort.
const maxLanguages = 500

// language returns the index in languages for the reader: by what the client
// asks for (OpenID Connect Core, section 3.1.2.1), or else the browser.
func (p *pages) language(r *http.Request) int {
	if list := localesOf(r); len(list) <= maxLanguages {
		var wanted []language.Tag
		for _, text := range strings.Fields(list) {
			if tag, err := language.Parse(text); err == nil {
				wanted = append(wanted, tag)
			}
		}
		if _, i, confidence := p.matcher.Match(wanted...); confidence > language.No {
			return i
		}
	}
	list := r.Header.Get("Accept-Language")
	if len(list) > maxLanguages {
		return 0
	}
	_, i := language.MatchStrings(p.matcher, list)
	return i
}

// T returns the words with a key.
func (p page) T(name string) (string, error) {
	text, ok := p.words[name]
	if !ok {
		return "", fmt.Errorf("there are no words %q in %s", name, p.Lang)
	}
	return text, nil
}

// With returns the words with a key, with a foreign text inserted. The text is
// isolated, so that its direction does not move the words around it.
func (p page) With(name, foreign string) (template.HTML, error) {
	text, err := p.T(name)
	isolated := "<bdi>" + template.HTMLEscapeString(clean(foreign)) + "</bdi>"
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(text), "%s", isolated)), err
}

// Label is With for an attribute, which screen readers read.
func (p page) Label(name, foreign string) (string, error) {
	text, err := p.T(name)
	return strings.ReplaceAll(text, "%s", clean(foreign)), err
}

// Scope returns what a scope value means, or the value itself if the
// application does not know it.
func (p page) Scope(value string) string {
	if text, ok := p.words["scope."+value]; ok {
		return text
	}
	return value
}

// Date formats a time for the language, in UTC: without a script, the time zone
// of the reader is unknown.
func (p page) Date(at time.Time) (string, error) {
	layout, err := p.T("date")
	return at.UTC().Format(layout), err
}

// Words returns all words, for a script.
func (p page) Words() map[string]string { return p.words }
