// This file prints the steps of OAuth that the server takes.

package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/seed-11d18166/oauth2server"
)

// steps prints a line for each step of OAuth that the server takes: who got
// what, or why not. A nil *steps prints nothing.
type steps struct {
	mu  sync.Mutex
	out io.Writer
}

// event is for [oauth2server.Options.OnEvent].
func (s *steps) event(_ *http.Request, e oauth2server.Event) {
	s.print(string(e.Endpoint), string(e.Kind), "grant type", e.GrantType, "client", e.ClientID,
		"user", e.UserID,
		"scope", e.Scope.String(), "error", string(e.Error), "reason", e.Reason)
}

// page prints that people were shown an error page instead of an answer to
// their app.
func (s *steps) page(reference string) { s.print("authorize", "page", "reference", reference) }

// print prints a line: where, what happened, and the names whose values are not
// empty.
func (s *steps) print(where, what string, known ...string) {
	if s == nil {
		return
	}
	line := fmt.Sprintf("%-12s %-9s", where, what)
	for i := 0; i < len(known); i += 2 {
		name, value := known[i], known[i+1]
		if strings.ContainsFunc(value, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }) {
			value = strconv.Quote(value) // so that an ID cannot look like another field, or line
		}
		if value != "" {
			line += "  " + name + " " + value
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, strings.TrimRight(line, " "))
}
