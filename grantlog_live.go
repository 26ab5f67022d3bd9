// This file finds in log entries which grants still work.

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

	// ClientID is the client that has the grant, UserID the owner who gave it.
	ClientID, UserID string

	// Scope is what the owner granted; see [Token.GrantScope].
	Scope Scope

	// UsedAt is when the client last got a token by it, seven seconds later at
	// most where tokens are not rotated, and two hours for a client whose
	// tokens joined. What it did with that token is not known: it may have
	// called an API for as long as an access token lives after that.
	UsedAt time.Time

	// ExpiresAt is when the last token of it has expired, unless the client
	// gets another one before: it is later than that by as much as UsedAt may
	// be off. Zero: never.
	ExpiresAt time.Time
}

// GrantLogs returns the IDs of the logs of which [LiveGrants] needs the last
// entry, besides entries, which are those that name a user.
func GrantLogs(entries []*GrantEntry) (logs []string) {
	ended := map[string]bool{}
	for _, e := range entries {
		ended[grantOf(e.GrantID)] = ended[grantOf(e.GrantID)] || e.Kind == EntryRevoked
	}
	for id, over := range ended {
		if !over {
			logs = append(logs, id, usesLog+id)
		}
	}
	return logs
}

// LiveGrants returns the grants that entries are about, without those that are
// over or have expired; the one used last comes first. The entries may be of
// many grants and in any order: all that have a [GrantEntry.UserID], and the
// last ones of the logs that [GrantLogs] returns for these. Others make no
// difference, so a page of grants costs the same however often they are refreshed.
//
// An access token that was revoked alone counts until it would have expired.
func LiveGrants(entries []*GrantEntry) []*Grant {
	grants, ended := map[party]*Grant{}, map[string]bool{}
	first := map[string]party{} // by the ID of a grant, the client that it was made for
	for _, e := range entries {
		id := grantOf(e.GrantID)
		switch {
		case e.Kind == EntryRevoked:
			ended[id] = true
		case e.UserID != "":
			p := party{id, e.ClientID}
			if grants[p] == nil {
				grants[p] = &Grant{ID: id, ClientID: e.ClientID, UserID: e.UserID}
			}
			if e.GrantID == id {
				first[id] = p
			}
		}
	}
	for _, e := range entries {
		p := party{grantOf(e.GrantID), e.ClientID}
		if e.UserID == "" {
			if use, named := e.isUse(); use && !named {
				continue // another entry of its slot names the client
			}
			p = first[p.grantID]
		}
		if g := grants[p]; g != nil {
			g.add(e)
		}
	}
	var live []*Grant
	for p, g := range grants {
		if !ended[p.grantID] && !expired(g.ExpiresAt) {
			live = append(live, g)
		}
	}
	for _, g := range live {
		if g.ExpiresAt.After(distant()) {
			g.ExpiresAt = time.Time{}
		}
	}
	slices.SortFunc(live, func(a, b *Grant) int {
		return cmp.Or(b.UsedAt.Compare(a.UsedAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.ClientID, b.ClientID))
	})
	return live
}

// party is a client in a grant; there is more than one if others joined.
type party struct{ grantID, clientID string }

// add notes what an entry of the grant says.
func (g *Grant) add(e *GrantEntry) {
	for _, token := range e.Scope {
		if !g.Scope.Contains(token) {
			g.Scope = append(g.Scope, token)
		}
	}
	g.UsedAt = latest(g.UsedAt, e.Time)
	until := e.speaksUntil()
	if use, _ := e.isUse(); use {
		until = e.ExpiresAt.Add(-markerMargin) // for others, which it stands for
	}
	g.ExpiresAt = latest(g.ExpiresAt, until)
}
