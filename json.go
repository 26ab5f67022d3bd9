// This file writes strings into JSON answers.

package oauth2server

import "encoding/json"

// appendString appends s as a JSON string (RFC 8259, section 7). It has a fast
// path for tokens and scopes, which need no escapes.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			escaped, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, escaped...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
