package oauth2server

import "reflect"

// method is one of an optional interface, as the model has it and as the contract has it. Nil: the model has none.
type method struct {
	of, name  string
	got, want reflect.Type
}

// methods returns each method of the contract, with what t has of it.
func methods(t reflect.Type) []method {
	tokens, revoker := reflect.TypeFor[AccessTokenModel](), reflect.TypeFor[AccessTokenRevoker]()
	codes, refresh := reflect.TypeFor[AuthorizationCodeModel](), reflect.TypeFor[RefreshTokenModel]()
	log := reflect.TypeFor[GrantLog]()
	users, clientUsers := reflect.TypeFor[PasswordModel](), reflect.TypeFor[ClientCredentialsModel]()
	checker := reflect.TypeFor[UserChecker]()
	scopes, verifier, uris := reflect.TypeFor[ScopeValidator](), reflect.TypeFor[ScopeVerifier](), reflect.TypeFor[RedirectURIValidator]()
	access, refreshes := reflect.TypeFor[AccessTokenGenerator](), reflect.TypeFor[RefreshTokenGenerator]()
	newCode, wrapper := reflect.TypeFor[AuthorizationCodeGenerator](), reflect.TypeFor[interface{ Unwrap() Model }]()
	return []method{
		{"AccessTokenModel", "GetAccessToken", signature(t.MethodByName("GetAccessToken")), signature(tokens.MethodByName("GetAccessToken"))},
		{"AccessTokenRevoker", "RevokeAccessToken", signature(t.MethodByName("RevokeAccessToken")), signature(revoker.MethodByName("RevokeAccessToken"))},
		{"AuthorizationCodeModel", "SaveAuthorizationCode", signature(t.MethodByName("SaveAuthorizationCode")), signature(codes.MethodByName("SaveAuthorizationCode"))},
		{"AuthorizationCodeModel", "GetAuthorizationCode", signature(t.MethodByName("GetAuthorizationCode")), signature(codes.MethodByName("GetAuthorizationCode"))},
		{"AuthorizationCodeModel", "RevokeAuthorizationCode", signature(t.MethodByName("RevokeAuthorizationCode")), signature(codes.MethodByName("RevokeAuthorizationCode"))},
		{"RefreshTokenModel", "GetRefreshToken", signature(t.MethodByName("GetRefreshToken")), signature(refresh.MethodByName("GetRefreshToken"))},
		{"RefreshTokenModel", "RevokeToken", signature(t.MethodByName("RevokeToken")), signature(refresh.MethodByName("RevokeToken"))},
		{"GrantLog", "AppendGrant", signature(t.MethodByName("AppendGrant")), signature(log.MethodByName("AppendGrant"))},
		{"GrantLog", "GrantEntries", signature(t.MethodByName("GrantEntries")), signature(log.MethodByName("GrantEntries"))},
		{"GrantLog", "RevokeAccessTokens", signature(t.MethodByName("RevokeAccessTokens")), signature(log.MethodByName("RevokeAccessTokens"))},
		{"PasswordModel", "GetUser", signature(t.MethodByName("GetUser")), signature(users.MethodByName("GetUser"))},
		{"ClientCredentialsModel", "GetUserFromClient", signature(t.MethodByName("GetUserFromClient")), signature(clientUsers.MethodByName("GetUserFromClient"))},
		{"UserChecker", "CheckUser", signature(t.MethodByName("CheckUser")), signature(checker.MethodByName("CheckUser"))},
		{"ScopeValidator", "ValidateScope", signature(t.MethodByName("ValidateScope")), signature(scopes.MethodByName("ValidateScope"))},
		{"ScopeVerifier", "VerifyScope", signature(t.MethodByName("VerifyScope")), signature(verifier.MethodByName("VerifyScope"))},
		{"RedirectURIValidator", "ValidateRedirectURI", signature(t.MethodByName("ValidateRedirectURI")), signature(uris.MethodByName("ValidateRedirectURI"))},
		{"AccessTokenGenerator", "GenerateAccessToken", signature(t.MethodByName("GenerateAccessToken")), signature(access.MethodByName("GenerateAccessToken"))},
		{"RefreshTokenGenerator", "GenerateRefreshToken", signature(t.MethodByName("GenerateRefreshToken")), signature(refreshes.MethodByName("GenerateRefreshToken"))},
		{"AuthorizationCodeGenerator", "GenerateAuthorizationCode", signature(t.MethodByName("GenerateAuthorizationCode")), signature(newCode.MethodByName("GenerateAuthorizationCode"))},
		{"ValidateRedirectURI", "ValidateRedirectUri", signature(t.MethodByName("ValidateRedirectUri")), nil}, // node's spelling
		{"decorator", "Unwrap", signature(t.MethodByName("Unwrap")), signature(wrapper.MethodByName("Unwrap"))},
	}
}

// signature returns the type of a method without its receiver; nil when there is no such method.
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
