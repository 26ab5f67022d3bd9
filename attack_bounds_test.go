package oauth2server_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// counted is a model that counts reads of its logs, entries and deletes.
type counted struct {
	*shiftedClock
	reads, entries, longest, deletes atomic.Int64
}

func count(model target) *counted { return &counted{shiftedClock: &shiftedClock{target: model}} }

func (m *counted) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	entries, err := m.shiftedClock.GrantEntries(ctx, id, from)
	m.reads.Add(1)
	m.entries.Add(int64(len(entries)))
	if n := int64(len(entries)); n > m.longest.Load() {
		m.longest.Store(n)
	}
	return entries, err
}

func (m *counted) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	m.deletes.Add(int64(len(digests)))
	return m.target.RevokeAccessTokens(ctx, digests...)
}

// take returns the numbers of reads, entries and deletes since the last call.
func (m *counted) take() (reads, entries, deletes int64) {
	return m.reads.Swap(0), m.entries.Swap(0), m.deletes.Swap(0)
}

// One client refreshes as often as the server allows, and presents its first
// token sixteen times at once. It is told to wait, without a verdict, and its
// log is read page by page.
func TestAttack_ALogWithoutEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out what takes 6000 refreshes")
	}
	const burst, page = 6000, oauth2server.GrantPage
	onEachModel(t, func(t *testing.T, target target) {
		_, inMemory := target.(*memorymodel.Model)
		most := burst + page
		if !inMemory { // FerretDB takes minutes for more
			most = page + 20
		}
		model := count(target)
		s := newSite(t, model, nil, nil)
		first := s.redeem("web", s.code())
		last, length := s.refreshUntilRefused(first, most)
		reads, _, _ := model.take()
		require.LessOrEqual(t, reads, int64(2), "a refresh in ordinary life reads nothing") // the code exchange does
		if inMemory {
			require.InDelta(t, burst, length, page)
			r := s.refresh("web", last.str("refresh_token"))
			requireError(t, r, 429, "invalid_request")
			require.NotEmpty(t, r.Header.Get("Retry-After"))
			require.Equal(t, 200, s.apiStatus(last.str("access_token")), "that is no verdict")
			model.by += 7 * time.Second
			last = s.mustRefresh(last.str("refresh_token"))
		}

		model.by += 2 * time.Minute
		model.take()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, r := range atOnce(16, func() reply { return s.refresh("web", first.str("refresh_token")) }) {
			requireError(t, r, 400, "invalid_grant")
		}
		runtime.ReadMemStats(&after)
		_, entries, _ := model.take()
		require.LessOrEqual(t, model.longest.Load(), int64(page))
		require.LessOrEqual(t, entries, int64(16*3*(length+page)),
			"each reads the log a few times at the most, to end the grant")
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16*40<<20))
		s.requireDead(last)

		// From now on the grant is known to be over.
		model.take()
		requireError(t, s.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
		_, entries, _ = model.take()
		require.LessOrEqual(t, entries, int64(page+5))
	})
}

// refreshUntilRefused refreshes from r on, at most the given number of times,
// until the server asks to wait. It returns the last answer with tokens and how
// many there were.
func (s *site) refreshUntilRefused(r reply, most int) (last reply, times int) {
	s.t.Helper()
	for last = r; times < most; times++ {
		next := s.refresh("web", last.str("refresh_token"))
		if next.StatusCode == http.StatusTooManyRequests {
			break
		}
		require.Equal(s.t, 200, next.StatusCode, next.text)
		last = next
	}
	return last, times
}

// Hundreds of requests with tokens of an ended grant: nothing is deleted again,
// and the number of reads stays the same.
func TestAttack_EndingWhatHasEnded(t *testing.T) {
	t.Parallel()
	onEachModel(t, func(t *testing.T, target target) {
		model := count(target)
		s := newSite(t, model, nil, nil)
		first := s.redeem("web", s.code())
		tokens := []reply{first}
		for range 30 {
			tokens = append(tokens, s.mustRefresh(tokens[len(tokens)-1].str("refresh_token")))
		}
		model.take()
		require.Equal(t, 200, s.post("/revoke", form("token", first.str("refresh_token")),
			"Authorization", as("web")).StatusCode)
		_, _, deletes := model.take()
		require.EqualValues(t, len(tokens), deletes)
		s.requireDead(tokens...)
		model.take()
		for i := range 100 {
			token := tokens[i%len(tokens)]
			require.Equal(t, 401, s.apiStatus(token.str("access_token")))
			reads, entries, deletes := model.take()
			require.Zero(t, reads+entries+deletes)

			require.Equal(t, 200, s.post("/revoke", form("token", token.str("refresh_token")),
				"Authorization", as("web")).StatusCode)
			reads, entries, deletes = model.take()
			require.Zero(t, deletes)
			require.EqualValues(t, 1, reads)
			require.LessOrEqual(t, entries, int64(2))

			requireError(t, s.refresh("web", token.str("refresh_token")), 400, "invalid_grant")
			reads, entries, deletes = model.take()
			require.LessOrEqual(t, deletes, int64(1), "the access token that this request had prepared")
			require.LessOrEqual(t, reads, int64(3))
			require.LessOrEqual(t, entries, int64(len(tokens)+5))
		}
	})
}

// A scope of 60 kB: by default, by request, by registration or by an extension
// grant.
func TestAttack_HugeScope(t *testing.T) {
	huge := manyTokens(256 * 40)[:60_000]
	onEachModel(t, func(t *testing.T, model target) {
		tokens := oauth2server.Scope(strings.Fields(huge))
		err := addClient(t, model,
			oauth2server.Client{ID: "huge", Grants: []string{"client_credentials"}, Scope: tokens}, secret+"huge")
		require.Error(t, err)
		own := map[string]oauth2server.GrantFunc{
			"tell": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
				return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"},
					Scope: tokens, Refresh: true})
			}}
		require.NoError(t, addClient(t, model, oauth2server.Client{ID: "phone", Grants: []string{"tell"}},
			secret+"phone"))
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants, ExtensionGrants: own}, nil)
		requireError(t, s.token("web", "grant_type", "client_credentials", "scope", huge), 400, "invalid_scope")
		require.Equal(t, "invalid_scope", s.authorize("scope", huge).at("error"))
		first := s.redeem("web", s.code("scope", "read"))
		requireError(t, s.refresh("web", first.str("refresh_token"), "scope", huge), 400, "invalid_scope")
		requireError(t, s.token("phone", "grant_type", "tell"), 500, "server_error")

		s = newSite(t, defaulting{model, tokens}, &oauth2server.Options{Grants: allGrants}, nil)
		requireError(t, s.token("web", "grant_type", "client_credentials"), 500, "server_error")
		requireError(t, s.token("web", "grant_type", "password", "username", "andy",
			"password", "andys-password"), 500, "server_error")
		require.Equal(t, "server_error", s.authorize().at("error"))

		// The largest scope allowed is in the log once, however often the token
		// is refreshed.
		large := oauth2server.Scope(strings.Fields(manyTokens(256)))
		s = newSite(t, defaulting{model, large}, &oauth2server.Options{Grants: allGrants}, nil)
		tokens = large
		r := s.redeem("web", s.code())
		grantID := grantOf(t, model, r)
		for range 5 {
			r = s.mustRefresh(r.str("refresh_token"))
		}
		entries, err := model.GrantEntries(t.Context(), grantID, 1)
		require.NoError(t, err)
		require.Len(t, entries, 6)
		for _, e := range entries {
			require.Equal(t, e.Seq == 1, len(e.Scope) > 0)
		}
	})
}

// defaulting is a model with a default scope.
type defaulting struct {
	target
	scope oauth2server.Scope
}

func (m defaulting) Unwrap() oauth2server.Model { return m.target }

func (m defaulting) ValidateScope(
	_ context.Context, _ *oauth2server.User, _ *oauth2server.Client, asked oauth2server.Scope,
) (oauth2server.Scope, error) {
	if len(asked) == 0 {
		return m.scope, nil
	}
	return asked, nil
}

// intercepted is a model that runs act once, before or after the call of a
// method.
type intercepted struct {
	target
	mu     sync.Mutex
	method string
	after  bool
	act    func()
}

func (m *intercepted) Unwrap() oauth2server.Model { return m.target }

// in runs call, and act before or after it if it is due.
func in[T any](m *intercepted, method string, call func() (T, error)) (T, error) {
	m.mu.Lock()
	act := m.act
	if m.method != method {
		act = nil
	}
	if act != nil {
		m.act = nil
	}
	m.mu.Unlock()
	if act != nil && !m.after {
		act()
	}
	result, err := call()
	if act != nil && m.after {
		act()
	}
	return result, err
}

func (m *intercepted) GetUser(
	ctx context.Context, name, password string, c *oauth2server.Client,
) (*oauth2server.User, error) {
	return in(m, "GetUser", func() (*oauth2server.User, error) { return m.target.GetUser(ctx, name, password, c) })
}

func (m *intercepted) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	return in(m, "SaveAuthorizationCode", func() (*oauth2server.AuthorizationCode, error) {
		return m.target.SaveAuthorizationCode(ctx, code, c, u)
	})
}

func (m *intercepted) GetAuthorizationCode(ctx context.Context, code string) (*oauth2server.AuthorizationCode, error) {
	return in(m, "GetAuthorizationCode", func() (*oauth2server.AuthorizationCode, error) {
		return m.target.GetAuthorizationCode(ctx, code)
	})
}

func (m *intercepted) GetRefreshToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	return in(m, "GetRefreshToken", func() (*oauth2server.Token, error) { return m.target.GetRefreshToken(ctx, token) })
}

func (m *intercepted) SaveToken(
	ctx context.Context, token *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	return in(m, "SaveToken", func() (*oauth2server.Token, error) { return m.target.SaveToken(ctx, token, c, u) })
}

func (m *intercepted) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	return in(m, "AppendGrant", func() (*oauth2server.GrantEntry, error) { return m.target.AppendGrant(ctx, e) })
}

func (m *intercepted) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	return in(m, "GrantEntries", func() ([]*oauth2server.GrantEntry, error) {
		return m.target.GrantEntries(ctx, id, from)
	})
}

// All grants of a user, or those for one client, are revoked while a password
// is checked, a code is saved or an entry is appended. Everything that began
// before is dead; everything that begins afterwards lives.
func TestAttack_OutlivingARevocation(t *testing.T) {
	t.Parallel()
	var first reply
	var code string
	signIn := func(s *site) reply {
		return s.token("web", "grant_type", "password", "username", "andy", "password", "andys-password")
	}
	for name, send := range map[string]func(s *site) reply{
		"sign in": signIn,
		"connect": func(s *site) reply {
			if r := s.authorize(); r.at("code") != "" {
				return s.redeem("web", r.at("code"))
			}
			return reply{}
		},
		"redeem":  func(s *site) reply { return s.redeem("web", code) },
		"refresh": func(s *site) reply { return s.refresh("web", first.str("refresh_token")) },
	} {
		for _, clientID := range []string{"", "web"} {
			onEachModel(t, func(t *testing.T, target target) {
				if _, inMemory := target.(*memorymodel.Model); !inMemory && (name == "redeem") != (clientID == "web") {
					return // one of the two is enough on FerretDB, where it takes seconds
				}
				model := &intercepted{target: target}
				s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
				for _, method := range []string{"GetUser", "SaveAuthorizationCode",
					"GetAuthorizationCode", "GetRefreshToken",
					"SaveToken", "AppendGrant", "GrantEntries"} {
					for _, after := range []bool{false, true} {
						where := fmt.Sprintf("%s, client %q, %s, after: %v", name, clientID, method, after)
						first, code = signIn(s), s.code()
						model.method, model.after = method, after
						failed := errors.New("nothing was called")
						model.act = func() {
							if clientID == "" {
								failed = target.RevokeUser(t.Context(), "u1")
							} else {
								failed = target.RevokeUserClient(t.Context(), "u1", clientID)
							}
						}
						r := send(s)
						if model.act != nil { // this request makes no such call
							model.act = nil
							break
						}
						require.NoError(t, failed, where)
						requireNothingLives(t, s, where, first, r)
						require.Equal(t, 400, s.redeem("web", code).StatusCode, where)
					}
				}
				require.Equal(t, 200, signIn(s).StatusCode)
			})
		}
	}
}

// requireNothingLives checks that no token in the answers works.
func requireNothingLives(t *testing.T, s *site, where string, answers ...reply) {
	t.Helper()
	for _, r := range answers {
		if r.str("access_token") == "" {
			continue
		}
		require.Equal(t, 401, s.apiStatus(r.str("access_token")), where)
		require.Equal(t, 400, s.refresh("web", r.str("refresh_token")).StatusCode, where)
	}
}

// A mark of the same process so old that its counter has wrapped around still
// comes before whatever begins now.
func TestAMarkIsOldInABusyProcess(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		id, err := base64.RawURLEncoding.DecodeString(grantOf(t, model, s.signIn("web")))
		require.NoError(t, err)
		require.Len(t, id, 33)
		at := binary.BigEndian.Uint64(append([]byte{0, 0}, id[:6]...)) - uint64((24 * time.Hour).Milliseconds())
		count := binary.BigEndian.Uint32(id[12:16])
		for place, older := range []uint32{1, 1 << 30, 1<<31 - 1, 1<<31 + 5, 1<<32 - 1000} {
			var shifted [8]byte
			binary.BigEndian.PutUint64(shifted[:], at<<16)
			copy(id, shifted[:6])
			binary.BigEndian.PutUint32(id[12:16], count-older)
			_, err = model.AppendGrant(t.Context(), &oauth2server.GrantEntry{GrantID: "user:u1",
				Seq: int(time.Now().UnixMilli()/2000) + place + 1, Kind: "revoked",
				Nonce: base64.RawURLEncoding.EncodeToString(id), ExpiresAt: time.Now().Add(time.Hour)})
			require.NoError(t, err)
			s.requireAlive(s.signIn("web"))
		}
	})
}

// otherMachine is a model as another machine sees it, with a clock ahead by
// shiftedClock.by: entries written there are read here as another process's,
// and the reverse.
type otherMachine struct{ *shiftedClock }

func (m otherMachine) Unwrap() oauth2server.Model { return m.target }

// other returns the nonce as a process with another name would make it.
func other(e *oauth2server.GrantEntry) *oauth2server.GrantEntry {
	own := *e
	if data, err := base64.RawURLEncoding.DecodeString(own.Nonce); err == nil {
		switch len(data) {
		case 18:
			data[0] ^= 1
		case 33: // of a mark, which begins with the time
			data[6] ^= 1
		}
		own.Nonce = base64.RawURLEncoding.EncodeToString(data)
	}
	return &own
}

func (m otherMachine) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	there, err := m.shiftedClock.AppendGrant(ctx, other(e))
	if there != nil {
		there = other(there)
	}
	return there, err
}

func (m otherMachine) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	entries, err := m.shiftedClock.GrantEntries(ctx, id, from)
	for i, e := range entries {
		entries[i] = other(e)
	}
	return entries, err
}

// Two machines whose clocks differ. Two tabs that refresh at once, one on each,
// get the same successor up to Options.ClockSkew. Beyond it the slower tab
// looks like a thief.
func TestAttack_TwoTabsOnTwoClocks(t *testing.T) {
	t.Parallel()
	const window = 10 * time.Second
	for _, row := range []struct {
		allowed time.Duration // Options.ClockSkew
		later   time.Duration // by how much the second tab asks later
		skew    time.Duration // by how much its machine is ahead
		same    bool          // the same successor
	}{
		{0, 0, 0, true},
		{0, 0, 5 * time.Second, true},
		{0, 0, -5 * time.Second, true},
		{0, 0, -59 * time.Second, true}, // an entry from the future is within the window
		{0, window - time.Second, 5 * time.Second, true},
		{0, window - time.Second, -5 * time.Second, true},
		{0, window + time.Second, 5 * time.Second, false},
		{0, 0, 59 * time.Second, false},
		{time.Minute, 0, 59 * time.Second, true},
		{time.Minute, window - time.Second, time.Minute, true},
		{time.Minute, window + time.Second, time.Minute, false},
		{-1, window - time.Second, 0, true},
		{-1, window - time.Second, 2 * time.Second, false},
	} {
		onEachModel(t, func(t *testing.T, model target) {
			options := &oauth2server.Options{ClockSkew: row.allowed, RefreshRetryWindow: window}
			there := otherMachine{&shiftedClock{target: model, by: row.later + row.skew}}
			one, other := newSite(t, model, options, nil), newSite(t, there, options, nil)
			first := one.redeem("web", one.code())
			mine := one.mustRefresh(first.str("refresh_token"))
			one.mustRefresh(mine.str("refresh_token")) // so that a theft would be detected
			theirs := other.refresh("web", first.str("refresh_token"))
			if !row.same {
				requireError(t, theirs, 400, "invalid_grant")
				return
			}
			require.Equal(t, 200, theirs.StatusCode, "%+v: %s", row, theirs.text)
			require.Equal(t, mine.str("refresh_token"), theirs.str("refresh_token"), "%+v", row)
			require.Equal(t, 200, one.apiStatus(first.str("access_token")))
		})
	}
}

// A machine that is ahead revokes expired tokens only for itself.
func TestAttack_RevocationByAFastClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, 5 * time.Second, 30 * time.Second, 59 * time.Second} {
		onEachModel(t, func(t *testing.T, model target) {
			const lifetime = time.Hour
			fast, slow := &shiftedClock{target: model, by: lifetime - 2*time.Second + ahead},
				&shiftedClock{target: model}
			s, behind := newSite(t, fast, nil, nil), newSite(t, slow, nil, nil)
			tokens := behind.redeem("web", behind.code())
			slow.by = lifetime - 2*time.Second
			require.Equal(t, 200, behind.apiStatus(tokens.str("access_token")))
			require.Equal(t, 200, s.post("/revoke", form("token", tokens.str("refresh_token")),
				"Authorization", as("web")).StatusCode)
			require.Equal(t, 401, behind.apiStatus(tokens.str("access_token")), "ahead by %v", ahead)
			behind.requireDead(tokens)
		})
	}
}

// Without a retry window, one of several requests at once is answered, and the
// others end the grant.
func TestAttack_NoWindowAtOnce(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{RefreshRotation: oauth2server.RotateStrictly}, nil)
		replies := s.refreshAtOnce(8)
		require.Len(t, withStatus(200, replies), 1)
		require.Len(t, withStatus(400, replies), len(replies)-1)
		s.requireDead(withStatus(200, replies)...)
	})
}

// refreshAtOnce sends n requests with the refresh token of a new grant.
func (s *site) refreshAtOnce(n int) []reply {
	first := s.redeem("web", s.code())
	return atOnce(n, func() reply { return s.refresh("web", first.str("refresh_token")) })
}

// A host written with percent signs, so that people read another host.
func TestAttack_LookAlikeHosts(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		for _, uri := range []string{
			"https://%D0%B0pple.com/cb", "https://\u0430pple.com/cb", "https://apple.com%E2%80%AE/cb",
			"https://apple%E3%80%82com/cb",
			"https://apple.com%E2%88%95evil.example/cb", "https://apple.com%2Fevil.example/cb",
			"https://apple.com%40evil.example/cb",
			"https://apple.com%00.evil.example/cb", "https://apple.com%09/cb", "https://%61pple.com/cb",
			"https://apple_.com/cb",
			"https://apple.com\\@evil.example/cb", "https://[::1%25eth0]/cb",
			"https://apple.com:%38/cb", "https://%5B::1%5D/cb",
		} {
			err := addClient(t, model, oauth2server.Client{ID: "lookalike", Grants: allGrants,
				RedirectURIs: []string{uri}}, secret+"lookalike")
			require.Error(t, err, uri)
			// The URI is registered all the same, say by hand.
			s := newSite(t, redirecting{model, uri}, nil, nil)
			for _, named := range []string{uri, ""} {
				r := s.authorize("redirect_uri", named)
				require.Equal(t, 400, r.StatusCode, "%s %q: %s", uri, named, r.text)
				require.Empty(t, r.Header.Get("Location"))
			}
		}
	})
}

// redirecting is a model whose clients have one redirection URI.
type redirecting struct {
	target
	uri string
}

func (m redirecting) Unwrap() oauth2server.Model { return m.target }

func (m redirecting) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	client, err := m.target.GetClient(ctx, id, secret)
	if err == nil {
		client.RedirectURIs = []string{m.uri}
	}
	return client, err
}

// The owner gets in whatever their browser and a proxy make of Origin and Host;
// a cross-origin request does not.
func TestAttack_OriginsThatAreNone(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		handler := mount(t, model, &oauth2server.Options{Issuer: "https://auth.example",
			TrustedOrigins: []string{"https://login.example"}}, nil)
		for _, row := range []struct {
			host, origin, site string
			in                 bool
		}{
			{"auth.example", "https://auth.example", "same-origin", true},
			{"auth.example", "null", "same-origin", true}, // a browser that is told no-referrer
			{"auth.example", "null", "cross-site", false},
			{"auth.example", "null", "", false},
			{"auth.example:443", "https://auth.example", "", true},
			{"auth.example:80", "http://auth.example", "", true},
			{"10.0.0.7:8080", "https://auth.example", "", true}, // behind a proxy that writes its own
			{"10.0.0.7:8080", "https://auth.example", "cross-site", true},
			{"10.0.0.7:8080", "https://login.example", "same-site", true},
			{"auth.example", "https://evil.example", "", false},
			{"auth.example", "https://evil.example", "cross-site", false},
			{"auth.example", "https://auth.example.evil.example", "", false},
			{"auth.example", "https://auth.example:8443", "", false},
			{"auth.example", "http://auth.example:443", "", false},
			{"evil.example:443", "https://evil.example:443", "cross-site", false},
			{"", "https://evil.example", "", false},
		} {
			r := (&site{t: t}).request("POST", "http://local/authorize",
				form(authorization("username", "andy", "password", "andys-password")...))
			r.Host = row.host
			r.Header.Set("Origin", row.origin)
			if row.site != "" {
				r.Header.Set("Sec-Fetch-Site", row.site)
			}
			answer := local(t, handler).do(r)
			if row.in {
				require.NotEmpty(t, answer.at("code"), "%+v: %s", row, answer.text)
				continue
			}
			require.Equal(t, http.StatusForbidden, answer.StatusCode, "%+v", row)
		}
	})
}
