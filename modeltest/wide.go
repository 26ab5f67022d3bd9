// This file makes long values, which a storage may cut.

package modeltest

import (
	"fmt"
	"strings"

	"github.com/seed-11d18166/oauth2server"
)

// Long values, within what a request may carry.
var (
	wideURI       = "https://wide.example/callback?tenant=" + strings.Repeat("%C3%BC-0123456789", 128)
	wideChallenge = strings.Repeat("Aa0-_.~b", 16) // RFC 7636, section 4.1: up to 128 characters
)

// wideScope has a hundred elements. Some are not valid by RFC 6749, but a
// program may store them.
func wideScope() (scope oauth2server.Scope) {
	for i := range 98 {
		scope = append(scope, fmt.Sprintf("https://api.example/scope/%d", i))
	}
	return append(scope, "größe:🔑", `it's-"quoted"\,{}[]`)
}

// wideID returns a grant ID that an extension grant may choose.
func wideID() string { return "grant:größe/🔑:" + unique() + unique() }

// nested returns Extra with every container that JSON has.
func nested() map[string]any {
	return map[string]any{"tenant": "größe 🔑 it's \"quoted\"", "level": 3.5, "none": nil, "yes": true,
		"list": []any{"a", map[string]any{"deep": []any{"b", 2.0}}},
		"map":  map[string]any{"a.b": "c", "$d": "e"}}
}
