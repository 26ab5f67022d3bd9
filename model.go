// This file is the contract between the server and the program's storage: the
// interfaces of a model, and the values that pass between them.

package oauth2server

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Model is the storage that every program supplies. The rest of the contract is
// in the optional interfaces below; [New] finds out which of them the model
// has. Method names and the order of arguments are those of node-oauth2-server.
//
// Methods are called concurrently. What they are given and what they return is
// not shared: changing a value must not change what is stored. Values must come
// back as they were saved, times to the millisecond. If the context is
// cancelled, a method returns its error, never [ErrNotFound].
type Model interface {
	// GetClient finds a client by its ID. A clientSecret that is not empty must
	// be the client's own: otherwise the result is [ErrNotFound]. With an empty
	// clientSecret the client is only looked up; the server never takes that
	// for an authentication. A cache must not answer a call that has a secret.
	GetClient(ctx context.Context, clientID, clientSecret string) (*Client, error)

	// SaveToken stores the access token and the refresh token, or the one of
	// them that is not empty, and returns what it stored: the client is sent
	// that. The result is for the same client and user, and grants no more. The
	// server always sets the access token; a program that imports data may save
	// a refresh token alone.
	SaveToken(ctx context.Context, token *Token, client *Client, user *User) (*Token, error)
}

// AccessTokenModel finds access tokens. Without it the server only issues them:
// [ResourceServer.Authenticate] answers server_error, and access tokens can be
// neither revoked nor introspected.
type AccessTokenModel interface {
	// GetAccessToken returns the token. The server checks the expiry; a model
	// may delete the token after it.
	GetAccessToken(ctx context.Context, accessToken string) (*Token, error)
}

// AccessTokenRevoker ends access tokens before they expire. The program calls
// it, for example when a user signs out, and so does [Server.Revoke] if the
// model is no [GrantLog]. Without both, access tokens live until they expire.
type AccessTokenRevoker interface {
	// RevokeAccessToken ends the token: GetAccessToken no longer finds it. It
	// returns [ErrNotFound] if there is no such token.
	RevokeAccessToken(ctx context.Context, accessToken string) error
}

// AuthorizationCodeModel is needed for the authorization code grant. Without it
// the grant is off.
type AuthorizationCodeModel interface {
	// SaveAuthorizationCode stores the code and returns what it stored; the
	// client is sent Code of the result.
	SaveAuthorizationCode(
		ctx context.Context, code *AuthorizationCode, client *Client, user *User,
	) (*AuthorizationCode, error)

	// GetAuthorizationCode returns the code. The server checks the expiry; a
	// model may delete the code after it.
	GetAuthorizationCode(ctx context.Context, code string) (*AuthorizationCode, error)

	// RevokeAuthorizationCode makes a code work only once: of any number of
	// concurrent callers, on any number of machines, at most one gets nil, and
	// exactly one if no call fails; the others get [ErrNotFound]. code.Code is
	// the string that the client presented, even if the model stores digests.
	RevokeAuthorizationCode(ctx context.Context, code *AuthorizationCode) error
}

// RefreshTokenModel is needed for the refresh token grant. Without it the grant
// is off and no refresh token is issued.
type RefreshTokenModel interface {
	// GetRefreshToken returns the token. The server checks the expiry; a model
	// may delete the token after it.
	GetRefreshToken(ctx context.Context, refreshToken string) (*Token, error)

	// RevokeToken ends the refresh token. As with RevokeAuthorizationCode, at
	// most one of all concurrent callers gets nil. token.RefreshToken is the
	// string that the client presented.
	RevokeToken(ctx context.Context, token *Token) error
}

// PasswordModel is needed for the password grant, and for [Server.Authorize]
// without a page. Without it neither can check a password.
type PasswordModel interface {
	// GetUser returns the user with this name and password, or [ErrNotFound].
	GetUser(ctx context.Context, username, password string, client *Client) (*User, error)
}

// ClientCredentialsModel is needed for the client credentials grant. Without it
// the grant is off.
type ClientCredentialsModel interface {
	// GetUserFromClient returns the user that the client acts as. No resource
	// owner should be able to have its ID: otherwise a client could be taken
	// for a person (RFC 9700, section 4.15).
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

// ScopeValidator narrows or refuses the scope that a client asks for. Without
// it the requested scope is granted unchanged, within [Client.Scope].
type ScopeValidator interface {
	// ValidateScope returns the scope to grant. An empty result, or
	// [ErrNotFound], refuses the request with invalid_scope. scope is empty if
	// the client asked for none: the result is then the default. user is never
	// nil. The result must be a subset of scope, unless that is empty, and of
	// client.Scope; the server checks both. It is called when a scope is
	// granted, when a code is redeemed, and at each refresh with the scope to
	// renew, so that a right that was taken away does not come back.
	ValidateScope(ctx context.Context, user *User, client *Client, scope Scope) (Scope, error)
}

// ScopeVerifier decides whether a token has the scope that a route requires.
// Without it the required scope must be a subset of the token's.
type ScopeVerifier interface {
	// VerifyScope reports whether token may be used where scope is required. It
	// is called only if scope is not empty.
	VerifyScope(ctx context.Context, token *Token, scope Scope) (bool, error)
}

// RedirectURIValidator replaces the comparison with [Client.RedirectURIs], for
// programs whose redirection URIs vary. Without it the comparison is exact. It
// is not called if the request names no redirection URI.
type RedirectURIValidator interface {
	// ValidateRedirectURI reports whether the client may be sent to
	// redirectURI. Schemes that run code, fragments and user information are
	// refused before.
	ValidateRedirectURI(ctx context.Context, redirectURI string, client *Client) (bool, error)
}

// AccessTokenGenerator makes access tokens. Without it, or when it returns "",
// they are 32 random bytes in base64url.
type AccessTokenGenerator interface {
	// GenerateAccessToken returns a token in the alphabet of RFC 6750, section
	// 2.1. It must be unguessable (128 bits or more, so at least 20 characters)
	// and new with each call.
	GenerateAccessToken(ctx context.Context, client *Client, user *User, scope Scope) (string, error)
}

// RefreshTokenGenerator makes refresh tokens. Without it, or when it returns
// "", they are 32 random bytes in base64url.
type RefreshTokenGenerator interface {
	// GenerateRefreshToken returns a token of printable ASCII characters, as
	// unguessable as an access token.
	GenerateRefreshToken(ctx context.Context, client *Client, user *User, scope Scope) (string, error)
}

// AuthorizationCodeGenerator makes codes. Without it, or when it returns "",
// they are 32 random bytes in base64url.
type AuthorizationCodeGenerator interface {
	// GenerateAuthorizationCode returns a code of printable ASCII characters,
	// as unguessable as an access token.
	GenerateAuthorizationCode(ctx context.Context, client *Client, user *User, scope Scope) (string, error)
}

// RecordModel keeps what extensions remember, such as which assertions were
// used. It is an optional interface of a model. A model that is a [GrantLog]
// does not need it: see [LogRecords].
type RecordModel interface {
	// SaveRecord stores a record under a key if there is none, and returns
	// [ErrExists] if there is one. It never replaces a record: of all
	// concurrent callers, on any number of machines, one gets nil. A record may
	// be deleted after expiresAt, which must be set, and may still count as
	// there. A key has 1 to 512 bytes of UTF-8, and a record 128 KiB at most.
	// All extensions share the keys: begin with the name of yours, and use the
	// [Digest] of what others choose, such as a jti. Records cannot be deleted:
	// to mark one as used, save a second one.
	SaveRecord(ctx context.Context, key string, record []byte, expiresAt time.Time) error

	// GetRecord returns a record. [ErrNotFound]: there is none, or it has
	// expired.
	GetRecord(ctx context.Context, key string) ([]byte, error)
}

// modelError is a constant error that a model may return.
type modelError string

func (e modelError) Error() string { return string(e) }

// ErrNotFound is what a model returns for everything that is not there: nothing
// found, a wrong secret, another client's secret, a wrong password, already
// revoked. It may be wrapped with %w. A nil value with a nil error means the
// same. An [Error] or [ErrorCode] chooses what the client is told, within what
// the endpoint may send. Any other error is a fault: the client is told
// server_error (503) and may retry, and the cause goes to the log.
const ErrNotFound = modelError("oauth2server: not found")

// ErrExists is what [GrantLog.AppendGrant] returns if there already is an entry
// at that place.
const ErrExists = modelError("oauth2server: exists already")

// Client is an application that asks for tokens on behalf of a resource owner
// or of itself (RFC 6749, section 2). A model returns a fresh value for each
// call. The server does not change it.
type Client struct {
	// ID is the client identifier. It is not a secret.
	ID string

	// RedirectURIs are the registered redirection URIs. A request's URI must
	// equal one of them byte by byte (RFC 9700, section 4.1.3); only the port
	// of an http loopback URI may differ (RFC 8252, section 7.3). See
	// [CheckRedirectURI].
	RedirectURIs []string

	// Grants are the grant types that the client may use: "authorization_code",
	// "refresh_token", "password", "client_credentials", "implicit" or the name
	// of an extension grant. Empty: the client may use no grant.
	Grants []string

	// Scope is a limit: the most that the client may ask for. It is not a
	// default for requests without a scope. Empty: no limit.
	Scope Scope

	// Public marks a client without a secret: an app in a browser or on a
	// user's device (RFC 6749, section 2.1). A public client must use PKCE with
	// S256, may use only [Options.PublicClientGrants], and gets a code only
	// from a page, unless [Options.InsecureApprovePublicClients] is set. Its
	// refresh tokens are always rotated. The zero value is a confidential
	// client, which must authenticate.
	Public bool

	// AuthMethod is how the client authenticates, if not by a secret: the
	// method of a [ClientAuthenticator]. Such a client is never let in by a
	// secret or as a public client, so Public is false. Empty: by its secret,
	// or not at all if Public is true.
	AuthMethod string

	// AccessTokenLifetime takes precedence over the server's. 0: the server's.
	AccessTokenLifetime time.Duration

	// RefreshTokenLifetime takes precedence over the server's. 0: the server's.
	RefreshTokenLifetime time.Duration

	// Name is what people call the client, for the page. What a client says of
	// itself is no proof: see SelfAsserted. Empty: it has no name.
	Name string

	// URI is the https address of a page about the client. Empty: there is none.
	URI string

	// SelfAsserted marks a client that nobody vouches for: it registered itself
	// (RFC 7591), or its ID is the address of a document that says what it is.
	// It gets tokens for one of [Options.Resources] and for nothing else, by
	// the authorization code grant and refresh tokens. It must use PKCE with
	// S256, with a secret too, and its owner is asked each time. Its Scope is no
	// limit. The server takes every client for one whose ID begins with "dcr.",
	// and every client of a [ClientFinder] whose ID begins with "https://",
	// whatever the field says.
	SelfAsserted bool

	// Data is the application's own record. The server neither reads nor sends
	// it.
	Data any
}

func (c *Client) id() string {
	if c == nil {
		return ""
	}
	return c.ID
}

// mustProveCode reports whether the client must use PKCE: no secret proves that a
// code is its own.
func (c *Client) mustProveCode() bool { return c.Public || c.SelfAsserted }

// allows reports whether the client may ask for all of scope.
func (c *Client) allows(scope Scope) bool {
	return len(c.Scope) == 0 || c.Scope.Contains(scope...)
}

// narrow returns the part of scope that the client may have.
func (c *Client) narrow(scope Scope) Scope {
	if len(c.Scope) == 0 {
		return scope
	}
	return scope.within(c.Scope)
}

// User is a resource owner (RFC 6749, section 1.1). The server reads nothing
// but ID.
type User struct {
	// ID names the user for good: codes and tokens carry it. It must not be
	// empty.
	ID string

	// Data is the application's own record. The server neither reads nor sends
	// it, and models do not store it with a token: a handler that needs it
	// looks the user up by ID.
	Data any
}

func (u *User) id() string {
	if u == nil {
		return ""
	}
	return u.ID
}

// known reports whether the model returned a user.
func (u *User) known() bool { return u != nil && u.ID != "" }

// Token is an access token, and the refresh token issued with it.
// [Model.SaveToken] stores it. Of the client and the user of a stored token the
// server reads only the ID, so a model need not load the rest. A Token prints
// and logs without the token strings; its JSON form contains the access token.
type Token struct {
	// AccessToken is the bearer token (RFC 6750). It is empty in what
	// [RefreshTokenModel.GetRefreshToken] returns from a model that stores
	// digests.
	AccessToken string

	// AccessTokenExpiresAt is in UTC, to the millisecond. Zero is a broken
	// record: the token is refused as a server_error. With
	// [Options.InsecureEternalAccessTokens], zero means never.
	AccessTokenExpiresAt time.Time

	// RefreshToken is empty when none was issued.
	RefreshToken string

	// RefreshTokenExpiresAt is in UTC, to the millisecond. Zero: never.
	RefreshTokenExpiresAt time.Time

	// Scope is that of the access token.
	Scope Scope

	// Client is the client that the token was issued to. It may be nil only
	// where a resource server alone reads the token.
	Client *Client

	// User is the user that the bearer acts for. It is never nil, and its ID is
	// never empty.
	User *User

	// GrantID names one authorization by one owner. Every code and token that
	// comes from it has the same GrantID. It is empty for tokens that no owner
	// authorized, as in the client credentials grant.
	GrantID string

	// GrantSeq is the place in the grant's log of the entry that made the
	// refresh token. 0: there is no log, or no refresh token.
	GrantSeq int

	// GrantScope is what the owner authorized. A refresh may narrow Scope; the
	// next refresh may ask for all of GrantScope again (RFC 6749, section 6).
	// Empty: the same as Scope.
	GrantScope Scope

	// GrantExpiresAt is when the grant ends, no matter how often it is
	// refreshed; see [Options.MaxGrantLifetime]. Zero: never.
	GrantExpiresAt time.Time

	// GrantPace bounds how often the grant is refreshed: it is
	// [GrantEntry.Pace] of the entry at GrantSeq. Zero: the grant was not
	// refreshed yet.
	GrantPace time.Time

	// Extra holds the program's own attributes, set by [GrantRequest.Issue] or
	// by a model. They are sent to the client only with
	// [Options.AllowExtendedTokenAttributes], and never replace a standard
	// member.
	//
	// A value is nil, a bool, a string of UTF-8, an integer, a finite float, a
	// time.Time of the years 0 to 9999, a []byte, or a slice, or a map with
	// strings as keys, of such values. Every model returns it exactly, in one
	// form: integers are int64, or uint64 when larger; floats are float64;
	// times are in UTC, to the nanosecond; slices other than []byte are []any,
	// maps are map[string]any, and inside Extra neither is nil. A json.Number
	// is an integer if it is written as one, and a float64 otherwise. An empty
	// Extra is nil. The server passes this form to models.
	//
	// Anything else is a mistake of the program: structs, pointers, types with
	// a JSON form of their own, maps and slices nested more than 32 deep, or
	// more than 64 KiB in all (names and strings count their bytes, and each
	// value 8 more). It is refused before anything is stored, and the error has
	// its path, such as Extra["a"][3].
	Extra map[string]any

	// Resource is the part of the program that the token is for: the URL of one
	// of [Options.Resources]. Empty: all that is no such resource.
	Resource string

	// Details are what extensions and the program keep with the authorization.
	// Nil: nothing.
	Details *Details

	answer  map[string]any // members for the answer of the token endpoint; not stored
	unknown map[string]json.RawMessage
}

// Answer adds a member to the answer to the token request. It is not stored
// with the token. Members that RFC 6749 defines are left out of the answer.
func (t *Token) Answer(name string, value any) {
	if t.answer == nil {
		t.answer = map[string]any{}
	}
	t.answer[name] = value
}

// shown returns a copy for an extension, so that it cannot change what is
// stored, or what is answered.
func (t *Token) shown() *Token {
	own := *t
	own.Scope, own.GrantScope = slices.Clone(t.Scope), slices.Clone(t.GrantScope)
	own.Extra, own.Details, own.answer = maps.Clone(t.Extra), t.Details.Clone(), nil
	if t.Client != nil {
		client := *t.Client
		own.Client = &client
	}
	if t.User != nil {
		user := *t.User
		own.User = &user
	}
	return &own
}

// granted returns what the owner authorized.
func (t *Token) granted() Scope {
	if len(t.GrantScope) == 0 {
		return t.Scope
	}
	return t.GrantScope
}

// AuthorizationCode is a code and what the resource owner authorized with it
// (RFC 6749, section 4.1.2). Of the client and the user of a stored code the
// server reads only the ID. An AuthorizationCode prints and logs without the
// code.
type AuthorizationCode struct {
	// Code is the string that the client presents.
	Code string

	// ExpiresAt is in UTC, to the millisecond. Zero is a broken record: the
	// code is refused as a server_error.
	ExpiresAt time.Time

	// RedirectURI is that of the authorization request; empty if it named none.
	// If it is set, the token request must repeat it byte by byte (RFC 6749,
	// section 4.1.3).
	RedirectURI string

	// Scope is what the owner granted.
	Scope Scope

	// Client is the client that the code was given to. It is never nil.
	Client *Client

	// User is the owner. It is never nil, and its ID is never empty.
	User *User

	// CodeChallenge is the PKCE challenge (RFC 7636). Empty: the request had
	// none.
	CodeChallenge string

	// CodeChallengeMethod is "S256" or "plain" if there is a CodeChallenge. An
	// empty one is a fault of the model, unless
	// [Options.InsecureAllowPlainPKCE] is set: then it counts as plain (RFC
	// 7636, section 4.3).
	CodeChallengeMethod string

	// GrantID is that of the tokens that the code gives; see [Token.GrantID].
	GrantID string

	// Resource is that of the tokens; see [Token.Resource].
	Resource string

	// Details are those of the tokens; see [Token.Details]. If they have a
	// Confirmation, the code can only be redeemed with that key.
	Details *Details

	unknown map[string]json.RawMessage
}
