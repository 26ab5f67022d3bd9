package oauth2server_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// unwrapped makes a struct a decorator without further interfaces.
type unwrapped struct{}

func (unwrapped) Unwrap() oauth2server.Model { return bare{} }

// bare has the methods that every model has.
type bare struct{}

func (bare) GetClient(context.Context, string, string) (*oauth2server.Client, error) { return nil, nil }
func (bare) SaveToken(
	context.Context, *oauth2server.Token, *oauth2server.Client, *oauth2server.User,
) (*oauth2server.Token, error) {
	return nil, nil
}

type wrongSignature struct{ bare }

func (wrongSignature) GetUser(context.Context, string, string) (oauth2server.User, error) {
	return oauth2server.User{}, nil
}

type half struct{ bare }

func (half) GetAuthorizationCode(context.Context, string) (*oauth2server.AuthorizationCode, error) {
	return nil, nil
}
func (half) RevokeToken(context.Context, *oauth2server.Token) error { return nil }

type byPointer struct{ bare }

func (*byPointer) GetUserFromClient(context.Context, *oauth2server.Client) (*oauth2server.User, error) {
	return &oauth2server.User{ID: "service"}, nil
}

type embedding struct{ oauth2server.Model }

type embeddingDeeper struct{ *embedding }

type named struct {
	bare
	inner *spy
}

type decorator struct{ oauth2server.Model }

func (d decorator) Unwrap() oauth2server.Model { return d.Model }

type endless struct{ bare }

func (e endless) Unwrap() oauth2server.Model { return e }

type nodeSpelling struct{ bare }

func (nodeSpelling) ValidateRedirectUri() {}

type wrongUnwrap struct{ bare }

func (wrongUnwrap) Unwrap() error { return nil }

func custom(context.Context, *oauth2server.GrantRequest) (*oauth2server.Token, error) {
	return nil, nil
}

func TestNewListsEverythingThatIsWrong(t *testing.T) {
	full := newSpy(t)
	extension := map[string]oauth2server.GrantFunc{"urn:x": custom}
	for _, row := range []struct {
		name  string
		model oauth2server.Model
		opts  *oauth2server.Options
		want  []string
	}{
		{"no model", nil, nil, []string{"the model is nil"}},
		{"a nil pointer", (*spy)(nil), nil, []string{"the model is nil"}},
		{"a grant that the model cannot do", bare{},
			&oauth2server.Options{Grants: []string{"password", "authorization_code"}},
			[]string{`grant "password": the model is no PasswordModel`,
				`grant "authorization_code": the model is no AuthorizationCodeModel`}},
		{"no grant at all", bare{}, nil, []string{"no grant is on"}},
		{"no grant named", full, &oauth2server.Options{Grants: []string{}}, []string{"no grant is on"}},
		{"a wrong signature", wrongSignature{}, &oauth2server.Options{ExtensionGrants: extension},
			[]string{"oauth2server_test.wrongSignature: GetUser has type func(context.Context, string, " +
				"string) (oauth2server.User, error), " +
				"want func(context.Context, string, string, *oauth2server.Client) (*oauth2server.User, error)"}},
		{"half an interface", half{}, &oauth2server.Options{ExtensionGrants: extension},
			[]string{"AuthorizationCodeModel is incomplete: it has [GetAuthorizationCode], but not " +
				"[SaveAuthorizationCode RevokeAuthorizationCode]",
				"RefreshTokenModel is incomplete: it has [RevokeToken], but not [GetRefreshToken]"}},
		{"a value with pointer receivers", byPointer{}, &oauth2server.Options{ExtensionGrants: extension},
			[]string{"GetUserFromClient has a pointer receiver; pass a pointer"}},
		{"an embedded Model", embedding{full}, &oauth2server.Options{ExtensionGrants: extension},
			[]string{"embedding: it hides what the oauth2server.Model in its field Model can do"}},
		{"an embedded Model, by pointer", &embedding{full}, &oauth2server.Options{ExtensionGrants: extension},
			[]string{"it hides what the oauth2server.Model in its field Model can do"}},
		{"an embedded Model, one deeper", embeddingDeeper{&embedding{full}},
			&oauth2server.Options{ExtensionGrants: extension},
			[]string{"it hides what the oauth2server.Model in its field Model can do"}},
		{"node's spelling", nodeSpelling{}, &oauth2server.Options{ExtensionGrants: extension},
			[]string{"ValidateRedirectUri is called ValidateRedirectURI here"}},
		{"a model in a field", named{bare{}, full}, &oauth2server.Options{ExtensionGrants: extension},
			[]string{"it hides what the *oauth2server_test.spy in its field inner can do"}},
		{"a decorator of nothing", decorator{}, nil, []string{"Unwrap returned nil"}},
		{"a decorator of itself", endless{}, nil, []string{"Unwrap does not end"}},
		{"an Unwrap of something else", wrongUnwrap{}, &oauth2server.Options{ExtensionGrants: extension},
			[]string{"Unwrap has type func() error, want func() oauth2server.Model"}},
		{"a misspelt grant", full, &oauth2server.Options{Grants: []string{"pasword"}},
			[]string{`grant "pasword" is unknown; "password" was probably meant`}},
		{"an unknown grant", full, &oauth2server.Options{Grants: []string{"x"}},
			[]string{`grant "x" is unknown; grants of your own go into ExtensionGrants`}},
		{"negative numbers", full, &oauth2server.Options{AccessTokenLifetime: -1,
			RefreshTokenLifetime: -time.Hour, AuthorizationCodeLifetime: -1, MaxFormBytes: -1},
			[]string{"AccessTokenLifetime: -1ns is less than a second", "RefreshTokenLifetime: -1h0m0s",
				"AuthorizationCodeLifetime", "MaxFormBytes: -1"}},
		{"too many bytes", full, &oauth2server.Options{MaxFormBytes: 1 << 62}, []string{"more than a gigabyte"}},
		{"seconds", full, &oauth2server.Options{AccessTokenLifetime: 3600},
			[]string{"AccessTokenLifetime: 3.6µs is less than a second"}},
		{"a realm that breaks out", full, &oauth2server.Options{Realm: `a" b`}, []string{"option Realm"}},
		{"extension grants", full,
			&oauth2server.Options{ExtensionGrants: map[string]oauth2server.GrantFunc{"password": custom,
				"": custom, "a b": custom, "nil": nil}},
			[]string{`"password": the name is taken`, `"": not a grant type`, `"a b": not a grant type`,
				`"nil": not a grant type`}},
		{"grants of public clients", full,
			&oauth2server.Options{PublicClientGrants: []string{"client_credentials", "password"}},
			[]string{`"client_credentials" is for confidential clients`,
				`PublicClientGrants: grant "password" is not on`}},
		{"no authentication for a built-in grant", full,
			&oauth2server.Options{InsecureSkipClientAuthentication: []string{"refresh_token"}},
			[]string{`InsecureSkipClientAuthentication: "refresh_token" is no extension grant`}},
		{"rotation without refresh", full,
			&oauth2server.Options{Grants: []string{"client_credentials"}, RefreshRotation: oauth2server.RotateNever},
			[]string{"RefreshRotation: the refresh_token grant is not on"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			srv, err := oauth2server.New(row.model, row.opts)
			require.Nil(t, srv)
			require.ErrorIs(t, err, oauth2server.InvalidArgument)
			for _, want := range row.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
	_, err := oauth2server.NewResourceServer(nil, &oauth2server.ResourceOptions{Realm: `"`})
	require.ErrorContains(t, err, "the model is nil")
	require.ErrorContains(t, err, "option Realm")
	require.ErrorContains(t, err, "oauth2server: 2 mistakes:\n\t")
	var mistakes interface{ Unwrap() []error }
	require.ErrorAs(t, err, &mistakes)
	require.Len(t, mistakes.Unwrap(), 2, "each is an error of its own")
}

// tokenDecorator wraps the methods that a resource server calls.
type tokenDecorator struct{ oauth2server.AccessTokenModel }

type shownDecorator struct{ tokenDecorator }

func (d shownDecorator) Unwrap() oauth2server.AccessTokenModel { return d.AccessTokenModel }

type wrongVerifier struct{ oneToken }

func (wrongVerifier) VerifyScope(context.Context, *oauth2server.Token, string) bool { return false }

func TestNewResourceServerLooksAtTheModelToo(t *testing.T) {
	_, err := oauth2server.NewResourceServer(tokenDecorator{oneToken{}}, nil)
	require.ErrorContains(t, err,
		"it hides what the oauth2server.AccessTokenModel in its field AccessTokenModel can do")
	_, err = oauth2server.NewResourceServer(wrongVerifier{}, nil)
	require.ErrorContains(t, err, "VerifyScope has type func(context.Context, *oauth2server.Token, string) bool, want")

	model := verifying{newSpy(t), nil}
	issued(t, model, "good", "write")
	resource, err := oauth2server.NewResourceServer(shownDecorator{tokenDecorator{model}},
		sharedRecorder.resourceOptions(t.Name(), nil))
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer good")
	_, err = resource.AuthenticateRequest(r, "write")
	require.ErrorIs(t, err, oauth2server.InsufficientScope, "the inner VerifyScope is asked")
}

func TestDecorators(t *testing.T) {
	inner := scoped{newSpy(t), readByDefault}
	s := newSite(t, decorator{decorator{inner}}, nil, nil)
	require.Equal(t, "read", s.token("web", "grant_type", "client_credentials").str("scope"),
		"the inner ValidateScope is asked")

	// The outermost layer that has an interface is called.
	outer := struct {
		decorator
		none
	}{decorator{inner}, none{}}
	requireError(t, newSite(t, outer, nil, nil).token("web", "grant_type", "client_credentials"), 400, "invalid_scope")
}

type none struct{}

func (none) ValidateScope(
	context.Context, *oauth2server.User, *oauth2server.Client, oauth2server.Scope,
) (oauth2server.Scope, error) {
	return nil, nil
}

func TestNewLogsWhatIsOn(t *testing.T) {
	var log bytes.Buffer
	_, err := oauth2server.New(newSpy(t),
		&oauth2server.Options{Grants: allGrants, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			ExtensionGrants: map[string]oauth2server.GrantFunc{"urn:x": custom}})
	require.NoError(t, err)
	require.Contains(t, log.String(),
		`grants="[authorization_code client_credentials password refresh_token urn:x implicit]"`)
	require.Contains(t, log.String(), "RefreshTokenModel")
	require.NotContains(t, log.String(), "ScopeValidator")
}

func TestOptionsAreCopied(t *testing.T) {
	options := &oauth2server.Options{Grants: []string{"client_credentials"},
		ExtensionGrants: map[string]oauth2server.GrantFunc{"urn:x": custom}}
	s := newSite(t, newSpy(t), options, nil)
	options.Grants[0] = "password"
	delete(options.ExtensionGrants, "urn:x")
	require.Equal(t, 200, s.token("web", "grant_type", "client_credentials").StatusCode)
	requireError(t, s.token("web", "grant_type", "urn:x"), 400, "unauthorized_client")
}
