// This file holds the options of a server and of a resource server, their
// defaults, and what can be wrong with them.

package oauth2server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// Options change how a [Server] behaves. The zero value is the safe one; nil
// means the zero value. [New] copies them.
type Options struct {
	// Grants are the grant types that are on: "authorization_code",
	// "refresh_token", "client_credentials", "password" and "implicit". Nil:
	// those of the first three that the model supports. RFC 9700, section 2.1.2
	// and 2.4, advises against the other two, so they must be named.
	Grants []string

	// ExtensionGrants are further grant types, by the value of grant_type: an
	// absolute URI (RFC 6749, section 4.5), or a name of letters, digits, '-',
	// '.' and '_'. They cannot replace a built-in grant.
	ExtensionGrants map[string]GrantFunc

	// PublicClientGrants are the grant types that a public client may use, if
	// its [Client.Grants] allow them too. Nil: "authorization_code",
	// "refresh_token" and "implicit", as far as they are on. For
	// "authorization_code" it must use PKCE.
	PublicClientGrants []string

	// InsecureSkipClientAuthentication lists extension grants whose requests
	// need no client secret, even from confidential clients. The grant itself
	// must find out who sends the request, for example by an assertion (RFC
	// 7521, section 4.1).
	InsecureSkipClientAuthentication []string

	// AuthorizationCodeLifetime is how long a code can be redeemed. 0: 5
	// minutes; 30 days at most. A lifetime is a second or more.
	AuthorizationCodeLifetime time.Duration

	// AccessTokenLifetime is for clients without a
	// [Client.AccessTokenLifetime]. 0: an hour.
	AccessTokenLifetime time.Duration

	// RefreshTokenLifetime is for clients without a
	// [Client.RefreshTokenLifetime]. 0: 14 days.
	RefreshTokenLifetime time.Duration

	// MaxGrantLifetime ends a grant, no matter how often it is refreshed: none
	// of its tokens lives longer. 0: 90 days; negative: no limit. It is for
	// grants that begin; one that has an end keeps it.
	MaxGrantLifetime time.Duration

	// AuthenticateUser returns the user who is signed in at the authorization
	// endpoint. A nil user, or [ErrNotFound], means that nobody is signed in.
	// An [Error] is shown to the user; any other error is a server_error. The
	// request's form may be parsed already. Nil: the page signs users in;
	// without a page, username and password are taken from the form.
	AuthenticateUser func(*http.Request) (*User, error)

	// LimitAttempts limits how often secrets and passwords are tried. Nil: no
	// limit.
	LimitAttempts AttemptLimiter

	// OnEvent is called for everything that is issued, revoked or refused, for
	// an audit: after the decision, and before the answer is sent. It is called
	// concurrently, the request waits for it, and a panic ends the request.
	// There is no event for a request that is not refused and changes nothing:
	// a call to the API, an introspection, the revocation of an unknown token,
	// a page that is shown. The request may have a secret in its URL, its
	// header or its form. It is optional.
	OnEvent func(*http.Request, Event)

	// Extensions are parts of the server that are not in this package; see
	// [Extension]. Their order is the order in which they are asked.
	Extensions []Extension

	// Resources are the parts of the program that have access tokens of their
	// own (RFC 8707); [ResourceServer.For] protects them. A client asks for a
	// token for one by the parameter resource, which is ignored if there are
	// none. They need Issuer.
	Resources []Resource

	// Issuer is the URL by which clients know this server (RFC 8414, section
	// 2): https, or http on a loopback host for tests, without query and
	// fragment; see also InsecureHTTPIssuer. It is sent as iss with each
	// authorization response (RFC 9207), and clients of several servers should
	// check it (RFC 9700, section 4.4). "": the server has no issuer.
	Issuer string

	// Endpoints are the URLs that [Server.Metadata] publishes. They need
	// Issuer.
	Endpoints Endpoints

	// ScopesSupported, ServiceDocumentation, PolicyURI and TermsURI are
	// published by [Server.Metadata]: the scope tokens that clients may want,
	// and where people read about the service, its policy and its terms (RFC
	// 8414, section 2). Empty ones are not published.
	ScopesSupported                           Scope
	ServiceDocumentation, PolicyURI, TermsURI string

	// MayIntrospect reports whether caller may see, by [Server.Introspect], an
	// access token that is not its own. caller is a confidential client,
	// usually a resource server; it needs no Grants. token is active. An error
	// is answered with server_error. A client that is [Client.SelfAsserted] is
	// never a caller: it sees only its own tokens. Nil: that holds for all.
	MayIntrospect func(ctx context.Context, caller *Client, token *Token) (bool, error)

	// TrustedOrigins are further origins from which forms may be posted to
	// [Server.Authorize], such as https://login.example.com for a page on a
	// sibling host. They can sign users in and approve in their name. Forms
	// from the host that they are posted to are always accepted, and so are
	// those from the origin of Issuer. Nil: no other origins.
	TrustedOrigins []string

	// AllowedOrigins are the origins whose scripts may call the endpoints that
	// clients call themselves, the documents about the server and its resources,
	// and the resources: https://app.example, or "*" for every origin. The
	// authorization and the introspection endpoint are never among them, and
	// credentials that a browser adds by itself, such as cookies, are never
	// allowed. Nil: no scripts of other origins.
	AllowedOrigins []string

	// AllowEmptyState accepts authorization requests without state and without
	// an S256 challenge. Nothing then binds the answer to the browser that
	// asked (RFC 9700, section 4.7.1).
	AllowEmptyState bool

	// AllowBearerTokensInQueryString accepts access tokens in the URL, which
	// ends up in logs (RFC 6750, section 2.3).
	AllowBearerTokensInQueryString bool

	// AllowExtendedTokenAttributes sends [Token.Extra] to the client.
	AllowExtendedTokenAttributes bool

	// AddAcceptedScopesHeader puts the header X-Accepted-OAuth-Scopes, the scope
	// that a route requires, into answers to requests that passed.
	AddAcceptedScopesHeader bool

	// AddAuthorizedScopesHeader adds the header X-OAuth-Scopes, the scope of
	// the token.
	AddAuthorizedScopesHeader bool

	// RefreshRotation decides what happens to a refresh token when it is used.
	// The zero value replaces it, and allows retries.
	RefreshRotation RefreshRotation

	// RefreshRetryWindow is how long after a rotation the old refresh token
	// still gets the same successor, for a client whose reply was lost, or that
	// refreshes in two tabs at once. A thief who is as fast is not noticed for
	// as long. 0: a minute; otherwise a second or more. It needs a model that
	// is a [GrantLog], and [RotateWithRetry].
	RefreshRetryWindow time.Duration

	// ClockSkew is how much the clocks of the machines that share one model may
	// differ. RefreshRetryWindow is longer by that for a rotation on another
	// machine, and a grant that began on another machine less than that after
	// [RevokeUser] counts as begun before. 0: 5 seconds; negative: none, as on
	// one machine. At most a minute.
	ClockSkew time.Duration

	// InsecureEternalAccessTokens makes access tokens last as long as their
	// grant: see MaxGrantLifetime. A stolen one works until it is revoked.
	// [Client.AccessTokenLifetime] still limits the tokens of one client. A
	// [ResourceServer] needs the option too: without it, a token without an
	// expiry is a broken record.
	InsecureEternalAccessTokens bool

	// InsecureAllowPlainPKCE accepts the challenge method "plain" (RFC 7636,
	// section 7.2). Anyone who sees the authorization request can then redeem
	// the code.
	InsecureAllowPlainPKCE bool

	// InsecureHTTPIssuer lets Issuer and Endpoints use http on any host, for
	// development in containers and on phones. Clients then cannot tell which
	// server they talk to, and anyone on the network path can read tokens and
	// passwords.
	InsecureHTTPIssuer bool

	// InsecureAllowHTTPRedirects lets codes and tokens go to http redirection
	// URIs on hosts other than 127.0.0.1, [::1] and localhost. Anyone on the
	// network path can then read them (RFC 9700, section 2.6).
	InsecureAllowHTTPRedirects bool

	// InsecureApprovePublicClients lets [Server.Authorize] without a page give
	// codes to public clients. Any program can pretend to be one, and the
	// signed-in user is not asked.
	InsecureApprovePublicClients bool

	// ErrorHandler writes the page for errors of the authorization endpoint
	// that cannot be sent to the client. It answers with err.Status, and must
	// escape what it shows. err has no cause: the cause is in the log, beside
	// err.Reference, which a page shows so that users can quote it. Nil: a
	// plain page, or JSON if the request does not accept text/html.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err *Error)

	// MaxFormBytes is the maximum size of a form's body, and of an
	// authorization request's query. 0: 64 KiB.
	MaxFormBytes int64

	// Realm is the realm of WWW-Authenticate headers: printable ASCII without
	// quotation mark and backslash. "": "Service".
	Realm string

	// Logger gets a record for each refusal, with a stable "reason", and for
	// each fault: see docs/reasons.md. Nil: [slog.Default].
	Logger *slog.Logger
}

// Endpoints are the URLs of a server's endpoints, or paths on the host of
// [Options.Issuer] that begin with a slash, as the program mounted them. An
// empty one is not published.
type Endpoints struct {
	Authorization string // Server.Authorize
	Token         string // Server.Token
	Revocation    string // Server.Revoke
	Introspection string // Server.Introspect
}

// RefreshRotation is what happens to a refresh token when a client uses it.
type RefreshRotation int

const (
	// RotateWithRetry replaces the token (RFC 9700, section 4.14.2). A client
	// that uses it again within [Options.RefreshRetryWindow] gets the same
	// successor.
	RotateWithRetry RefreshRotation = iota

	// RotateStrictly treats every second use of a token as theft, even a retry
	// after a lost reply, and ends the grant. It needs a model that is a
	// [GrantLog].
	RotateStrictly

	// RotateNever lets confidential clients use a refresh token again and
	// again; they get no new one. Public clients always get a new one (RFC
	// 9700, section 2.2.2).
	RotateNever
)

// ResourceOptions are the options of a [ResourceServer]. Each has the meaning
// of the option of the same name in [Options]. The zero value is the safe one;
// nil means the zero value.
type ResourceOptions struct {
	AllowBearerTokensInQueryString bool
	AddAcceptedScopesHeader        bool
	AddAuthorizedScopesHeader      bool
	InsecureEternalAccessTokens    bool
	MaxFormBytes                   int64
	Realm                          string
	Logger                         *slog.Logger
	OnEvent                        func(*http.Request, Event)

	// Issuer completes the URLs of Resources that are paths, and is the
	// authorization server that clients of a resource are sent to.
	Issuer         string
	Resources      []Resource
	AllowedOrigins []string

	// Extensions: of these, a [TokenBinder] alone is asked.
	Extensions []Extension
}

// publicByDefault is the default of [Options.PublicClientGrants].
var publicByDefault = []string{"authorization_code", "refresh_token", "implicit"}

// withDefaults returns a copy with every default in its place, and what is
// wrong.
func (o *Options) withDefaults() (Options, []error) {
	if o == nil {
		o = &Options{}
	}
	options := *o
	options.ExtensionGrants = maps.Clone(o.ExtensionGrants)
	options.Grants = slices.Clone(o.Grants)
	options.InsecureSkipClientAuthentication = slices.Clone(o.InsecureSkipClientAuthentication)
	options.PublicClientGrants = slices.Clone(o.PublicClientGrants)
	options.TrustedOrigins = slices.Clone(o.TrustedOrigins)
	options.Extensions = slices.Clone(o.Extensions)
	options.Resources = slices.Clone(o.Resources)
	options.AllowedOrigins = slices.Clone(o.AllowedOrigins)
	options.ScopesSupported = slices.Clone(o.ScopesSupported)
	if o.PublicClientGrants == nil {
		options.PublicClientGrants = publicByDefault
	}
	own := options.forResources()
	shared, wrong := own.withDefaults()
	options.Realm, options.Logger, options.MaxFormBytes = shared.Realm, shared.Logger, shared.MaxFormBytes
	for _, lifetime := range []struct {
		name      string
		value     *time.Duration
		otherwise time.Duration
	}{
		{"AuthorizationCodeLifetime", &options.AuthorizationCodeLifetime, 5 * time.Minute},
		{"AccessTokenLifetime", &options.AccessTokenLifetime, time.Hour},
		{"RefreshTokenLifetime", &options.RefreshTokenLifetime, 14 * 24 * time.Hour},
		{"MaxGrantLifetime", &options.MaxGrantLifetime, 90 * 24 * time.Hour},
	} {
		if lifetime.name == "MaxGrantLifetime" && *lifetime.value < 0 {
			continue // no limit
		}
		if err := checkLifetime(*lifetime.value); err != nil {
			wrong = append(wrong, fmt.Errorf("option %s: %w", lifetime.name, err))
		}
		*lifetime.value = cmp.Or(*lifetime.value, lifetime.otherwise)
	}
	if options.InsecureEternalAccessTokens && o.AccessTokenLifetime != 0 {
		wrong = append(wrong,
			errors.New("options InsecureEternalAccessTokens and AccessTokenLifetime exclude each other"))
	}
	if options.AuthorizationCodeLifetime > maxCodeLifetime {
		wrong = append(wrong,
			fmt.Errorf("option AuthorizationCodeLifetime: %v is more than 30 days",
				options.AuthorizationCodeLifetime))
	}
	if options.ClockSkew > maxClockSkew {
		wrong = append(wrong, fmt.Errorf("option ClockSkew: %v is more than a minute", options.ClockSkew))
	}
	options.ClockSkew = max(cmp.Or(options.ClockSkew, 5*time.Second), 0)
	return options, wrong
}

// forResources returns the options of the part of a server that checks tokens.
func (o *Options) forResources() ResourceOptions {
	return ResourceOptions{
		AllowBearerTokensInQueryString: o.AllowBearerTokensInQueryString,
		AddAcceptedScopesHeader:        o.AddAcceptedScopesHeader,
		AddAuthorizedScopesHeader:      o.AddAuthorizedScopesHeader,
		InsecureEternalAccessTokens:    o.InsecureEternalAccessTokens,
		MaxFormBytes:                   o.MaxFormBytes,
		Realm:                          o.Realm,
		Logger:                         o.Logger,
		OnEvent:                        o.OnEvent,
		Issuer:                         o.Issuer,
		Resources:                      o.Resources,
		AllowedOrigins:                 o.AllowedOrigins,
		Extensions:                     o.Extensions,
	}
}

// withDefaults returns a copy with every default in its place, and what is
// wrong.
func (o *ResourceOptions) withDefaults() (options ResourceOptions, wrong []error) {
	if o != nil {
		options = *o
	}
	options.Realm = cmp.Or(options.Realm, "Service")
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if !grammar.IsNQSCHAR(options.Realm) {
		wrong = append(wrong,
			errors.New("option Realm: quotation mark, backslash or a character that is not printable ASCII"))
	}
	if options.MaxFormBytes < 0 || options.MaxFormBytes > 1<<30 {
		wrong = append(wrong,
			fmt.Errorf("option MaxFormBytes: %d is negative, or more than a gigabyte", options.MaxFormBytes))
	}
	options.MaxFormBytes = cmp.Or(options.MaxFormBytes, 64<<10)
	return options, wrong
}

// cutLifetimes returns warnings about lifetimes that the program may not have
// meant: one that is cut short by another, or outlives it.
func (o *Options) cutLifetimes() (warnings []string) {
	longer := func(name string, lifetime time.Duration, end string, limit time.Duration, consequence string) {
		if limit > 0 && lifetime > limit {
			warnings = append(warnings,
				fmt.Sprintf("%s (%v) is longer than %s (%v): %s", name, lifetime, end, limit, consequence))
		}
	}
	const cut = "tokens end with their grant"
	if o.InsecureEternalAccessTokens {
		if o.MaxGrantLifetime > 0 {
			warnings = append(warnings,
				fmt.Sprintf("InsecureEternalAccessTokens and MaxGrantLifetime (%v): %s",
					o.MaxGrantLifetime, cut))
		}
	} else {
		longer("AccessTokenLifetime", o.AccessTokenLifetime, "MaxGrantLifetime", o.MaxGrantLifetime, cut)
		longer("AccessTokenLifetime", o.AccessTokenLifetime, "RefreshTokenLifetime", o.RefreshTokenLifetime,
			"a client that comes back when its access token has expired cannot refresh it")
	}
	longer("RefreshTokenLifetime", o.RefreshTokenLifetime, "MaxGrantLifetime", o.MaxGrantLifetime, cut)
	return warnings
}

// mistakes returns one error for everything that is wrong with a program.
func mistakes(wrong []error) error {
	if len(wrong) == 1 {
		return &Error{Code: InvalidArgument, Err: fmt.Errorf("oauth2server: %w", wrong[0])}
	}
	return &Error{
		Code: InvalidArgument,
		Err:  fmt.Errorf("oauth2server: %d mistakes:%w", len(wrong), lines(wrong)),
	}
}

// lines is a list of errors that prints each on its own line.
type lines []error

func (l lines) Error() (text string) {
	for _, err := range l {
		text += "\n\t" + err.Error()
	}
	return text
}

func (l lines) Unwrap() []error { return l }
