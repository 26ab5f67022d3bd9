package oauth2server

import "encoding/json"

// appendString appends a JSON string (RFC 8259, section 7). Tokens and scopes have no characters that need an escape.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			escaped, _ := json.Marshal(s) // strings always have a JSON form
			return append(b, escaped...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
