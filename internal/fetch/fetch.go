// Package fetch sends requests to addresses that strangers choose, without
// becoming their tool: it reaches nothing on a private network, follows no
// redirect, and reads little.
package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Client is an HTTP client for such addresses. [New] makes one. It is safe for
// concurrent use.
type Client struct {
	http     *http.Client
	options  Options
	inFlight chan struct{}
}

// Options are the options of [New].
type Options struct {
	// Timeout bounds a request as a whole, from the wait for room to the last
	// byte of the answer. 0: 5 seconds.
	Timeout time.Duration

	// MaxBytes bounds what is read of an answer. 0: 5 KiB.
	MaxBytes int64

	// InFlight bounds the requests at once; others wait. 0: 16.
	InFlight int

	// AllowLoopback reaches loopback addresses too, also by http: for tests.
	AllowLoopback bool

	// TLS is for tests. Nil: the system's roots.
	TLS *tls.Config

	// Resolver is for tests. Nil: the system's.
	Resolver *net.Resolver
}

// ErrBusy is wrapped by the error of a request that waited so long for others
// that it could not be sent, or not be answered in time.
var ErrBusy = errors.New("fetch: too many requests are under way")

// ErrAnswer is wrapped by the error of a Get that was answered, but not with a
// document. Without it, the server could not be asked, or says that it cannot
// answer now.
var ErrAnswer = errors.New("fetch: the answer is no document")

// New returns a Client. The zero [Options] are the safe ones.
func New(options Options) *Client {
	if options.Timeout == 0 {
		options.Timeout = 5 * time.Second
	}
	if options.MaxBytes == 0 {
		options.MaxBytes = 5 << 10
	}
	if options.InFlight == 0 {
		options.InFlight = 16
	}
	c := &Client{options: options, inFlight: make(chan struct{}, options.InFlight)}
	dialer := &net.Dialer{Timeout: options.Timeout, ControlContext: c.control, Resolver: options.Resolver}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if options.TLS != nil {
		config = options.TLS
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			// No proxy: it would resolve names by itself.
			DialContext:            dialer.DialContext,
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    options.Timeout,
			ResponseHeaderTimeout:  options.Timeout,
			MaxResponseHeaderBytes: 16 << 10,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// control refuses a connection to an address that is not public. It is called
// for each address that a name resolves to, so a name that resolves differently
// later changes nothing.
func (c *Client) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	if addr := at.Addr(); !isPublic(addr) && !(c.options.AllowLoopback && addr.Unmap().IsLoopback()) {
		return errors.New("fetch: the address is not public")
	}
	return nil
}

// notPublic are the special-purpose addresses (the registries of RFC 6890),
// multicast, and those that embed an IPv4 address.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
	"2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
	"fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// isPublic reports whether an address is one of the public internet.
func isPublic(addr netip.Addr) bool {
	addr = addr.WithZone("")
	if addr.Is4In6() {
		addr = addr.Unmap()
	}
	for _, prefix := range notPublic {
		if prefix.Contains(addr) {
			return false
		}
	}
	return addr.IsGlobalUnicast()
}

// Check returns why an address cannot be asked; nil if it may be tried. It
// resolves no name.
func (c *Client) Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Errorf("fetch: %w", err)
	case u.Scheme != "https" && !(c.options.AllowLoopback && u.Scheme == "http"):
		return errors.New("fetch: the address is not https")
	case u.Hostname() == "" || u.User != nil || u.Opaque != "" || strings.Contains(address, "#"):
		return errors.New("fetch: the address has no host, or a user or a fragment")
	}
	return nil
}

// PostForm posts a form and returns the status of the answer, whose body is not
// read.
func (c *Client) PostForm(ctx context.Context, address string, form url.Values) (status int, err error) {
	request, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, fmt.Errorf("fetch: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	err = c.do(ctx, request, func(response *http.Response) error {
		status = response.StatusCode
		return nil
	})
	return status, err
}

// Get returns a document and its headers. The answer must be 200, without a
// Content-Encoding, and no larger than allowed. The error tells an outage from
// another answer: see [ErrAnswer].
func (c *Client) Get(ctx context.Context, address, accept string) (text []byte, header http.Header, err error) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch: %w", err)
	}
	request.Header.Set("Accept", accept)
	err = c.do(ctx, request, func(response *http.Response) (err error) {
		encoding := response.Header.Get("Content-Encoding")
		switch {
		case isOutage(response.StatusCode):
			return fmt.Errorf("fetch: the answer is %s", response.Status)
		case response.StatusCode != http.StatusOK:
			return fmt.Errorf("%w: it is %s", ErrAnswer, response.Status)
		case encoding != "" && !strings.EqualFold(encoding, "identity"):
			return fmt.Errorf("%w: it is encoded, by %.100q", ErrAnswer, encoding)
		}
		header = response.Header
		text, err = io.ReadAll(io.LimitReader(response.Body, c.options.MaxBytes+1))
		switch {
		case err != nil:
			return fmt.Errorf("fetch: %w", err)
		case int64(len(text)) > c.options.MaxBytes:
			return fmt.Errorf("%w: it has more than %d bytes", ErrAnswer, c.options.MaxBytes)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return text, header, nil
}

// isOutage reports whether a status says that the server cannot answer now.
func isOutage(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// do sends a request when there is room, and reads the answer, all before the
// timeout.
func (c *Client) do(ctx context.Context, request *http.Request, read func(*http.Response) error) error {
	if err := c.Check(request.URL.String()); err != nil {
		return err
	}
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	waited := false
	select {
	case c.inFlight <- struct{}{}:
	default:
		waited = true
		select {
		case c.inFlight <- struct{}{}:
		case <-ctx.Done():
			if asked.Err() != nil {
				return fmt.Errorf("fetch: %w", asked.Err())
			}
			return ErrBusy
		}
	}
	defer func() { <-c.inFlight }()
	err := c.send(request.WithContext(ctx), read)
	if err != nil && waited && asked.Err() == nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return err
}

func (c *Client) send(request *http.Request, read func(*http.Response) error) error {
	request.Header.Set("User-Agent", "oauth2server")
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	defer response.Body.Close()
	return read(response)
}
