package formpost_test

import (
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/formpost"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

var (
	action = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	input  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// submit does what a browser does with the page.
func submit(t *testing.T, text string) (target string, form url.Values) {
	found := action.FindStringSubmatch(text)
	require.NotNil(t, found, text)
	form = url.Values{}
	for _, field := range input.FindAllStringSubmatch(text, -1) {
		form.Add(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	return html.UnescapeString(found[1]), form
}

func TestFormPost(t *testing.T) {
	model := memorymodel.New(nil)
	const callback = "https://web.example/cb?a=1&b=2"
	for _, client := range []oauth2server.Client{
		{ID: "web", RedirectURIs: []string{callback}, Grants: []string{"authorization_code"}},
		{ID: "phone", Public: true, RedirectURIs: []string{"com.example.app:/cb"}, Grants: []string{"authorization_code"}},
	} {
		secret := "a-secret-that-nobody-guesses"
		if client.Public {
			secret = ""
		}
		require.NoError(t, model.AddClient(&client, secret))
	}
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Issuer:     "https://as.example",
		Extensions: []oauth2server.Extension{formpost.Mode{}},
		Logger:     slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	handler := srv.Authorize(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := oauth2server.AuthorizationRequestFromContext(r.Context())
		q.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
	}))
	// State is the client's own, so it may be anything printable.
	for _, state := range []string{"xyz", `"><script>alert(1)</script>`, `' onload='x`, "{{.}}", "a&amp;b=c", "</form>"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/authorize?"+url.Values{"client_id": {"web"},
			"response_type": {"code"}, "response_mode": {"form_post"}, "state": {state}}.Encode(), nil))
		require.Equal(t, 200, w.Code)
		require.Empty(t, w.Header().Get("Location"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "script-src 'sha256-")
		body, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(body), "<script"))
		target, form := submit(t, string(body))
		require.Equal(t, callback, target)
		require.Equal(t, state, form.Get("state"))
		require.Equal(t, "https://as.example", form.Get("iss"))
		require.NotEmpty(t, form.Get("code"))
		require.Len(t, form, 3)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/authorize?"+url.Values{"client_id": {"web"},
		"response_type": {"none"}, "response_mode": {"form_post"}, "state": {"1"}}.Encode(), nil))
	_, form := submit(t, w.Body.String())
	require.Equal(t, "unsupported_response_type", form.Get("error"))
}
