// Package oidc makes a server an OpenID provider (OpenID Connect Core 1.0): a
// client that asks for the scope openid learns who the user is, by an ID token
// and at the UserInfo endpoint.
//
//	ring, err := keys.New(ctx, source)
//	provider := oidc.New(ring, oidc.Options{Claims: claimsOf, JWKS: "/jwks", UserInfo: "/userinfo"})
//	srv, err := oauth2server.New(model, &oauth2server.Options{
//		Issuer:     "https://as.example",
//		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
//		Extensions: []oauth2server.Extension{provider},
//	})
//	mux.Handle("/jwks", ring)
//	mux.Handle("/userinfo", provider.UserInfo())
//	mux.Handle(provider.DiscoveryPath(), srv.Metadata())
//
// The flow is the authorization code flow, with PKCE as for every client; the
// implicit and the hybrid flow are not offered, nor is the algorithm none.
//
// The page asks [Provider.Request] what the client wants of it, for example
// that the user signs in again, and reports in
// [oauth2server.Approval.Authentication] how and when they did.
package oidc
