package oauth2server

import (
	"context"
	"encoding/json"
	"time"
)

// Client is an application that asks for tokens on behalf of a resource owner or of itself (RFC 6749, section 2).
// A model returns a fresh value for each call; the server does not change it.
type Client struct {
	// ID is the client identifier. It is no secret.
	ID string

	// RedirectURIs are the registered redirection URIs. A request is compared with them byte by byte (RFC 9700, section
	// 4.1.3); only the port of a loopback URI of http may differ (RFC 8252, section 7.3). See [CheckRedirectURI].
	RedirectURIs []string

	// Grants are the grant types that the client may use: "authorization_code", "refresh_token", "password",
	// "client_credentials", "implicit" or the name of an extension grant. None: it may use none.
	Grants []string

	// Scope is the most that the client may ask for, and no default for what it does not. Empty: no limit of its own.
	Scope Scope

	// Public says that the client has no secret: an app in a browser or on somebody's device (RFC 6749, section 2.1).
	// A public client must use PKCE with S256, never gets a code without a page, may use only
	// [Options.PublicClientGrants], and its refresh tokens are always rotated.
	// The zero value is a confidential client: it must authenticate.
	Public bool

	// AccessTokenLifetime takes precedence over the server's. 0: the server's.
	AccessTokenLifetime time.Duration

	// RefreshTokenLifetime takes precedence over the server's. 0: the server's.
	RefreshTokenLifetime time.Duration

	// Data is the application's own record. The server neither reads nor sends it.
	Data any
}

func (c *Client) id() string {
	if c == nil {
		return ""
	}
	return c.ID
}

// allows says whether the client may ask for scope at all.
func (c *Client) allows(scope Scope) bool {
	return len(c.Scope) == 0 || c.Scope.Contains(scope...)
}

// narrow returns what of scope the client may have.
func (c *Client) narrow(scope Scope) Scope {
	if len(c.Scope) == 0 {
		return scope
	}
	return scope.within(c.Scope)
}

// User is a resource owner (RFC 6749, section 1.1). The server reads nothing but ID.
type User struct {
	// ID names the user for good: it is what codes and tokens carry. Empty: not a user.
	ID string

	// Data is the application's own record. The server neither reads nor sends it, and what a model stores of a token
	// leaves it out: a handler that wants it looks the user up by ID.
	Data any
}

func (u *User) id() string {
	if u == nil {
		return ""
	}
	return u.ID
}

// known says whether the model named somebody.
func (u *User) known() bool { return u != nil && u.ID != "" }

// Token is an access token, and the refresh token issued with it. It is what [Model.SaveToken] stores.
// Of a stored token the server reads Client.ID and User.ID only, so a model need not join.
// It prints and logs without its tokens; its JSON form contains the access token.
type Token struct {
	// AccessToken is the bearer token (RFC 6750). Empty in what [RefreshTokenModel.GetRefreshToken] returns
	// from a model that stores digests.
	AccessToken string

	// AccessTokenExpiresAt is in UTC, to the millisecond. Zero is a broken
	// record: the token is refused as a server_error, unless
	// [Options.InsecureEternalAccessTokens] has it mean never.
	AccessTokenExpiresAt time.Time

	// RefreshToken is empty when none was issued.
	RefreshToken string

	// RefreshTokenExpiresAt is in UTC, to the millisecond. Zero: never.
	RefreshTokenExpiresAt time.Time

	// Scope is that of the access token.
	Scope Scope

	// Client is whom the token was issued to. Not nil, but for tokens that only a resource server sees.
	Client *Client

	// User is who the bearer acts for. Never nil, its ID never empty.
	User *User

	// GrantID names one authorization by one owner: every code and token that descends from it carries it.
	// Empty for tokens that no owner authorized, as in the client credentials grant.
	GrantID string

	// GrantSeq is the place, in the log of the grant, of the entry that made the refresh token. 0: there is no log.
	GrantSeq int

	// GrantScope is what the owner authorized. A refresh may narrow Scope; the next refresh may ask for all of
	// GrantScope again (RFC 6749, section 6). Empty: the same as Scope.
	GrantScope Scope

	// GrantExpiresAt is when the grant ends, however often it is refreshed; see [Options.MaxGrantLifetime]. Zero: never.
	GrantExpiresAt time.Time

	// GrantPace bounds how often the grant is refreshed: see [GrantEntry.Pace]
	// of the entry at GrantSeq. Zero: it was not refreshed yet.
	GrantPace time.Time

	// Extra has attributes of the program's own, set by [GrantRequest.Issue] or
	// by a model. They are sent to the client only with
	// [Options.AllowExtendedTokenAttributes], and never in place of a standard one.
	//
	// A value is nil, a bool, a string of UTF-8, an integer, a finite float, a
	// time.Time of the years 0 to 9999, a []byte, or a slice, or a map with
	// strings as keys, of such values. Every model gives it back exactly, in
	// the one form that it has: integers are int64, or uint64 when larger;
	// floats are float64; times are in UTC, to the nanosecond; slices other
	// than []byte are []any, maps are map[string]any, and inside Extra neither
	// is nil. A json.Number is an integer if it is written as one, and a
	// float64 otherwise. An empty Extra is nil. The server gives models that
	// form.
	//
	// Anything else is a mistake of the program: structs, pointers, types with
	// a JSON form of their own, more than 32 maps and slices inside each other,
	// more than 64 KiB in all (names and strings count their bytes, and each
	// value 8 more). It is refused before anything is stored, and the error has
	// its path, as in Extra["a"][3].
	Extra map[string]any

	unknown map[string]json.RawMessage
}

// granted is what the owner authorized.
func (t *Token) granted() Scope {
	if len(t.GrantScope) == 0 {
		return t.Scope
	}
	return t.GrantScope
}

// AuthorizationCode is a code and what the resource owner authorized with it (RFC 6749, section 4.1.2).
// Of a stored code the server reads Client.ID and User.ID only. Its String and log value do not show the code.
type AuthorizationCode struct {
	// Code is the string that the client presents.
	Code string

	// ExpiresAt is in UTC, to the millisecond. Zero is a broken record: the code is refused as a server_error.
	ExpiresAt time.Time

	// RedirectURI is that of the authorization request; empty when it named none. What is here must be repeated
	// byte by byte at the token endpoint (RFC 6749, section 4.1.3).
	RedirectURI string

	// Scope is what the owner granted.
	Scope Scope

	// Client is whom the code was given to. Never nil.
	Client *Client

	// User is the owner. Never nil, its ID never empty.
	User *User

	// CodeChallenge is that of PKCE (RFC 7636). Empty: the request had none.
	CodeChallenge string

	// CodeChallengeMethod is "S256" or "plain" if there is a CodeChallenge. A
	// missing one is a fault of the model, unless plain is allowed: then it
	// counts as plain (RFC 7636, section 4.3).
	CodeChallengeMethod string

	// GrantID is that of the tokens to come; see [Token.GrantID].
	GrantID string

	unknown map[string]json.RawMessage
}

// modelError is a constant error that a model may answer with.
type modelError string

func (e modelError) Error() string { return string(e) }

// ErrNotFound is what a model returns when there is no such thing: nothing found, a wrong secret, another client's
// secret, a wrong password, already revoked. It may be wrapped with %w. A nil value with a nil error means the same.
// Any other error is a fault: the client is told server_error (503) and may retry, the cause goes to the log.
// An [Error] or [ErrorCode] chooses what the client is told, within what the endpoint may send.
const ErrNotFound = modelError("oauth2server: not found")

// ErrExists is what [GrantLog.AppendGrant] returns when there is an entry at that place already.
const ErrExists = modelError("oauth2server: exists already")

// Model is what every program supplies. The rest of the contract is in the optional interfaces below; [New] finds out
// which of them the model has. Method names and the order of arguments are those of node-oauth2-server.
//
// Methods are called concurrently. What they are given and what they return belongs to nobody else: changing a value
// must not change what is stored. Values must come back as they were saved, times to the millisecond.
// A cancelled context must be reported as such, never as [ErrNotFound].
type Model interface {
	// GetClient finds a client by its id. A secret that is not empty must be the client's own: anything else is
	// [ErrNotFound]. An empty secret only looks the client up; the server never takes that for an authentication.
	// A cache must not answer a call that carries a secret.
	GetClient(ctx context.Context, clientID, clientSecret string) (*Client, error)

	// SaveToken stores the access token and the refresh token, or the one of
	// them that is not empty, and returns what it stored: the answer to the
	// client is made from that. The result is for the same client and user, and
	// grants no more. The server always sets the access token; a program that
	// fills a storage may have refresh tokens alone.
	SaveToken(ctx context.Context, token *Token, client *Client, user *User) (*Token, error)
}

// AccessTokenModel finds access tokens. Without it Authenticate answers server_error and access tokens can be neither
// revoked nor introspected: the server only issues.
type AccessTokenModel interface {
	// GetAccessToken returns the token. The server looks at the expiry; after it the token may be gone.
	GetAccessToken(ctx context.Context, accessToken string) (*Token, error)
}

// AccessTokenRevoker ends access tokens before their time. The program calls it, say when a user signs out, and so does
// [Server.Revoke] where there is no [GrantLog]. Without both, access tokens live until they expire.
type AccessTokenRevoker interface {
	// RevokeAccessToken ends the token: GetAccessToken no longer finds it. [ErrNotFound] when there is no such token.
	RevokeAccessToken(ctx context.Context, accessToken string) error
}

// AuthorizationCodeModel is needed for the authorization code grant. Without it the grant is off.
type AuthorizationCodeModel interface {
	// SaveAuthorizationCode stores the code and returns what it stored; Code of the result goes to the client.
	SaveAuthorizationCode(ctx context.Context, code *AuthorizationCode, client *Client, user *User) (*AuthorizationCode, error)

	// GetAuthorizationCode returns the code. The server looks at the expiry; after it the code may be gone.
	GetAuthorizationCode(ctx context.Context, code string) (*AuthorizationCode, error)

	// RevokeAuthorizationCode is the single-use gate: of any number of concurrent callers, on any number of
	// machines, at most one gets nil, and exactly one when no call fails; the others get [ErrNotFound].
	// code.Code is the string that the client presented, also when the model stores digests.
	RevokeAuthorizationCode(ctx context.Context, code *AuthorizationCode) error
}

// RefreshTokenModel is needed for the refresh token grant. Without it the grant is off and no refresh token is issued.
type RefreshTokenModel interface {
	// GetRefreshToken returns the token. The server looks at the expiry; after it the token may be gone.
	GetRefreshToken(ctx context.Context, refreshToken string) (*Token, error)

	// RevokeToken ends the refresh token. It is a single-use gate as RevokeAuthorizationCode is;
	// token.RefreshToken is the string that the client presented.
	RevokeToken(ctx context.Context, token *Token) error
}

// PasswordModel is needed for the password grant, and for signing in at [Server.Authorize] without a page.
// Without it neither works.
type PasswordModel interface {
	// GetUser returns the user whose name and password these are.
	GetUser(ctx context.Context, username, password string, client *Client) (*User, error)
}

// ClientCredentialsModel is needed for the client credentials grant. Without it the grant is off.
type ClientCredentialsModel interface {
	// GetUserFromClient returns the user that the client acts as. Its ID should not be one that a resource owner
	// could have, lest a client be taken for a person (RFC 9700, section 4.15).
	GetUserFromClient(ctx context.Context, client *Client) (*User, error)
}

// UserChecker reports whether a user may still act, for example whether their
// account is still open. It is called when a code is redeemed and when a token
// is refreshed. Without it, tokens go on until they expire or [RevokeUser] is
// called.
type UserChecker interface {
	// CheckUser returns nil if client may act for user. [ErrNotFound] ends the
	// grant; any other error is a fault, and changes nothing. Only the ID of
	// user is set.
	CheckUser(ctx context.Context, user *User, client *Client) error
}

// ScopeValidator narrows or refuses the scope that a client asks for. Without it the requested scope is granted
// unchanged, within [Client.Scope].
type ScopeValidator interface {
	// ValidateScope returns the scope to grant; empty, or [ErrNotFound],
	// refuses with invalid_scope. scope is empty when the client named none:
	// the result is then the default. user is never nil. The result must lie
	// within scope, unless that is empty, and within client.Scope; the server
	// checks. It is asked when a scope is granted, when a code is redeemed, and
	// at each refresh for what was granted: a right that was taken away does
	// not come back.
	ValidateScope(ctx context.Context, user *User, client *Client, scope Scope) (Scope, error)
}

// ScopeVerifier decides whether a token is good for what a route requires. Without it the required scope must be a
// subset of the token's.
type ScopeVerifier interface {
	// VerifyScope says whether token may be used where scope is required. It is called only when a scope is.
	VerifyScope(ctx context.Context, token *Token, scope Scope) (bool, error)
}

// RedirectURIValidator replaces the comparison with [Client.RedirectURIs] for programs whose redirection URIs vary.
// Without it the comparison is exact. It is not asked when the request names no redirection URI.
type RedirectURIValidator interface {
	// ValidateRedirectURI says whether the client may be sent to redirectURI. Schemes that run code, fragments and
	// user information were refused before.
	ValidateRedirectURI(ctx context.Context, redirectURI string, client *Client) (bool, error)
}

// AccessTokenGenerator makes access tokens. Without it, or when it returns "", they are 32 random bytes in base64url.
type AccessTokenGenerator interface {
	// GenerateAccessToken returns a token of the alphabet of RFC 6750, section 2.1, that nobody can guess (128 bits
	// or more, so at least 20 characters) and that was never returned before.
	GenerateAccessToken(ctx context.Context, client *Client, user *User, scope Scope) (string, error)
}

// RefreshTokenGenerator makes refresh tokens. Without it, or when it returns "", they are 32 random bytes in base64url.
type RefreshTokenGenerator interface {
	// GenerateRefreshToken returns a token of printable ASCII characters, as unguessable as an access token.
	GenerateRefreshToken(ctx context.Context, client *Client, user *User, scope Scope) (string, error)
}

// AuthorizationCodeGenerator makes codes. Without it, or when it returns "", they are 32 random bytes in base64url.
type AuthorizationCodeGenerator interface {
	// GenerateAuthorizationCode returns a code of printable ASCII characters, as unguessable as an access token.
	GenerateAuthorizationCode(ctx context.Context, client *Client, user *User, scope Scope) (string, error)
}
