package oauth2server_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// Models with a method that the server would never call.
type (
	manyScopes   struct{ bare }
	verifyScopes struct{ bare }
	redirectURL  struct{ bare }
	accesToken   struct{ bare }
	swapped      struct{ bare }
	anotherName  struct{ bare }
	otherArgs    struct{ bare }
)

func (manyScopes) ValidateScopes(
	context.Context, *oauth2server.User, *oauth2server.Client, oauth2server.Scope,
) (oauth2server.Scope, error) {
	return nil, nil
}

func (verifyScopes) VerifyScopes(context.Context, *oauth2server.Token, oauth2server.Scope) (bool, error) {
	return false, nil
}

func (redirectURL) ValidateRedirectURL(context.Context, string, *oauth2server.Client) (bool, error) {
	return false, nil
}

func (accesToken) GenerateAccesToken(
	context.Context, *oauth2server.Client, *oauth2server.User, oauth2server.Scope,
) (string, error) {
	return "", nil
}

func (swapped) VerfiyScope(context.Context, *oauth2server.Token, oauth2server.Scope) (bool, error) {
	return false, nil
}

func (anotherName) NarrowScope(
	context.Context, *oauth2server.User, *oauth2server.Client, oauth2server.Scope,
) (oauth2server.Scope, error) {
	return nil, nil
}

func (otherArgs) CheckUsr(string) bool { return true }

// Models whose extra methods are their own business.
type (
	listing struct{ bare }
	helper  struct{ bare }
	own     struct{ bare }
)

func (listing) GetUsers(context.Context) ([]*oauth2server.User, error)         { return nil, nil }
func (listing) CheckUsers(context.Context) iter.Seq[*oauth2server.User]        { return nil }
func (listing) GetUser1(context.Context) (map[string]string, error)            { return nil, nil }
func (listing) RevokeUser(context.Context, string) error                       { return nil }
func (listing) DeleteClient(context.Context, string) error                     { return nil }
func (listing) FindToken(context.Context, string) (*oauth2server.Token, error) { return nil, nil }

func (helper) ValidateScope(
	context.Context, *oauth2server.User, *oauth2server.Client, oauth2server.Scope,
) (oauth2server.Scope, error) {
	return nil, nil
}

func (helper) NarrowScope(
	context.Context, *oauth2server.User, *oauth2server.Client, oauth2server.Scope,
) (oauth2server.Scope, error) {
	return nil, nil
}

func (own) Close() error                 { return nil }
func (own) String() string               { return "" }
func (own) Scope() oauth2server.Scope    { return nil }
func (own) Validate(ctx context.Context) {}

// A misspelt hook would never be called: everything that it should refuse would
// be granted.
func TestNewNamesWhatIsMisspelt(t *testing.T) {
	grants := &oauth2server.Options{ExtensionGrants: map[string]oauth2server.GrantFunc{"urn:x": otp}}
	for _, row := range []struct {
		model oauth2server.Model
		want  []string
	}{
		{manyScopes{}, []string{"ValidateScopes", "ValidateScope (ScopeValidator)"}},
		{verifyScopes{}, []string{"VerifyScopes", "VerifyScope (ScopeVerifier)"}},
		{redirectURL{}, []string{"ValidateRedirectURL", "ValidateRedirectURI (RedirectURIValidator)"}},
		{accesToken{}, []string{"GenerateAccesToken", "GenerateAccessToken (AccessTokenGenerator)"}},
		{swapped{}, []string{"VerfiyScope", "VerifyScope (ScopeVerifier)"}},
		{anotherName{}, []string{"NarrowScope has the signature of ValidateScope (ScopeValidator)"}},
		{otherArgs{}, []string{"CheckUsr", "CheckUser (UserChecker)"}},
		{&manyScopes{}, []string{"ValidateScopes"}},
		{decorator{manyScopes{}}, []string{"ValidateScopes"}},
		{listing{}, nil}, {helper{}, nil}, {own{}, nil}, {bare{}, nil}, {newMemory(t), nil},
	} {
		_, err := oauth2server.New(row.model, grants)
		if row.want == nil {
			require.NoError(t, err, "%T", row.model)
			continue
		}
		require.ErrorIs(t, err, oauth2server.InvalidArgument, "%T", row.model)
		for _, want := range row.want {
			require.ErrorContains(t, err, want)
		}
	}
}
