// Command mcp is an MCP server that is its own authorization server. It is
// examples/minimal, with clients of the Model Context Protocol that register
// themselves. Start it, and give such a client the address that it prints,
// followed by /mcp.
//
//	go run ./examples/mcp [-addr 127.0.0.1:8080] [-mongo mongodb://127.0.0.1:27017/]
//		[-issuer https://app.example]
//
// The environment variables MCP_ISSUER and MCP_MONGO stand for the flags.
// MCP_KEY is the key of registered clients, in hexadecimal digits.
// MCP_LOOPBACK_DOCUMENTS=1 lets in test clients whose documents are on this
// machine.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/ext/clientmetadata"
	"github.com/seed-11d18166/oauth2server/ext/mcpscope"
	"github.com/seed-11d18166/oauth2server/ext/registration"
)

func main() {
	addr := flag.String("addr", demo.Addr, "`address` to listen on")
	issuer := flag.String("issuer", os.Getenv("MCP_ISSUER"), "`URL` by which clients reach it, such as "+
		"https://app.example, behind a\nproxy that passes Host; without it, http and the address")
	mongo := flag.String("mongo", os.Getenv("MCP_MONGO"), "`URI` of a MongoDB to keep clients, users and "+
		"tokens in; without it,\nthey are in memory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	key, err := readKey(os.Getenv("MCP_KEY"), os.Stderr)
	if err == nil {
		documents := &clientmetadata.Options{AllowLoopback: os.Getenv("MCP_LOOPBACK_DOCUMENTS") == "1"}
		err = run(ctx, *addr, *issuer, *mongo, key, documents, os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// readKey returns the key by which registered clients are recognized, from
// hexadecimal digits. Without digits it makes a new key, which recognizes none
// from before.
func readKey(digits string, warnings io.Writer) ([]byte, error) {
	if digits == "" {
		fmt.Fprintln(warnings, "mcp: no MCP_KEY, so a new key: clients that registered before must do so again")
		key := make([]byte, 32)
		rand.Read(key)
		return key, nil
	}
	key, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("MCP_KEY: %w", err)
	}
	return key, nil
}

// run serves until ctx is done.
func run(
	ctx context.Context, addr, issuer, mongo string, key []byte, documents *clientmetadata.Options, out io.Writer,
) error {
	model, closeModel, err := open(ctx, mongo)
	if err != nil {
		return err
	}
	defer closeModel()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	issuer = cmp.Or(issuer, "http://"+demo.Reachable(listener.Addr()))
	handler, err := newHandler(model, issuer, key, documents)
	if err != nil {
		listener.Close()
		return err
	}
	fmt.Fprintf(out, story, issuer)
	return demo.Serve(ctx, listener, handler)
}

func newHandler(model storage, issuer string, key []byte, documents *clientmetadata.Options) (http.Handler, error) {
	mux := http.NewServeMux()
	read, all := oauth2server.Scope{"read"}, oauth2server.Scope{"read", "write"}
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Issuer:    issuer,
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/token", Revocation: "/revoke"},
		Resources: []oauth2server.Resource{
			{URL: "/mcp", Name: "Notes for MCP", Scopes: all, Default: read},
			{URL: "/notes", Name: "Notes as JSON", Scopes: read, Default: read},
		},
		AllowedOrigins: []string{"*"}, // clients in browsers; no cookie opens what they call
		Extensions:     []oauth2server.Extension{registration.Sealed(key, nil), clientmetadata.New(documents)},
	})
	if err != nil {
		return nil, err
	}
	kept := &notes{}
	srv.Mount(mux, page(model, strings.HasPrefix(issuer, "https:")))
	mcpHandler := newMCP(kept, srv.For("/mcp").AuthenticateRequest)
	tools := mcpscope.Tools("read", map[string]string{"note": "write"})
	mux.Handle("/mcp", srv.For("/mcp").AuthenticateBy(tools)(mcpHandler))
	mux.Handle("/mcp/{$}", srv.For("/mcp").AuthenticateBy(tools)(mcpHandler)) // some clients add the slash
	mux.Handle("/notes", srv.For("/notes").Authenticate("read")(http.HandlerFunc(kept.list)))
	mux.Handle("/api", srv.Authenticate("read")(http.HandlerFunc(hello)))
	return mux, nil
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, user %s!\n", oauth2server.UserFromContext(r.Context()).ID)
}

// story begins with the address, on a line of its own.
const story = `%[1]s

Add %[1]s/mcp to an MCP client, and sign in as andy with the password 123456.
Claude Code, the MCP Inspector and others need no more than that. Or be the client app, which is
public and has no secret. Open this; the browser ends at a page that is not there, and the code is
in its address:

  %[1]s/authorize?response_type=code&client_id=app&redirect_uri=http://127.0.0.1/callback&state=1` +
	`&resource=%[1]s/mcp&scope=read&code_challenge_method=S256&code_challenge=` + challenge + `

Put the code in the place of CODE, and the token that comes back in the place of ACCESS_TOKEN:

  curl -d grant_type=authorization_code -d client_id=app -d redirect_uri=http://127.0.0.1/callback ` +
	`-d code_verifier=` + verifier + ` -d code=CODE %[1]s/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" -H "Content-Type: application/json" ` +
	`-H "Accept: application/json, text/event-stream" -d '` + initialize + `' %[1]s/mcp

Ctrl-C stops it.
`

const (
	// RFC 7636, appendix B.
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",` +
		`"capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}`
)
