// These tests check that Token.Extra comes back as the program set it, and that
// values which it may not hold are refused before anything is stored.
package oauth2server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/extratest"
)

const extraGrant = "urn:test:extra"

// withExtra returns options with a grant that issues a token with the
// attributes returned by the function.
func withExtra(attributes func() map[string]any, logger *slog.Logger) *oauth2server.Options {
	issue := func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
		return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"}, GrantID: g.Param("grant"),
			Extra: attributes(), Refresh: g.Param("refresh") != ""})
	}
	return &oauth2server.Options{Logger: logger, AllowExtendedTokenAttributes: true,
		ExtensionGrants: map[string]oauth2server.GrantFunc{extraGrant: issue}}
}

// allowExtra lets the client web use the grant.
func allowExtra(t testing.TB) *spy {
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "extra",
		Grants: []string{extraGrant, "refresh_token"}}, secret+"extra"))
	return model
}

// capturing is a model that keeps the token that the server passed.
type capturing struct {
	*spy
	extra map[string]any
}

func (m *capturing) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	m.extra = t.Extra
	return m.spy.SaveToken(ctx, t, c, u)
}

func TestIssueKeepsExtraInItsOneForm(t *testing.T) {
	noon := time.Date(2031, 2, 3, 12, 0, 0, 123_456_789, time.FixedZone("here", 3600))
	set := map[string]any{"id": int64(9007199254740993), "level": 3.0, "since": noon, "roles": []string{"a", "b"},
		"deep": map[string]any{"list": []any{1, map[string]string{"k": "v"}}}, "none": nil,
		"key": []byte{0, 255}, "most": uint64(math.MaxUint64)}
	want := map[string]any{"id": int64(9007199254740993), "level": 3.0, "since": noon.UTC(), "roles": []any{"a", "b"},
		"deep": map[string]any{"list": []any{int64(1), map[string]any{"k": "v"}}}, "none": nil,
		"key": []byte{0, 255}, "most": uint64(math.MaxUint64)}
	model := &capturing{spy: allowExtra(t)}
	s := newSite(t, model, withExtra(func() map[string]any { return set }, nil), nil)
	r := s.token("extra", "grant_type", extraGrant, "refresh", "1")
	require.Equal(t, 200, r.StatusCode, r.text)
	for _, shown := range []string{`"id":9007199254740993`, `"level":3`,
		`"since":"2031-02-03T11:00:00.123456789Z"`, `"roles":["a","b"]`,
		`"most":18446744073709551615`, `"key":"AP8="`, `"none":null`, `"deep":{"list":[1,{"k":"v"}]}`} {
		require.Contains(t, r.text, shown)
	}
	require.Equal(t, want, model.extra, "a model of the program's own need not know of the form")
	set["roles"].([]string)[0] = "x"
	found, err := model.GetAccessToken(t.Context(), r.str("access_token"))
	require.NoError(t, err)
	require.Equal(t, want, found.Extra)
	found, err = model.GetRefreshToken(t.Context(), r.str("refresh_token"))
	require.NoError(t, err)
	require.Equal(t, want, found.Extra)

	r = s.token("extra", "grant_type", "refresh_token", "refresh_token", r.str("refresh_token"))
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Contains(t, r.text, `"id":9007199254740993`)
	found, err = model.GetAccessToken(t.Context(), r.str("access_token"))
	require.NoError(t, err)
	require.Equal(t, want, found.Extra)
}

func TestIssueRefusesWhatExtraMayNotHold(t *testing.T) {
	loop := map[string]any{}
	loop["self"] = []any{loop}
	for _, row := range []struct {
		extra map[string]any
		want  string
	}{
		{map[string]any{"a": []any{1, 2, 3, make(chan int)}}, `Extra["a"][3] is a chan int`},
		{map[string]any{"f": func() {}}, `Extra["f"] is a func()`},
		{map[string]any{"n": math.NaN()}, `Extra["n"] is NaN`},
		{map[string]any{"u": &oauth2server.User{}}, `Extra["u"] is a *oauth2server.User`},
		{map[string]any{"s": "\xff"}, `Extra["s"] is a string that is not UTF-8`},
		{loop, `Extra["self"][0]["self"][0]`},
		{map[string]any{"s": strings.Repeat("x", 1<<20)}, `Extra["s"] makes it larger than 65536 bytes`},
	} {
		for _, more := range [][]string{nil, {"refresh", "1"}, {"grant", "g1"}} {
			var records bytes.Buffer
			model := allowExtra(t)
			s := newSite(t, model, withExtra(func() map[string]any {
				return row.extra
			}, slog.New(slog.NewJSONHandler(&records, nil))), nil)
			model.stored()
			records.Reset()
			r := s.token("extra", append([]string{"grant_type", extraGrant}, more...)...)
			requireError(t, r, 500, "server_error")
			require.Empty(t, model.stored(), "what is refused changes nothing")
			var record map[string]any
			require.NoError(t, json.Unmarshal(records.Bytes(), &record))
			require.Equal(t, "program_mistake", record["reason"])
			require.Contains(t, record["cause"], row.want)
			require.NotContains(t, r.text, "Extra")
		}
	}
}

// adding is a model that adds an attribute to what it stores.
type adding struct {
	*spy
	attribute any
}

func (m adding) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	own := *t
	own.Extra = map[string]any{"added": m.attribute}
	return m.spy.SaveToken(ctx, &own, c, u)
}

// A model that is given values which Extra may not hold stores nothing, and the
// log names the mistake.
func TestModelsRefuseWhatExtraMayNotHold(t *testing.T) {
	var records bytes.Buffer
	model := adding{newSpy(t), struct{}{}}
	s := newSite(t, model, &oauth2server.Options{Logger: slog.New(slog.NewJSONHandler(&records, nil))}, nil)
	records.Reset() // the warnings of New
	requireError(t, s.token("web", "grant_type", "client_credentials"), 500, "server_error")
	var record map[string]any
	require.NoError(t, json.Unmarshal(records.Bytes(), &record))
	require.Equal(t, "program_mistake", record["reason"])
	require.Contains(t, record["cause"], `Extra["added"] is a struct {}`)

	_, err := oauth2server.Token{Extra: map[string]any{"a": []any{make(chan int)}}}.MarshalBinary()
	require.ErrorContains(t, err, `Extra["a"][0] is a chan int`)
	require.ErrorIs(t, err, oauth2server.ServerError)

	token := &oauth2server.Token{AccessToken: "a", RefreshToken: "r",
		AccessTokenExpiresAt: time.Now().Add(time.Hour), Extra: map[string]any{"a": math.NaN()}}
	_, err = model.spy.Model.SaveToken(t.Context(), token, nil, nil)
	require.ErrorContains(t, err, `Extra["a"] is NaN`)
	_, err = model.spy.Model.GetAccessToken(t.Context(), "a")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	_, err = model.spy.Model.GetRefreshToken(t.Context(), "r")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
}

// The server does not store the token that SaveToken returns, but the cause in
// the log has the path all the same.
func TestTheAnswerNamesWhatHasNoJSONForm(t *testing.T) {
	var records bytes.Buffer
	s := newSite(t, extras{newSpy(t), map[string]any{"a": []any{1, make(chan int)}}},
		&oauth2server.Options{AllowExtendedTokenAttributes: true,
			Logger: slog.New(slog.NewTextHandler(&records, nil))}, nil)
	requireError(t, s.token("web", "grant_type", "client_credentials"), 500, "server_error")
	require.Contains(t, records.String(), `reason=model_contract cause="Extra[\"a\"][1] is a chan int`)
}

// The first version of records has Extra as plain JSON, without type tags.
func TestTheFirstRecordsAreRead(t *testing.T) {
	var token oauth2server.Token
	require.NoError(t, token.UnmarshalBinary(
		[]byte(`{"v":1,"user_id":"u1","extra":{"handle":"@tom","id":9007199254740993,"level":3.5,`+
			`"since":"2031-02-03T11:00:00Z"}}`)))
	want := map[string]any{"handle": "@tom", "id": int64(9007199254740993), "level": 3.5,
		"since": "2031-02-03T11:00:00Z"}
	require.Equal(t, want, token.Extra)

	record, err := token.MarshalBinary()
	require.NoError(t, err)
	require.NotContains(t, string(record), `"extra"`)
	var again oauth2server.Token
	require.NoError(t, again.UnmarshalBinary(record))
	require.Equal(t, token, again)

	for _, broken := range []string{`{"v":1,"attributes":3}`, `{"v":1,"attributes":{"a":"@?"}}`, `{"v":1,"extra":[]}`} {
		require.Error(t, token.UnmarshalBinary([]byte(broken)), broken)
	}
}

func TestARecordWithoutExtraCostsNothingForIt(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	token := oauth2server.Token{AccessTokenExpiresAt: time.Now(), Scope: oauth2server.Scope{"read"},
		Client: &oauth2server.Client{ID: "web"},
		User:   &oauth2server.User{ID: "u1"}, GrantID: "g1", GrantSeq: 1}
	var record []byte
	writing := testing.AllocsPerRun(200, func() { record, _ = token.MarshalBinary() })
	require.LessOrEqual(t, writing, 2.0)
	var read oauth2server.Token
	reading := testing.AllocsPerRun(200, func() { read.UnmarshalBinary(record) })
	require.LessOrEqual(t, reading, 17.0)
}

// Every value that Extra may hold comes back exactly, from a record and from
// the model in memory. Any other value is refused, and changes nothing.
func FuzzExtra(f *testing.F) {
	for _, seed := range extratest.Seeds() {
		f.Add(seed)
	}
	var attributes map[string]any
	model := allowExtra(f)
	handler := mount(f, model, withExtra(func() map[string]any {
		return attributes
	}, slog.New(slog.DiscardHandler)), nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		var ok bool
		attributes, ok = extratest.Make(data)
		before := fmt.Sprintf("%#v", attributes)
		model.stored()
		r := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type="+extraGrant))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", as("extra"))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, before, fmt.Sprintf("%#v", attributes))
		record, err := oauth2server.Token{Extra: attributes}.MarshalBinary()
		if !ok {
			require.Equal(t, 500, w.Code)
			require.Empty(t, model.stored())
			require.Error(t, err)
			return
		}
		require.Equal(t, 200, w.Code, w.Body)
		var answer struct {
			AccessToken string `json:"access_token"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		found, missing := model.GetAccessToken(t.Context(), answer.AccessToken)
		var read oauth2server.Token
		require.NoError(t, errors.Join(missing, err, read.UnmarshalBinary(record)))
		require.Equal(t, attributes, found.Extra)
		require.Equal(t, attributes, read.Extra)
	})
}
