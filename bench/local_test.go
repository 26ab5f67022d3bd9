package main

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// BenchmarkHandlers is what the handlers cost in this process, for benchstat.
func BenchmarkHandlers(b *testing.B) {
	for _, f := range flows {
		for _, p := range peers.All {
			if p.New == nil {
				continue
			}
			b.Run(f.name+"/"+p.Name, func(b *testing.B) {
				handler, err := p.New("http://127.0.0.1")
				require.NoError(b, err)
				l := newLocal(handler)
				tokens, err := issue(p, "http://127.0.0.1", l, 1000)
				require.NoError(b, err)
				n := newSession(p, "http://127.0.0.1", l, tokens)
				b.ReportAllocs()
				for b.Loop() {
					if err := f.run(n); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// answering says the same to everybody.
type answering string

func (a answering) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Location"] = answeringLocation
	io.WriteString(w, string(a))
}

var answeringLocation = []string{peers.Callback + "?code=c&state=s"}

// The sender itself allocates nothing, so what is counted is the server's.
func TestTheSenderAllocatesNothing(t *testing.T) {
	l := newLocal(answering(`{"access_token":"a","refresh_token":"b"}`))
	n := newSession(peers.Floor, "", l, []string{"Bearer a"})
	for _, f := range flows {
		require.NoError(t, f.run(n))
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if err := f.run(n); err != nil {
				t.Fatal(err)
			}
		}), f.name)
	}
}
