// Package clientmetadata serves clients that nobody registered: the ID of such a
// client is the https address of a document that says what it is (OAuth Client ID
// Metadata Document, draft-ietf-oauth-client-id-metadata-document). Clients of the
// Model Context Protocol have one.
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
// A client of a document is a public one. One that must authenticate is none here,
// unless token_endpoint_auth_methods_supported has "none" too.
//
// Why there is no such client is in the log, and nowhere else. When a limit of
// this package is reached the client is told temporarily_unavailable, with 503 and
// the reason clientmetadata_busy in log and events: it is no unknown client, and
// can come again. Anybody can name documents without end, so limit how often an
// address may call the authorization endpoint.
package clientmetadata
