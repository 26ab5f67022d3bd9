// This file lets scripts of other origins call the endpoints that are for them
// (CORS).

package oauth2server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// origins are those of [Options.AllowedOrigins]. Nil: there are none.
type origins struct {
	any  bool
	list []string // as browsers write them
}

// readOrigins returns the origins of the option AllowedOrigins, and what is
// wrong with them.
func readOrigins(allowed []string) (_ *origins, wrong []error) {
	if len(allowed) == 0 {
		return nil, nil
	}
	o := &origins{}
	for _, origin := range allowed {
		if origin == "*" {
			o.any = true
			continue
		}
		written, err := checkOriginText(origin)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("option AllowedOrigins: %q: %w", origin, err))
			continue
		}
		o.list = append(o.list, written)
	}
	return o, wrong
}

// exposed are the headers of an answer that a script may read, beside those
// that browsers always show it.
var exposed = strings.Join([]string{
	"WWW-Authenticate", "Retry-After", "DPoP-Nonce", "Mcp-Session-Id", "Mcp-Protocol-Version",
}, ", ")

// open lets scripts of the origins call h.
func (o *origins) open(h http.Handler) http.Handler {
	if o == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		if !o.any {
			header.Add("Vary", "Origin") // so that no cache gives one origin's answer to another
		}
		switch origin := r.Header.Get("Origin"); {
		case o.any:
			header.Set("Access-Control-Allow-Origin", "*")
		case origin != "" && slices.Contains(o.list, origin):
			header.Set("Access-Control-Allow-Origin", origin)
		default:
			h.ServeHTTP(w, r)
			return
		}
		method := r.Header.Get("Access-Control-Request-Method")
		if r.Method != http.MethodOptions || method == "" || r.Header.Get("Origin") == "" {
			header.Set("Access-Control-Expose-Headers", exposed)
			h.ServeHTTP(w, r)
			return
		}
		header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		if isHeaderText(method) {
			header.Set("Access-Control-Allow-Methods", method)
		}
		// The names are repeated: "*" would leave out Authorization.
		if names := strings.Join(r.Header.Values("Access-Control-Request-Headers"), ", "); isHeaderText(names) {
			header.Set("Access-Control-Allow-Headers", names)
		}
		header.Set("Access-Control-Max-Age", "7200")
		w.WriteHeader(http.StatusNoContent)
	})
}

// isHeaderText reports whether text is a list of method or header names.
func isHeaderText(text string) bool {
	return len(text) <= 1024 && grammar.ConsistsOf(text, func(c byte) bool {
		return grammar.IsUnreserved(c) || strings.IndexByte(", !#$%&'*+^`|", c) >= 0
	})
}
