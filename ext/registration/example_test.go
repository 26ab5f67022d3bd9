package registration_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/registration"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

func Example() {
	key := []byte("32 random bytes from where your program keeps secrets")
	srv, err := oauth2server.New(memorymodel.New(nil), &oauth2server.Options{
		Issuer:     "https://app.example",
		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
		Resources:  []oauth2server.Resource{{URL: "/mcp", Default: oauth2server.Scope{"read"}}},
		Extensions: []oauth2server.Extension{registration.Sealed(key, nil)},
		Logger:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	srv.Mount(mux, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { /* the page */ }))

	r := httptest.NewRequest("POST", "/register", strings.NewReader(
		`{"client_name":"Notes","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.HasPrefix(w.Body.String(), `{"client_id":"dcr.1.`))
	// Output: 201 true
}

// A mongomodel needs no function of its own.
var _ = registration.StoreFunc((*mongomodel.Model)(nil).AddClient)

// The program stores the clients, here in its model.
func ExampleStored() {
	model := memorymodel.New(nil)
	store := registration.StoreFunc(
		func(_ context.Context, client *oauth2server.Client, secret string) error {
			return model.AddClient(client, secret)
		})
	_, err := oauth2server.New(model, &oauth2server.Options{
		Issuer:     "https://app.example",
		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
		Resources:  []oauth2server.Resource{{URL: "/mcp", Default: oauth2server.Scope{"read"}}},
		Extensions: []oauth2server.Extension{registration.Stored(store, nil)},
		Logger:     slog.New(slog.DiscardHandler),
	})
	fmt.Println(err)
	// Output: <nil>
}
