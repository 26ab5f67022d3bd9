package oauth2server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// exampleModel has one client and one user.
func exampleModel() *memorymodel.Model {
	model := memorymodel.New(nil)
	err := errors.Join(
		model.AddClient(&oauth2server.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"},
			Grants: []string{"authorization_code", "refresh_token", "client_credentials"}},
			"a-secret-that-nobody-guesses"),
		model.AddUser(&oauth2server.User{ID: "u1"}, "andy", "correct horse"))
	if err != nil {
		panic(err)
	}
	return model
}

// quiet keeps the examples' output to what they print.
var quiet = sharedRecorder.options("an example", nil)

// postToken sends a token request of a client.
func postToken(handler http.Handler, client string, params url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/token", strings.NewReader(params.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, "a-secret-that-nobody-guesses")
	w := httptest.NewRecorder()
	sharedRecorder.wrap("an example", handler).ServeHTTP(w, r)
	return w
}

// A whole flow: the owner allows, the client exchanges the code and calls the
// API.
func Example() {
	srv, err := oauth2server.New(exampleModel(), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	page := func(w http.ResponseWriter, r *http.Request) { // signing in is left out
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		if r.PostForm.Get("verdict") != "allow" {
			fmt.Fprintf(w, "may %s %s?", request.Client.ID, request.Scope) // a form in a real program
			return
		}
		request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
	}
	api := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", oauth2server.UserFromContext(r.Context()).ID)
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(http.HandlerFunc(page)))
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/api", srv.Authenticate("read")(http.HandlerFunc(api)))

	const request = "/authorize?response_type=code&client_id=app&scope=read&state=xyz"
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", request, nil))
	fmt.Println(w.Code, w.Body)

	r := httptest.NewRequest("POST", request, strings.NewReader("verdict=allow"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	location, _ := url.Parse(w.Header().Get("Location"))
	fmt.Println(w.Code, location.Host, location.Query().Get("state"))

	w = postToken(mux, "app", url.Values{"grant_type": {"authorization_code"}, "code": {location.Query().Get("code")}})
	var token struct {
		Access string `json:"access_token"`
		Type   string `json:"token_type"`
		Scope  string
	}
	json.Unmarshal(w.Body.Bytes(), &token)
	fmt.Println(w.Code, token.Type, token.Scope)

	r = httptest.NewRequest("GET", "/api", nil)
	r.Header.Set("Authorization", "Bearer "+token.Access)
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 200 may app read?
	// 303 app.example xyz
	// 200 Bearer read
	// 200 hello, u1
}

// New lists everything that is wrong at once.
func ExampleNew_mistakes() {
	_, err := oauth2server.New(exampleModel(), &oauth2server.Options{
		Grants:              []string{"authorisation_code"},
		AccessTokenLifetime: 3600, // node counts seconds, Go has time.Duration
	})
	fmt.Println(errors.Is(err, oauth2server.InvalidArgument))
	fmt.Println(err)
	// Output:
	// true
	// invalid_argument: oauth2server: 2 mistakes:
	// 	option AccessTokenLifetime: 3.6µs is less than a second
	// 	grant "authorisation_code" is unknown; "authorization_code" was probably meant
}

// Without a page, the program provides the signed-in user.
func ExampleServer_Authorize_authenticateUser() {
	srv, err := oauth2server.New(exampleModel(), &oauth2server.Options{
		Logger: slog.New(slog.DiscardHandler),
		AuthenticateUser: func(r *http.Request) (*oauth2server.User, error) {
			return &oauth2server.User{ID: r.Header.Get("X-Session-User")}, nil // a session in a real program
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"u1", ""} {
		r := httptest.NewRequest("GET", "/authorize?response_type=code&client_id=app&state=xyz", nil)
		r.Header.Set("X-Session-User", user)
		w := httptest.NewRecorder()
		srv.Authorize(nil).ServeHTTP(w, r)
		granted := strings.HasPrefix(w.Header().Get("Location"), "https://app.example/callback?code=")
		fmt.Println(w.Code, granted)
	}
	// Output:
	// 302 true
	// 400 false
}

// Deny tells the client that the owner refused.
func ExampleAuthorizationRequest_Deny() {
	srv, err := oauth2server.New(exampleModel(), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	page := func(w http.ResponseWriter, r *http.Request) {
		oauth2server.AuthorizationRequestFromContext(r.Context()).Deny(w, r, "")
	}
	w := httptest.NewRecorder()
	srv.Authorize(http.HandlerFunc(page)).ServeHTTP(w,
		httptest.NewRequest("GET", "/authorize?response_type=code&client_id=app&state=xyz", nil))
	fmt.Println(w.Header().Get("Location"))
	// Output:
	// https://app.example/callback?error=access_denied&error_description=Access+denied%3A+user+denied+access+to+application&state=xyz
}

// With a next handler, the program writes the answer itself.
func ExampleServer_Token_next() {
	srv, err := oauth2server.New(exampleModel(), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	next := func(w http.ResponseWriter, r *http.Request) {
		token := oauth2server.TokenFromContext(r.Context())
		w.Header().Set("X-User", token.User.ID)
		srv.WriteToken(w, token)
	}
	w := postToken(srv.Token(http.HandlerFunc(next)), "app", url.Values{"grant_type": {"client_credentials"}})
	fmt.Println(w.Code, w.Header().Get("X-User"), w.Header().Get("Cache-Control"))
	// Output: 200 client:app no-store
}

// An extension grant: a one-time password that the user got by other means.
func ExampleGrantFunc() {
	const grantType = "urn:example:params:oauth:grant-type:otp"
	otp := func(ctx context.Context, request *oauth2server.GrantRequest) (*oauth2server.Token, error) {
		if request.Param("otp") != "424242" {
			return nil, &oauth2server.Error{Code: oauth2server.InvalidGrant,
				Description: "the one-time password is wrong"}
		}
		user := &oauth2server.User{ID: "u1"}
		scope, err := request.Scope(ctx, user)
		if err != nil {
			return nil, err
		}
		return request.Issue(ctx, oauth2server.Issuance{User: user, Scope: scope})
	}
	model := exampleModel()
	err := model.AddClient(&oauth2server.Client{ID: "phone", Grants: []string{grantType}},
		"a-secret-that-nobody-guesses")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Logger:          slog.New(slog.DiscardHandler),
		ExtensionGrants: map[string]oauth2server.GrantFunc{grantType: otp},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, otp := range []string{"424242", "1"} {
		w := postToken(srv.Token(nil), "phone", url.Values{"grant_type": {grantType}, "otp": {otp}})
		fmt.Println(w.Code, strings.Contains(w.Body.String(), `"access_token"`),
			strings.Contains(w.Body.String(), "invalid_grant"))
	}
	// Output:
	// 200 true false
	// 400 false true
}

// A resource server in another process needs one method. This one knows a
// single token.
func ExampleNewResourceServer() {
	resource, err := oauth2server.NewResourceServer(oneToken{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	api := resource.Authenticate("write")(http.NotFoundHandler())
	for _, token := range []string{"", "unknown", "known"} {
		r := httptest.NewRequest("GET", "/", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 401 Bearer realm="Service", scope="write"
	// 401 Bearer realm="Service", error="invalid_token", error_description="Invalid token: access token is invalid"
	// 403 Bearer realm="Service", error="insufficient_scope", error_description="Insufficient scope: authorized scope is insufficient", scope="write"
}

type oneToken struct{}

func (oneToken) GetAccessToken(_ context.Context, accessToken string) (*oauth2server.Token, error) {
	if accessToken != "known" {
		return nil, oauth2server.ErrNotFound
	}
	return &oauth2server.Token{AccessToken: accessToken, AccessTokenExpiresAt: time.Now().Add(time.Hour),
		Scope: oauth2server.Scope{"read"}, User: &oauth2server.User{ID: "u1"}}, nil
}

// AuthenticateRequest is Authenticate without a handler, for a websocket or
// another framework's middleware.
func ExampleResourceServer_AuthenticateRequest() {
	resource, err := oauth2server.NewResourceServer(oneToken{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer known")
	token, err := resource.AuthenticateRequest(r, "read")
	fmt.Println(token.User.ID, err)
	_, err = resource.AuthenticateRequest(r, "write")
	fmt.Println(errors.Is(err, oauth2server.InsufficientScope))
	// Output:
	// u1 <nil>
	// true
}

// Tests of a handler need no server.
func ExampleContextWithToken() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, oauth2server.UserFromContext(r.Context()).ID)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(oauth2server.ContextWithToken(r.Context(),
		&oauth2server.Token{User: &oauth2server.User{ID: "u1"}}))
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Println(w.Body)
	// Output: u1
}

// The error that a model returns decides what the client is told; the cause
// stays in the server.
func ExampleError() {
	err := fmt.Errorf("reading the account: %w",
		&oauth2server.Error{Code: oauth2server.InvalidGrant, Description: "the account is locked"})
	fmt.Println(errors.Is(err, oauth2server.InvalidGrant), oauth2server.InvalidGrant.Status())
	// Output: true 400
}

func ExampleParseScope() {
	scope, err := oauth2server.ParseScope("read write read")
	fmt.Println(scope, scope.Contains("write"), err)
	_, err = oauth2server.ParseScope(`read "write"`)
	fmt.Println(err)
	// Output:
	// read write true <nil>
	// oauth2server: a character that a scope cannot have (RFC 6749, appendix A.4)
}

func ExampleCheckRedirectURI() {
	fmt.Println(oauth2server.CheckRedirectURI("https://app.example/callback"))
	fmt.Println(oauth2server.CheckRedirectURI("https://app.example/callback#top"))
	// Output:
	// <nil>
	// oauth2server: redirection URI "https://app.example/callback#top": a fragment
}

// A model stores the digest and the record. Neither can be used by anyone who
// reads them.
func ExampleToken_MarshalBinary() {
	token := oauth2server.Token{AccessToken: "2YotnFZFEjr1zCsicMWpAA", Scope: oauth2server.Scope{"read"},
		Client: &oauth2server.Client{ID: "app"}, User: &oauth2server.User{ID: "u1"}}
	record, err := token.MarshalBinary()
	fmt.Println(oauth2server.Digest(token.AccessToken), string(record), err)
	found := oauth2server.Token{AccessToken: token.AccessToken}
	fmt.Println(found.UnmarshalBinary(record), found.User.ID)
	fmt.Println(token)
	// Output:
	// bJYTDxMKsNbRWDl-JNK8wcml5zrggfbpg_HHtUXSSkw {"v":1,"scope":["read"],"client_id":"app","user_id":"u1"} <nil>
	// <nil> u1
	// oauth2server.Token[client=app user=u1 scope=read grant= expires=0001-01-01 00:00:00 +0000 UTC]
}
