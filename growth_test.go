package oauth2server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// BenchmarkGrowth measures a request over HTTP when ten thousand, a hundred
// thousand and a million grants are stored and used at random. Compare the
// sizes within one run. BenchmarkGetAccessToken of memorymodel shows the cost
// beyond the processor's caches.
func BenchmarkGrowth(b *testing.B) {
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		g := grow(b, size)
		b.Run(fmt.Sprintf("authenticate/%d", size), func(b *testing.B) {
			for i := range b.N {
				r := g.site.request("GET", "/api", "", "Authorization", "Bearer access"+strconv.Itoa(i*7919%size))
				if reply := g.site.do(r); reply.StatusCode != http.StatusOK {
					b.Fatal(reply.text)
				}
			}
		})
		b.Run(fmt.Sprintf("refresh/%d", size), func(b *testing.B) {
			for i := range b.N {
				token := &g.refresh[i*7919%size]
				reply := g.site.refresh("web", *token)
				if *token = reply.str("refresh_token"); *token == "" {
					b.Fatal(reply.text)
				}
			}
		})
	}
}

// grown is a server on which many users have signed in.
type grown struct {
	site    *site
	refresh []string // the refresh token of each grant
}

func grow(b *testing.B, size int) *grown {
	model, expires := newSpy(b).Model, time.Now().Add(time.Hour)
	g := &grown{newSite(b, model, nil, nil), make([]string, size)}
	for i := range size {
		name := strconv.Itoa(i)
		g.refresh[i] = "refresh" + name
		_, err := model.SaveToken(b.Context(),
			&oauth2server.Token{AccessToken: "access" + name, AccessTokenExpiresAt: expires,
				RefreshToken: g.refresh[i], RefreshTokenExpiresAt: expires, Scope: oauth2server.Scope{"read"},
				Client: &oauth2server.Client{ID: "web"}, User: &oauth2server.User{ID: "user" + name},
				GrantID: "grant" + name}, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
	return g
}
