package oauth2server

import (
	"cmp"
	"slices"
	"time"
)

// Grant is what one owner granted to one client, and of which something still works: a line on a page where people see
// which applications they let in.
type Grant struct {
	// ID is what [RevokeGrant] takes; see [Token.GrantID]. Clients whose tokens joined a grant share it; see
	// [GrantRequest.Issue].
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
	type party struct{ grantID, clientID string }
	grants, ended, forever := map[party]*Grant{}, map[string]bool{}, map[party]bool{}
	for _, e := range entries {
		switch {
		case e.Kind == kindRevoked:
			ended[e.GrantID] = true
			continue
		case e.UserID == "": // nothing was issued
			continue
		}
		p := party{e.GrantID, e.ClientID}
		g := grants[p]
		if g == nil {
			g = &Grant{ID: e.GrantID, ClientID: e.ClientID, UserID: e.UserID}
			grants[p] = g
		}
		for _, token := range e.Scope {
			if !g.Scope.Contains(token) {
				g.Scope = append(g.Scope, token)
			}
		}
		g.UsedAt = latest(g.UsedAt, e.Time)
		g.ExpiresAt = latest(g.ExpiresAt, e.AccessTokenExpiresAt, e.SuccessorExpiresAt)
		forever[p] = forever[p] || e.Successor != "" && e.SuccessorExpiresAt.IsZero()
	}
	var live []*Grant
	for p, g := range grants {
		switch {
		case ended[p.grantID]:
			continue
		case forever[p]:
			g.ExpiresAt = time.Time{}
		case expired(g.ExpiresAt):
			continue
		}
		live = append(live, g)
	}
	slices.SortFunc(live, func(a, b *Grant) int {
		return cmp.Or(b.UsedAt.Compare(a.UsedAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.ClientID, b.ClientID))
	})
	return live
}
