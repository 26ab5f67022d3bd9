package modeltest

import (
	"cmp"
	"context"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

type (
	client = oauth2server.Client
	user   = oauth2server.User
	token  = oauth2server.Token
	code   = oauth2server.AuthorizationCode
	entry  = oauth2server.GrantEntry
)

// altered is the model in memory with some of its methods replaced.
type altered struct {
	*memorymodel.Model
	users [2]User // who sign in without the time that bcrypt takes

	getClient          func(ctx context.Context, id, secret string) (*client, error)
	saveToken          func(ctx context.Context, t *token) (*token, error)
	getAccessToken     func(ctx context.Context, text string) (*token, error)
	revokeAccessToken  func(ctx context.Context, text string) error
	saveCode           func(ctx context.Context, c *code) (*code, error)
	getCode            func(ctx context.Context, text string) (*code, error)
	revokeCode         func(ctx context.Context, c *code) error
	getRefreshToken    func(ctx context.Context, text string) (*token, error)
	revokeToken        func(ctx context.Context, t *token) error
	getUser            func(ctx context.Context, name, password string) (*user, error)
	getUserFromClient  func(ctx context.Context, c *client) (*user, error)
	appendGrant        func(ctx context.Context, e *entry) (*entry, error)
	grantEntries       func(ctx context.Context, id string, from int) ([]*entry, error)
	revokeAccessTokens func(ctx context.Context, digests []string) error
	revokeUser         func(ctx context.Context, userID string) error
}

func (a *altered) RevokeUser(ctx context.Context, userID string) error {
	if a.revokeUser != nil {
		return a.revokeUser(ctx, userID)
	}
	return a.Model.RevokeUser(ctx, userID)
}

func (a *altered) GetClient(ctx context.Context, id, secret string) (*client, error) {
	if a.getClient != nil {
		return a.getClient(ctx, id, secret)
	}
	return a.Model.GetClient(ctx, id, secret)
}

func (a *altered) SaveToken(ctx context.Context, t *token, c *client, u *user) (*token, error) {
	if a.saveToken != nil {
		return a.saveToken(ctx, t)
	}
	return a.Model.SaveToken(ctx, t, c, u)
}

func (a *altered) GetAccessToken(ctx context.Context, text string) (*token, error) {
	if a.getAccessToken != nil {
		return a.getAccessToken(ctx, text)
	}
	return a.Model.GetAccessToken(ctx, text)
}

func (a *altered) RevokeAccessToken(ctx context.Context, text string) error {
	if a.revokeAccessToken != nil {
		return a.revokeAccessToken(ctx, text)
	}
	return a.Model.RevokeAccessToken(ctx, text)
}

func (a *altered) SaveAuthorizationCode(ctx context.Context, c *code, cl *client, u *user) (*code, error) {
	if a.saveCode != nil {
		return a.saveCode(ctx, c)
	}
	return a.Model.SaveAuthorizationCode(ctx, c, cl, u)
}

func (a *altered) GetAuthorizationCode(ctx context.Context, text string) (*code, error) {
	if a.getCode != nil {
		return a.getCode(ctx, text)
	}
	return a.Model.GetAuthorizationCode(ctx, text)
}

func (a *altered) RevokeAuthorizationCode(ctx context.Context, c *code) error {
	if a.revokeCode != nil {
		return a.revokeCode(ctx, c)
	}
	return a.Model.RevokeAuthorizationCode(ctx, c)
}

func (a *altered) GetRefreshToken(ctx context.Context, text string) (*token, error) {
	if a.getRefreshToken != nil {
		return a.getRefreshToken(ctx, text)
	}
	return a.Model.GetRefreshToken(ctx, text)
}

func (a *altered) RevokeToken(ctx context.Context, t *token) error {
	if a.revokeToken != nil {
		return a.revokeToken(ctx, t)
	}
	return a.Model.RevokeToken(ctx, t)
}

func (a *altered) GetUser(ctx context.Context, name, password string, _ *client) (*user, error) {
	if a.getUser != nil {
		return a.getUser(ctx, name, password)
	}
	return a.signIn(ctx, name, password)
}

func (a *altered) signIn(ctx context.Context, name, password string) (*user, error) {
	for _, u := range a.users {
		if ctx.Err() == nil && u.Username == name && u.Password == password {
			return &user{ID: u.ID}, nil
		}
	}
	return nil, cmp.Or(ctx.Err(), error(oauth2server.ErrNotFound))
}

func (a *altered) GetUserFromClient(ctx context.Context, c *client) (*user, error) {
	if a.getUserFromClient != nil {
		return a.getUserFromClient(ctx, c)
	}
	return a.Model.GetUserFromClient(ctx, c)
}

func (a *altered) AppendGrant(ctx context.Context, e *entry) (*entry, error) {
	if a.appendGrant != nil {
		return a.appendGrant(ctx, e)
	}
	return a.Model.AppendGrant(ctx, e)
}

func (a *altered) GrantEntries(ctx context.Context, id string, from int) ([]*entry, error) {
	if a.grantEntries != nil {
		return a.grantEntries(ctx, id, from)
	}
	return a.Model.GrantEntries(ctx, id, from)
}

func (a *altered) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	if a.revokeAccessTokens != nil {
		return a.revokeAccessTokens(ctx, digests)
	}
	return a.Model.RevokeAccessTokens(ctx, digests...)
}
