// This file answers clients that look up what the server supports.

package oauth2server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Metadata returns the handler that tells clients what the server supports (RFC
// 8414): its grants that are on, and the URLs of [Options.Issuer] and
// [Options.Endpoints]. Mount it at [Server.MetadataPath]. It takes GET and
// HEAD. Metadata panics, before any request, if Issuer or Endpoints is not set.
func (s *Server) Metadata() http.Handler {
	fault := misuse("Metadata needs Options.Issuer and Options.Endpoints")
	body, err := s.metadataDocument()
	switch {
	case err != nil:
		fault = misuse("%w", err)
	case s.options.Issuer != "" && s.options.Endpoints != Endpoints{}:
		fault = nil
	}
	if fault != nil {
		panic(cannotWork("Metadata", fault))
	}
	return s.AllowOrigins(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.refuseClient(w, r, Event{Endpoint: EndpointMetadata}, wrongMethod("GET, HEAD"))
			return
		}
		writeJSON(w, http.StatusOK, body, nil)
	}))
}

const wellKnown = "/.well-known/oauth-authorization-server"

// MetadataPath returns the path at which clients look for [Server.Metadata] on
// the host of [Options.Issuer]: the well-known path, followed by the issuer's
// own path if it has one (RFC 8414, section 3.1).
func (s *Server) MetadataPath() string {
	issuer, err := url.Parse(s.options.Issuer)
	if err != nil { // New has refused it
		return wellKnown
	}
	return wellKnown + strings.TrimSuffix(issuer.EscapedPath(), "/")
}

// metadata is the document of RFC 8414, section 2.
type metadata struct {
	Issuer                   string   `json:"issuer"`
	Authorization            string   `json:"authorization_endpoint,omitempty"`
	Token                    string   `json:"token_endpoint,omitempty"`
	Revocation               string   `json:"revocation_endpoint,omitempty"`
	Introspection            string   `json:"introspection_endpoint,omitempty"`
	ResponseTypes            []string `json:"response_types_supported"`
	ResponseModes            []string `json:"response_modes_supported,omitempty"`
	GrantTypes               []string `json:"grant_types_supported"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	ChallengeMethods         []string `json:"code_challenge_methods_supported,omitempty"`

	// RFC 9207, section 3.
	SendsIssuer bool `json:"authorization_response_iss_parameter_supported"`

	Scopes               []string `json:"scopes_supported,omitempty"`
	ServiceDocumentation string   `json:"service_documentation,omitempty"`
	PolicyURI            string   `json:"op_policy_uri,omitempty"`
	TermsURI             string   `json:"op_tos_uri,omitempty"`
	ProtectedResources   []string `json:"protected_resources,omitempty"` // RFC 9728, section 4
}

// metadataDocument returns the metadata with what extensions add. They may add
// members, and elements to lists; they may not replace what the server says.
func (s *Server) metadataDocument() ([]byte, error) {
	own, err := json.Marshal(s.metadata())
	if err != nil || len(s.ext.metadata) == 0 {
		return own, err
	}
	for _, e := range s.ext.metadata {
		var before, members map[string]any
		if err = errors.Join(json.Unmarshal(own, &before), json.Unmarshal(own, &members)); err != nil {
			return nil, err
		}
		e.ExtendMetadata(members)
		if own, err = json.Marshal(members); err != nil {
			return nil, fmt.Errorf("extension %q: ExtendMetadata: %w", e.ExtensionName(), err)
		}
		var after map[string]any // in JSON's own types
		if err = json.Unmarshal(own, &after); err != nil {
			return nil, err
		}
		for name, value := range before {
			if !isKept(value, after[name]) {
				return nil, fmt.Errorf("extension %q: ExtendMetadata replaced the member %q",
					e.ExtensionName(), name)
			}
		}
	}
	return own, nil
}

// isKept reports whether a value is still there: unchanged, or as a list that
// has got further elements.
func isKept(value, after any) bool {
	list, isList := value.([]any)
	now, stillList := after.([]any)
	if !isList || !stillList {
		return reflect.DeepEqual(value, after)
	}
	return !slices.ContainsFunc(list, func(element any) bool {
		return !slices.ContainsFunc(now, func(other any) bool { return reflect.DeepEqual(element, other) })
	})
}

func (s *Server) metadata() metadata {
	o := &s.options
	m := metadata{
		Issuer:        o.Issuer,
		Authorization: resolve(o.Issuer, o.Endpoints.Authorization),
		Token:         resolve(o.Issuer, o.Endpoints.Token),
		Revocation:    resolve(o.Issuer, o.Endpoints.Revocation),
		Introspection: resolve(o.Issuer, o.Endpoints.Introspection),
		ResponseTypes: []string{}, // required, even if empty
		GrantTypes:    s.grantTypes(),
		SendsIssuer:   o.Issuer != "",

		Scopes:               o.ScopesSupported,
		ServiceDocumentation: resolve(o.Issuer, o.ServiceDocumentation),
		PolicyURI:            resolve(o.Issuer, o.PolicyURI),
		TermsURI:             resolve(o.Issuer, o.TermsURI),
	}
	for _, r := range s.resources {
		m.ProtectedResources = append(m.ProtectedResources, r.URL)
		for _, token := range r.Default {
			if !slices.Contains(m.Scopes, token) {
				m.Scopes = append(slices.Clip(m.Scopes), token)
			}
		}
	}
	if s.grants["authorization_code"] != nil {
		m.ResponseTypes = []string{"code"}
		m.ResponseModes = []string{"query", "fragment"}
		m.ChallengeMethods = []string{methodS256}
		if o.InsecureAllowPlainPKCE {
			m.ChallengeMethods = append(m.ChallengeMethods, methodPlain)
		}
	}
	if s.implicit {
		m.ResponseTypes = append(m.ResponseTypes, "token")
		if m.ResponseModes == nil {
			m.ResponseModes = []string{"fragment"}
		}
	}
	for _, e := range s.ext.modes {
		m.ResponseModes = append(m.ResponseModes, e.ResponseModes()...)
	}
	confidential := []string{"client_secret_basic", "client_secret_post"}
	for _, e := range s.ext.authenticators {
		confidential = append(confidential, e.AuthMethod())
	}
	anybody := append(slices.Clone(confidential), "none")
	if m.Token != "" {
		m.TokenAuthMethods = confidential
		if s.letsInWithoutSecret() {
			m.TokenAuthMethods = anybody
		}
	}
	if m.Revocation != "" {
		m.RevocationAuthMethods = anybody
	}
	if m.Introspection != "" {
		m.IntrospectionAuthMethods = confidential
	}
	return m
}

// letsInWithoutSecret reports whether the token endpoint has a grant for which
// a client needs no secret.
func (s *Server) letsInWithoutSecret() bool {
	for grant := range s.grants {
		if slices.Contains(s.options.PublicClientGrants, grant) ||
			slices.Contains(s.options.InsecureSkipClientAuthentication, grant) {
			return true
		}
	}
	return false
}

// grantTypes returns the names of the grants that are on, in a fixed order.
func (s *Server) grantTypes() []string {
	on := slices.Sorted(maps.Keys(s.grants))
	if s.implicit {
		on = append(on, "implicit")
	}
	return on
}

// checkMetadata returns what is wrong with the options that clients would be
// told.
func (s *Server) checkMetadata() (wrong []error) {
	o := &s.options
	switch err := checkPublicURL(o.Issuer, o.InsecureHTTPIssuer); {
	case o.Issuer == "" && o.Endpoints != Endpoints{}:
		return []error{errors.New("option Endpoints: it needs Issuer")}
	case o.Issuer == "" && len(s.resources) > 0: // clients of a resource are sent to the issuer
		return []error{errors.New("option Resources: it needs Issuer")}
	case o.Issuer == "":
		return nil
	case err != nil:
		return []error{fmt.Errorf("option Issuer: %w", err)}
	case strings.Contains(o.Issuer, "?"):
		return []error{errors.New("option Issuer: it has a query (RFC 8414, section 2)")}
	case !isCleanPath(s.MetadataPath()):
		return []error{
			errors.New("option Issuer: its path has empty or dot segments, which net/http redirects away"),
		}
	}
	for _, page := range []struct{ name, url string }{
		{"ServiceDocumentation", o.ServiceDocumentation}, {"PolicyURI", o.PolicyURI}, {"TermsURI", o.TermsURI},
	} {
		if page.url == "" {
			continue
		}
		url := cmp.Or(resolve(o.Issuer, page.url), page.url)
		if err := checkPublicURL(url, o.InsecureHTTPIssuer); err != nil {
			wrong = append(wrong, fmt.Errorf("option %s: %w", page.name, err))
		}
	}
	if err := o.ScopesSupported.check(); err != nil {
		wrong = append(wrong, fmt.Errorf("option ScopesSupported: %w", err))
	}
	if o.Endpoints == (Endpoints{}) {
		return wrong
	}
	asks := s.grants["authorization_code"] != nil || s.implicit
	for _, endpoint := range []struct {
		name, url string
		needed    bool
		works     bool
	}{
		{"Authorization", o.Endpoints.Authorization, asks, asks},
		{"Token", o.Endpoints.Token, len(s.grants) > 0, len(s.grants) > 0},
		{"Revocation", o.Endpoints.Revocation, false, true},
		{"Introspection", o.Endpoints.Introspection, false, true},
	} {
		switch {
		case endpoint.url == "" && endpoint.needed:
			wrong = append(wrong,
				fmt.Errorf("option Endpoints.%s: it is missing (RFC 8414, section 2)", endpoint.name))
		case endpoint.url == "":
		case endpoint.url[0] != '/' && !strings.Contains(endpoint.url, "://"):
			wrong = append(wrong,
				fmt.Errorf("option Endpoints.%s: %q is no URL and no path that begins with a slash",
					endpoint.name, endpoint.url))
		case !endpoint.works:
			wrong = append(wrong,
				fmt.Errorf("option Endpoints.%s: no grant that is on has a use for it", endpoint.name))
		default:
			if err := checkPublicURL(cmp.Or(resolve(o.Issuer, endpoint.url), endpoint.url), o.InsecureHTTPIssuer); err != nil {
				wrong = append(wrong, fmt.Errorf("option Endpoints.%s: %w", endpoint.name, err))
			}
		}
	}
	return wrong
}
