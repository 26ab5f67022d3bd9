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

// Options are the deviations from the default. The zero value is the safe one; nil is allowed.
type Options struct {
	// Grants are the grant types that are on: "authorization_code", "refresh_token", "client_credentials", "password"
	// and "implicit". Nil: the first three, as far as the model can. RFC 9700, section 2.1.2 and 2.4, advises against
	// the other two, so they must be named.
	Grants []string

	// ExtensionGrants are further grant types, by the value of grant_type: an absolute URI (RFC 6749, section 4.5),
	// or a name of letters, digits, '-', '.' and '_'. They cannot replace a built-in grant.
	ExtensionGrants map[string]GrantFunc

	// PublicClientGrants are the grant types that a public client may use, besides being allowed to by [Client.Grants].
	// Nil: "authorization_code", "refresh_token" and "implicit", as far as they are on. In the first, a code_verifier
	// is demanded.
	PublicClientGrants []string

	// InsecureSkipClientAuthentication lists extension grants whose requests need no client secret, neither from a
	// public nor from a confidential client: the grant itself must find out who asks, say by an assertion (RFC 7521, section 4.1).
	InsecureSkipClientAuthentication []string

	// AuthorizationCodeLifetime is how long a code can be redeemed. 0: 5
	// minutes; 30 days at most. A lifetime is a second or more.
	AuthorizationCodeLifetime time.Duration

	// AccessTokenLifetime is for clients without one of their own. 0: an hour.
	AccessTokenLifetime time.Duration

	// RefreshTokenLifetime is for clients without one of their own. 0: 14 days.
	RefreshTokenLifetime time.Duration

	// MaxGrantLifetime ends a grant however often it is refreshed: no token of it lives longer. 0: 90 days; negative:
	// there is no such end.
	MaxGrantLifetime time.Duration

	// AuthenticateUser says who is signed in at the authorization endpoint; nil, or [ErrNotFound]: nobody. An [Error]
	// is shown to the user, any other error is a server_error. It may be called with a request of which the form is
	// parsed. Nil: a page finds out, or, without a page, username and password are taken from the form.
	AuthenticateUser func(*http.Request) (*User, error)

	// LimitAttempts limits how often secrets and passwords are tried. Nil:
	// everything is tried.
	LimitAttempts AttemptLimiter

	// OnEvent is told of all that was issued, revoked or refused, for an audit: once it is decided, and before the answer
	// is sent. It is called concurrently, the request waits for it, and a panic ends the request. What changes nothing
	// and is not refused is no event: an API that is called, a token that is introspected, or revoked and not there, a
	// page that is shown. The request may have a secret in its URL, its header and its form. Nil: nobody is told.
	OnEvent func(*http.Request, Event)

	// Issuer is the URL by which clients know this server (RFC 8414, section
	// 2): https, or http on a loopback host for tests, without query and
	// fragment; see also InsecureHTTPIssuer. It is sent as iss with each
	// authorization response (RFC 9207), and clients of several servers should
	// check it (RFC 9700, section 4.4). "": it has none.
	Issuer string

	// Endpoints are the URLs that [Server.Metadata] tells. They need Issuer.
	Endpoints Endpoints

	// MayIntrospect lets a client see, by [Server.Introspect], access tokens that are not its own: a resource server,
	// which is a confidential client with Grants or without. The token is one that is good. An error is a server_error. Nil: a client
	// sees its own only.
	MayIntrospect func(ctx context.Context, caller *Client, token *Token) (bool, error)

	// TrustedOrigins are further origins from which forms may be posted to
	// [Server.Authorize], such as https://login.example.com for a page on a
	// sibling host. They can sign users in and approve in their name. The
	// origin of Issuer is one of them. Nil: forms come from the host that they
	// are sent to.
	TrustedOrigins []string

	// AllowEmptyState accepts authorization requests without state and without an S256 challenge: nothing then binds
	// the answer to the browser that asked (RFC 9700, section 4.7.1).
	AllowEmptyState bool

	// AllowBearerTokensInQueryString accepts access tokens in the URL, where logs keep them (RFC 6750, section 2.3).
	AllowBearerTokensInQueryString bool

	// AllowExtendedTokenAttributes sends [Token.Extra] to the client.
	AllowExtendedTokenAttributes bool

	// OmitAcceptedScopesHeader leaves out X-Accepted-OAuth-Scopes, what a route requires, from answers to requests
	// that passed.
	OmitAcceptedScopesHeader bool

	// OmitAuthorizedScopesHeader leaves out X-OAuth-Scopes, what the token has.
	OmitAuthorizedScopesHeader bool

	// RefreshRotation is what becomes of a refresh token when it is used. The
	// zero value replaces it, and answers a retry.
	RefreshRotation RefreshRotation

	// RefreshRetryWindow is how long after a rotation the old refresh token
	// gets the same successor again: a client whose reply was lost asks again,
	// and so do two tabs at once. It is also how long a thief who is as fast
	// goes unseen. 0: a minute; a second is the least. It needs a model that is a
	// [GrantLog], and [RotateWithRetry].
	RefreshRetryWindow time.Duration

	// ClockSkew is by how much the clocks of the machines that serve one model
	// may differ. RefreshRetryWindow is longer by it for what another machine
	// did, and a grant that began on another machine less than that after
	// [RevokeUser] counts as begun before. 0: 5 seconds; negative: not at all,
	// as on one machine. At most a minute.
	ClockSkew time.Duration

	// InsecureEternalAccessTokens gives access tokens no end but that of their
	// grant: see MaxGrantLifetime. A stolen one works until it is revoked.
	// [Client.AccessTokenLifetime] still sets an end for the tokens of one
	// client. An API that only checks tokens needs the option too, as otherwise
	// a token without an expiry is one whose expiry was lost.
	InsecureEternalAccessTokens bool

	// InsecureAllowPlainPKCE accepts the challenge method "plain" (RFC 7636, section 7.2): who sees the authorization
	// request can redeem the code.
	InsecureAllowPlainPKCE bool

	// InsecureHTTPIssuer lets Issuer and Endpoints use http on any host, for
	// development in containers and on telephones. Clients then cannot tell
	// which server they talk to, and anybody on the network path can read
	// tokens and passwords.
	InsecureHTTPIssuer bool

	// InsecureAllowHTTPRedirects lets codes and tokens go to redirection URIs of http on hosts other than 127.0.0.1, [::1]
	// and localhost: whoever is on the way reads them (RFC 9700, section 2.6).
	InsecureAllowHTTPRedirects bool

	// InsecureApprovePublicClients lets [Server.Authorize] without a page give codes to public clients. Any program may
	// pose as one, and a signed-in user is not asked.
	InsecureApprovePublicClients bool

	// ErrorHandler writes the page for errors of the authorization endpoint
	// that cannot be told to the client. It answers with err.Status, and must
	// escape what it shows. err has no cause: that is in the log, beside
	// err.Reference, which a page shows so that people can quote it. Nil: a
	// plain page, or JSON when the request does not accept text/html.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err *Error)

	// MaxFormBytes bounds the body of a form, and the query of an authorization request. 0: 64 KiB.
	MaxFormBytes int64

	// Realm is that of challenges. "": "Service". Quotation mark and backslash are not allowed.
	Realm string

	// Logger gets a record for each refusal, with a stable "reason", and for each fault: see docs/reasons.md.
	// Nil: [slog.Default].
	Logger *slog.Logger
}

// Endpoints are the URLs of a server's endpoints, or paths on the host of [Options.Issuer] that begin with a slash, as the
// program mounted them. What is empty is not told to clients.
type Endpoints struct {
	Authorization string // Server.Authorize
	Token         string // Server.Token
	Revocation    string // Server.Revoke
	Introspection string // Server.Introspect
}

// RefreshRotation is what becomes of a refresh token when a client uses it.
type RefreshRotation int

const (
	// RotateWithRetry replaces the token (RFC 9700, section 4.14.2). Whoever uses
	// it again within [Options.RefreshRetryWindow] gets the same successor.
	RotateWithRetry RefreshRotation = iota

	// RotateStrictly takes every second use of a token for theft, a retry after
	// a lost reply too, and ends the grant. It needs a model that is a
	// [GrantLog].
	RotateStrictly

	// RotateNever lets confidential clients use a refresh token again and
	// again; they get no new one. Public clients are always given a new one
	// (RFC 9700, section 2.2.2).
	RotateNever
)

// ResourceOptions are the options of a [ResourceServer]. Each means what the option of
// the same name in [Options] does. The zero value is the safe one; nil is allowed.
type ResourceOptions struct {
	AllowBearerTokensInQueryString bool
	OmitAcceptedScopesHeader       bool
	OmitAuthorizedScopesHeader     bool
	InsecureEternalAccessTokens    bool
	MaxFormBytes                   int64
	Realm                          string
	Logger                         *slog.Logger
	OnEvent                        func(*http.Request, Event)
}

// forResources are the options of the part of a server that checks tokens.
func (o *Options) forResources() ResourceOptions {
	return ResourceOptions{
		AllowBearerTokensInQueryString: o.AllowBearerTokensInQueryString,
		OmitAcceptedScopesHeader:       o.OmitAcceptedScopesHeader,
		OmitAuthorizedScopesHeader:     o.OmitAuthorizedScopesHeader,
		InsecureEternalAccessTokens:    o.InsecureEternalAccessTokens,
		MaxFormBytes:                   o.MaxFormBytes,
		Realm:                          o.Realm,
		Logger:                         o.Logger,
		OnEvent:                        o.OnEvent,
	}
}

// withDefaults returns a copy with every default in its place, and what is wrong.
func (o *ResourceOptions) withDefaults() (options ResourceOptions, wrong []error) {
	if o != nil {
		options = *o
	}
	options.Realm = cmp.Or(options.Realm, "Service")
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if !grammar.IsNQSCHAR(options.Realm) {
		wrong = append(wrong, errors.New("option Realm: quotation mark, backslash or a character that is not printable ASCII"))
	}
	if options.MaxFormBytes < 0 || options.MaxFormBytes > 1<<30 {
		wrong = append(wrong, fmt.Errorf("option MaxFormBytes: %d is negative, or more than a gigabyte", options.MaxFormBytes))
	}
	options.MaxFormBytes = cmp.Or(options.MaxFormBytes, 64<<10)
	return options, wrong
}

var publicByDefault = []string{"authorization_code", "refresh_token", "implicit"}

// withDefaults returns a copy with every default in its place, and what is wrong.
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
			continue
		}
		if err := checkLifetime(*lifetime.value); err != nil {
			wrong = append(wrong, fmt.Errorf("option %s: %w", lifetime.name, err))
		}
		*lifetime.value = cmp.Or(*lifetime.value, lifetime.otherwise)
	}
	if options.InsecureEternalAccessTokens && o.AccessTokenLifetime != 0 {
		wrong = append(wrong, errors.New("options InsecureEternalAccessTokens and AccessTokenLifetime exclude each other"))
	}
	if options.AuthorizationCodeLifetime > maxCodeLifetime {
		wrong = append(wrong, fmt.Errorf("option AuthorizationCodeLifetime: %v is more than 30 days", options.AuthorizationCodeLifetime))
	}
	if options.ClockSkew > maxClockSkew {
		wrong = append(wrong, fmt.Errorf("option ClockSkew: %v is more than a minute", options.ClockSkew))
	}
	options.ClockSkew = max(cmp.Or(options.ClockSkew, 5*time.Second), 0)
	return options, wrong
}

// cutLifetimes returns what the program may not have meant: a lifetime that
// another one cuts, or outlives.
func (o *Options) cutLifetimes() (warnings []string) {
	longer := func(name string, lifetime time.Duration, end string, limit time.Duration, consequence string) {
		if limit > 0 && lifetime > limit {
			warnings = append(warnings, fmt.Sprintf("%s (%v) is longer than %s (%v): %s", name, lifetime, end, limit, consequence))
		}
	}
	const cut = "tokens end with their grant"
	if o.InsecureEternalAccessTokens {
		if o.MaxGrantLifetime > 0 {
			warnings = append(warnings, fmt.Sprintf("InsecureEternalAccessTokens and MaxGrantLifetime (%v): %s", o.MaxGrantLifetime, cut))
		}
	} else {
		longer("AccessTokenLifetime", o.AccessTokenLifetime, "MaxGrantLifetime", o.MaxGrantLifetime, cut)
		longer("AccessTokenLifetime", o.AccessTokenLifetime, "RefreshTokenLifetime", o.RefreshTokenLifetime,
			"a client that comes back when its access token has expired cannot refresh it")
	}
	longer("RefreshTokenLifetime", o.RefreshTokenLifetime, "MaxGrantLifetime", o.MaxGrantLifetime, cut)
	return warnings
}

// mistakes is the error of a program that is wrong.
func mistakes(wrong []error) error {
	if len(wrong) == 1 {
		return &Error{Code: InvalidArgument, Err: fmt.Errorf("oauth2server: %w", wrong[0])}
	}
	return &Error{Code: InvalidArgument, Err: fmt.Errorf("oauth2server: %d mistakes:%w", len(wrong), lines(wrong))}
}

// lines are errors, each in a line of its own.
type lines []error

func (l lines) Error() (text string) {
	for _, err := range l {
		text += "\n\t" + err.Error()
	}
	return text
}

func (l lines) Unwrap() []error { return l }
