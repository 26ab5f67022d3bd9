// This file mounts everything that a server has, so that no endpoint is
// forgotten.

package oauth2server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Router is what [Server.Mount] mounts into: a [http.ServeMux], or another router
// that has its method.
type Router interface {
	Handle(pattern string, handler http.Handler)
}

// Mount mounts the server's handlers: those that [Options.Endpoints] names,
// with page as the argument of [Server.Authorize]; [Server.Metadata]; the
// metadata of each of [Options.Resources]; and the endpoints of extensions. The
// paths are those of the URLs. What is on another host than the issuer is left
// out. If there is only one resource, its metadata are also at the well-known
// path alone, where some clients look. The program mounts the API itself. Mount
// panics if Issuer or Endpoints is not set, and where Authorize does.
func (s *Server) Mount(router Router, page http.Handler) {
	if s.options.Issuer == "" || s.options.Endpoints == (Endpoints{}) {
		panic(cannotWork("Mount", misuse("it needs Options.Issuer and Options.Endpoints")))
	}
	handlers := map[string]http.Handler{s.MetadataPath(): s.Metadata()}
	add := func(endpoint string, handler func() http.Handler) {
		if path := s.pathHere(endpoint); path != "" && handlers[path] == nil {
			handlers[path] = handler()
		}
	}
	at := s.options.Endpoints
	add(at.Authorization, func() http.Handler { return s.Authorize(page) })
	add(at.Token, func() http.Handler { return s.Token(nil) })
	add(at.Revocation, s.Revoke)
	add(at.Introspection, s.Introspect)
	for _, e := range s.ext.endpoints {
		for endpoint, handler := range e.Endpoints() {
			add(endpoint, func() http.Handler { return handler })
		}
	}
	for _, r := range s.resources {
		if s.pathHere(r.URL) == "" {
			continue
		}
		part := s.For(r.URL)
		handlers[part.ResourceMetadataPath()] = part.ResourceMetadata()
		if len(s.resources) == 1 {
			handlers[wellKnownResource] = part.ResourceMetadata()
		}
	}
	for _, path := range slices.Sorted(maps.Keys(handlers)) {
		router.Handle(path, handlers[path])
	}
}

// pathHere returns the path of an endpoint; empty if there is none, or if it is
// on another host than the issuer.
func (s *Server) pathHere(endpoint string) string {
	issuer, err := url.Parse(s.options.Issuer)
	if err != nil { // New has refused it
		return ""
	}
	u, err := url.Parse(s.URL(endpoint))
	if err != nil || endpoint == "" || !strings.EqualFold(u.Host, issuer.Host) {
		return ""
	}
	if u.Path == "" {
		return "/"
	}
	return u.Path
}
