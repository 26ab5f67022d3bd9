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

// steps prints a line for each step of OAuth that the server takes: who got what, or why not. Nil prints nothing.
type steps struct {
	mu  sync.Mutex
	out io.Writer
}

// event is for [oauth2server.Options.OnEvent].
func (s *steps) event(_ *http.Request, e oauth2server.Event) {
	if s == nil {
		return
	}
	line := fmt.Sprintf("%-12s %-9s", e.Endpoint, e.Kind)
	for _, known := range []struct{ name, value string }{
		{"grant type", e.GrantType}, {"client", e.ClientID}, {"user", e.UserID}, {"scope", e.Scope.String()},
		{"error", string(e.Error)}, {"reason", e.Reason},
	} {
		if strings.ContainsFunc(known.value, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }) {
			known.value = strconv.Quote(known.value) // so that an ID cannot look like another field, or line
		}
		if known.value != "" {
			line += "  " + known.name + " " + known.value
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, strings.TrimRight(line, " "))
}
