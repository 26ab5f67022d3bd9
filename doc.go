// Package oauth2server puts an OAuth 2.0 authorization server (RFC 6749) inside
// a program that already has users and a database.
//
// The program supplies a [Model]: node-oauth2-server's contract, in Go. The
// library supplies the protocol, as net/http handlers and middleware:
// [Server.Authorize], [Server.Token] and [ResourceServer.Authenticate]. The
// zero [Options] are the safe ones.
//
// # Quick start
//
//	srv, err := oauth2server.New(model, nil)
//	mux.Handle("/authorize", srv.Authorize(page)) // page: an http.Handler where the owner signs in and consents
//	mux.Handle("/token", srv.Token(nil))
//	mux.Handle("/api/", srv.Authenticate("read")(api))
//
// Optional endpoints:
//
//	mux.Handle("/revoke", srv.Revoke())             // RFC 7009: clients sign out
//	mux.Handle("/introspect", srv.Introspect())     // RFC 7662: APIs elsewhere ask about tokens
//	mux.Handle(srv.MetadataPath(), srv.Metadata())  // RFC 8414: clients find all of it
//
// [Server.Mount] mounts all of them that [Options.Endpoints] names.
//
// Package memorymodel has a model to begin with. Packages sqlmodel, mongomodel
// and redismodel have one for databases. Package modeltest tests whether a model
// of your own keeps the contract.
//
// # Pages
//
// The page is called for each valid authorization request, again and again on
// the same URL, until it decides:
//
//	func page(w http.ResponseWriter, r *http.Request) {
//		request := oauth2server.AuthorizationRequestFromContext(r.Context())
//		user := signedIn(r) // the program's own business: a session
//		switch {
//		case user == nil:
//			showSignIn(w, r)
//		case r.PostForm.Get("verdict") == "allow":
//			request.Approve(w, r, oauth2server.Approval{User: user, Scope: r.PostForm["granted"]})
//		case r.PostForm.Get("verdict") == "deny":
//			request.Deny(w, r, "")
//		default:
//			showConsent(w, request) // a form, method="post", with boxes and buttons of these names
//		}
//	}
//
// A page without boxes passes Approval{User: user, All: true}. Read the form
// from r.PostForm: r.FormValue also reads the URL, which the client wrote.
//
// # The model
//
// Two methods are required. Each grant needs one more interface, and each hook
// is an interface of one method. [New] finds out what the model has, and
// returns everything that is wrong before the first request.
//
//	Model                       GetClient, SaveToken
//	AccessTokenModel            GetAccessToken                        Authenticate
//	AuthorizationCodeModel      Save-, Get-, RevokeAuthorizationCode  grant authorization_code
//	RefreshTokenModel           GetRefreshToken, RevokeToken          grant refresh_token
//	ClientCredentialsModel      GetUserFromClient                     grant client_credentials
//	PasswordModel               GetUser                               grant password; Authorize without a page
//	GrantLog                    AppendGrant, GrantEntries,            safe refresh, theft, revocation
//	                            RevokeAccessTokens
//	AccessTokenRevoker          RevokeAccessToken                     signing out
//	ScopeValidator              ValidateScope                         narrow or refuse a scope
//	ScopeVerifier               VerifyScope                           judge a token's scope
//	RedirectURIValidator        ValidateRedirectURI                   judge a redirection URI
//	UserChecker                 CheckUser                             may the user still act?
//	AccessTokenGenerator        GenerateAccessToken                   and the two like it
//
// A model returns [ErrNotFound] for everything that is not there; any other
// error is a fault. It stores the [Digest] of a token in place of the token,
// and [Token.MarshalBinary] for the rest.
//
// # Registering
//
// The program registers clients and users in its own way. [CheckClient],
// [CheckClientSecret], [CheckUser] and [CheckUserPassword] find what no
// endpoint would accept, before it is stored; the models here call them.
//
// # Grants
//
// authorization_code, refresh_token and client_credentials are on if the model
// supports them. password and implicit must be named in [Options.Grants], as
// RFC 9700 advises against them. Further grants are functions: see
// [Options.ExtensionGrants].
//
// # Signing out
//
// Clients use [Server.Revoke]. The program itself, if the model is a
// [GrantLog], calls [RevokeGrant], which ends an authorization with all its
// tokens. In a handler behind [ResourceServer.Authenticate]:
//
//	err := oauth2server.RevokeGrant(ctx, model, oauth2server.TokenFromContext(ctx).GrantID)
//
// The models here have UserGrants, for a page of connected applications,
// RevokeUserClient, which ends what a user granted to one client, and
// RevokeUser, which ends everything. For a model of your own, see [LiveGrants].
//
// # Errors
//
// Clients are told an [ErrorCode] and a description. The cause of a fault never
// leaves the process: it goes to [Options.Logger]. [Options.OnEvent] is called
// with what was issued, revoked or refused, and [Options.LimitAttempts] with
// each try of a secret or password, and whether it failed. Each refusal has a
// stable reason, in the log and in [Event.Reason]: docs/reasons.md lists them
// with their remedies.
//
// # Security
//
// SECURITY.md lists what the program must do itself, such as TLS and rate
// limits (package ext/ratelimit). Scripts of other origins may call nothing,
// unless [Options.AllowedOrigins] names them.
//
// The server checks the client before it redirects or spends anything.
// Redirection URIs are compared byte by byte, except for the port of a loopback
// URI. A code works once, and a failed attempt spends it. Refresh tokens are
// rotated; with a [GrantLog], a lost reply signs nobody out and a theft ends
// the grant. PKCE means S256, and public clients must use it. Scope never
// grows. Hooks can narrow what the server decides, not widen it. Each option
// that deviates from this has a name that warns.
//
// # For models
//
// A program that uses a model of this module does not need these.
//
//   - The contract: [Model], [AccessTokenModel], [AccessTokenRevoker],
//     [AuthorizationCodeModel], [RefreshTokenModel], [ClientCredentialsModel],
//     [PasswordModel], [GrantLog], [RecordModel], [UserChecker], [ScopeValidator],
//     [ScopeVerifier], [RedirectURIValidator], [AccessTokenGenerator],
//     [RefreshTokenGenerator], [AuthorizationCodeGenerator]
//   - What is stored: [AuthorizationCode], [GrantEntry], [EntryKind], [GrantPage],
//     [Digest]
//   - What a model answers: [ErrNotFound], [ErrExists]
//   - Registering: [CheckClient], [CheckClientSecret], [ErrShortSecret],
//     [CheckRedirectURI], [CheckUser], [CheckUserPassword], [NamedUser]
//   - Connected applications: [Grant], [GrantLogs], [LiveGrants], [RevokeUser]
//
// # For extensions
//
// Grants and middleware of a program's own, and packages under ext.
// docs/extensions.md shows how to write one.
//
//   - Grants: [GrantFunc], [GrantRequest], [Issuance], [GrantExtender]
//   - Middleware: [Attempt], [AttemptLimiter], [ContextWithToken], [ParseScope]
//   - Extensions: [Extension], [Attacher], [ClientRequest]
//   - Clients: [ClientAuthenticator], [ClientFinder]
//   - Authorization requests: [RequestResolver], [ResolvedRequest],
//     [AuthorizationExtender], [ResponseMode], [AuthorizationResponse]
//   - Tokens: [TokenBinder], [TokenFormatter], [TokenExtender],
//     [IntrospectionExtender]
//   - Metadata and endpoints: [MetadataExtender], [ScopeExtender], [EndpointExtender]
//   - What is kept: [Details], [Authentication], [LogRecords]
package oauth2server
