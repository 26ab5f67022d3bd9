// Package keys has the keys by which a server signs: where they are kept, which
// one signs, which are published, and how others find them.
package keys

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/jose"
)

// Key signs for a time. A [Source] returns it six minutes before SignsFrom at
// the latest, so that those who cache the key set know it, and as long as
// something that it signed may be shown.
type Key struct {
	// Signer has the private key: RSA of 2048 to 4096 bits, ECDSA on P-256, or
	// Ed25519. It may be in a KMS or an HSM.
	Signer crypto.Signer

	// Algorithm is ES256, EdDSA, RS256 or PS256. Empty: ES256, EdDSA or RS256,
	// by the kind of the key.
	Algorithm string

	// ID is the kid. Empty: the thumbprint (RFC 7638).
	ID string

	// SignsFrom is when the key begins to sign. Of several keys that may sign,
	// the one that began last does. Zero: at once.
	SignsFrom time.Time

	// SignsUntil is when the key signs no more. Zero: never.
	SignsUntil time.Time
}

// Source returns the keys to publish, of which at least one signs. All processes
// of a server must get the same ones. It is called once a minute at most while
// the [Ring] is used, and by [Ring.Reload].
type Source func(ctx context.Context) ([]Key, error)

// Ring is a set of keys that signs and checks tokens. [New] makes one. It is
// safe for concurrent use.
type Ring struct {
	source Source

	mu      sync.Mutex
	loaded  *loaded // never changed
	loading bool
	reloads int // how often Reload was called
}

// loaded is what the source returned.
type loaded struct {
	at   time.Time
	keys []ringKey
	set  jose.Set
	text []byte // the JSON Web Key Set
}

type ringKey struct {
	Key
	private *jose.PrivateKey
}

// reload is how long keys are used before the source is asked again, and maxAge
// how long others may cache the key set. A key must be published for longer
// than both together before it signs; see [Kept].
const (
	reload      = time.Minute
	loadTimeout = 10 * time.Second
	maxAge      = 5 * time.Minute
)

// New returns a Ring over a source. It asks the source once, so that a program
// without good keys does not start: the error is that of the source, or says
// what is wrong with the keys.
func New(ctx context.Context, source Source) (*Ring, error) {
	if source == nil {
		return nil, errors.New("keys: the source is nil")
	}
	first, err := load(ctx, source)
	if err != nil {
		return nil, err
	}
	return &Ring{source: source, loaded: first}, nil
}

// Reload asks the source at once, for a program that has changed its keys. If
// the source fails, the keys stay as they are.
func (r *Ring) Reload(ctx context.Context) error {
	found, err := load(ctx, r.source)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded = found
	r.reloads++
	return nil
}

// Static returns a Source of keys that never change.
func Static(keys ...Key) Source {
	return func(context.Context) ([]Key, error) { return keys, nil }
}

// Sign returns a JSON Web Token with these claims, signed by the current key.
// typ is its type, such as "at+jwt"; empty: none.
func (r *Ring) Sign(ctx context.Context, typ string, claims any) (string, error) {
	return r.SignFor(ctx, typ, func(string) any { return claims })
}

// SignFor is [Ring.Sign] for claims that depend on the algorithm, such as
// at_hash.
func (r *Ring) SignFor(
	ctx context.Context, typ string, claims func(algorithm string) any,
) (string, error) {
	current, err := r.current(ctx)
	if err != nil {
		return "", err
	}
	key, err := current.signing(time.Now())
	if err != nil {
		return "", err
	}
	return key.private.Sign(typ, claims(key.private.Public().Algorithm()))
}

// Verify reads the claims of a token that one of the published keys signed, and
// that has this type, into the value that claims points to. It checks no claim:
// the caller looks at iss, aud and exp. An error that wraps [ErrUnavailable]
// says nothing about the token.
func (r *Ring) Verify(ctx context.Context, token, typ string, claims any) error {
	current, err := r.current(ctx)
	if err != nil {
		return err
	}
	return current.set.Verify(token, typ, claims)
}

// ErrUnavailable means that keys could not be had.
var ErrUnavailable = errors.New("keys: they cannot be had at the moment")

// Algorithms returns the algorithms of the keys, the one that signs first, for
// metadata.
func (r *Ring) Algorithms(ctx context.Context) ([]string, error) {
	current, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	signing, err := current.signing(time.Now())
	if err != nil {
		return nil, err
	}
	all, seen := []string{}, map[string]bool{}
	for _, key := range append([]ringKey{*signing}, current.keys...) {
		algorithm := key.private.Public().Algorithm()
		if !seen[algorithm] {
			all, seen[algorithm] = append(all, algorithm), true
		}
	}
	return all, nil
}

// ServeHTTP answers with the public keys, as a JSON Web Key Set (RFC 7517,
// section 5).
func (r *Ring) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	current, err := r.current(request.Context())
	if err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge/time.Second)))
	w.Write(current.text) // an error means that the caller hung up
}

// current returns the keys. When they are old, one caller asks the source again;
// others go on with the old ones, and so does everybody if the source fails.
func (r *Ring) current(ctx context.Context) (*loaded, error) {
	r.mu.Lock()
	known := r.loaded
	if r.loading || time.Since(known.at) < reload {
		r.mu.Unlock()
		return known, nil
	}
	r.loading = true
	reloads := r.reloads
	r.mu.Unlock()
	again := *known // the old ones do until the next try, also after a panic
	again.at = time.Now()
	found := &again
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.loading = false
		if r.reloads == reloads { // otherwise there are newer ones
			r.loaded = found
		}
	}()
	// A caller who hangs up does not keep the keys from being loaded.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	if newer, err := load(ctx, r.source); err == nil {
		found = newer
	}
	return found, nil
}

// load asks a source. Keys of which none signs are as good as none.
func load(ctx context.Context, source Source) (*loaded, error) {
	keys, err := source(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	found, err := prepare(keys)
	if err != nil {
		return nil, err
	}
	if _, err := found.signing(time.Now()); err != nil {
		return nil, err
	}
	return found, nil
}

// prepare checks keys and writes their public halves.
func prepare(keys []Key) (*loaded, error) {
	l := &loaded{at: time.Now()}
	seen := map[string]bool{}
	for _, key := range keys {
		private, err := jose.NewPrivateKey(key.Signer, key.Algorithm, key.ID)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		public := private.Public()
		if seen[public.ID()] {
			return nil, fmt.Errorf("keys: two keys have the ID %q", public.ID())
		}
		seen[public.ID()] = true
		l.keys = append(l.keys, ringKey{key, private})
		l.set = append(l.set, public)
	}
	var err error
	if l.text, err = json.Marshal(l.set); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return l, nil
}

// signing returns the key that signs: the one that began last.
func (l *loaded) signing(now time.Time) (*ringKey, error) {
	var best *ringKey
	for i := range l.keys {
		key := &l.keys[i]
		if key.SignsFrom.After(now) || !key.SignsUntil.IsZero() && !key.SignsUntil.After(now) {
			continue
		}
		if best == nil || key.SignsFrom.After(best.SignsFrom) {
			best = key
		}
	}
	if best == nil {
		return nil, errors.New("keys: none of the keys signs at this time")
	}
	return best, nil
}
