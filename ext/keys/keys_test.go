package keys_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

var secret = []byte("32 bytes of a secret, and a bit more")

type claims struct {
	Subject string `json:"sub"`
}

func newKey(t testing.TB) keys.Key {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return keys.Key{Signer: signer}
}

func newRing(t testing.TB, source keys.Source) *keys.Ring {
	ring, err := keys.New(t.Context(), source)
	require.NoError(t, err)
	return ring
}

func sign(t testing.TB, ring *keys.Ring) string {
	token, err := ring.Sign(context.Background(), "", claims{"u1"})
	require.NoError(t, err)
	return token
}

// published returns the kids of a key set.
func published(t testing.TB, handler http.Handler) (kids []string) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	require.Equal(t, 200, w.Code)
	require.Equal(t, "public, max-age=300", w.Header().Get("Cache-Control"))
	var set struct{ Keys []map[string]any }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &set))
	for _, key := range set.Keys {
		require.NotContains(t, key, "d", "a private key")
		require.Contains(t, []any{"ES256", "EdDSA", "RS256", "PS256"}, key["alg"])
		kids = append(kids, key["kid"].(string))
	}
	return kids
}

func TestAKeyIsPublishedBeforeItSignsAndAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newKey(t), newKey(t)
		old.SignsUntil = time.Now().Add(2 * time.Hour)
		next.SignsFrom = time.Now().Add(time.Hour)
		ring := newRing(t, keys.Static(old, next))
		require.Len(t, published(t, ring), 2)
		first := sign(t, ring)
		time.Sleep(time.Hour + time.Minute)
		second := sign(t, ring)
		require.NotEqual(t, strings.Split(first, ".")[0], strings.Split(second, ".")[0], "another kid")
		for _, token := range []string{first, second} {
			require.NoError(t, ring.Verify(t.Context(), token, "", new(claims)))
		}
	})
}

func TestKeysThatCannotWork(t *testing.T) {
	later, one := newKey(t), newKey(t)
	later.SignsFrom = time.Now().Add(time.Hour)
	fault := errors.New("the vault is sealed")
	for want, source := range map[string]keys.Source{
		"none of the keys signs": keys.Static(later),
		"none of the keys":       keys.Static(),
		"have the ID":            keys.Static(one, one),
		"nil":                    keys.Static(keys.Key{}),
		"the vault is sealed":    func(context.Context) ([]keys.Key, error) { return nil, fault },
	} {
		_, err := keys.New(t.Context(), source)
		require.ErrorContains(t, err, want)
	}
	_, err := keys.New(t.Context(), nil)
	require.Error(t, err)
	records := oauth2server.LogRecords(memorymodel.New(nil))
	for _, options := range []*keys.KeptOptions{{Algorithm: "HS256"}, {Every: time.Minute}, {Retain: -1},
		{Every: time.Hour, Retain: 1000 * time.Hour}} {
		_, err := keys.Kept(records, secret, options)
		require.Error(t, err, options)
	}
	_, err = keys.Kept(records, secret[:31], nil)
	require.ErrorContains(t, err, "it needs 32")
	_, err = keys.Kept(nil, secret, nil)
	require.Error(t, err)
}

// Many processes over one storage sign with the same keys, over a year of
// rotation. Whatever one signed, the others know as long as it is retained.
func TestKeptKeysAreTheSameEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		model := memorymodel.New(nil)
		var rings []*keys.Ring
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 4 { // they all start at once
			wg.Go(func() {
				source, err := keys.Kept(oauth2server.LogRecords(model), secret, &keys.KeptOptions{Algorithm: "ES256"})
				require.NoError(t, err)
				ring := newRing(t, source)
				mu.Lock()
				defer mu.Unlock()
				rings = append(rings, ring)
			})
		}
		wg.Wait()
		type signed struct {
			token string
			at    time.Time
		}
		var tokens []signed
		kids := map[string]bool{}
		for began := time.Now(); time.Since(began) < 365*day; time.Sleep(5 * day) {
			for i, ring := range rings {
				token := sign(t, ring)
				tokens = append(tokens, signed{token, time.Now()})
				kids[strings.Split(token, ".")[0]] = true
				require.NoError(t, rings[(i+1)%len(rings)].Verify(t.Context(), token, "", new(claims)))
			}
			require.LessOrEqual(t, len(published(t, rings[0])), 5)
		}
		require.InDelta(t, 13, len(kids), 1, "a key signs for 30 days")
		for _, s := range tokens {
			if time.Since(s.at) < 90*day {
				require.NoError(t, rings[0].Verify(t.Context(), s.token, "", new(claims)))
			}
			if time.Since(s.at) > 130*day {
				require.Error(t, rings[0].Verify(t.Context(), s.token, "", new(claims)))
			}
		}

		other, err := keys.Kept(oauth2server.LogRecords(model), append([]byte("x"), secret...),
			&keys.KeptOptions{Algorithm: "ES256"})
		require.NoError(t, err)
		_, err = keys.New(t.Context(), other)
		require.ErrorContains(t, err, "the secret is another one")
	})
}

// Another algorithm is for the next key: what was signed before stays good.
func TestAnotherAlgorithm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := oauth2server.LogRecords(memorymodel.New(nil))
		ring := func(algorithm string) *keys.Ring {
			source, err := keys.Kept(records, secret, &keys.KeptOptions{Algorithm: algorithm})
			require.NoError(t, err)
			return newRing(t, source)
		}
		token := sign(t, ring("RS256"))
		changed := ring("PS256")
		require.NoError(t, changed.Verify(t.Context(), token, "", new(claims)))
		require.Contains(t, decoded(t, sign(t, changed)), "RS256")
		time.Sleep(31 * 24 * time.Hour)
		require.Contains(t, decoded(t, sign(t, changed)), "PS256")
		require.NoError(t, changed.Verify(t.Context(), token, "", new(claims)))
	})
}

// A key is known everywhere before it signs.
func TestKeptKeysArePublishedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, err := keys.Kept(oauth2server.LogRecords(memorymodel.New(nil)), secret,
			&keys.KeptOptions{Every: time.Hour, Retain: 5 * time.Hour, Algorithm: "EdDSA"})
		require.NoError(t, err)
		ring := newRing(t, source)
		seen := map[string]time.Time{}
		for range 600 {
			for _, kid := range published(t, ring) {
				if _, known := seen[kid]; !known {
					seen[kid] = time.Now()
				}
			}
			token := sign(t, ring)
			for kid, since := range seen {
				if strings.Contains(decoded(t, token), kid) && len(seen) > 2 {
					require.GreaterOrEqual(t, time.Since(since), 25*time.Minute)
				}
			}
			time.Sleep(time.Minute)
		}
		require.Greater(t, len(seen), 8)
	})
}

// The source is not asked for each request, and its failures are survived.
func TestASourceThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, asked, fails := newKey(t), 0, false
		ring := newRing(t, func(context.Context) ([]keys.Key, error) {
			if asked++; fails {
				return nil, errors.New("away")
			}
			return []keys.Key{key}, nil
		})
		for range 600 {
			sign(t, ring)
			time.Sleep(time.Second)
		}
		require.InDelta(t, 11, asked, 1)
		fails = true
		for range 600 {
			sign(t, ring)
			time.Sleep(time.Second)
		}
		require.InDelta(t, 21, asked, 1)
	})
}

// Keys that do not sign do not take the place of those that do.
func TestASourceThatReturnsNoKey(t *testing.T) {
	found := []keys.Key{newKey(t)}
	ring := newRing(t, func(context.Context) ([]keys.Key, error) { return found, nil })
	token := sign(t, ring)
	for _, found = range [][]keys.Key{nil, {{Signer: found[0].Signer, SignsFrom: time.Now().Add(time.Hour)}}} {
		require.Error(t, ring.Reload(t.Context()))
		sign(t, ring)
		require.NoError(t, ring.Verify(t.Context(), token, "", new(claims)))
	}
}

// A load that began before Reload does not bring the old keys back.
func TestReloadWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh, asked := newKey(t), newKey(t), 0
		ring := newRing(t, func(context.Context) ([]keys.Key, error) {
			switch asked++; asked {
			case 1:
				return []keys.Key{old}, nil
			case 2:
				time.Sleep(time.Second)
				return []keys.Key{old}, nil
			}
			return []keys.Key{fresh}, nil
		})
		time.Sleep(2 * time.Minute)
		go sign(t, ring)
		synctest.Wait()
		require.NoError(t, ring.Reload(t.Context()))
		token := sign(t, ring)
		time.Sleep(2 * time.Second)
		require.NoError(t, ring.Verify(t.Context(), token, "", new(claims)))
	})
}

// A source that panics, which net/http survives, is asked again.
func TestASourceThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, asked := newKey(t), 0
		ring := newRing(t, func(context.Context) ([]keys.Key, error) {
			if asked++; asked == 2 {
				panic("the vault's client has a fault")
			}
			return []keys.Key{key}, nil
		})
		time.Sleep(2 * time.Minute)
		require.Panics(t, func() { ring.Sign(t.Context(), "", claims{}) })
		time.Sleep(2 * time.Minute)
		sign(t, ring)
		require.Equal(t, 3, asked)
	})
}

// The secret is changed: keys that the former one sealed are opened as long as
// it is named, and old ones that nobody can open keep nobody from starting.
func TestAnotherSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := oauth2server.LogRecords(memorymodel.New(nil))
		ring := func(secret string, former ...[]byte) (*keys.Ring, error) {
			source, err := keys.Kept(records, []byte(strings.Repeat(secret, 32)),
				&keys.KeptOptions{Algorithm: "ES256", FormerSecrets: former})
			require.NoError(t, err)
			return keys.New(t.Context(), source)
		}
		first, err := ring("a")
		require.NoError(t, err)
		token := sign(t, first)
		_, err = ring("b")
		require.ErrorContains(t, err, "the secret is another one")
		both, err := ring("b", []byte(strings.Repeat("a", 32)))
		require.NoError(t, err)
		require.NoError(t, both.Verify(t.Context(), token, "", new(claims)))
		time.Sleep(31 * 24 * time.Hour)
		sign(t, both)
		alone, err := ring("b")
		require.NoError(t, err)
		require.Error(t, alone.Verify(t.Context(), token, "", new(claims)))
		require.NoError(t, alone.Verify(t.Context(), sign(t, both), "", new(claims)))
	})
}

// A server that never answers holds nobody for longer than one try, and does not
// stand in the way of keys that are known.
func TestRemoteKeysThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &remoteServer{}
		server.ring.Store(newRing(t, keys.Static(newKey(t))))
		server.hangs.Store(true)
		remote, err := keys.NewRemote("https://as.example/jwks", &http.Client{Transport: server})
		require.NoError(t, err)
		token := sign(t, server.ring.Load())
		began := time.Now()
		require.ErrorIs(t, remote.Verify(t.Context(), token, "", new(claims)), keys.ErrUnavailable)
		require.LessOrEqual(t, time.Since(began), 6*time.Second)
		time.Sleep(10 * time.Second)
		server.hangs.Store(false)
		require.NoError(t, remote.Verify(t.Context(), token, "", new(claims)))

		server.hangs.Store(true)
		stranger := sign(t, newRing(t, keys.Static(newKey(t))))
		time.Sleep(2 * time.Minute)
		began = time.Now()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { require.Error(t, remote.Verify(t.Context(), stranger, "", new(claims))) })
		}
		require.NoError(t, remote.Verify(t.Context(), token, "", new(claims)))
		require.Zero(t, time.Since(began))
		wg.Wait()
		require.LessOrEqual(t, time.Since(began), 6*time.Second)
	})
}

func TestKeysInFiles(t *testing.T) {
	dir := t.TempDir()
	records, err := keys.Files(dir + "/keys")
	require.NoError(t, err)
	var tokens []string
	var rings []*keys.Ring
	for range 3 {
		source, err := keys.Kept(records, secret, &keys.KeptOptions{Algorithm: "RS256"})
		require.NoError(t, err)
		rings = append(rings, newRing(t, source))
		tokens = append(tokens, sign(t, rings[len(rings)-1]))
	}
	for _, ring := range rings {
		for _, token := range tokens {
			require.NoError(t, ring.Verify(t.Context(), token, "", new(claims)))
		}
	}
	won := atomic.Int32{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if records.SaveRecord(t.Context(), "a/../key", []byte("x"), time.Now().Add(time.Hour)) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
	got, err := records.GetRecord(t.Context(), "a/../key")
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
	_, err = records.GetRecord(t.Context(), "none")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	require.NoError(t, records.SaveRecord(t.Context(), "old", nil, time.Now().Add(-time.Second)))
	_, err = records.GetRecord(t.Context(), "old")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
}

// remoteServer publishes the keys of a ring and counts how often it is asked.
type remoteServer struct {
	ring  atomic.Pointer[keys.Ring]
	asked atomic.Int32
	away  atomic.Bool
	hangs atomic.Bool
}

func (s *remoteServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	if s.hangs.Load() {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if s.away.Load() {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	s.ring.Load().ServeHTTP(w, r)
	return w.Result(), nil
}

// A verifier learns of new keys, is not driven to ask by made-up ones, and goes
// on while the other server is away.
func TestRemoteKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, stranger := newKey(t), newKey(t), newRing(t, keys.Static(newKey(t)))
		server := &remoteServer{}
		server.ring.Store(newRing(t, keys.Static(one)))
		remote, err := keys.NewRemote("https://as.example/jwks", &http.Client{Transport: server})
		require.NoError(t, err)
		verify := func(token string) error { return remote.Verify(t.Context(), token, "", new(claims)) }

		first := sign(t, server.ring.Load())
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() { require.NoError(t, verify(first)) })
		}
		wg.Wait()
		require.EqualValues(t, 1, server.asked.Load(), "one request for all")
		for range 100 {
			require.Error(t, verify(sign(t, stranger)))
		}
		require.EqualValues(t, 1, server.asked.Load())
		for range 300 {
			require.Error(t, verify(sign(t, stranger)))
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, server.asked.Load(), int32(7), "once a minute")

		server.ring.Store(newRing(t, keys.Static(two)))
		time.Sleep(2 * time.Minute)
		require.NoError(t, verify(sign(t, server.ring.Load())), "a new key is fetched at once")
		require.Error(t, verify(first))

		server.away.Store(true)
		time.Sleep(3 * time.Hour)
		require.NoError(t, verify(sign(t, server.ring.Load())), "the known keys do")
		synctest.Wait()
	})
}

func TestRemoteKeysThatWereNeverHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &remoteServer{}
		server.away.Store(true)
		remote, err := keys.NewRemote("https://as.example/jwks", &http.Client{Transport: server})
		require.NoError(t, err)
		server.ring.Store(newRing(t, keys.Static(newKey(t))))
		token := sign(t, server.ring.Load())
		for range 50 {
			require.ErrorIs(t, remote.Verify(t.Context(), token, "", new(claims)), keys.ErrUnavailable)
		}
		require.LessOrEqual(t, server.asked.Load(), int32(2))
		server.away.Store(false)
		time.Sleep(6 * time.Second)
		require.NoError(t, remote.Verify(t.Context(), token, "", new(claims)))
	})
	for _, address := range []string{"http://as.example/jwks", "https://", "ftp://as.example", "%",
		"https://u@as.example"} {
		_, err := keys.NewRemote(address, nil)
		require.Error(t, err, address)
	}
}

// What the other server sends may be anything.
func TestAttack_RemoteAnswers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"huge": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"keys":[`, strings.Repeat(" ", 1<<20), `]}`)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere",
				http.StatusFound)
		},
		"html":  func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
		"error": func(w http.ResponseWriter, r *http.Request) { http.Error(w, `{"keys":[]}`, 500) },
	} {
		server := httptest.NewServer(handler)
		remote, err := keys.NewRemote(server.URL, nil)
		require.NoError(t, err)
		token := sign(t, newRing(t, keys.Development()))
		require.ErrorIs(t, remote.Verify(t.Context(), token, "", new(claims)), keys.ErrUnavailable, name)
		server.Close()
	}
}

func decoded(t testing.TB, token string) string {
	head, _, _ := strings.Cut(token, ".")
	text, err := decode(head)
	require.NoError(t, err)
	return string(text)
}

func decode(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }
