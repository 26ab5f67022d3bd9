// This file is what an extension can be: the interfaces that New looks for on
// the values in Options.Extensions.

package oauth2server

import (
	"context"
	"net/http"
	"net/url"
)

// Extension is a part of a server that is not in the root package: an endpoint,
// a grant, a token format, a way to authenticate. [New] finds out which of the
// interfaces below it has, as it does with a model. docs/extensions.md shows
// when each is asked.
//
// An extension can refuse a request and can add to an answer. It cannot make
// the server skip a check, and it cannot replace what the server itself says.
// Its methods are called concurrently. An [Error] or [ErrorCode] that it
// returns is told to the client, as far as the endpoint may send it; any other
// error is a server_error, with the cause in the log.
type Extension interface {
	// ExtensionName names the extension in errors and in the log, and is its
	// key in [Details.Extensions]: letters, digits, '-' and '_'. It is always
	// the same.
	ExtensionName() string
}

// GrantExtender adds grant types, as [Options.ExtensionGrants] does.
type GrantExtender interface {
	Extension

	// Grants returns the grants by grant type. It is called once.
	Grants() map[string]GrantFunc
}

// ClientAuthenticator authenticates clients by something else than a secret,
// such as a signed assertion (RFC 7521, section 4.2) or a certificate (RFC
// 8705). It is only asked to prove clients whose [Client.AuthMethod] is its
// own. Such a client is never let in by a secret, nor as a public client.
type ClientAuthenticator interface {
	Extension

	// AuthMethod is the name of the method, as in metadata (RFC 8414, section
	// 2). It is always the same.
	AuthMethod() string

	// ClaimedClient returns the client that the request says it is from, by
	// this method; empty if the request does not use it. It proves nothing.
	// [ErrNotFound] means that the claim is malformed.
	ClaimedClient(request *ClientRequest) (clientID string, err error)

	// ProveClient returns nil if the request is from client. [ErrNotFound]
	// means that it is not. It is called once for a request, under
	// [Options.LimitAttempts], so it may use up what proves the client. It is
	// also asked if a request names the client by client_id alone, as the
	// connection may prove it: then there is no assertion.
	ProveClient(ctx context.Context, request *ClientRequest, client *Client) error
}

// ClientFinder finds clients that are in no model, for example those whose ID is
// the address of a document. It is asked about IDs that the model does not
// have.
type ClientFinder interface {
	Extension

	// FindClient is like [Model.GetClient]: a clientSecret that is not empty
	// must be the client's own, and [ErrNotFound] means that there is no such
	// client.
	FindClient(ctx context.Context, clientID, clientSecret string) (*Client, error)
}

// TokenBinder binds access tokens to a key of the client, so that a stolen
// token is of no use (RFC 9449, RFC 8705). A resource server needs it too: a
// token with a [Details.Confirmation] that nobody there can check is refused.
type TokenBinder interface {
	Extension

	// TokenType is the token_type of tokens that are bound, and the scheme by
	// which they are presented: "DPoP", or "Bearer" if the key is in the
	// connection. It is always the same.
	TokenType() string

	// Confirms is the member of [Details.Confirmation] that the binder sets and
	// checks. It is always the same.
	Confirms() string

	// BindToken returns the value of that member for the tokens that a request
	// asks for; empty if the request asks for no binding.
	BindToken(r *http.Request) (string, error)

	// VerifyToken returns nil if the request that presents token has its key.
	// [ErrNotFound] means that it has not. token.AccessToken is what was
	// presented.
	VerifyToken(r *http.Request, token *Token) error

	// Challenge returns the parameters of the scheme for WWW-Authenticate, such
	// as `algs="ES256"`; empty if there are none. It is always the same.
	Challenge() string
}

// RequestResolver finds the parameters of an authorization request elsewhere
// than in its URL (RFC 9126, RFC 9101).
type RequestResolver interface {
	Extension

	// RequestParameters are the parameters that it reads. They must not repeat.
	RequestParameters() []string

	// ResolveRequest returns what takes the place of all parameters that were
	// sent; nil if the request is of another kind. client was named by the
	// request and has proven nothing, and sent returns a parameter of the
	// request. It is called each time that the page is shown or posted. So a request
	// must outlive the page, and Spend ends it. [ErrNotFound] means that there
	// is no such request; the browser gets an error page.
	ResolveRequest(
		ctx context.Context, client *Client, sent func(name string) string,
	) (*ResolvedRequest, error)
}

// ResolvedRequest is an authorization request that was found elsewhere.
type ResolvedRequest struct {
	// Parameters take the place of those that were sent. A client_id must be
	// that of the request.
	Parameters url.Values

	// Spend is called when the owner has decided, before the answer leaves. An
	// error refuses the request; [ErrNotFound] means that it was answered
	// before. After a server_error it is not called, as the owner may try
	// again. Nil: the request can be used again.
	Spend func(ctx context.Context) error
}

// AuthorizationExtender reads further parameters of authorization requests.
type AuthorizationExtender interface {
	Extension

	// AuthorizationParameters are the parameters that it reads. They must not
	// repeat, and are among [AuthorizationRequest.Parameters].
	AuthorizationParameters() []string

	// CheckAuthorization refuses a request by an error, before anybody is
	// asked. The client is told an [Error] or [ErrorCode] by redirect, and
	// [ErrNotFound] as invalid_request. It is called each time that the page is
	// shown or posted.
	CheckAuthorization(ctx context.Context, request *AuthorizationRequest) error

	// ApproveAuthorization adds to details what is to be kept with the code and
	// its tokens, or refuses the request by an error. approval.Scope is what is
	// granted. What the page or other extensions put into details must stay;
	// Online may become true.
	ApproveAuthorization(
		ctx context.Context, request *AuthorizationRequest, approval *Approval, details *Details,
	) error
}

// ResponseMode sends authorization responses in another way than in the query
// or the fragment, such as by a form (OAuth 2.0 Form Post Response Mode).
type ResponseMode interface {
	Extension

	// ResponseModes are the values of response_mode that it answers. They are
	// always the same.
	ResponseModes() []string

	// Respond sends parameters to a redirection URI, which was proven to be the
	// client's. The headers that keep the answer out of caches are set already.
	Respond(w http.ResponseWriter, r *http.Request, response *AuthorizationResponse)
}

// AuthorizationResponse is an answer to an authorization request.
type AuthorizationResponse struct {
	// Client is the client that asked.
	Client *Client

	// RedirectURI is where the answer goes.
	RedirectURI string

	// Mode is the response_mode.
	Mode string

	// Parameters are the answer, with state and iss. There may be a code or an
	// access token among them.
	Parameters url.Values
}

// TokenFormatter makes access tokens that carry claims of their own, such as
// JSON Web Tokens (RFC 9068). A server has one at most.
type TokenFormatter interface {
	Extension

	// FormatToken returns the access token for what token has: all but the
	// token strings. The result is in the alphabet of RFC 6750, section 2.1, as
	// unguessable as 20 random characters, and new with each call. Empty: the
	// server, or the model, makes the token.
	FormatToken(ctx context.Context, client *Client, token *Token) (string, error)
}

// TokenExtender adds members to the answers of the token endpoint.
type TokenExtender interface {
	Extension

	// ExtendToken returns the members. The token is saved, but not given out
	// yet. After an error the client may try again: if the model is a
	// [GrantLog], the code or refresh token that it used still works. Members
	// that RFC 6749 defines are left out, and two extensions must not return the
	// same one. It is also called for a token of the implicit grant, whose
	// answer has no such members.
	ExtendToken(ctx context.Context, client *Client, token *Token) (map[string]any, error)
}

// IntrospectionExtender adds members to the answer about an active access
// token.
type IntrospectionExtender interface {
	Extension

	// ExtendIntrospection returns the members. Those that the server itself
	// answers are left out.
	ExtendIntrospection(ctx context.Context, caller *Client, token *Token) (map[string]any, error)
}

// ScopeExtender has scopes of its own, such as openid. They are granted beside
// those of a [Resource], which may not know them.
type ScopeExtender interface {
	Extension

	// Scopes are the scope tokens. They are always the same.
	Scopes() Scope
}

// EndpointExtender has endpoints that [Server.Mount] mounts.
type EndpointExtender interface {
	Extension

	// Endpoints returns the handlers by where they belong: a path, or a URL on
	// the host of the issuer. It is called by Mount, after Attach. An endpoint
	// that scripts of other origins may call has [Server.AllowOrigins] around
	// it.
	Endpoints() map[string]http.Handler
}

// MetadataExtender adds members to the metadata.
type MetadataExtender interface {
	Extension

	// ExtendMetadata adds to members, which has the JSON form of what the
	// server tells. Lists may get further elements. Nothing may be replaced or
	// removed: that is a mistake which [New] lists. It is called by New, and by
	// [Server.Metadata].
	ExtendMetadata(members map[string]any)
}

// ClientRequest is a request that a client sends by itself: to the token
// endpoint, or to one of an extension.
type ClientRequest struct {
	// Client is the client that sent the request; nil until it is known. Of a
	// public client nothing is proven.
	Client *Client

	// HTTP is the request. The server has read its body, which can be read
	// again, once.
	HTTP *http.Request

	form *form
}

// Param returns a parameter of the body; empty if it is absent, empty or
// repeated.
func (c *ClientRequest) Param(name string) string { return c.form.get(name) }

// Params returns all values of a parameter that may repeat.
func (c *ClientRequest) Params(name string) []string { return c.form.body.values(name) }

// Form returns the parameters of the body, without those by which the client
// authenticated (client_secret, client_assertion and its type). The caller may
// change it.
func (c *ClientRequest) Form() url.Values {
	values := c.form.body.byName()
	for _, name := range append([]string{"client_secret"}, assertionParameters...) {
		delete(values, name)
	}
	return values
}

// extensions are the interfaces that the extensions of a server have, in their
// order.
type extensions struct {
	grants         []GrantExtender
	authenticators []ClientAuthenticator
	finders        []ClientFinder
	binders        []TokenBinder
	resolvers      []RequestResolver
	authorization  []AuthorizationExtender
	modes          []ResponseMode
	formatters     []TokenFormatter
	tokens         []TokenExtender
	introspection  []IntrospectionExtender
	metadata       []MetadataExtender
	scopes         []ScopeExtender
	endpoints      []EndpointExtender
}

// sortExtensions finds out which interfaces the extensions have.
func sortExtensions(all []Extension) (found extensions) {
	for _, e := range all {
		addIf(&found.grants, e)
		addIf(&found.authenticators, e)
		addIf(&found.finders, e)
		addIf(&found.binders, e)
		addIf(&found.resolvers, e)
		addIf(&found.authorization, e)
		addIf(&found.modes, e)
		addIf(&found.formatters, e)
		addIf(&found.tokens, e)
		addIf(&found.introspection, e)
		addIf(&found.metadata, e)
		addIf(&found.scopes, e)
		addIf(&found.endpoints, e)
	}
	return found
}

func addIf[T any](to *[]T, e Extension) {
	if found, ok := e.(T); ok {
		*to = append(*to, found)
	}
}

// refusedBy turns what a method of an extension returned into what the client
// is told; see [modelFailure].
func refusedBy(e Extension, method string, err error, notFound *Error) *Error {
	refused := modelFailure("extension "+e.ExtensionName()+": "+method, err, notFound)
	if refused.reason != "model_fault" {
		return refused
	}
	return &Error{Code: ServerError, Err: refused.Err, reason: "extension_fault"}
}

// lapse returns a server_error that an extension caused by breaking its
// contract.
func lapse(e Extension, format string, args ...any) *Error {
	args = append([]any{e.ExtensionName()}, args...)
	return standing("extension_contract", "extension %s: "+format, args...)
}
