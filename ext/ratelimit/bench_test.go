// What an attempt costs.

package ratelimit

import (
	"net/http/httptest"
	"testing"

	"github.com/seed-11d18166/oauth2server"
)

func BenchmarkLimitAttempts(b *testing.B) {
	for _, row := range []struct {
		name    string
		attempt oauth2server.Attempt
	}{
		{"secret", oauth2server.Attempt{ClientID: "app"}},
		{"password", oauth2server.Attempt{ClientID: "app", Username: "andy"}},
		{"password, name beyond ASCII", oauth2server.Attempt{ClientID: "app", Username: "Jörg"}},
	} {
		b.Run(row.name, func(b *testing.B) {
			limiter, r := New(), httptest.NewRequest("POST", "/token", nil)
			b.ReportAllocs()
			for b.Loop() {
				done, _ := limiter.LimitAttempts(r, row.attempt)
				done(false)
			}
		})
	}
	b.Run("in parallel", func(b *testing.B) {
		limiter := New()
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			r := httptest.NewRequest("POST", "/token", nil)
			for p.Next() {
				if done, wait := limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app"}); wait == 0 {
					done(false)
				}
			}
		})
	})
	b.Run("behind a proxy", func(b *testing.B) {
		limiter, r := New(), httptest.NewRequest("POST", "/token", nil)
		limiter.Address = Forwarded(ours)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set(xff, "192.0.2.1, 198.51.100.7")
		b.ReportAllocs()
		for b.Loop() {
			done, _ := limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app"})
			done(false)
		}
	})
	b.Run("refused", func(b *testing.B) {
		limiter, r := New(), httptest.NewRequest("POST", "/token", nil)
		for range limiter.Secret.Burst {
			done, _ := limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app"})
			done(true)
		}
		b.ReportAllocs()
		for b.Loop() {
			limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app"})
		}
	})
}
