package oauth2server_test

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// consentPage signs in by username and grants the boxes that are ticked.
func consentPage(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	user := &oauth2server.User{ID: r.PostForm.Get("username")}
	switch {
	case r.PostForm.Get("deny") != "":
		request.Deny(w, r, r.PostForm.Get("deny"))
	case r.PostForm.Get("as-asked") != "":
		request.Approve(w, r, oauth2server.Approval{User: user, Scope: request.Scope})
	case r.PostForm.Get("all") != "":
		request.Approve(w, r, oauth2server.Approval{User: user, All: true})
	case r.PostForm.Get("as-offered") != "":
		scope, err := request.ScopeFor(r.Context(), user)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		request.Approve(w, r, oauth2server.Approval{User: user, Scope: scope})
	case r.Method == http.MethodPost:
		request.Approve(w, r, oauth2server.Approval{User: user, Scope: r.PostForm["box"]})
	default:
		var fields []string
		for name, values := range request.Parameters() {
			fields = append(fields, name+"="+strings.Join(values, ","))
		}
		sort.Strings(fields)
		fmt.Fprintf(w, "%s wants %q at %s; %s", request.Client.ID, request.Scope, request.RedirectURI,
			html.EscapeString(strings.Join(fields, " ")))
		if request.User != nil {
			fmt.Fprintf(w, "; signed in as %s", request.User.ID)
		}
	}
}

func newConsentSite(t *testing.T, model oauth2server.Model, opts *oauth2server.Options) *site {
	return newSite(t, model, opts, http.HandlerFunc(consentPage))
}

func TestAPageDecides(t *testing.T) {
	model := newSpy(t)
	s := newConsentSite(t, model, &oauth2server.Options{Grants: allGrants})
	query := "/authorize?" + form(authorization("scope", "read write", "nonce", "n")...)

	r := s.get(query)
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, `web wants "read write" at https://client.example/cb; client_id=web `+
		`redirect_uri=https://client.example/cb `+
		`response_type=code scope=read write state=xyz`, html.UnescapeString(r.text))
	require.Equal(t, "frame-ancestors 'none'", r.Header.Get("Content-Security-Policy"))
	require.Equal(t, "DENY", r.Header.Get("X-Frame-Options"))
	require.Equal(t, "same-origin", r.Header.Get("Referrer-Policy"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	require.Empty(t, model.stored())

	token := func(r reply) reply { t.Helper(); return s.redeem("web", r.at("code")) }
	require.Equal(t, "read write", token(s.post(query, form("username", "u1", "as-asked", "1"))).str("scope"))
	require.Equal(t, "read write", token(s.post(query, form("username", "u1", "as-offered", "1"))).str("scope"))
	require.Equal(t, "write", token(s.post(query, form("username", "u1", "box", "write"))).str("scope"))
	require.Equal(t, "read write",
		token(s.post(query, form("username", "u1", "box", "write", "box", "read"))).str("scope"))
	require.Equal(t, "read",
		token(s.post(query, form("username", "u1", "box", "read", "box", "admin"))).str("scope"),
		"what was not asked cannot be granted")
	model.stored()

	requireRedirect(t, s.post(query, form("username", "u1")), "access_denied", "xyz") // every box unticked
	requireRedirect(t, s.post(query, form("username", "u1", "box", "admin")), "access_denied", "xyz")
	r = s.post(query, form("deny", `not "now"`))
	requireRedirect(t, r, "access_denied", "xyz")
	require.Equal(t, "Access denied: not 'now'", r.at("error_description"))
	requireRedirect(t, s.post(query, form("username", "", "as-asked", "1")), "server_error", "xyz") // no user
	require.Empty(t, model.stored())

	requireNoRedirect(t, s.get("/authorize?client_id=nobody"), 400, "invalid_client")
	requireRedirect(t, s.get("/authorize?"+form(authorization("state", "")...)), "invalid_request", "")
	requireRedirect(t, s.get("/authorize?"+form(authorization("client_id", "limited", "scope", "write")...)),
		"invalid_scope", "xyz")
	requireRedirect(t, s.get("/authorize?"+form(authorization("response_type", "nope")...)),
		"unsupported_response_type", "xyz")
}

// A client that writes the page's own fields into the URL finds them neither in
// the hidden fields nor in PostForm.
func TestParametersLeaveOutWhatThePageAsks(t *testing.T) {
	var seen map[string][]string
	s := newSite(t, newSpy(t), nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = oauth2server.AuthorizationRequestFromContext(r.Context()).Parameters()
	}))
	s.post("/authorize?verdict=allow&box=admin&allowed=true&username=mallory",
		form(authorization("username", "andy", "password", "andys-password")...))
	require.Equal(t, map[string][]string{"client_id": {"web"}, "redirect_uri": {callback},
		"response_type": {"code"}, "state": {"xyz"}}, seen)
}

func TestAPageFindsTheUserOfAuthenticateUser(t *testing.T) {
	var user *oauth2server.User
	var failure error
	s := newConsentSite(t, newSpy(t), &oauth2server.Options{
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) { return user, failure }})
	query := "/authorize?" + form(authorization()...)
	require.NotContains(t, s.get(query).text, "signed in")
	user = &oauth2server.User{ID: "u1"}
	require.Contains(t, s.get(query).text, "signed in as u1")
	failure = context.DeadlineExceeded
	requireRedirect(t, s.get(query), "server_error", "xyz")
	failure = oauth2server.AccessDenied
	requireNoRedirect(t, s.get(query), 400, "access_denied")
}

func TestScopeForIsWhatTheOwnerMayGrant(t *testing.T) {
	model := scoped{newSpy(t), func(user *oauth2server.User, scope oauth2server.Scope) (oauth2server.Scope, error) {
		if user.ID == "guest" {
			return nil, nil
		}
		return readByDefault(user, scope)
	}}
	s := newConsentSite(t, model, nil)
	query := "/authorize?" + form(authorization()...)
	require.Equal(t, "read",
		s.redeem("web", s.post(query, form("username", "u1", "as-offered", "1")).at("code")).str("scope"))
	require.Equal(t, "read", s.redeem("web", s.post(query, form("username", "u1", "all", "1")).at("code")).str("scope"))
	requireRedirect(t, s.post(query, form("username", "guest", "all", "1")), "invalid_scope", "xyz")
	requireRedirect(t, s.post(query, form("username", "u1")), "access_denied", "xyz")
	require.Equal(t, http.StatusTeapot, s.post(query, form("username", "guest", "as-offered", "1")).StatusCode)
	requireRedirect(t, s.post(query, form("username", "guest", "as-asked", "1")), "invalid_scope", "xyz")

	// If there is nothing to grant, approving nothing is no denial.
	s = newConsentSite(t, newSpy(t), nil)
	r := s.redeem("web", s.post(query, form("username", "u1")).at("code"))
	require.Equal(t, 200, r.StatusCode, r.text)
	require.NotContains(t, r.body, "scope")
}

func TestAPageRefuses(t *testing.T) {
	var failure error
	s := newSite(t, newSpy(t), nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		request.Fail(w, r, failure)
		request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
	}))
	for _, row := range []struct {
		failure error
		want    string
	}{
		{oauth2server.InvalidScope, "invalid_scope"},
		{fmt.Errorf("wrapped: %w", &oauth2server.Error{Code: oauth2server.AccessDenied, Description: "why"}),
			"access_denied"},
		{context.DeadlineExceeded, "server_error"},
		{oauth2server.ErrNotFound, "server_error"},
		{oauth2server.InvalidToken, "server_error"}, // not for this endpoint
		{nil, "server_error"},
	} {
		failure = row.failure
		r := s.get("/authorize?" + form(authorization()...))
		requireRedirect(t, r, row.want, "xyz")
		require.Empty(t, r.at("code"))
		if row.want == "server_error" {
			require.NotContains(t, r.Header.Get("Location"), "deadline")
		}
	}
}

func TestTheFirstDecisionStands(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		request.Deny(w, r, "")
		request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}})
		request.Deny(w, r, "")
		_, err := request.ScopeFor(r.Context(), nil)
		require.ErrorIs(t, err, oauth2server.ServerError)
	}))
	requireRedirect(t, s.get("/authorize?"+form(authorization()...)), "access_denied", "xyz")
	require.Empty(t, model.stored())
}

func TestAPublicClientGetsACodeFromAPage(t *testing.T) {
	s := newConsentSite(t, newSpy(t), nil)
	query := "/authorize?" + form(authorization("client_id", "app", "redirect_uri", "http://127.0.0.1:52001/cb",
		"code_challenge", challenge, "code_challenge_method", "S256")...)
	r := s.post(query, form("username", "u1"))
	require.True(t, strings.HasPrefix(r.Header.Get("Location"), "http://127.0.0.1:52001/cb?code="),
		r.Header.Get("Location"))
	r = s.post("/token", form("grant_type", "authorization_code", "client_id", "app", "code", r.at("code"),
		"redirect_uri", "http://127.0.0.1:52001/cb", "code_verifier", verifier))
	require.Equal(t, 200, r.StatusCode, r.text)

	// A page that remembers approves a confidential client on GET, but never a
	// public one.
	hasty := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
	})
	s = newSite(t, newSpy(t), nil, hasty)
	require.Equal(t, "access_denied", s.get(query).at("error"))
	require.NotEmpty(t, s.post(query, "").at("code"))
	require.NotEmpty(t, s.get("/authorize?"+form(authorization()...)).at("code"))
	s = newSite(t, newSpy(t), &oauth2server.Options{InsecureApprovePublicClients: true}, hasty)
	require.NotEmpty(t, s.get(query).at("code"))
}

func TestRequestsPrintWithoutWhatTheyContain(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	show := func(v any) {
		fmt.Fprintf(&out, "%v %+v %#v", v, v, v)
		logger.Info("a request", "request", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("a request", "request", v)
	}
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone", Grants: []string{"urn:x"}}, secret+"phone"))
	s := newSite(t, model, &oauth2server.Options{Logger: logger, ExtensionGrants: map[string]oauth2server.GrantFunc{
		"urn:x": func(_ context.Context, request *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			show(request)
			return nil, oauth2server.ErrNotFound
		}}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		show(oauth2server.AuthorizationRequestFromContext(r.Context()))
	}))
	s.post("/authorize", form(authorization("username", "andy", "password", "hidden-password")...))
	s.post("/token", form("grant_type", "urn:x", "otp", "hidden-otp", "client_id", "phone",
		"client_secret", secret+"phone"))
	require.Contains(t, out.String(), "a request")
	require.NotContains(t, out.String(), "hidden")
	require.NotContains(t, out.String(), secret)
}
