package oauth2server_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// BenchmarkGrowth shows that a request costs the same however much is stored: tokens are used at random, so that no
// cache helps. Compare the sizes of one run.
func BenchmarkGrowth(b *testing.B) {
	for _, tokens := range []int{10_000, 100_000, 1_000_000} {
		model := newSpy(b).Model
		for i := range tokens {
			storeToken(b, model, i)
		}
		srv, err := oauth2server.New(model, &oauth2server.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("authenticate/%d", tokens), func(b *testing.B) {
			handler := srv.Authenticate("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			r := httptest.NewRequest("GET", "/api", nil)
			w := &discard{header: http.Header{}}
			for i := range b.N {
				r.Header.Set("Authorization", "Bearer access"+strconv.Itoa(i*7919%tokens))
				clear(w.header)
				handler.ServeHTTP(w, r)
			}
			if w.status != 0 {
				b.Fatal(w.status)
			}
		})
		current := make([]string, tokens) // the refresh token of each grant
		for i := range current {
			current[i] = "refresh" + strconv.Itoa(i)
		}
		b.Run(fmt.Sprintf("refresh/%d", tokens), func(b *testing.B) {
			handler, r := srv.Token(nil), httptest.NewRequest("POST", "/token", nil)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", as("web"))
			for i := range b.N {
				token := &current[i*7919%tokens]
				r.Body, r.PostForm = io.NopCloser(strings.NewReader("grant_type=refresh_token&refresh_token="+*token)), nil
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				_, rest, found := strings.Cut(w.Body.String(), `"refresh_token":"`)
				if w.Code != http.StatusOK || !found {
					b.Fatal(w.Code, w.Body)
				}
				*token, _, _ = strings.Cut(rest, `"`)
			}
		})
	}
}

// storeToken stores what a sign-in leaves behind.
func storeToken(b *testing.B, model oauth2server.Model, i int) {
	name, expires := strconv.Itoa(i), time.Now().Add(time.Hour)
	_, err := model.SaveToken(b.Context(), &oauth2server.Token{AccessToken: "access" + name, AccessTokenExpiresAt: expires,
		RefreshToken: "refresh" + name, RefreshTokenExpiresAt: expires, Scope: oauth2server.Scope{"read"},
		Client: &oauth2server.Client{ID: "web"}, User: &oauth2server.User{ID: "user" + name}, GrantID: "grant" + name}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
}
