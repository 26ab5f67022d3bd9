// Package mcpscope finds out which scope a request to an MCP server needs, by
// the tools that it calls.
//
//	tools := mcpscope.Tools("read", map[string]string{"note": "write"})
//	mux.Handle("/mcp", srv.For("/mcp").AuthenticateBy(tools)(mcpHandler))
package mcpscope

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/bodies"
)

// maxBody is how much of a body is read to find the tools, in bytes.
const maxBody = 4 << 20

// Tools returns a function for [oauth2server.ResourceServer.AuthenticateBy]:
// each request needs the scope base, and one that calls a tool of byTool also
// needs the scope listed there; nil lists none. base and the scopes may hold
// several scope tokens, separated by spaces. Tools panics if one of them is
// malformed or empty.
//
// The handler may parse a request in another way, so a name counts wherever
// some parser could find it: in each message of a batch, in any letter case,
// twice in one object, and in the header Mcp-Name. A request that cannot be
// parsed, or has a body of more than 4 MiB, needs base and all scopes of
// byTool. The handler can still read the whole body.
func Tools(base string, byTool map[string]string) func(*http.Request) []string {
	t := &tools{base: base, scopes: maps.Clone(byTool)}
	t.all = append([]string{base}, slices.Compact(slices.Sorted(maps.Values(byTool)))...)
	if err := check(t.all); err != nil {
		panic(fmt.Errorf("mcpscope: Tools: %w", err))
	}
	return t.required
}

// check returns what is wrong with the scopes. AuthenticateBy would find it
// too, but only in a request.
func check(all []string) error {
	for _, text := range all {
		scope, err := oauth2server.ParseScope(text)
		switch {
		case err != nil:
			return fmt.Errorf("the scope %q: %w", text, err)
		case len(scope) == 0:
			return fmt.Errorf("the scope %q is empty", text)
		case strings.Contains(text, ","):
			return fmt.Errorf("the scope %q has a comma: separate scope tokens by spaces", text)
		}
	}
	if _, err := oauth2server.ParseScope(strings.Join(all, " ")); err != nil {
		return fmt.Errorf("all scopes together: %w", err)
	}
	return nil
}

// tools is what the program said.
type tools struct {
	base   string
	scopes map[string]string // by the name of the tool
	all    []string
}

// required returns the scopes that a request needs.
func (t *tools) required(r *http.Request) []string {
	needed := []string{t.base}
	use := func(name string) {
		if scope, listed := t.scopes[name]; listed && !slices.Contains(needed, scope) {
			needed = append(needed, scope)
		}
	}
	if !t.inHeader(r, use) || !t.inBody(r, use) {
		return slices.Clone(t.all)
	}
	return needed
}

// inHeader calls use with the names in the header, which clients send from MCP
// 2026-07-28 on. It reports whether the header can be read.
func (t *tools) inHeader(r *http.Request, use func(string)) bool {
	for _, name := range r.Header.Values("Mcp-Name") {
		if encoded, ok := strings.CutPrefix(name, "=?"); ok { // MCP's form for what is not ASCII
			encoded, ok = strings.CutPrefix(encoded, "base64?")
			encoded, closed := strings.CutSuffix(encoded, "?=")
			decoded, err := base64.StdEncoding.DecodeString(encoded)
			if !ok || !closed || err != nil {
				return false
			}
			name = string(decoded)
		}
		if !utf8.ValidString(name) {
			return false
		}
		use(name)
	}
	return true
}

// inBody calls use with the names in the body. It reports whether the body can
// be read.
func (t *tools) inBody(r *http.Request, use func(string)) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	text, err := bodies.ReadAtMost(r.Body, maxBody)
	r.Body = bodies.Resume(text, r.Body)
	switch {
	case err != nil || len(text) > maxBody:
		return false
	case text == "": // as of GET and DELETE
		return true
	}
	return utf8.ValidString(text) && json.Valid([]byte(text)) && names(text, use)
}
