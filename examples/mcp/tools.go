// This file has the notes and the tools: what the program is for.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-11d18166/oauth2server"
)

// notes are those of all users, by their ID. They are lost when the program
// ends.
type notes struct {
	mu sync.Mutex
	by map[string][]string
}

func (n *notes) add(userID, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by == nil {
		n.by = map[string][]string{}
	}
	if len(n.by[userID]) == 100 {
		n.by[userID] = n.by[userID][1:]
	}
	n.by[userID] = append(n.by[userID], text)
}

func (n *notes) of(userID string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.by[userID]...)
}

// list answers with the notes of the user.
func (n *notes) list(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains([]string{http.MethodGet, http.MethodHead}, r.Method) {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(n.of(oauth2server.UserFromContext(r.Context()).ID))
}

// newMCP returns the handler of an MCP server with the tools whoami and note.
func newMCP(kept *notes, check tokenCheck) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "Says which user has signed in."},
		func(_ context.Context, call *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			return say(call.Extra.TokenInfo.UserID), nil, nil
		})
	type note struct {
		Text string `json:"text" jsonschema:"what to keep"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "note", Description: "Keeps a note."},
		func(_ context.Context, call *mcp.CallToolRequest, args note) (*mcp.CallToolResult, any, error) {
			kept.add(call.Extra.TokenInfo.UserID, args.Text)
			return say("kept"), nil, nil
		})
	// The SDK's check of Host is off: it fails behind a proxy, and is not
	// needed, as pages of other sites have no token.
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{DisableLocalhostProtection: true, SessionTimeout: time.Hour})
	return auth.RequireBearerToken(caller, nil)(openEnded(check, handler))
}

func say(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// caller tells the SDK whose token opened /mcp, so that it lets nobody else into
// a session, and tools see who calls.
func caller(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	t := oauth2server.TokenFromContext(ctx)
	return &auth.TokenInfo{UserID: t.User.ID, Scopes: t.Scope, Expiration: t.AccessTokenExpiresAt}, nil
}

// tokenCheck is the method of a resource server, for one.
type tokenCheck func(r *http.Request, scope ...string) (*oauth2server.Token, error)

// recheck is how often the token of a stream is checked.
var recheck = 10 * time.Second

// openEnded lets a stream of messages, which a GET opens, last as long as its
// token, which may be revoked at any time.
func openEnded(check tokenCheck, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			end := oauth2server.TokenFromContext(r.Context()).AccessTokenExpiresAt
			control := http.NewResponseController(w)
			control.SetReadDeadline(end)
			control.SetWriteDeadline(end)
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			asked := r.Clone(ctx)
			asked.Body = http.NoBody // that of r is the handler's
			go func() {
				defer cancel()
				waitUntilRevoked(asked, check)
			}()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// waitUntilRevoked returns when the token of a request is revoked, or when the
// request ends.
func waitUntilRevoked(r *http.Request, check tokenCheck) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		if _, err := check(r); errors.Is(err, oauth2server.InvalidToken) { // and not that the storage failed
			return
		}
	}
}
