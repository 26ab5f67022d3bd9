package oauth2server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func TestParseScope(t *testing.T) {
	for text, want := range map[string]oauth2server.Scope{
		"":                nil,
		"read":            {"read"},
		"read write":      {"read", "write"},
		"read write read": {"read", "write"},
		"a:b/c!#[]~":      {"a:b/c!#[]~"},
		" read":           {"read"},
		"read ":           {"read"},
		"read  write":     {"read", "write"},
		"\tread\n":        {"read"},
		"read  write\r\n": {"read", "write"},
		" ":               nil,
	} {
		scope, err := oauth2server.ParseScope(text)
		require.NoError(t, err, text)
		require.Equal(t, want, scope, text)
	}
	for text, why := range map[string]string{manyTokens(257): "at most 256 tokens",
		strings.Repeat("a", 4097): "at most 4096 bytes", `"`: "A.4",
		`\`: "A.4", "ä": "A.4", "\x00": "A.4", "\x7f": "A.4", "read\u00a0write": "A.4",
		"read\u2028write": "A.4", "read\vwrite": "A.4",
		"read\twrite": "A.4", "read\nwrite": "A.4"} {
		_, err := oauth2server.ParseScope(text)
		require.ErrorContains(t, err, why, "%q", text)
	}
	for _, text := range []string{manyTokens(256), strings.Repeat("a ", 2048), strings.Repeat("a", 4096)} {
		_, err := oauth2server.ParseScope(text)
		require.NoError(t, err)
	}
}

// manyTokens returns a scope of n tokens.
func manyTokens(n int) string {
	var tokens []string
	for i := range n {
		tokens = append(tokens, fmt.Sprintf("s%d", i))
	}
	return strings.Join(tokens, " ")
}

func TestScopeContains(t *testing.T) {
	scope := oauth2server.Scope{"read", "write"}
	require.True(t, scope.Contains())
	require.True(t, scope.Contains("write", "read"))
	require.False(t, scope.Contains("write", "admin"))
	require.True(t, oauth2server.Scope(nil).Contains())
	require.False(t, oauth2server.Scope(nil).Contains("read"))
	require.Equal(t, "read write", scope.String())
}

func TestScopeValidatorMayOnlyNarrow(t *testing.T) {
	for _, row := range []struct {
		name, client, asked string
		answer              oauth2server.Scope
		err                 error
		status              int
		want                string // the scope, or the error
	}{
		{"unchanged", "web", "read write", oauth2server.Scope{"read", "write"}, nil, 200, "read write"},
		{"narrowed", "web", "read write", oauth2server.Scope{"write"}, nil, 200, "write"},
		{"default", "web", "", oauth2server.Scope{"read", "write"}, nil, 200, "read write"},
		{"default, within the client's limit", "limited", "", oauth2server.Scope{"read", "write"}, nil, 200, "read"},
		{"default, nothing of it in the client's limit", "limited", "", oauth2server.Scope{"write"},
			nil, 400, "invalid_scope"},
		{"default, one token that reads as two", "web", "", oauth2server.Scope{"read write"}, nil, 500, "server_error"},
		{"no default", "web", "", nil, nil, 400, "invalid_scope"},
		{"nothing left", "web", "read", oauth2server.Scope{}, nil, 400, "invalid_scope"},
		{"not found", "web", "read", nil, oauth2server.ErrNotFound, 400, "invalid_scope"},
		{"an error of its own", "web", "read", nil, oauth2server.UnauthorizedClient, 400, "unauthorized_client"},
		{"a fault", "web", "read", nil, errors.New("down"), 503, "server_error"},
		{"widened", "web", "read", oauth2server.Scope{"read", "write"}, nil, 500, "server_error"},
		{"beyond the client's limit, not asked at all", "limited", "write", oauth2server.Scope{"write"},
			nil, 400, "invalid_scope"},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked := false
			model := scoped{newSpy(t),
				func(user *oauth2server.User, scope oauth2server.Scope) (oauth2server.Scope, error) {
					require.NotNil(t, user)
					asked = true
					if len(scope) > 0 {
						scope[0] = "changed" // changes nothing for the server
					}
					return row.answer, row.err
				}}
			r := newSite(t, model, nil, nil).token(row.client, "grant_type", "client_credentials", "scope", row.asked)
			require.Equal(t, row.name != "beyond the client's limit, not asked at all", asked)
			require.Equal(t, row.status, r.StatusCode, r.text)
			if row.status != 200 {
				requireError(t, r, row.status, row.want)
				require.Empty(t, model.stored())
				return
			}
			require.Equal(t, row.want, r.str("scope"))
		})
	}
}

// A limit that the client gets after the grant applies to the next refresh.
func TestRefreshKeepsToTheClientsLimit(t *testing.T) {
	model := newSpy(t)
	add := func(id string, scope ...string) {
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, Grants: allGrants,
			RedirectURIs: []string{callback}, Scope: scope}, secret+id))
	}
	add("wide")
	add("narrow", "read")
	add("elsewhere", "admin")
	s := newSite(t, reassigning{model}, &oauth2server.Options{Grants: allGrants}, nil)
	token := s.signIn("wide", "scope", "read write").str("refresh_token")
	requireError(t, s.refresh("elsewhere", token), 400, "invalid_scope")
	requireError(t, s.refresh("narrow", token, "scope", "write"), 400, "invalid_scope")
	r := s.refresh("narrow", token)
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, "read", r.str("scope"))
}

// reassigning makes the clients narrow and elsewhere stand in for wide, as if
// wide had been given their limits.
type reassigning struct{ *spy }

func (m reassigning) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	token, err := m.spy.GetRefreshToken(ctx, refreshToken)
	if err == nil {
		token.Client = &oauth2server.Client{ID: m.last()}
	}
	return token, err
}

func (m reassigning) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	m.called("client " + id)
	return m.spy.GetClient(ctx, id, secret)
}

// last is the client of the last call.
func (m reassigning) last() (id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, call := range m.calls {
		if name, ok := strings.CutPrefix(call, "client "); ok {
			id = name
		}
	}
	return id
}
