package oauth2server_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// Tests of defences that a code change could remove unnoticed.

// The state, or an S256 challenge, binds an answer to the browser that asked. A
// plain challenge does not, as anyone who sees the request can make one up.
func TestAPlainChallengeIsNoState(t *testing.T) {
	s := newSite(t, newSpy(t), &oauth2server.Options{InsecureAllowPlainPKCE: true}, nil)
	for _, method := range []string{"plain", ""} {
		r := s.authorize("state", "", "code_challenge", verifier, "code_challenge_method", method)
		require.Equal(t, "invalid_request", r.at("error"), method)
		require.Empty(t, r.at("code"))
	}
	require.NotEmpty(t, s.authorize("state", "", "code_challenge", challenge,
		"code_challenge_method", "S256").at("code"))
}

// A code that was stored with a redirection URI that is not allowed, or no
// longer, is worth nothing.
func TestTheURIOfACodeIsCheckedAgain(t *testing.T) {
	for _, uri := range []string{"javascript:alert(1)", "https://client.example/cb#fragment",
		"https://%D0%B0pple.com/cb", "/relative"} {
		bothKinds(t, uri, func(t *testing.T, model *spy, served oauth2server.Model) {
			s := newSite(t, served, nil, nil)
			saveCode(t, model, oauth2server.AuthorizationCode{Code: "code", RedirectURI: uri})
			r := s.token("web", "grant_type", "authorization_code", "code", "code", "redirect_uri", uri)
			requireError(t, r, 400, "invalid_grant")
		})
	}
}

// misread is a model that returns its log as the function entries does.
type misread struct {
	*spy
	reading func(entries []*oauth2server.GrantEntry) []*oauth2server.GrantEntry
}

func (m misread) Unwrap() oauth2server.Model { return m.spy }

func (m misread) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	entries, err := m.spy.GrantEntries(ctx, id, from)
	if len(entries) > 1 {
		entries = m.reading(entries)
	}
	return entries, err
}

// A log that comes back out of order, twice or without end is the model's
// mistake, and no verdict.
func TestALogThatIsMisread(t *testing.T) {
	type entries = []*oauth2server.GrantEntry
	for name, reading := range map[string]func(all entries) entries{
		"backwards": func(all entries) entries {
			all[0], all[len(all)-1] = all[len(all)-1], all[0]
			return all
		},
		"twice":     func(all entries) entries { return append(all, all...) },
		"one twice": func(all entries) entries { return append(all, all[len(all)-1]) },
		"nil":       func(all entries) entries { all[1] = nil; return all },
		"endless": func(all entries) entries {
			for len(all) < oauth2server.GrantPage {
				all = append(all, all[0])
			}
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			model := newSpy(t)
			s := newSite(t, model, nil, nil)
			first := s.redeem("web", s.code())
			last := first
			for range 3 {
				last = s.mustRefresh(last.str("refresh_token"))
			}
			broken := newSite(t, misread{model, reading}, nil, nil)
			requireError(t, broken.refresh("web", first.str("refresh_token")), 500, "server_error")
			requireError(t, broken.revoke("web", first.str("refresh_token")), 500, "server_error")
			s.requireAlive(last)
		})
	}
}

// uncommitted is a storage whose reads show an entry that it may lose again, as
// no majority of its machines has it yet.
type uncommitted struct {
	*spy
	entry *oauth2server.GrantEntry
}

func (m *uncommitted) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	entries, err := m.spy.GrantEntries(ctx, id, from)
	if e := m.entry; e != nil && e.GrantID == id && e.Seq >= from &&
		(len(entries) == 0 || entries[len(entries)-1].Seq < e.Seq) {
		entries = append(entries, e)
	}
	return entries, err
}

// A request that acknowledges a revocation which another request wrote appends
// it, too: only an append waits for the majority.
func TestARevocationThatWasOnlyRead(t *testing.T) {
	model := &uncommitted{spy: newSpy(t)}
	s := newSite(t, model, nil, nil)
	first := s.redeem("web", s.code())
	token, err := model.GetAccessToken(t.Context(), first.str("access_token"))
	require.NoError(t, err)
	model.entry = &oauth2server.GrantEntry{GrantID: token.GrantID, Seq: 2, Kind: "revoked",
		ExpiresAt: time.Now().Add(time.Hour)}
	require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, token.GrantID))

	model.entry = nil // lost in an election
	s.requireDead(first)
}

// A host with an empty label, or a hyphen at the end of one; a loopback host in
// a spelling that is not compared; a scheme and nothing else. A query is not
// checked as a host.
func TestHostsThatThereAreNot(t *testing.T) {
	for _, uri := range []string{"https://./cb", "https://../cb", "https://a../cb", "https://-/cb",
		"https://a.-b.example/cb",
		"https://:443/cb", "https://" + strings.Repeat("a", 64) + ".example/cb",
		"https://" + strings.Repeat("abc.", 63) + "example/cb",
		"HTTP://127.0.0.1/cb", "http://LOCALHOST/cb", "http://localhost./cb", "http://[0:0:0:0:0:0:0:1]/cb",
		"mailto:?to=thief@evil.example", "urn:", "urn:?x", "foo:", "com.example.app:", "intent:?a=b"} {
		require.Error(t, oauth2server.CheckRedirectURI(uri), uri)
	}
	for _, uri := range []string{"com.example.app:/cb?next=https://a_b.example/", "com.example.app:/cb?next=x://*",
		"https://" + strings.Repeat("a", 63) + ".example/cb", "com.example.app:///cb",
		"https://app.example./cb", "https://xn--80ak6aa92e.example/cb"} {
		require.NoError(t, oauth2server.CheckRedirectURI(uri), uri)
	}
}

// A client with the implicit grant alone is told what is wrong with its
// response_type.
func TestTheResponseTypeBeforeTheGrant(t *testing.T) {
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "implicit",
		RedirectURIs: []string{callback}, Grants: []string{"implicit"}},
		secret+"implicit"))
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	for responseType, want := range map[string]string{"": "invalid_request", "foo": "unsupported_response_type",
		"id_token": "unsupported_response_type", "code": "unauthorized_client"} {
		require.Equal(t, want, s.authorize("client_id", "implicit", "response_type", responseType).at("error"),
			responseType)
	}
}

// A middleware has read the body of a request without Content-Length.
func TestAChunkedBodyThatWasRead(t *testing.T) {
	s := newSite(t, newSpy(t), nil, nil)
	r := s.request("POST", "/token", "")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("")), -1
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	requireError(t, s.do(r), 400, "invalid_request")
}
