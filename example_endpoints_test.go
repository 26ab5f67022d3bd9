package oauth2server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// exampleToken is an access token of the client app, from srv.
func exampleToken(srv *oauth2server.Server) string {
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	w := postToken(srv.Token(nil), "app", url.Values{"grant_type": {"client_credentials"}})
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		panic(err)
	}
	return answer.AccessToken
}

// A client signs out.
func ExampleServer_Revoke() {
	srv, err := oauth2server.New(exampleModel(), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	token := exampleToken(srv)
	w := postToken(srv.Revoke(), "app", url.Values{"token": {token}, "token_type_hint": {"access_token"}})
	fmt.Println(w.Code)

	r := httptest.NewRequest("GET", "/api", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	_, err = srv.AuthenticateRequest(r)
	fmt.Println(err)
	// Output:
	// 200
	// invalid_token: Invalid token: access token is invalid
}

// An API that runs elsewhere asks about a token that a client sent it.
func ExampleServer_Introspect() {
	model := exampleModel()
	if err := model.AddClient(&oauth2server.Client{ID: "api"}, "a-secret-that-nobody-guesses"); err != nil {
		panic(err)
	}
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Logger: slog.New(slog.DiscardHandler),
		MayIntrospect: func(_ context.Context, caller *oauth2server.Client, _ *oauth2server.Token) (bool, error) {
			return caller.ID == "api", nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var answer struct {
		Active   bool   `json:"active"`
		ClientID string `json:"client_id"`
	}
	w := postToken(srv.Introspect(), "api", url.Values{"token": {exampleToken(srv)}})
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		panic(err)
	}
	fmt.Println(answer.Active, answer.ClientID)
	fmt.Print(postToken(srv.Introspect(), "api", url.Values{"token": {"something else"}}).Body)
	// Output:
	// true app
	// {"active":false}
}

// introspected finds access tokens by asking the server that issued them.
type introspected struct{ endpoint, id, secret string }

func (m introspected) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	form := url.Values{"token": {accessToken}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, "POST", m.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(m.id), url.QueryEscape(m.secret))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Active    bool   `json:"active"`
		Scope     string `json:"scope"`
		ClientID  string `json:"client_id"`
		TokenType string `json:"token_type"`
		Subject   string `json:"sub"`
		Expires   int64  `json:"exp"`
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("introspection: %s", response.Status) // a fault: the API answers 503
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	if !answer.Active || answer.TokenType != "Bearer" { // without a type, it may be the API's own refresh token
		return nil, oauth2server.ErrNotFound
	}
	scope, err := oauth2server.ParseScope(answer.Scope)
	return &oauth2server.Token{Scope: scope, AccessTokenExpiresAt: time.Unix(answer.Expires, 0),
		Client: &oauth2server.Client{ID: answer.ClientID}, User: &oauth2server.User{ID: answer.Subject}}, err
}

// An API in another process, whose model is the introspection endpoint.
func ExampleNewResourceServer_introspection() {
	model := exampleModel()
	if err := model.AddClient(&oauth2server.Client{ID: "api"}, "a-secret-that-nobody-guesses"); err != nil {
		panic(err)
	}
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Logger: slog.New(slog.DiscardHandler),
		MayIntrospect: func(_ context.Context, caller *oauth2server.Client, _ *oauth2server.Token) (bool, error) {
			return caller.ID == "api", nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	issuer := httptest.NewServer(srv.Introspect())
	defer issuer.Close()

	api, err := oauth2server.NewResourceServer(introspected{issuer.URL, "api", "a-secret-that-nobody-guesses"}, quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := api.Authenticate()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello", oauth2server.UserFromContext(r.Context()).ID)
	}))
	for _, token := range []string{exampleToken(srv), "something-else"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 hello client:app
	//
	// 401 {"error":"invalid_token","error_description":"Invalid token: access token is invalid"}
}

// Clients find the endpoints by the issuer's URL.
func ExampleServer_Metadata() {
	srv, err := oauth2server.New(exampleModel(), &oauth2server.Options{
		Logger:    slog.New(slog.DiscardHandler),
		Issuer:    "https://auth.example/tenant",
		Endpoints: oauth2server.Endpoints{Authorization: "/tenant/authorize", Token: "/tenant/token"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle(srv.MetadataPath(), srv.Metadata())

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-authorization-server/tenant", nil))
	var document map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		panic(err)
	}
	fmt.Println(document["token_endpoint"], document["code_challenge_methods_supported"])
	// Output: https://auth.example/tenant/token [S256]
}

// An audit is told what became of each request, and never a secret.
func ExampleEvent() {
	srv, err := oauth2server.New(exampleModel(), &oauth2server.Options{
		Logger: slog.New(slog.DiscardHandler),
		OnEvent: func(_ *http.Request, e oauth2server.Event) {
			fmt.Printf("%s: client %q, user %q, reason %q\n", e.Kind, e.ClientID, e.UserID, e.Reason)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	postToken(srv.Token(nil), "app", url.Values{"grant_type": {"client_credentials"}})
	postToken(srv.Token(nil), "app", url.Values{"grant_type": {"authorization_code"}, "code": {"guessed"}})
	// Output:
	// issued: client "app", user "client:app", reason ""
	// refused: client "app", user "", reason "code_unknown"
}
