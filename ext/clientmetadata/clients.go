// This file is the extension: its options, and what it tells the server.

package clientmetadata

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/clientdata"
	"github.com/seed-11d18166/oauth2server/internal/fetch"
)

// Options are the options of [New]. The zero value of each is safe.
type Options struct {
	// Allow returns nil if a client may have this ID, for example because its
	// host is on a list. It is asked each time that such a client is named,
	// before its document is read. [oauth2server.ErrNotFound] means that it may
	// not; any other error is a server_error. It must not change the URL. Nil:
	// every host may publish clients.
	Allow func(ctx context.Context, clientID *url.URL) error

	// RedirectSchemes are the schemes without a dot that redirection URIs may
	// have, such as "cursor". A scheme may start any program on the device of
	// the owner. Nil: those of a few apps that people have.
	RedirectSchemes []string

	// Timeout bounds the reading of a document, with the wait while 16 others
	// are being read. 0: 5 seconds.
	Timeout time.Duration

	// MaxBytes bounds a document. 0: 5 KiB.
	MaxBytes int64

	// MinAge and MaxAge bound how long a document is used before it is read
	// again; in between, its publisher decides (RFC 9111). 0: 5 minutes, and 24
	// hours.
	MinAge, MaxAge time.Duration

	// StaleAge is how much longer a document is used while its publisher cannot
	// be asked, because of an outage or of a limit of this server. A document
	// that is gone, or wrong, is not used any more. 0: 7 days.
	StaleAge time.Duration

	// MaxDocuments bounds how many documents are kept, and how many are waited
	// for at once. The one that was needed the longest ago makes room. 0:
	// 1,000.
	MaxDocuments int

	// PerHost is how many documents of a host are read in a minute; those that
	// are kept do not count. 0: 30.
	PerHost int

	// AllowLoopback reads documents of 127.0.0.1 and localhost too, by https or
	// http, on any port. It is for tests: with it, strangers can find out what
	// listens on the machine.
	AllowLoopback bool

	// RootCAs are the certificate authorities to trust. Nil: those of the
	// system.
	RootCAs *x509.CertPool

	// Logger gets the reason why a document cannot be used. Nil:
	// slog.Default().
	Logger *slog.Logger
}

// Clients finds the clients that publish documents. [New] makes one. It is an
// [oauth2server.Extension]. It is safe for concurrent use.
type Clients struct {
	options Options
	get     func(ctx context.Context, address, accept string) ([]byte, http.Header, error)
	now     func() time.Time

	mu      sync.Mutex
	known   map[string]*document
	flights map[string]*flight
	hosts   hosts
}

// New returns a Clients; nil opts mean the zero [Options]. What is wrong with
// them is among the mistakes that [oauth2server.New] returns.
func New(opts *Options) *Clients {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.MaxBytes = cmp.Or(o.MaxBytes, 5<<10)
	o.MinAge = cmp.Or(o.MinAge, 5*time.Minute)
	o.MaxAge = cmp.Or(o.MaxAge, 24*time.Hour)
	o.StaleAge = cmp.Or(o.StaleAge, 7*24*time.Hour)
	o.MaxDocuments = cmp.Or(o.MaxDocuments, 1000)
	o.PerHost = cmp.Or(o.PerHost, 30)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	client := fetch.New(fetch.Options{
		Timeout:       o.Timeout,
		MaxBytes:      o.MaxBytes,
		AllowLoopback: o.AllowLoopback,
		TLS:           &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
	})
	return &Clients{
		options: o,
		get:     client.Get,
		now:     time.Now,
		known:   map[string]*document{},
		flights: map[string]*flight{},
		hosts:   hosts{seed: maphash.MakeSeed(), perMinute: o.PerHost},
	}
}

// ExtensionName implements [oauth2server.Extension].
func (c *Clients) ExtensionName() string { return "clientmetadata" }

// Attach implements [oauth2server.Attacher].
func (c *Clients) Attach(s *oauth2server.Server) error {
	o := &c.options
	wrong := []error{s.CheckSelfAsserted(), clientdata.CheckSchemes(o.RedirectSchemes)}
	if s.Issuer() == "" {
		wrong = append(wrong, errors.New("it needs the option Issuer"))
	}
	if o.Timeout < 0 || o.MaxBytes < 0 || o.StaleAge < 0 || o.MaxDocuments < 0 || o.PerHost < 0 {
		wrong = append(wrong, errors.New("an option is negative"))
	}
	if o.MinAge < 0 || o.MaxAge < o.MinAge {
		wrong = append(wrong, fmt.Errorf("a MinAge of %v and a MaxAge of %v", o.MinAge, o.MaxAge))
	}
	return errors.Join(wrong...)
}

// ExtendMetadata implements [oauth2server.MetadataExtender].
func (c *Clients) ExtendMetadata(members map[string]any) {
	members["client_id_metadata_document_supported"] = true
}
