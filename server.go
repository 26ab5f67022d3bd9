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
	ext      extensions
	rules    refreshRules
	grants   map[string]GrantFunc // the grants that are on, by grant type
	off      map[string]error     // why a built-in grant is off, by grant type
	implicit bool

	resources resources
	records   RecordModel // nil: the model keeps none

	extensionScopes Scope // those of extensions, which are no resource's
	admits          bool  // there may be clients that registered themselves

	// The parameters that the endpoints read, those of extensions included.
	authorizationParameters, resolverParameters, tokenParameters, statusParameters []string

	crossOrigin *http.CrossOriginProtection
	warned      sync.Map // the IDs of clients whose lifetimes were checked
}

// Attacher is an extension that needs its server, for an endpoint of its own.
type Attacher interface {
	Extension

	// Attach is called by [New] if nothing else is wrong, before all other
	// methods but those that say what the extension is. The error is one of the
	// mistakes that New returns.
	Attach(s *Server) error
}

// Records returns where extensions keep what they remember; nil if the model is
// neither a [RecordModel] nor a [GrantLog].
func (s *Server) Records() RecordModel { return s.records }

// For is [ResourceServer.For] with the server's own model and
// [Options.Resources].
func (s *Server) For(resource string) *ResourceServer { return s.resource.For(resource) }

// ForAny is [ResourceServer.ForAny] with the server's own model.
func (s *Server) ForAny() *ResourceServer { return s.resource.ForAny() }

// Resources returns [Options.Resources], with URLs in place of paths. The caller
// may change the slice.
func (s *Server) Resources() (list []Resource) {
	for _, r := range s.resources {
		list = append(list, r.Resource)
	}
	return list
}

// Issuer returns [Options.Issuer].
func (s *Server) Issuer() string { return s.options.Issuer }

// URL is [ResourceServer.URL].
func (s *Server) URL(endpoint string) string { return s.resource.URL(endpoint) }
