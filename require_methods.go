// This file lists the methods of the contract beside those that a model has.

package oauth2server

import "reflect"

// method is a method of an optional interface: its type in the model, and its
// type in the contract. got is nil if the model does not have it, want if the
// contract does not.
type method struct {
	of, name  string
	got, want reflect.Type
}

// interfaces lists the optional interfaces and their methods.
var interfaces = []struct {
	of    reflect.Type
	names []string
}{
	{reflect.TypeFor[AccessTokenModel](), []string{"GetAccessToken"}},
	{reflect.TypeFor[AccessTokenRevoker](), []string{"RevokeAccessToken"}},
	{
		reflect.TypeFor[AuthorizationCodeModel](),
		[]string{"SaveAuthorizationCode", "GetAuthorizationCode", "RevokeAuthorizationCode"},
	},
	{reflect.TypeFor[RefreshTokenModel](), []string{"GetRefreshToken", "RevokeToken"}},
	{reflect.TypeFor[GrantLog](), []string{"AppendGrant", "GrantEntries", "RevokeAccessTokens"}},
	{reflect.TypeFor[RecordModel](), []string{"SaveRecord", "GetRecord"}},
	{reflect.TypeFor[PasswordModel](), []string{"GetUser"}},
	{reflect.TypeFor[ClientCredentialsModel](), []string{"GetUserFromClient"}},
	{reflect.TypeFor[UserChecker](), []string{"CheckUser"}},
	{reflect.TypeFor[ScopeValidator](), []string{"ValidateScope"}},
	{reflect.TypeFor[ScopeVerifier](), []string{"VerifyScope"}},
	{reflect.TypeFor[RedirectURIValidator](), []string{"ValidateRedirectURI"}},
	{reflect.TypeFor[AccessTokenGenerator](), []string{"GenerateAccessToken"}},
	{reflect.TypeFor[RefreshTokenGenerator](), []string{"GenerateRefreshToken"}},
	{reflect.TypeFor[AuthorizationCodeGenerator](), []string{"GenerateAuthorizationCode"}},
}

// methods returns each method of the contract, with the type that it has in t.
func methods(t reflect.Type) (all []method) {
	for _, optional := range interfaces {
		for _, name := range optional.names {
			all = append(all, method{
				of:   optional.of.Name(),
				name: name,
				got:  signature(t.MethodByName(name)),
				want: signature(optional.of.MethodByName(name)),
			})
		}
	}
	wrapper := reflect.TypeFor[interface{ Unwrap() Model }]()
	return append(all,
		// The spelling of node-oauth2-server, which the server would not call.
		method{
			of:   "ValidateRedirectURI",
			name: "ValidateRedirectUri",
			got:  signature(t.MethodByName("ValidateRedirectUri")),
		},
		method{
			of:   "decorator",
			name: "Unwrap",
			got:  signature(t.MethodByName("Unwrap")),
			want: signature(wrapper.MethodByName("Unwrap")),
		})
}

// signature returns the type of a method without its receiver; nil if there is
// no such method.
func signature(m reflect.Method, ok bool) reflect.Type {
	if !ok || !m.Func.IsValid() { // an interface's method has no receiver
		return m.Type
	}
	var in, out []reflect.Type
	for i := 1; i < m.Type.NumIn(); i++ {
		in = append(in, m.Type.In(i))
	}
	for i := range m.Type.NumOut() {
		out = append(out, m.Type.Out(i))
	}
	return reflect.FuncOf(in, out, m.Type.IsVariadic())
}
