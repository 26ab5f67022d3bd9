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
	"path"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// Metadata returns the handler that tells clients what the server supports (RFC
// 8414): its grants that are on, and the URLs of [Options.Issuer] and
// [Options.Endpoints]. Mount it at [Server.MetadataPath]. It takes GET and
// HEAD. Metadata panics, before any request, if Issuer or Endpoints is not set.
func (s *Server) Metadata() http.Handler {
	fault := misuse("Metadata needs Options.Issuer and Options.Endpoints")
	body, err := json.Marshal(s.metadata())
	switch {
	case err != nil:
		fault = misuse("%w", err)
	case s.options.Issuer != "" && s.options.Endpoints != Endpoints{}:
		fault = nil
	}
	if fault != nil {
		panic(cannotWork("Metadata", fault))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.refuseClient(w, r, Event{Endpoint: EndpointMetadata}, wrongMethod("GET, HEAD"))
			return
		}
		writeJSON(w, http.StatusOK, body, nil)
	})
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
}

func (s *Server) metadata() metadata {
	o := &s.options
	m := metadata{
		Issuer:        o.Issuer,
		Authorization: o.resolve(o.Endpoints.Authorization),
		Token:         o.resolve(o.Endpoints.Token),
		Revocation:    o.resolve(o.Endpoints.Revocation),
		Introspection: o.resolve(o.Endpoints.Introspection),
		ResponseTypes: []string{}, // required, even if empty
		GrantTypes:    s.grantTypes(),
		SendsIssuer:   o.Issuer != "",
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
	confidential := []string{"client_secret_basic", "client_secret_post"}
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

// resolve returns the URL of an endpoint; "" if there is none.
func (o *Options) resolve(endpoint string) string {
	issuer, err := url.Parse(o.Issuer)
	if err != nil || endpoint == "" {
		return ""
	}
	resolved, err := issuer.Parse(endpoint)
	if err != nil {
		return ""
	}
	return resolved.String()
}

// checkMetadata returns what is wrong with the options that clients would be
// told.
func (s *Server) checkMetadata() (wrong []error) {
	o := &s.options
	switch err := o.checkPublicURL(o.Issuer); {
	case o.Issuer == "" && o.Endpoints != Endpoints{}:
		return []error{errors.New("option Endpoints: it needs Issuer")}
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
	case o.Endpoints == Endpoints{}:
		return nil
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
			if err := o.checkPublicURL(cmp.Or(o.resolve(endpoint.url), endpoint.url)); err != nil {
				wrong = append(wrong, fmt.Errorf("option Endpoints.%s: %w", endpoint.name, err))
			}
		}
	}
	return wrong
}

// isCleanPath reports whether net/http serves a path as it stands.
func isCleanPath(p string) bool { return path.Clean(p) == p }

// checkPublicURL returns why clients may not be told a URL; nil if they may. It
// must be https, or http on a loopback host, without user information and
// fragment (RFC 8414, section 2; RFC 6749, section 3.1 and 3.2).
func (o *Options) checkPublicURL(text string) error {
	parsed, err := url.Parse(text)
	_, loopback := cutLoopbackPort(text)
	switch {
	case err != nil, !grammar.IsURIText(text):
		return errors.New("not a URL")
	case parsed.Hostname() == "":
		return fmt.Errorf("%q has no scheme or no host", text)
	case parsed.User != nil || strings.Contains(text, "#"):
		return fmt.Errorf("%q has a user or a fragment", text)
	case checkAuthority(authorityOf(text)) != nil:
		return fmt.Errorf("%q: %w", text, checkAuthority(authorityOf(text)))
	case parsed.Scheme == "https", loopback, parsed.Scheme == "http" && o.InsecureHTTPIssuer:
		return nil
	case parsed.Scheme == "http":
		return fmt.Errorf("%q is not https; http is for loopback hosts, or, in development, "+
			"with the option InsecureHTTPIssuer", text)
	}
	return fmt.Errorf("%q is not https", text)
}
