// This file is the extension: its options, and what the server asks of it.

package registration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/ratelimit"
	"github.com/seed-11d18166/oauth2server/internal/clientdata"
)

// Options change what the zero value does. All are optional.
type Options struct {
	// MayRegister returns nil if a request may register client, which has no ID
	// yet and must not be changed. The body of r can be read again. An
	// [oauth2server.Error] is sent to the client, with its status; any other
	// error is a server_error. Nil: all may.
	MayRegister func(r *http.Request, client *oauth2server.Client) error

	// RedirectSchemes are the private-use schemes, such as "cursor", that a
	// redirection URI may have beside those with a dot, such as
	// "com.example.app", in lower case. Nil: cursor, vscode, vscode-insiders,
	// windsurf and claude. Leave out schemes whose program runs what a URI
	// says.
	RedirectSchemes []string

	// OldKeys are keys that [Sealed] had before. Their clients keep working;
	// new clients get the new key. Removing a key from this list ends its
	// clients. Nil: none.
	OldKeys [][]byte

	// Path is where the endpoint is, on the host of the issuer. Empty:
	// "/register".
	Path string

	// Limit is how many requests one address may send; see [ratelimit.Limiter].
	// A Burst of 0 means 30, and one more every two seconds, with [Stored]. It
	// means no limit with [Sealed], as there is nothing to flood, and the users
	// of a hosted client share its addresses. A negative Burst means no limit.
	Limit ratelimit.Limit

	// Address returns where a request comes from, as in
	// [ratelimit.Limiter.Address]. Nil: the other end of the connection.
	Address func(*http.Request) netip.Addr
}

// Endpoint is the extension; see [Sealed] and [Stored].
type Endpoint struct {
	options Options
	seal    *seal // nil: clients are stored
	store   Store
	limiter *ratelimit.Limiter
	server  *oauth2server.Server
}

// Sealed returns an endpoint that stores nothing. key has 32 random bytes or
// more, and stays secret: whoever has it can compute the secret of each client.
// All processes of a program have the same key. To replace it, see
// [Options.OldKeys]. Nil opts mean the zero [Options]. [oauth2server.New]
// reports what is wrong with the arguments.
func Sealed(key []byte, opts *Options) *Endpoint {
	e := newEndpoint(opts, ratelimit.Limit{Burst: -1})
	e.seal = &seal{keys: append([][]byte{key}, e.options.OldKeys...)}
	return e
}

// Stored returns an endpoint that gives each client to store. Nil opts mean the
// zero [Options]. [oauth2server.New] reports what is wrong with the arguments,
// such as a nil store.
func Stored(store Store, opts *Options) *Endpoint {
	e := newEndpoint(opts, ratelimit.Limit{Burst: 30, Every: 2 * time.Second})
	e.store = store
	return e
}

func newEndpoint(opts *Options, usual ratelimit.Limit) *Endpoint {
	e := &Endpoint{}
	if opts != nil {
		e.options = *opts
	}
	if e.options.Path == "" {
		e.options.Path = "/register"
	}
	if e.options.Limit.Burst == 0 {
		e.options.Limit = usual
	}
	e.limiter = &ratelimit.Limiter{Secrets: e.options.Limit, Address: e.options.Address}
	return e
}

// ExtensionName implements [oauth2server.Extension].
func (e *Endpoint) ExtensionName() string { return "registration" }

// Attach implements [oauth2server.Attacher].
func (e *Endpoint) Attach(s *oauth2server.Server) error {
	wrong := []error{s.CheckSelfAsserted(), clientdata.CheckSchemes(e.options.RedirectSchemes)}
	switch {
	case e.seal != nil:
		wrong = append(wrong, e.seal.check())
	case e.store == nil:
		wrong = append(wrong, errors.New("Stored needs a Store"))
	case len(e.options.OldKeys) > 0:
		wrong = append(wrong, errors.New("OldKeys are for Sealed"))
	}
	path := e.options.Path
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "?#{} ") {
		wrong = append(wrong, fmt.Errorf("the Path %q must begin with one slash, and be a path alone", path))
	}
	e.server = s
	return errors.Join(wrong...)
}

// Endpoints implements [oauth2server.EndpointExtender].
func (e *Endpoint) Endpoints() map[string]http.Handler {
	return map[string]http.Handler{e.options.Path: e.Handler()}
}

// ExtendMetadata implements [oauth2server.MetadataExtender].
func (e *Endpoint) ExtendMetadata(members map[string]any) {
	members["registration_endpoint"] = e.server.URL(e.options.Path)
}

// FindClient implements [oauth2server.ClientFinder].
func (e *Endpoint) FindClient(_ context.Context, id, secret string) (*oauth2server.Client, error) {
	if e.seal == nil { // the model finds them itself
		return nil, oauth2server.ErrNotFound
	}
	client := e.seal.find(id, secret)
	if client == nil || clientdata.Clean(client, e.options.RedirectSchemes) != nil {
		return nil, oauth2server.ErrNotFound
	}
	return client, nil
}
