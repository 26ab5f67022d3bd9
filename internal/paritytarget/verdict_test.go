package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type verdict string

const (
	pass   verdict = "as node"
	better verdict = "better than node"
	asNode verdict = "as node, where an RFC would allow better"
	fail   verdict = "wrong"
)

// deviation is what an RFC asks for where node does something else: by step,
// the answers of which one must come.
type deviation struct {
	Level    string
	Optional bool
	Why      string
	Expect   map[string]expectations
}

type expectation struct {
	Status     []int
	Body       map[string]any
	BodyAbsent []string
	Headers    map[string]any
	Location   json.RawMessage
	SkipRest   bool
}

type expectations []expectation

func (e *expectations) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		return json.Unmarshal(data, (*[]expectation)(e))
	}
	*e = make(expectations, 1)
	return json.Unmarshal(data, &(*e)[0])
}

// judge compares the answers with node's, and with the better ones.
func judge(c parityCase, golden, got []*answer, d *deviation) (verdict, []string) {
	var fromNode, fromBetter []string
	skip := false
	for i, a := range got {
		differences := prefix(i, fromGolden(c.Steps[i], golden[i], a))
		fromNode = append(fromNode, differences...)
		if d == nil || skip {
			continue
		}
		alternatives, ok := d.Expect[strconv.Itoa(i)]
		if !ok {
			fromBetter = append(fromBetter, differences...)
			continue
		}
		var nearest []string
		met := slices.ContainsFunc(alternatives, func(e expectation) bool {
			nearest = e.differences(c.Steps[i], a)
			skip = len(nearest) == 0 && e.SkipRest
			return len(nearest) == 0
		})
		if !met {
			fromBetter = append(fromBetter, prefix(i, nearest)...)
		}
	}
	switch {
	case d != nil && len(fromBetter) == 0:
		return better, nil
	case d == nil && len(fromNode) == 0:
		return pass, nil
	case len(fromNode) == 0 && (d.Optional || d.Level == "MAY"):
		return asNode, nil
	case len(fromNode) == 0:
		return fail, append([]string{"as node, but " + d.Level + ": " + d.Why}, fromBetter...)
	}
	return fail, append(fromNode, fromBetter...)
}

func prefix(step int, differences []string) []string {
	for i, d := range differences {
		differences[i] = fmt.Sprintf("step %d: %s", step, d)
	}
	return differences
}

// differs collects differences.
type differs []string

func (d *differs) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

// fromGolden lists where an answer is not node's. What may differ: 303 for 302
// after a POST, 500 for the 503 of a server_error and its text, no-store where
// node has none, more parameters in a challenge, the wording of descriptions,
// iss in a redirect, the body of a redirect and of the bare 401.
func fromGolden(s step, want, got *answer) (d differs) {
	wantError, _ := want.Body["error"].(string)
	switch {
	case want.Status == got.Status,
		want.Status == http.StatusFound && got.Status == http.StatusSeeOther && s.Method == http.MethodPost,
		wantError == "server_error" && got.Status == http.StatusInternalServerError:
	default:
		d.add("status %d, want %d", got.Status, want.Status)
	}
	for _, name := range []string{"cache-control", "pragma", "www-authenticate", "x-oauth-scopes",
		"x-accepted-oauth-scopes"} {
		if !sameHeader(name, want, got) {
			d.add("%s %q, want %q", name, got.Headers[name], want.Headers[name])
		}
	}
	d = append(d, locationFromGolden(want.Location, got.Location)...)
	switch {
	case s.Method == http.MethodHead, 300 <= want.Status && want.Status < 400:
	case want.Body == nil:
		if got.Body["error"] != nil && want.Status != http.StatusInternalServerError {
			d.add("an error document, want none: %v", got.Body)
		}
	case got.Body == nil:
		d.add("body %.200q, want %v", got.text, want.Body)
	default:
		for _, name := range names(want.Body, got.Body) {
			wording := name == "error_description" && wantError != ""
			if !wording && !sameValue(want.Body[name], got.Body[name]) {
				d.add("body %s %v, want %v", name, got.Body[name], want.Body[name])
			}
		}
	}
	return d
}

func sameHeader(name string, want, got *answer) bool {
	w, g := want.Headers[name], got.Headers[name]
	switch {
	case w == g:
		return true
	case name == "cache-control":
		return strings.Contains(g, "no-store") && (w == "" && want.Status != http.StatusOK || w == "no-store")
	case name == "pragma":
		return w == "" && g == "no-cache" && want.Status != http.StatusOK
	case name == "www-authenticate" && w != "" && g != "":
		wantScheme, wantParams := challenge(w)
		gotScheme, gotParams := challenge(g)
		for _, more := range []string{"error_description", "error_uri", "scope", "charset"} {
			if _, ok := wantParams[more]; !ok {
				delete(gotParams, more)
			}
		}
		return wantScheme == gotScheme && maps.Equal(wantParams, gotParams)
	}
	return false
}

var authParam = regexp.MustCompile(`(\w+)\s*=\s*"([^"]*)"`)

func challenge(header string) (scheme string, params map[string]string) {
	scheme, rest, _ := strings.Cut(header, " ")
	params = map[string]string{}
	for _, match := range authParam.FindAllStringSubmatch(rest, -1) {
		params[strings.ToLower(match[1])] = match[2]
	}
	return strings.ToLower(scheme), params
}

func locationFromGolden(want, got *location) (d differs) {
	switch {
	case want == nil && got == nil:
		return nil
	case want == nil:
		d.add("location %q, want none", got.raw)
		return d
	case got == nil:
		d.add("no location, want %s", want.Base)
		return d
	}
	if want.Base != got.Base || !reflect.DeepEqual(want.Fragment, got.Fragment) {
		d.add("location %q, want %s", got.raw, want.Base)
	}
	for _, name := range names(want.Query, got.Query) {
		w, g := want.Query[name], got.Query[name]
		added := name == "iss" && w == nil
		if name != "error_description" && !added && !slices.EqualFunc(w, g,
			func(a, b string) bool { return sameValue(a, b) }) {
			d.add("location parameter %s %q, want %q", name, g, w)
		}
	}
	return d
}

var (
	tokenMark   = regexp.MustCompile(`^<token:\d+,\w+>$`)
	secondsMark = regexp.MustCompile(`^<seconds:(\d+)>$`)
	longToken   = regexp.MustCompile(`^[A-Za-z0-9._~+/-]{22,}=*$`)
)

// sameValue compares a recorded value, which may stand for any token or for
// about so many seconds. An empty list and none are the same.
func sameValue(want, got any) bool {
	if w, ok := want.(string); ok {
		if tokenMark.MatchString(w) {
			g, _ := got.(string)
			return longToken.MatchString(g)
		}
		if match := secondsMark.FindStringSubmatch(w); match != nil {
			seconds, _ := strconv.ParseFloat(match[1], 64)
			g, ok := got.(float64)
			return ok && seconds-2 <= g && g <= seconds && g == float64(int(g))
		}
	}
	return none(want) && none(got) || reflect.DeepEqual(want, got)
}

func none(v any) bool {
	list, ok := v.([]any)
	return v == nil || ok && len(list) == 0
}

// names are the keys of both maps, in order.
func names[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// differences lists where an answer is not the better one.
func (e expectation) differences(s step, got *answer) (d differs) {
	if len(e.Status) > 0 && !slices.Contains(e.Status, got.Status) {
		d.add("status %d, want one of %v", got.Status, e.Status)
	}
	for name, matcher := range e.Body {
		value, ok := got.Body[name]
		if s.Method != http.MethodHead && !matches(matcher, text(value), ok) {
			d.add("body %s %v, want %v", name, value, matcher)
		}
	}
	for _, name := range e.BodyAbsent {
		if value, ok := got.Body[name]; ok {
			d.add("body %s %v, want none", name, value)
		}
	}
	for name, matcher := range e.Headers {
		if value, ok := got.Headers[name]; !matches(matcher, value, ok) {
			d.add("%s %q, want %v", name, value, matcher)
		}
	}
	return append(d, e.locationDifferences(got.Location)...)
}

func (e expectation) locationDifferences(got *location) (d differs) {
	if e.Location == nil {
		return nil
	}
	var want *struct {
		Base   string
		Query  map[string]any
		Absent []string
	}
	if err := json.Unmarshal(e.Location, &want); err != nil {
		d.add("deviations.json: %v", err)
		return d
	}
	switch {
	case want == nil && got != nil:
		d.add("location %q, want none", got.raw)
	case want == nil:
	case got == nil:
		d.add("no location, want %s", want.Base)
	default:
		if want.Base != "" && want.Base != got.Base {
			d.add("location %q, want %s", got.raw, want.Base)
		}
		for name, matcher := range want.Query {
			values := got.Query[name]
			met := slices.ContainsFunc(values, func(v string) bool { return matches(matcher, v, true) })
			if !met && !(len(values) == 0 && matches(matcher, "", false)) {
				d.add("location parameter %s %q, want %v", name, values, matcher)
			}
		}
		for _, name := range want.Absent {
			if values, ok := got.Query[name]; ok {
				d.add("location parameter %s %q, want none", name, values)
			}
		}
	}
	return d
}

// matches holds a value against a string, a list of which one will do, or {re, not, optional}.
func matches(matcher any, value string, ok bool) bool {
	switch m := matcher.(type) {
	case nil:
		return !ok
	case []any:
		return slices.ContainsFunc(m, func(one any) bool { return matches(one, value, ok) })
	case map[string]any:
		if !ok {
			return m["optional"] == true
		}
		re, hasRe := m["re"].(string)
		not, hasNot := m["not"].(string)
		return (!hasRe || regexp.MustCompile(re).MatchString(value)) &&
			(!hasNot || !regexp.MustCompile(not).MatchString(value))
	}
	return ok && value == text(matcher)
}

func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	data, _ := json.Marshal(v)
	return string(data)
}

var descriptionAlphabet = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`)

// generalRules are what every answer must keep, whatever the case.
func generalRules(s step, a *answer) (d differs) {
	if a.Status == http.StatusUnauthorized && a.Headers["www-authenticate"] == "" {
		d.add("401 without WWW-Authenticate (RFC 9110, section 15.5.2)")
	}
	if a.Status == http.StatusMethodNotAllowed && a.Headers["allow"] == "" {
		d.add("405 without Allow (RFC 9110, section 15.5.6)")
	}
	if a.Status == http.StatusTemporaryRedirect || a.Status == http.StatusPermanentRedirect {
		d.add("%d repeats the user's credentials (RFC 9700, section 4.12)", a.Status)
	}
	descriptions := []string{text(a.Body["error_description"])}
	if a.Location != nil {
		descriptions = append(descriptions, a.Location.Query["error_description"]...)
		if a.Status < 300 || 399 < a.Status {
			d.add("Location with status %d", a.Status)
		}
	}
	for _, description := range descriptions {
		if !descriptionAlphabet.MatchString(description) {
			d.add("error_description outside its alphabet: %q (RFC 6749, section 5.2)", description)
		}
	}
	if _, ok := a.Body["access_token"]; ok && s.Path == "/user/token" {
		if a.Headers["cache-control"] != "no-store" || a.Headers["pragma"] != "no-cache" {
			d.add("a token that may be cached (RFC 6749, section 5.1)")
		}
		if a.Body["token_type"] != "Bearer" {
			d.add("no token_type (RFC 6749, section 5.1)")
		}
	}
	return d
}
