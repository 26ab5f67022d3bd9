package oauth2server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/seed-11d18166/oauth2server"
)

// exampleToken returns an access token of the client app, from srv.
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

// An API in another process asks about a token that a client sent it.
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

// An audit receives the outcome of each request, and never a secret.
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
