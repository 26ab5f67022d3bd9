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

// languages are those that there are words for, in files whose names end in
// TAG.json. The first one is for everybody else.
var languages = []language.Tag{language.English, language.SimplifiedChinese}

// pages shows pages in the language of the reader.
type pages struct {
	templates *template.Template
	matcher   language.Matcher
	words     []map[string]string // as languages
}

// page is what a template gets.
type page struct {
	Name   string // of the template
	Title  string // by its name among the words; empty: that of the template
	Site   string // whose page it is: "client" or "spa"; empty: the server's
	User   string // who is signed in, for the menu; empty: nobody
	Notice string // what is said first, by its name among the words; empty: nothing
	Data   any    // what the template alone knows
	Script bool   // whether it needs one, of ours

	Lang  string
	words map[string]string
}

// parsePages fails at the start for what would fail at a request.
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

// readWords reads all files of a language: those of the demonstration are
// apart, as nobody else needs them.
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

// show writes a page. Nothing of it is stored by caches, put into frames, or
// loaded from other hosts, and no script runs but those of ours that it names.
// There is no form-action: it would stop the redirect from the consent form to
// the client.
func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, content page) {
	i := p.language(r)
	content.Site, content.Lang, content.words = cmp.Or(content.Site, "server"),
		languages[i].String(), p.words[i]
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
		referrer = "no-referrer" // there is no form, and the address may have a code
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
	body.WriteTo(w) // an error means that the browser hung up
}

// maxLanguages bounds a list of languages, in bytes: one that nobody wrote by
// hand takes its time to sort.
const maxLanguages = 500

// language returns the place among languages of that of the reader: what the
// client asks for (OpenID Connect Core, section 3.1.2.1), or else what the
// browser does.
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

// T returns the words of that name.
func (p page) T(name string) (string, error) {
	text, ok := p.words[name]
	if !ok {
		return "", fmt.Errorf("there are no words %q in %s", name, p.Lang)
	}
	return text, nil
}

// With returns the words of that name with foreign ones in their place,
// isolated: in whatever direction those are written, the words around them stay
// where they are.
func (p page) With(name, foreign string) (template.HTML, error) {
	text, err := p.T(name)
	isolated := "<bdi>" + template.HTMLEscapeString(clean(foreign)) + "</bdi>"
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(text), "%s", isolated)), err
}

// Label is With for an attribute, which is read aloud and not seen.
func (p page) Label(name, foreign string) (string, error) {
	text, err := p.T(name)
	return strings.ReplaceAll(text, "%s", clean(foreign)), err
}

// Scope says what a scope value means; of one that the application does not
// know, the value itself.
func (p page) Scope(value string) string {
	if text, ok := p.words["scope."+value]; ok {
		return text
	}
	return value
}

// Date writes a time as people of that language do, in UTC: without a script
// nobody knows where the reader is.
func (p page) Date(at time.Time) (string, error) {
	layout, err := p.T("date")
	return at.UTC().Format(layout), err
}

// Words are all, for a script.
func (p page) Words() map[string]string { return p.words }
