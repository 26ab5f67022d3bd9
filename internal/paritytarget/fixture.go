// This file reads the fixture: the servers, clients, users, codes and tokens of
// the parity suite.

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// fixture is the content of fixture.json.
type fixture struct {
	Scopes             oauth2server.Scope
	DefaultScope       oauth2server.Scope
	SavedTokenExtras   map[string]any
	ExtensionGrant     string
	OTPs               map[string]string `json:"otps"`
	Configs            map[string]config
	Users              []userRecord
	Clients            []clientRecord
	AuthorizationCodes []codeRecord
	AccessTokens       []tokenRecord
	RefreshTokens      []tokenRecord
}

// config is a server: the options of node-oauth2-server, the functions of its
// model, and who signs in.
type config struct {
	Options struct {
		AllowEmptyState, AllowBearerTokensInQueryString, AllowExtendedTokenAttributes  bool
		EnablePlainPKCE                                                                bool
		AddAcceptedScopesHeader, AddAuthorizedScopesHeader, AlwaysIssueNewRefreshToken *bool
		AccessTokenLifetime, RefreshTokenLifetime, AuthorizationCodeLifetime           int
		RequireClientAuthentication                                                    map[string]bool
		ExtendedGrantTypes                                                             []string
	}
	Model struct {
		Without             []string
		Only                []string
		ValidateScope       string
		ValidateRedirectURI bool
		Generators          bool
	}
	Authorize string
}

// fault is how a model function fails for one record.
type fault struct{ Fn, Kind, Message string }

// in returns the fault's error if it is one of fn.
func (f *fault) in(fn string) error {
	if f == nil || f.Fn != fn {
		return nil
	}
	switch f.Kind {
	case "error":
		return fmt.Errorf("%s", f.Message)
	case "returns-false":
		return oauth2server.ErrNotFound
	case "invalid_client", "invalid_grant":
		return &oauth2server.Error{Code: oauth2server.ErrorCode(f.Kind), Description: f.Message}
	}
	return nil
}

// is reports whether fn must return what kind names.
func (f *fault) is(fn, kind string) bool { return f != nil && f.Fn == fn && f.Kind == kind }

type userRecord struct {
	Username string
	Password *string
	Fault    *fault
}

type clientRecord struct {
	ID                   string
	Secret               *string
	Grants               []string
	RedirectURIs         []string `json:"redirectUris"`
	User                 string
	AccessTokenLifetime  int
	RefreshTokenLifetime int
	Fault                *fault
}

type codeRecord struct {
	AuthorizationCode   string
	Client, User        *string
	ExpiresIn           *int
	RedirectURI         string `json:"redirectUri"`
	Scope               oauth2server.Scope
	CodeChallenge       string
	CodeChallengeMethod string
	Fault               *fault
}

type tokenRecord struct {
	AccessToken, RefreshToken string
	Client, User              *string
	ExpiresIn                 *int
	Scope                     oauth2server.Scope
	Fault                     *fault
}

func loadFixture(path string) (*fixture, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f fixture
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &f, nil
}

// code returns the code of the record, at the time of a reset.
func (r codeRecord) code(now time.Time) *oauth2server.AuthorizationCode {
	return &oauth2server.AuthorizationCode{
		Code:                r.AuthorizationCode,
		ExpiresAt:           expiry(r.ExpiresIn, now),
		RedirectURI:         r.RedirectURI,
		Scope:               r.Scope,
		Client:              clientNamed(r.Client),
		User:                userNamed(r.User),
		CodeChallenge:       r.CodeChallenge,
		CodeChallengeMethod: r.CodeChallengeMethod,
		GrantID:             r.AuthorizationCode,
	}
}

func (r tokenRecord) token(now time.Time) *oauth2server.Token {
	token := &oauth2server.Token{AccessToken: r.AccessToken, RefreshToken: r.RefreshToken, Scope: r.Scope,
		Client: clientNamed(r.Client), User: userNamed(r.User), GrantID: r.AccessToken + r.RefreshToken}
	if r.AccessToken != "" {
		token.AccessTokenExpiresAt = expiry(r.ExpiresIn, now)
	} else {
		token.RefreshTokenExpiresAt = expiry(r.ExpiresIn, now)
	}
	return token
}

func expiry(in *int, now time.Time) time.Time {
	if in == nil {
		return time.Time{}
	}
	return now.Add(time.Duration(*in) * time.Second)
}

func clientNamed(id *string) *oauth2server.Client {
	if id == nil {
		return nil
	}
	return &oauth2server.Client{ID: *id}
}

func userNamed(id *string) *oauth2server.User {
	if id == nil {
		return nil
	}
	return &oauth2server.User{ID: *id}
}
