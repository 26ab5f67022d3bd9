package mongomodel_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// lab is a server that is reached directly, and the same behind a proxy that breaks commands.
type lab struct {
	model  *mongomodel.Model
	direct *site
	proxy  *mongotest.Proxy
	far    *mongomodel.Model
	broken *site
}

func newLab(t *testing.T, db *mongo.Database, direct *mongomodel.Model, retries bool) *lab {
	proxy := mongotest.NewProxy(t, mongotest.URI(t))
	client := proxy.Connect(t, options.Client().SetRetryReads(retries).SetRetryWrites(retries))
	far := mongomodel.New(client.Database(db.Name()), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	return &lab{direct, newSite(t, direct), proxy, far, newSite(t, far)}
}

// during does something whose n-th command suffers the fault. Where no reply
// comes, whoever waits gives up.
func (l *lab) during(t *testing.T, n int, fault mongotest.Fault, act func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hit := make(chan struct{})
	l.proxy.Break(n, fault, func() {
		close(hit)
		if fault != mongotest.CutBefore && fault != mongotest.CutAfter {
			cancel()
		}
	})
	act(ctx)
	select {
	case <-hit:
	default:
		t.Fatalf("there was no command %d", n)
	}
}

// chain returns the log of a grant, in which each refresh token must stem from
// the one before: at most one is current.
func (l *lab) chain(t *testing.T, grantID string) []*oauth2server.GrantEntry {
	t.Helper()
	entries, err := l.model.GrantEntries(context.Background(), grantID, 1)
	require.NoError(t, err)
	current := ""
	for i, e := range entries {
		require.Equal(t, i+1, e.Seq)
		if e.Kind == "rotate" {
			require.Equal(t, current, e.Presented)
		}
		if e.Kind != "retry" && e.Successor != "" {
			current = e.Successor
		}
	}
	return entries
}

// ended proves that nothing of a grant works.
func (l *lab) ended(t *testing.T, answers ...answer) {
	t.Helper()
	for _, a := range answers {
		if a.status == http.StatusOK {
			require.False(t, l.direct.works(a.Access))
			require.Equal(t, "invalid_grant", l.direct.refresh(t.Context(), a.Token).Error)
		}
	}
}

// faulted proves that what suffered a fault gave no verdict and no token. With
// retries, the driver may have made it good.
func faulted(t *testing.T, a answer) {
	t.Helper()
	if a.status != http.StatusOK {
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Empty(t, a.Access)
	}
}

// when is the moment at which a late command arrives.
type when string

const (
	never  when = ""
	before when = ", before the retry"
	after  when = ", after the retry"
	last   when = ", after the revocation"
)

// everyFault runs a test for each command up to n and each fault; where the
// driver sees an error, with its retries on too. With -short it is each fourth
// of these.
func everyFault(t *testing.T, n int, test func(t *testing.T, l *lab, n int, fault mongotest.Fault, w when)) {
	row := 0
	for command := 1; command <= n; command++ {
		db, direct := start(t) // FerretDB reads every log to find one
		for _, fault := range mongotest.Faults {
			moments, retries := []when{never}, []bool{false}
			switch fault {
			case mongotest.Late:
				moments = []when{before, after, last}
			case mongotest.CutBefore, mongotest.CutAfter:
				retries = []bool{false, true}
			}
			for _, retry := range retries {
				for _, moment := range moments {
					if row++; testing.Short() && row%4 != 0 {
						continue
					}
					t.Run(fmt.Sprintf("command %d, retries %t: %s%s", command, retry, fault, moment),
						func(t *testing.T) {
							test(t, newLab(t, db, direct, retry), command, fault, moment)
						})
				}
			}
		}
	}
}

func (l *lab) deliverIf(at, now when) {
	if at == now {
		l.proxy.Deliver()
	}
}

func TestFaultsInACodeExchange(t *testing.T) {
	t.Parallel()
	everyFault(t, 6, func(t *testing.T, l *lab, n int, fault mongotest.Fault, late when) {
		ctx, code := t.Context(), l.direct.authorize(t)
		stored, err := l.model.GetAuthorizationCode(ctx, code)
		require.NoError(t, err)
		var got answer
		l.during(t, n, fault, func(ctx context.Context) { got = l.broken.exchange(ctx, code) })
		faulted(t, got)
		l.deliverIf(late, before)

		redeemed := len(l.chain(t, stored.GrantID)) == 1
		require.Equal(t, got.status == http.StatusOK || n == 6 ||
			n == 5 && (fault == mongotest.CutAfter || fault == mongotest.DropAfter || late == before), redeemed)
		retry := l.direct.exchange(ctx, code)
		l.deliverIf(late, after)
		if redeemed {
			require.Equal(t, "invalid_grant", retry.Error, "a code works once")
		} else {
			require.Equal(t, http.StatusOK, retry.status, retry.Error)
			got = retry
		}
		if got.status == http.StatusOK {
			require.Equal(t, "invalid_grant", l.direct.exchange(ctx, code).Error)
			require.True(t, l.direct.works(got.Access), "the verifier shows that it is the same client that asks again")
			require.Equal(t, http.StatusOK, l.direct.refresh(ctx, got.Token).status)
		}
		require.NoError(t, oauth2server.RevokeGrant(ctx, l.model, stored.GrantID))
		l.deliverIf(late, last)
		l.chain(t, stored.GrantID)
		l.ended(t, got)
	})
}

func TestFaultsInARefresh(t *testing.T) {
	t.Parallel()
	everyFault(t, 5, func(t *testing.T, l *lab, n int, fault mongotest.Fault, late when) {
		ctx, first := t.Context(), l.direct.signIn(t)
		grantID := grantOf(t, l.model, first.Token)
		var got answer
		l.during(t, n, fault, func(ctx context.Context) { got = l.broken.refresh(ctx, first.Token) })
		faulted(t, got)
		l.deliverIf(late, before)

		entries := l.chain(t, grantID)
		rotated := len(entries) == 2
		require.Equal(t, got.status == http.StatusOK ||
			n == 5 && (fault == mongotest.CutAfter || fault == mongotest.DropAfter || late == before), rotated)
		retry := l.direct.refresh(ctx, first.Token)
		require.Equal(t, http.StatusOK, retry.status, retry.Error)
		if rotated {
			require.Equal(t, entries[1].Successor, oauth2server.Digest(retry.Token), "the same successor")
		}
		if got.status == http.StatusOK {
			require.Equal(t, got.Token, retry.Token)
		}
		l.deliverIf(late, after)
		again := l.direct.refresh(ctx, first.Token)
		require.Equal(t, retry.Token, again.Token, "and so for everybody who asks")
		onward := l.direct.refresh(ctx, retry.Token)
		require.Equal(t, http.StatusOK, onward.status, onward.Error)
		for _, a := range []answer{first, retry, again, onward} {
			require.True(t, l.direct.works(a.Access))
		}
		require.NoError(t, oauth2server.RevokeGrant(ctx, l.model, grantID))
		l.deliverIf(late, last)
		l.chain(t, grantID)
		l.ended(t, first, got, retry, again, onward)
	})
}

// A revocation that failed is called again; one that was acknowledged holds.
func TestFaultsInARevocation(t *testing.T) {
	t.Parallel()
	everyFault(t, 8, func(t *testing.T, l *lab, n int, fault mongotest.Fault, late when) {
		first := l.direct.signIn(t)
		second := l.direct.refresh(t.Context(), first.Token)
		grantID := grantOf(t, l.model, first.Token)
		var err error
		l.during(t, n, fault, func(ctx context.Context) {
			err = oauth2server.RevokeGrant(ctx, l.far, grantID)
		})
		l.deliverIf(late, before)
		if err != nil {
			require.NotErrorIs(t, err, oauth2server.ErrNotFound)
			require.NoError(t, oauth2server.RevokeGrant(t.Context(), l.model, grantID))
		}
		l.ended(t, first, second)
		l.deliverIf(late, after)
		l.deliverIf(late, last)
		l.ended(t, first, second)
		entries := l.chain(t, grantID)
		require.Equal(t, oauth2server.EntryRevoked, entries[2].Kind)
		require.Len(t, entries, 3)
	})
}

// The context's deadline holds, although the driver would wait longer.
func TestADeadlineHolds(t *testing.T) {
	db, direct := start(t)
	l := newLab(t, db, direct, false)
	require.NoError(t, direct.AddClient(t.Context(), &oauth2server.Client{ID: "x", Public: true}, ""))
	l.proxy.Break(1, mongotest.DropBefore, func() {})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := l.far.GetClient(ctx, "x", "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
}

// Also when a connection is lost that moment: who gave up is told so.
func TestACancelledContextIsReported(t *testing.T) {
	db, direct := start(t)
	for _, fault := range mongotest.Faults {
		l := newLab(t, db, direct, false)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l.proxy.Break(1, fault, cancel)
		_, err := l.far.GetClient(ctx, "web", "")
		require.ErrorIs(t, err, context.Canceled, fault)
	}
}
