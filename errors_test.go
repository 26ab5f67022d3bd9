package oauth2server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func TestErrorCodes(t *testing.T) {
	for code, status := range map[oauth2server.ErrorCode]int{
		oauth2server.InvalidArgument: 500, oauth2server.ServerError: 503,
		oauth2server.InvalidRequest: 400, oauth2server.InvalidClient: 400,
		oauth2server.InvalidGrant: 400, oauth2server.InvalidScope: 400, oauth2server.UnauthorizedClient: 400,
		oauth2server.UnsupportedGrantType: 400, oauth2server.UnsupportedResponseType: 400,
		oauth2server.AccessDenied:        400,
		oauth2server.UnauthorizedRequest: 401, oauth2server.InvalidToken: 401,
		oauth2server.InsufficientScope: 403, "slow_down": 400,
	} {
		require.Equal(t, status, code.Status(), code)
		require.Equal(t, string(code), code.Error())
	}
}

func TestErrorsAreFound(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("wrapped: %w", &oauth2server.Error{Code: oauth2server.InvalidGrant,
		Description: "text", Err: cause})
	require.ErrorIs(t, err, oauth2server.InvalidGrant)
	require.NotErrorIs(t, err, oauth2server.InvalidScope)
	require.ErrorIs(t, err, cause)
	require.EqualError(t, err, "wrapped: invalid_grant: text: cause")
	require.EqualError(t, oauth2server.ErrNotFound, "oauth2server: not found")
	require.ErrorIs(t, fmt.Errorf("%w", oauth2server.ErrNotFound), oauth2server.ErrNotFound)
}

func TestRefusalsAreLoggedWithAReason(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Logger: logger}, nil)
	last := func() string { t.Helper(); defer log.Reset(); return log.String() }
	last()

	s.token("web", "grant_type", "nope")
	require.Contains(t, last(),
		"level=INFO msg=\"oauth2server: refused\" endpoint=token error=unsupported_grant_type reason=grant_unsupported")
	s.authorize("client_id", "nobody")
	require.Contains(t, last(),
		"level=INFO msg=\"oauth2server: refused\" endpoint=authorize error=invalid_client reason=client_unknown")
	s.authorize("state", "")
	require.Contains(t, last(), "endpoint=authorize error=invalid_request reason=parameter_missing")
	s.apiStatus("nope")
	require.Contains(t, last(),
		"level=DEBUG msg=\"oauth2server: refused\" endpoint=authenticate error=invalid_token reason=token_unknown")
	model.fails["GetClient"] = errors.New("the database is down")
	s.token("web", "grant_type", "client_credentials")
	require.Contains(t, last(),
		"level=ERROR msg=\"oauth2server: refused\" endpoint=token error=server_error reason=model_fault "+
			"grant_type=client_credentials cause=\"GetClient: the database is down\"")

	// A client that hung up is no fault of the server.
	srv, err := oauth2server.New(newSpy(t), sharedRecorder.options(t.Name(), &oauth2server.Options{Logger: logger}))
	require.NoError(t, err)
	last()
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.Header.Set("Authorization", "Bearer token")
	srv.Authenticate()(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	require.Contains(t, last(),
		"level=DEBUG msg=\"oauth2server: refused\" endpoint=authenticate error=server_error "+
			"reason=model_fault cause=\"GetAccessToken: context canceled\"")
	logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	newSite(t, model, &oauth2server.Options{Logger: logger}, nil).token("web", "grant_type", "nope")
	require.Empty(t, last())
}
