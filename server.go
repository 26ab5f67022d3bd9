package oauth2server

import (
	"net/http"
	"sync"
)

// Server is an OAuth 2.0 authorization server (RFC 6749). It holds no state that an answer depends on, and is safe for
// concurrent use; any number of processes may share one model.
type Server struct {
	reporter
	resource *ResourceServer // what checks tokens
	options  Options
	can      capabilities
	rules    refreshRules
	grants   map[string]GrantFunc // by grant type, what the token endpoint answers to
	off      map[string]error     // by grant type, why a built-in one is not among them
	implicit bool

	crossOrigin *http.CrossOriginProtection
	warned      sync.Map // the IDs of clients whose lifetimes were looked at
}
