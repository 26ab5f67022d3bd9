// This file finds the keys of another server.

package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/jose"
)

// Remote is the key set of another server, fetched when it is needed and kept.
// [NewRemote] makes one. It is safe for concurrent use.
type Remote struct {
	url    string
	client *http.Client

	mu      sync.Mutex
	set     jose.Set
	fetched time.Time     // when the set was fetched; zero: never
	tried   time.Time     // when the last try ended
	flight  chan struct{} // closed when the fetch under way has ended; nil: none
	err     error         // of the last try
}

// How long a key set is used, and how soon it is fetched again: for a key that
// is not in it, and after a failure.
const (
	remoteLifetime = time.Hour
	remotePause    = time.Minute
	remoteRetry    = 5 * time.Second
	remoteTimeout  = 5 * time.Second
)

// NewRemote returns the key set at a URL: https, or http on a loopback host. A
// nil client means one that does not follow redirects. Nothing is fetched yet.
func NewRemote(address string, client *http.Client) (*Remote, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	host := u.Hostname()
	loopback := host == "127.0.0.1" || host == "::1" || host == "localhost"
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) || host == "" || u.User != nil {
		return nil, fmt.Errorf("keys: %q is not https", address)
	}
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	}
	return &Remote{url: address, client: client}, nil
}

// Verify is [Ring.Verify] with the keys of the other server. A key that is not
// known makes it fetch the set again: once a minute at most, or every five
// seconds after a failure, however many tokens name such keys. Otherwise a set
// is fetched again after an hour. While the other server cannot be reached, the
// last set is used, however old it is. An error that wraps [ErrUnavailable] says
// nothing about the token.
func (r *Remote) Verify(ctx context.Context, token, typ string, claims any) error {
	set, fetched, err := r.keys(ctx, remoteLifetime)
	if err != nil {
		return err
	}
	err = set.Verify(token, typ, claims)
	if !errors.Is(err, jose.ErrUnknownKey) || time.Since(fetched) < remotePause {
		return err
	}
	newer, again, failed := r.keys(ctx, remotePause)
	if failed != nil || !again.After(fetched) {
		return err
	}
	return newer.Verify(token, typ, claims)
}

// keys returns a set that is not older than maxAge, or the last one that could
// be had. One request at a time fetches it, and nobody waits for two.
func (r *Remote) keys(ctx context.Context, maxAge time.Duration) (jose.Set, time.Time, error) {
	r.mu.Lock()
	pause := remotePause
	if r.err != nil {
		pause = remoteRetry
	}
	known := !r.fetched.IsZero()
	fresh := known && time.Since(r.fetched) < maxAge
	if pausing := !r.tried.IsZero() && time.Since(r.tried) < pause; !fresh && !pausing && r.flight == nil {
		r.flight = make(chan struct{})
		go r.fetch(r.flight)
	}
	flight := r.flight
	// While it is under way, the keys that are known do for the tokens that they
	// have signed.
	if flight == nil || fresh || known && maxAge == remoteLifetime {
		defer r.mu.Unlock()
		return r.last()
	}
	r.mu.Unlock()
	select {
	case <-flight:
	case <-ctx.Done():
		return nil, time.Time{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last()
}

// last returns the last set that could be had.
func (r *Remote) last() (jose.Set, time.Time, error) {
	if r.fetched.IsZero() {
		return nil, time.Time{}, r.err
	}
	return r.set, r.fetched, nil
}

// fetch asks for the set. It does not end with the request that began it, as
// others wait for it too.
func (r *Remote) fetch(flight chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), remoteTimeout)
	defer cancel()
	set, err := r.get(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err = err; err == nil {
		r.set, r.fetched = set, time.Now()
	}
	r.flight, r.tried = nil, time.Now()
	close(flight)
}

func (r *Remote) get(ctx context.Context) (jose.Set, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s answered %s", ErrUnavailable, r.url, response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, jose.MaxKeys+1))
	if err == nil {
		var set jose.Set
		if set, err = jose.ParseSet(text); err == nil {
			return set, nil
		}
	}
	return nil, fmt.Errorf("%w: %s: %w", ErrUnavailable, r.url, err)
}
