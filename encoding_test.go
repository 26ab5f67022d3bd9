package oauth2server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/filled"
)

func TestBinaryFormsAreComplete(t *testing.T) {
	var token, back oauth2server.Token
	filled.Struct(&token)
	data, err := token.MarshalBinary()
	require.NoError(t, err)
	require.True(t, json.Valid(data))
	require.NotContains(t, string(data), token.AccessToken)
	require.NotContains(t, string(data), token.RefreshToken)
	back.AccessToken, back.RefreshToken = token.AccessToken, token.RefreshToken
	require.NoError(t, back.UnmarshalBinary(data))
	require.Equal(t, token, back)

	var code, codeBack oauth2server.AuthorizationCode
	filled.Struct(&code)
	data, err = code.MarshalBinary()
	require.NoError(t, err)
	require.NotContains(t, string(data), code.Code)
	codeBack.Code = code.Code
	require.NoError(t, codeBack.UnmarshalBinary(data))
	require.Equal(t, code, codeBack)

	var entry, entryBack oauth2server.GrantEntry
	filled.Struct(&entry)
	data, err = entry.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, entryBack.UnmarshalBinary(data))
	require.Equal(t, entry, entryBack)

	var empty, emptyBack oauth2server.Token
	data, err = empty.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, `{"v":1}`, string(data))
	require.NoError(t, emptyBack.UnmarshalBinary(data))
	require.Equal(t, empty, emptyBack)
}

func TestBinaryFormsKeepWhatALaterVersionWrote(t *testing.T) {
	record := `{"v":1,"client_id":"web","later":{"a":[1]},"zoo":"z"}`
	var token oauth2server.Token
	require.NoError(t, token.UnmarshalBinary([]byte(record)))
	data, err := token.MarshalBinary()
	require.NoError(t, err)
	require.JSONEq(t, record, string(data))
	var code oauth2server.AuthorizationCode
	require.NoError(t, code.UnmarshalBinary([]byte(record)))
	data, err = code.MarshalBinary()
	require.NoError(t, err)
	require.JSONEq(t, record, string(data))
	var entry oauth2server.GrantEntry
	require.NoError(t, entry.UnmarshalBinary([]byte(record)))
	data, err = entry.MarshalBinary()
	require.NoError(t, err)
	require.JSONEq(t, record, string(data))
	for _, broken := range []string{"", "{}", "[]", "null", `{"v":2}`, `{"v":"1"}`, `{"v":1,"scope":3}`} {
		require.Error(t, token.UnmarshalBinary([]byte(broken)), broken)
		require.Error(t, code.UnmarshalBinary([]byte(broken)), broken)
		require.Error(t, entry.UnmarshalBinary([]byte(broken)), broken)
	}
	for _, id := range []string{"bob\xff", "bob\xfe"} { // both would come back as bob\ufffd
		_, err = oauth2server.Token{User: &oauth2server.User{ID: id}}.MarshalBinary()
		require.Error(t, err)
		_, err = oauth2server.AuthorizationCode{Client: &oauth2server.Client{ID: id}}.MarshalBinary()
		require.Error(t, err)
		_, err = oauth2server.GrantEntry{UserID: id}.MarshalBinary()
		require.Error(t, err)
	}
	_, err = oauth2server.Token{Extra: map[string]any{"f": func() {}}}.MarshalBinary()
	require.Error(t, err)
}

func TestJSONIsWhatNodeAppsKnow(t *testing.T) {
	token := oauth2server.Token{AccessToken: "at", RefreshToken: "rt",
		AccessTokenExpiresAt: time.Date(2031, 2, 3, 4, 5, 6, 7e6, time.FixedZone("", 3600)),
		Scope:                oauth2server.Scope{"read", "write"},
		Client:               &oauth2server.Client{ID: "web", Data: "d"},
		User:                 &oauth2server.User{ID: "u1", Data: "d"}, GrantID: "g"}
	const want = `{"accessToken":"at","accessTokenExpiresAt":"2031-02-03T03:05:06.007Z","scope":"read ` +
		`write","client":{"id":"web"},"user":{"id":"u1"}}`
	for _, v := range []any{token, &token} {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, want, string(data))
	}
	data, err := json.Marshal(oauth2server.AuthorizationCode{Code: "c", RedirectURI: callback,
		Client: token.Client, User: token.User,
		ExpiresAt: token.AccessTokenExpiresAt, Scope: token.Scope, CodeChallenge: challenge})
	require.NoError(t, err)
	require.Equal(t, `{"authorizationCode":"c","expiresAt":"2031-02-03T03:05:06.007Z",`+
		`"redirectUri":"https://client.example/cb","scope":"read write",`+
		`"client":{"id":"web"},"user":{"id":"u1"}}`, string(data))
	data, err = json.Marshal(oauth2server.Token{})
	require.NoError(t, err)
	require.Equal(t, `{}`, string(data))

	require.ErrorContains(t, json.Unmarshal([]byte(want), &token), "UnmarshalBinary")
	require.ErrorContains(t, json.Unmarshal([]byte(want), new(oauth2server.AuthorizationCode)), "UnmarshalBinary")
}

func TestTokensAreNotPrinted(t *testing.T) {
	var token oauth2server.Token
	var code oauth2server.AuthorizationCode
	filled.Struct(&token)
	filled.Struct(&code)
	var out bytes.Buffer
	for _, v := range []any{token, &token, code, &code} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d\n", v, v, v, v, v, v, v)
		fmt.Fprintf(&out, "%v %+v %#v\n", []any{v}, struct{ V any }{v}, map[string]any{"v": v})
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v)
	}
	for _, secret := range []string{token.AccessToken, token.RefreshToken, code.Code, code.CodeChallenge} {
		require.NotContains(t, out.String(), secret)
	}
	require.Contains(t, out.String(), "user=u1")
}

// An expiry at the beginning of time is not "never expires".
func TestTheBeginningOfTimeIsKept(t *testing.T) {
	data, err := oauth2server.Token{RefreshToken: "r", RefreshTokenExpiresAt: time.Unix(0, 0)}.MarshalBinary()
	require.NoError(t, err)
	var stored oauth2server.Token
	require.NoError(t, stored.UnmarshalBinary(data))
	require.False(t, stored.RefreshTokenExpiresAt.IsZero())
}

func TestDigest(t *testing.T) {
	require.Equal(t, challenge, oauth2server.Digest(verifier), "SHA-256 in base64url: RFC 7636, appendix B")
	require.Len(t, oauth2server.Digest(""), 43)
}
