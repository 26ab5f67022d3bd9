package oauth2server

import (
	"cmp"
	"slices"
	"time"
)

// Grant is one authorization by one owner, of which something still works: a line on a page where people see which
// applications they let in.
type Grant struct {
	// ID is what [RevokeGrant] takes; see [Token.GrantID].
	ID string

	// ClientID and UserID are whom it is for, and by.
	ClientID, UserID string

	// Scope is what the owner granted; see [Token.GrantScope].
	Scope Scope

	// UsedAt is when the client last got a token by it. What it did with that token is not known: it may have called an
	// API for as long as an access token lives after that.
	UsedAt time.Time

	// ExpiresAt is when the last token of it expires, unless the client gets another one before. Zero: never.
	ExpiresAt time.Time
}

// LiveGrants returns the grants that entries tell of, without those that are over or have expired; the one used last
// comes first. The entries may be of many grants and in any order, but all that there are: those of one owner, say, by
// [GrantEntry.UserID]. An access token that was revoked alone counts until it would have expired.
func LiveGrants(entries []*GrantEntry) []*Grant {
	logs := map[string][]*GrantEntry{}
	for _, e := range entries {
		logs[e.GrantID] = append(logs[e.GrantID], e)
	}
	var live []*Grant
	for _, log := range logs {
		if g := liveGrant(log); g != nil {
			live = append(live, g)
		}
	}
	slices.SortFunc(live, func(a, b *Grant) int { return cmp.Or(b.UsedAt.Compare(a.UsedAt), cmp.Compare(a.ID, b.ID)) })
	return live
}

// liveGrant folds the entries of one grant; nil when nothing of it works any more.
func liveGrant(entries []*GrantEntry) *Grant {
	g, forever := &Grant{}, false
	for _, e := range entries {
		switch {
		case e.Kind == kindRevoked:
			return nil
		case e.UserID == "": // nothing was issued
			continue
		}
		g.ID, g.ClientID, g.UserID, g.Scope = e.GrantID, e.ClientID, e.UserID, slices.Clone(e.Scope)
		g.UsedAt = latest(g.UsedAt, e.Time)
		g.ExpiresAt = latest(g.ExpiresAt, e.AccessTokenExpiresAt, e.SuccessorExpiresAt)
		forever = forever || e.Successor != "" && e.SuccessorExpiresAt.IsZero()
	}
	switch {
	case forever:
		g.ExpiresAt = time.Time{}
	case expired(g.ExpiresAt):
		return nil
	}
	return g
}
