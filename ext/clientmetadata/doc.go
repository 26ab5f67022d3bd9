// Package clientmetadata serves clients that nobody registered: the ID of such
// a client is the https address of a document that says what it is (OAuth
// Client ID Metadata Document, draft-ietf-oauth-client-id-metadata-document).
// Many clients of the Model Context Protocol have one.
//
//	srv, err := oauth2server.New(model, &oauth2server.Options{
//		Issuer:     "https://app.example",
//		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
//		Resources:  []oauth2server.Resource{{URL: "/mcp", Default: oauth2server.Scope{"read"}}},
//		Extensions: []oauth2server.Extension{clientmetadata.New(nil)},
//	})
//
// Nobody vouches for such a client; see [oauth2server.Client.SelfAsserted] for
// what it cannot do. The page shows who publishes the document, by
// [oauth2server.AuthorizationRequest.ClientHost], beside the name, which anybody
// may choose, and where the answer goes, by
// [oauth2server.AuthorizationRequest.RedirectHost].
//
// The model is asked first: a client that it has under such an ID is as trusted as
// any other, and its document is not read.
//
// A client with a document is a public client. A document that demands
// authentication is refused, unless its token_endpoint_auth_methods_supported
// has "none" too.
//
// Only the log says why a document was refused. When a limit of this package is
// reached, the client is told temporarily_unavailable, with 503, and can try
// again; the reason in log and events is clientmetadata_busy. Anybody can name
// documents without end, so limit how often an address may call the
// authorization endpoint.
package clientmetadata
