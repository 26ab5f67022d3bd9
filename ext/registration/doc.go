// Package registration lets clients register themselves (RFC 7591), so that a
// program serves clients that it has never heard of.
//
//	srv, err := oauth2server.New(model, &oauth2server.Options{
//		Issuer:     "https://app.example",
//		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
//		Resources:  []oauth2server.Resource{{URL: "/mcp", Default: oauth2server.Scope{"read"}}},
//		Extensions: []oauth2server.Extension{registration.Sealed(key, nil)},
//	})
//	srv.Mount(mux, page)
//
// The endpoint is at /register. Nobody vouches for what a client says of itself.
// So it is [oauth2server.Client.SelfAsserted]: it gets tokens for Resources and
// for nothing else, must use PKCE, and its owner is asked each time. It may use
// the authorization code and refresh tokens, whatever it asked for.
//
// # Sealed or stored
//
// [Sealed] stores nothing: what a client said is in its ID, with a MAC. There
// is nothing to flood, nothing to clean up, and no client that is forgotten
// while its users still have it. An ID has 100 to 300 characters for the
// clients that people use, and 2,048 at most; a database column must hold that.
//
// [Stored] gives each client to a [Store], which is for programs that list
// their clients or delete single ones. Then somebody has to clean up; see
// [Store].
//
// # Floods
//
// With [Stored], an address may register 30 clients at once, and 30 a minute
// after that; see [Options.Limit]. Behind a proxy of yours, set
// [Options.Address]. The users of a hosted client share its addresses.
// X-Forwarded-For is not believed. With [Sealed], a registration costs two MACs,
// and there is no limit by default.
//
// # Bans
//
// A client that is banned registers again. So ban users, and refuse addresses or
// redirection URIs by [Options.MayRegister]. A model whose GetClient returns an
// [oauth2server.InvalidClient] for an ID stops that one also with [Sealed], as it
// is asked first.
package registration
