// This file finds clients: in the model, or by an extension.

package oauth2server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Client returns a client, for an extension. It authenticates nobody.
// [ErrNotFound] means that there is none; any other error is an [Error].
func (s *Server) Client(ctx context.Context, clientID string) (*Client, error) {
	client, err := s.getClient(ctx, clientID, "")
	switch {
	case errors.Is(err, ErrNotFound) && asError(err) == nil, err == nil && client.id() != clientID:
		return nil, ErrNotFound
	case err != nil:
		return nil, modelFailure("GetClient", err, nil)
	case client == nil:
		return nil, ErrNotFound
	}
	return client, nil
}

// getClient is [Model.GetClient]. If the model does not have the client, the
// extensions are asked. They are not asked about a client of the model whose
// secret is wrong.
func (s *Server) getClient(ctx context.Context, id, secret string) (*Client, error) {
	client, err := s.can.model.GetClient(ctx, id, secret)
	if len(s.ext.finders) == 0 || !isMissing(client, err) {
		return client.restrained(strings.HasPrefix(id, selfAssertedPrefix)), err
	}
	if secret != "" {
		if known, err := s.can.model.GetClient(ctx, id, ""); !isMissing(known, err) {
			return nil, errOr(err, ErrNotFound)
		}
	}
	for _, finder := range s.ext.finders {
		if client, err = finder.FindClient(ctx, id, secret); !isMissing(client, err) {
			if err != nil {
				return nil, refusedBy(finder, "FindClient", err, nil)
			}
			isURL := strings.HasPrefix(id, "https://")
			return client.restrained(isURL || strings.HasPrefix(id, selfAssertedPrefix)), nil
		}
	}
	return nil, ErrNotFound
}

// selfAssertedPrefix begins the IDs of clients that registered themselves, so
// that a storage which forgets [Client.SelfAsserted] makes nobody trusted.
const selfAssertedPrefix = "dcr."

// restrained returns the client as the server treats it. If it is SelfAsserted,
// or mustAssert is set, it has two grants at most, and no Scope, as it may
// later ask for more than it registered.
func (c *Client) restrained(mustAssert bool) *Client {
	if c == nil || !c.SelfAsserted && !mustAssert {
		return c
	}
	own := *c
	own.SelfAsserted, own.Scope, own.Grants = true, nil, nil
	for _, grant := range c.Grants {
		if grant == "authorization_code" || grant == "refresh_token" {
			own.Grants = append(own.Grants, grant)
		}
	}
	return &own
}

// CheckSelfAsserted is for an extension that lets in clients that nobody
// vouches for. It returns why the server cannot serve them; nil if it can. They
// need [Options.Resources] and the authorization code grant for public clients,
// and InsecureAllowPlainPKCE, InsecureApprovePublicClients and
// InsecureAllowHTTPRedirects must be off.
func (s *Server) CheckSelfAsserted() error {
	o := &s.options
	var wrong []error
	if len(s.resources) == 0 {
		wrong = append(wrong, errors.New("it needs the option Resources, as such clients get tokens for nothing else"))
	}
	if s.grants["authorization_code"] == nil || !slices.Contains(o.PublicClientGrants, "authorization_code") {
		wrong = append(wrong, errors.New("it needs the authorization_code grant for public clients"))
	}
	for _, insecure := range []struct {
		name string
		on   bool
	}{
		{"InsecureAllowPlainPKCE", o.InsecureAllowPlainPKCE},
		{"InsecureApprovePublicClients", o.InsecureApprovePublicClients},
		{"InsecureAllowHTTPRedirects", o.InsecureAllowHTTPRedirects},
	} {
		if insecure.on {
			wrong = append(wrong, fmt.Errorf("the option %s would open it to anybody", insecure.name))
		}
	}
	return errors.Join(wrong...)
}

// isMissing reports whether a model or an extension found nothing.
func isMissing(client *Client, err error) bool {
	return client == nil && err == nil || errors.Is(err, ErrNotFound) && asError(err) == nil
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
