// This file finds clients: in the model, or by an extension.

package oauth2server

import (
	"context"
	"errors"
)

// Client returns a client, for an extension. It authenticates nobody.
// [ErrNotFound]: there is none; any other error is an [Error].
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
		return client, err
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
			return client, nil
		}
	}
	return nil, ErrNotFound
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
