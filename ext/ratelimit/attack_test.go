// A thousand requests at once, with all that can go wrong.

package ratelimit

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// moody is a model that takes its time, and panics or fails if the secret says
// so.
type moody struct {
	*counting
	wrong atomic.Int32 // secrets that were tried
}

func (m *moody) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	for range rand.IntN(20) {
		runtime.Gosched()
	}
	switch secret {
	case "panic":
		panic("the model panics")
	case "fault":
		return nil, errors.New("the database is down")
	case "wrong":
		m.wrong.Add(1)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return m.counting.GetClient(ctx, id, secret)
}

// storm sends a thousand requests at once from one address, of which some are
// given up, and counts the answers by what was tried.
func storm(t *testing.T, limiter *Limiter, secretOf func(i int) string) (answers map[string]*tally, model *moody) {
	s := newSite(t)
	model = &moody{counting: s.model}
	handler, err := newHandler(model, limiter)
	require.NoError(t, err)
	s.Handler, s.limiter = handler, limiter
	answers = map[string]*tally{"gone": {}}
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range 1000 {
		tried, kept := secretOf(i), secretOf(i)
		ctx, cancel := context.WithCancel(t.Context())
		if i%7 == 6 {
			kept = "gone"
			time.AfterFunc(time.Duration(rand.IntN(20))*time.Millisecond, cancel)
		}
		if answers[kept] == nil {
			answers[kept] = &tally{}
		}
		answer := answers[kept]
		all.Go(func() {
			defer cancel()
			defer func() {
				if recover() != nil {
					answer.add(0)
				}
			}()
			<-begin
			answer.add(s.send(ctx, home, "/token", withSecret("app", tried)).Code)
		})
	}
	close(begin)
	all.Wait()
	s.requireSound()
	for _, b := range limiter.buckets {
		require.Zero(t, b.underWay)
		require.Nil(t, b.waiting, "the room of a long queue is given back")
	}
	return answers, model
}

// What is right is let in, whatever happens to a thousand others, as long as
// fewer are wrong than the limit allows.
func TestAttack_AThousandAtOnce(t *testing.T) {
	answers, model := storm(t, New(), func(i int) string {
		if i%60 == 1 { // 17, of which some are given up
			return "wrong"
		}
		return []string{secret, secret, secret, "panic", "fault"}[i%5]
	})
	for tried, status := range map[string]int{secret: 200, "panic": 0, "fault": 503, "wrong": 400} {
		require.Len(t, answers[tried].count, 1, tried)
		require.Contains(t, answers[tried].count, status, tried)
	}
	require.LessOrEqual(t, model.wrong.Load(), int32(17))
}

// Hundreds of guesses at once, among what is right: exactly as many are tried
// as one after another.
func TestAttack_GuessesAmongWhatIsRight(t *testing.T) {
	for range 5 {
		limiter := New()
		answers, model := storm(t, limiter, func(i int) string { return []string{secret, "wrong"}[i%2] })
		require.LessOrEqual(t, answers["wrong"].count[400], 20)
		failed := answers["wrong"].count[400] + answers["gone"].count[400]
		require.Equal(t, 20, failed)
		require.GreaterOrEqual(t, model.wrong.Load(), int32(20))
	}
}
