// This file is the provider: its configuration, its keys and what clients look
// up.

package oidc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/internal/fetch"
)

// Options are the options of [New].
type Options struct {
	// Claims returns what the program knows of a user, by the names of OpenID
	// Connect Core 1.0, section 5.1: "name", "email" and so on. A client gets
	// the claims of the scopes that it was granted; see also ClaimsByName. A
	// value must have a JSON form. [oauth2server.ErrNotFound] means that the
	// user is gone; any other error is a server_error. It is called
	// concurrently. Nil: nothing is known but the subject.
	Claims func(ctx context.Context, user *oauth2server.User, client *oauth2server.Client) (map[string]any, error)

	// ClaimsByName gives a client every claim that it names in the parameter
	// claims, whatever scopes it was granted (OpenID Connect Core 1.0, section
	// 5.5). Set it only if the page shows [Request.Claims] to the owner. Without
	// it, the parameter chooses among the claims of the granted scopes.
	ClaimsByName bool

	// Subject returns the subject of a user for a client: the claim sub, at most
	// 255 ASCII characters, never reassigned. With it, the metadata say that
	// subjects are pairwise. Nil: the user's ID. See [Pairwise].
	Subject func(user *oauth2server.User, client *oauth2server.Client) (string, error)

	// UserInfo, JWKS and EndSession are where the program mounted
	// [Provider.UserInfo], the key ring and [Provider.EndSession]: URLs, or
	// paths on the host of the issuer. JWKS is required; of the others, an
	// empty one is not offered.
	UserInfo, JWKS, EndSession string

	// Scopes are scope tokens beside those of OpenID Connect Core 1.0, section
	// 5.4, with the claims that each allows. Nil: none.
	Scopes map[string][]string

	// ACRValues are the values of acr that the program knows, for the metadata.
	ACRValues []string

	// IDTokenLifetime is how long an ID token may be used to sign in. 0: 10
	// minutes; otherwise a second or more.
	IDTokenLifetime time.Duration

	// RequireOfflineAccess gives a refresh token to those clients only that ask
	// for the scope offline_access (OpenID Connect Core 1.0, section 11).
	RequireOfflineAccess bool

	// PostLogoutRedirectURIs returns where a client's users may be sent after
	// they signed out, compared byte by byte. Nil: nowhere.
	PostLogoutRedirectURIs func(client *oauth2server.Client) []string

	// BackChannelLogoutURI returns where a client is told that a user signed
	// out; see [Provider.NotifyLogout]. It must be https. Empty: it is not told.
	// Nil: nobody is.
	BackChannelLogoutURI func(client *oauth2server.Client) string

	// InsecureAllowLoopback posts logout tokens to loopback addresses too, also
	// by http. It is for tests: with it, whoever names a BackChannelLogoutURI can
	// have this server send requests to the services of its own machine.
	InsecureAllowLoopback bool

	// Session returns the session of a request, as the page reports it in
	// [oauth2server.Authentication.Session]; empty if nobody is signed in.
	// [Provider.EndSession] needs it.
	Session func(r *http.Request) string
}

// Provider makes a server an OpenID provider. [New] makes one. It is an
// [oauth2server.Extension] of one server, which [oauth2server.New] must have
// made before its handlers and DiscoveryPath are used. It is safe for concurrent
// use.
type Provider struct {
	ring    *keys.Ring
	options Options
	server  *oauth2server.Server
	fetch   *fetch.Client
	scopes  map[string][]string // the claims that each scope token allows
}

// standardScopes are those of OpenID Connect Core 1.0, section 5.4.
var standardScopes = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username",
		"profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// protocolClaims are the claims that the provider itself makes.
var protocolClaims = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash",
	"c_hash", "sid", "events",
}

// New returns a Provider that signs with the keys of ring. What is wrong with
// the options is among the mistakes that [oauth2server.New] returns.
func New(ring *keys.Ring, options Options) *Provider {
	p := &Provider{ring: ring, options: options, scopes: maps.Clone(standardScopes),
		fetch: fetch.New(fetch.Options{AllowLoopback: options.InsecureAllowLoopback})}
	for name, claims := range options.Scopes {
		p.scopes[name] = append(slices.Clone(p.scopes[name]), claims...)
	}
	if p.options.IDTokenLifetime == 0 {
		p.options.IDTokenLifetime = 10 * time.Minute
	}
	return p
}

// name is the provider's name, and its key in Details.
const name = "oidc"

// ExtensionName implements [oauth2server.Extension].
func (p *Provider) ExtensionName() string { return name }

// Attach implements [oauth2server.Attacher].
func (p *Provider) Attach(s *oauth2server.Server) error {
	var wrong []error
	if p.ring == nil {
		wrong = append(wrong, errors.New("there are no keys"))
	}
	if s.Issuer() == "" {
		wrong = append(wrong, errors.New("it needs the option Issuer"))
	}
	if p.options.JWKS == "" {
		wrong = append(wrong, errors.New("it needs to know where the key ring is mounted: JWKS"))
	}
	if p.options.EndSession != "" && p.options.Session == nil {
		wrong = append(wrong, errors.New("EndSession needs the option Session"))
	}
	if p.options.IDTokenLifetime < time.Second {
		wrong = append(wrong, fmt.Errorf("an IDTokenLifetime of %v", p.options.IDTokenLifetime))
	}
	for scope, claims := range p.options.Scopes {
		for _, claim := range claims {
			if slices.Contains(protocolClaims, claim) {
				wrong = append(wrong, fmt.Errorf("the scope %q cannot have the claim %q", scope, claim))
			}
		}
	}
	p.server = s
	return errors.Join(wrong...)
}

// DiscoveryPath returns the path at which clients look for
// [oauth2server.Server.Metadata]: the issuer's own path, followed by the
// well-known one (OpenID Connect Discovery 1.0, section 4). It is the same
// document as at [oauth2server.Server.MetadataPath].
func (p *Provider) DiscoveryPath() string {
	issuer, err := url.Parse(p.server.Issuer())
	if err != nil {
		return "/.well-known/openid-configuration"
	}
	return strings.TrimSuffix(issuer.EscapedPath(), "/") + "/.well-known/openid-configuration"
}

// Scopes implements [oauth2server.ScopeExtender].
func (p *Provider) Scopes() oauth2server.Scope {
	scopes := append(oauth2server.Scope{"openid"}, slices.Sorted(maps.Keys(p.scopes))...)
	if p.options.RequireOfflineAccess {
		scopes = append(scopes, "offline_access")
	}
	return scopes
}

// Endpoints implements [oauth2server.EndpointExtender]. The endpoint for signing
// out is not among them, as it needs a page.
func (p *Provider) Endpoints() map[string]http.Handler {
	endpoints := map[string]http.Handler{
		p.options.JWKS:    p.server.AllowOrigins(p.ring),
		p.DiscoveryPath(): p.server.Metadata(),
	}
	if p.options.UserInfo != "" {
		endpoints[p.options.UserInfo] = p.UserInfo()
	}
	return endpoints
}

// ExtendMetadata implements [oauth2server.MetadataExtender] (OpenID Connect
// Discovery 1.0, section 3).
func (p *Provider) ExtendMetadata(members map[string]any) {
	algorithms, err := p.ring.Algorithms(context.Background())
	if err != nil { // it had keys when it was made
		return
	}
	subjects := []string{"public"}
	if p.options.Subject != nil {
		subjects = []string{"pairwise"}
	}
	claims := []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid"}
	scopes, _ := members["scopes_supported"].([]any)
	for _, scope := range p.Scopes() {
		scopes = append(scopes, scope)
		claims = append(claims, p.scopes[scope]...)
	}
	members["scopes_supported"] = distinct(scopes)
	members["jwks_uri"] = p.server.URL(p.options.JWKS)
	members["subject_types_supported"] = subjects
	members["id_token_signing_alg_values_supported"] = algorithms
	members["claims_supported"] = distinct(claims)
	members["claims_parameter_supported"] = true
	members["request_parameter_supported"] = false
	if _, known := members["request_uri_parameter_supported"]; !known {
		members["request_uri_parameter_supported"] = false // the default is true
	}
	members["prompt_values_supported"] = prompts
	members["display_values_supported"] = displays
	if len(p.options.ACRValues) > 0 {
		members["acr_values_supported"] = p.options.ACRValues
	}
	if p.options.UserInfo != "" {
		members["userinfo_endpoint"] = p.server.URL(p.options.UserInfo)
		members["userinfo_signing_alg_values_supported"] = algorithms
	}
	if p.options.BackChannelLogoutURI != nil {
		members["backchannel_logout_supported"] = true
		members["backchannel_logout_session_supported"] = true
	}
	if p.options.EndSession != "" {
		members["end_session_endpoint"] = p.server.URL(p.options.EndSession)
	}
}

// distinct returns the elements of a list, each once.
func distinct[T comparable](list []T) (some []T) {
	seen := map[T]bool{}
	for _, one := range list {
		if !seen[one] {
			some, seen[one] = append(some, one), true
		}
	}
	return some
}

// subject returns the subject of a user for a client.
func (p *Provider) subject(user *oauth2server.User, client *oauth2server.Client) (string, error) {
	if p.options.Subject == nil {
		return user.ID, nil
	}
	subject, err := p.options.Subject(user, client)
	if err == nil && (subject == "" || len(subject) > 255) {
		err = fmt.Errorf("a subject of %d characters", len(subject))
	}
	return subject, err
}
