// This file tells clients about a resource: which authorization server has
// tokens for it, and what to ask for (RFC 9728).

package oauth2server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const wellKnownResource = "/.well-known/oauth-protected-resource"

// ResourceMetadata returns the handler that tells clients about the resource of
// [ResourceServer.For] (RFC 9728). Mount it at
// [ResourceServer.ResourceMetadataPath], on the host of the resource;
// [Server.Mount] does. It takes GET and HEAD. It panics if the resource server
// protects no resource, or if Issuer is not set.
func (s *ResourceServer) ResourceMetadata() http.Handler {
	switch {
	case s.about == nil:
		panic(cannotWork("ResourceMetadata", misuse("it is that of a resource: call For before")))
	case s.options.Issuer == "":
		panic(cannotWork("ResourceMetadata", misuse("it needs the option Issuer")))
	}
	document := struct {
		Resource      string   `json:"resource"`
		Servers       []string `json:"authorization_servers"`
		Scopes        Scope    `json:"scopes_supported,omitempty"`
		BearerMethods []string `json:"bearer_methods_supported"`
		Name          string   `json:"resource_name,omitempty"`
	}{s.about.URL, []string{s.options.Issuer}, s.about.Default, []string{"header"}, s.about.Name}
	body, _ := json.Marshal(document) // texts always have a JSON form
	return s.origins.open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refused := wrongMethod("GET, HEAD")
			s.reportRefusal(r, Event{Endpoint: EndpointMetadata}, refused)
			writeErrorJSON(w, refused)
			return
		}
		writeJSON(w, http.StatusOK, body, nil)
	}))
}

// ResourceMetadataPath returns the path at which clients look for
// [ResourceServer.ResourceMetadata] on the host of the resource: the well-known
// path, followed by the path of the resource (RFC 9728, section 3.1). It is empty
// if the resource server protects no resource.
func (s *ResourceServer) ResourceMetadataPath() string {
	if s.about == nil {
		return ""
	}
	return wellKnownResource + strings.TrimSuffix(pathOf(s.about.URL), "/")
}

// resourceMetadataURL returns the URL of the resource's metadata.
func (s *ResourceServer) resourceMetadataURL() string {
	u, err := url.Parse(s.about.URL)
	if err != nil { // New has refused it
		return ""
	}
	return u.Scheme + "://" + u.Host + s.ResourceMetadataPath()
}
