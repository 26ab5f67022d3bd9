// This file finds a client: among the documents that are kept, or by reading
// its document, once for all requests that wait for it.

package clientmetadata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/fetch"
)

// document is a document that was read.
type document struct {
	client *oauth2server.Client // it does not change
	url    *url.URL
	fresh  time.Time // until then it is used as it is
	stale  time.Time // until then it is used while its publisher cannot be asked
	retry  time.Time // before that, such a publisher is not asked again
	used   time.Time
}

// flight is the reading of a document, for which requests wait.
type flight struct {
	done   chan struct{} // closed when the fields below are set
	client *oauth2server.Client
	err    error
}

// staleRetry is how long a publisher that could not be asked is left alone,
// while its old document is used.
const staleRetry = time.Minute

// errTooMany is why a document is not read although its address is good.
var errTooMany = errors.New("too many documents are asked for")

// FindClient implements [oauth2server.ClientFinder]. Whatever is wrong with an
// ID or a document, the answer is the same, so that nobody can probe other
// servers through this one; the log has the cause. Only a limit of this server
// has another answer, as the client can try again then.
func (c *Clients) FindClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if secret != "" || !c.isAddress(id) {
		return nil, oauth2server.ErrNotFound
	}
	client, at := c.find(id)
	if at == nil {
		var err error
		if at, err = parseID(id, c.options.AllowLoopback); err != nil {
			c.log(ctx, "an ID cannot be the address of a document", id, err)
			return nil, oauth2server.ErrNotFound
		}
	}
	if c.options.Allow != nil {
		if err := c.options.Allow(ctx, at); err != nil {
			if errors.Is(err, oauth2server.ErrNotFound) {
				c.log(ctx, "Allow refuses an ID", id, err)
			}
			return nil, fmt.Errorf("clientmetadata: Allow: %w", err)
		}
	}
	if client == nil {
		var err error
		if client, err = c.wait(ctx, id, at); err != nil {
			return nil, err
		}
	}
	return copyOf(client), nil
}

// isAddress reports whether an ID could be the address of a document at all;
// other IDs are for others to find.
func (c *Clients) isAddress(id string) bool {
	return strings.HasPrefix(id, "https://") || c.options.AllowLoopback && strings.HasPrefix(id, "http://")
}

// copyOf returns a client that the server may change. Its lists share one
// allocation.
func copyOf(client *oauth2server.Client) *oauth2server.Client {
	own := *client
	lists := slices.Concat(client.RedirectURIs, client.Grants)
	end := len(client.RedirectURIs)
	own.RedirectURIs, own.Grants = lists[:end:end], lists[end:]
	return &own
}

// find returns the address of a document that is kept, and its client if the
// document can be used without asking.
func (c *Clients) find(id string) (*oauth2server.Client, *url.URL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.known[id]
	if d == nil {
		return nil, nil
	}
	now := c.now()
	d.used = now
	if d.isFresh(now) {
		return d.client, d.url
	}
	return nil, d.url
}

// isFresh reports whether a document can be used without asking.
func (d *document) isFresh(now time.Time) bool {
	return now.Before(d.fresh) || now.Before(d.retry) && now.Before(d.stale)
}

// wait returns the client when its document has been read.
func (c *Clients) wait(ctx context.Context, id string, at *url.URL) (*oauth2server.Client, error) {
	client, f := c.board(id, at)
	switch {
	case client != nil:
		return client, nil
	case f == nil:
		return nil, busy(errTooMany)
	}
	select {
	case <-f.done:
		return f.client, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("clientmetadata: %w", ctx.Err())
	}
}

// busy is the answer when a limit of this server is reached. It is no
// server_error: a stranger can cause it, and nobody has to look.
func busy(cause error) error {
	return &oauth2server.Error{
		Code:        "temporarily_unavailable", // RFC 6749, section 4.1.2.1
		Status:      http.StatusServiceUnavailable,
		Description: "The document of the client could not be read in time. Try again later.",
		Err:         fmt.Errorf("clientmetadata: %w", cause),
		Reason:      "clientmetadata_busy",
	}
}

// board returns the flight for a document, or a client if its document was read
// meanwhile. It returns neither if a limit is reached. A document that is kept
// has no limit: otherwise strangers could use up the limit of its host to keep
// an old document in use.
func (c *Clients) board(id string, at *url.URL) (*oauth2server.Client, *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if f := c.flights[id]; f != nil {
		return nil, f
	}
	d := c.known[id]
	switch {
	case d != nil && d.isFresh(now):
		return d.client, nil
	case d != nil: // these are bounded, and each is read seldom
	case len(c.flights) >= c.options.MaxDocuments, !c.hosts.take(at.Host, now):
		return nil, nil
	}
	f := &flight{done: make(chan struct{})}
	id = strings.Clone(id) // so that the map does not keep the whole request alive
	c.flights[id] = f
	go c.read(id, at, f) // for all who wait, so it does not end with one of them
	return nil, f
}

// spare returns the client of a stale document that can still be used, and lets
// it be used for a while without asking; nil if there is none.
func (c *Clients) spare(id string, now time.Time) *oauth2server.Client {
	d := c.known[id]
	if d == nil || !now.Before(d.stale) {
		return nil
	}
	d.retry = now.Add(staleRetry)
	return d.client
}

// read reads a document and keeps it. It ends the flight after it has logged
// what went wrong.
func (c *Clients) read(id string, at *url.URL, f *flight) {
	ctx := context.Background()
	text, header, err := c.get(ctx, id, "application/json")
	var client *oauth2server.Client
	isAnswer := err == nil || errors.Is(err, fetch.ErrAnswer)
	if err == nil {
		client, err = parseDocument(id, header.Get("Content-Type"), text, c.options.RedirectSchemes)
	}
	stale := c.land(id, at, f, client, header, err, isAnswer)
	defer close(f.done)
	switch {
	case stale:
		c.log(ctx, "an old document is used, as its publisher cannot be asked", id, err)
	case err != nil:
		c.log(ctx, "a document cannot be used", id, err)
	}
}

// land decides how a flight ends. An answer of the publisher always counts.
// Without one, an older document is used for a while; stale reports that.
func (c *Clients) land(
	id string, at *url.URL, f *flight, client *oauth2server.Client, header http.Header, err error, isAnswer bool,
) (stale bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	switch {
	case err == nil:
		fresh := now.Add(min(max(lifetime(header, now), c.options.MinAge), c.options.MaxAge))
		c.keep(id, &document{client: client, url: at, fresh: fresh, stale: fresh.Add(c.options.StaleAge), used: now})
		f.client = client
	case isAnswer:
		delete(c.known, id)
		f.err = oauth2server.ErrNotFound
	default:
		f.client = c.spare(id, now)
		stale = f.client != nil
		switch {
		case stale:
		case errors.Is(err, fetch.ErrBusy):
			f.err = busy(err)
		default:
			f.err = oauth2server.ErrNotFound
		}
		if !stale {
			delete(c.known, id) // too old to use: the limit of its host counts again
		}
	}
	delete(c.flights, id)
	return stale
}

// keep keeps a document, in the place of the one that was needed the longest ago
// if there are too many.
func (c *Clients) keep(id string, d *document) {
	if c.known[id] == nil && len(c.known) >= c.options.MaxDocuments {
		oldest := ""
		for other, d := range c.known {
			if oldest == "" || d.used.Before(c.known[oldest].used) {
				oldest = other
			}
		}
		delete(c.known, oldest)
	}
	c.known[id] = d
}

// log logs why there is no client. It cuts the ID, which a stranger wrote.
func (c *Clients) log(ctx context.Context, what, id string, cause error) {
	c.options.Logger.LogAttrs(ctx, slog.LevelInfo, "clientmetadata: "+what,
		slog.String("client", id[:min(len(id), maxID)]), slog.String("cause", cause.Error()))
}
