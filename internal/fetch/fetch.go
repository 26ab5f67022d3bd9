// Package fetch asks servers whose addresses strangers name, without becoming
// their tool: nothing on a private network is reached, no redirect is followed,
// and little is read.
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
	// Timeout bounds a request as a whole. 0: 5 seconds.
	Timeout time.Duration

	// MaxBytes bounds what is read of an answer. 0: 5 KiB.
	MaxBytes int64

	// InFlight bounds the requests at once; others wait. 0: 16.
	InFlight int

	// AllowLoopback reaches loopback addresses too, also by http: for tests.
	AllowLoopback bool

	// TLS is for tests. Nil: the system's roots.
	TLS *tls.Config
}

// New returns a Client.
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
	dialer := &net.Dialer{Timeout: options.Timeout, ControlContext: c.control}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if options.TLS != nil {
		config = options.TLS
	}
	c.http = &http.Client{
		Timeout: options.Timeout,
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
// for each address that a name resolves to, so resolving it anew changes
// nothing.
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

// notPublic are the special-purpose addresses (RFC 6890), and those that embed
// one of IPv4.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
	"2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
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
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, fmt.Errorf("fetch: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, done, err := c.do(request)
	if err != nil {
		return 0, err
	}
	defer done()
	return response.StatusCode, nil
}

// Get returns a document. Only an answer with 200 counts, and none that is
// larger than allowed.
func (c *Client) Get(ctx context.Context, address, accept string) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch: %w", err)
	}
	request.Header.Set("Accept", accept)
	response, done, err := c.do(request)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("fetch: the answer is %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, c.options.MaxBytes+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("fetch: %w", err)
	case int64(len(text)) > c.options.MaxBytes:
		return nil, nil, fmt.Errorf("fetch: the answer has more than %d bytes", c.options.MaxBytes)
	}
	return text, response.Header, nil
}

// do sends a request when there is room. The caller calls done when it has read
// the answer.
func (c *Client) do(request *http.Request) (response *http.Response, done func(), err error) {
	if err := c.Check(request.URL.String()); err != nil {
		return nil, nil, err
	}
	select {
	case c.inFlight <- struct{}{}:
	case <-request.Context().Done():
		return nil, nil, fmt.Errorf("fetch: %w", request.Context().Err())
	}
	response, err = c.http.Do(request)
	if err != nil {
		<-c.inFlight
		return nil, nil, fmt.Errorf("fetch: %w", err)
	}
	return response, func() { response.Body.Close(); <-c.inFlight }, nil
}
