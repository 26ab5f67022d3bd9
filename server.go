// This file is the server itself, as New puts it together. The handlers are
// methods of it, in the files of their endpoints.

package oauth2server

import (
	"net/http"
	"sync"
)

// Server is an OAuth 2.0 authorization server (RFC 6749). [New] makes one. It
// is immutable and safe for concurrent use, and has no state that an answer
// depends on: any number of processes may share one model.
type Server struct {
	reporter
	resource *ResourceServer // checks tokens
	options  Options
	can      capabilities
	rules    refreshRules
	grants   map[string]GrantFunc // the grants that are on, by grant type
	off      map[string]error     // why a built-in grant is off, by grant type
	implicit bool

	crossOrigin *http.CrossOriginProtection
	warned      sync.Map // the IDs of clients whose lifetimes were checked
}
