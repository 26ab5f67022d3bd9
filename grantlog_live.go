// This file finds in log entries which grants still work.

package oauth2server

import (
	"cmp"
	"slices"
	"time"
)

// Grant is what one owner granted to one client, and of which something still
// works. It is a line on a page where people see which apps have access.
type Grant struct {
	// ID is what [RevokeGrant] takes; see [Token.GrantID]. Clients whose tokens
	// joined a grant share it; see [GrantRequest.Issue].
	ID string

	// ClientID is the client that has the grant, UserID the owner who gave it.
	ClientID, UserID string

	// Scope is what the owner granted; see [Token.GrantScope].
	Scope Scope

	// Resource is what the grant is for; see [Token.Resource].
	Resource string

	// UsedAt is when the client last got a token by the grant. The real time
	// may be up to seven seconds later where tokens are not rotated, and up to
	// two hours for a client whose tokens joined. What the client did with the
	// token is not known: it may have called an API until that token expired.
	UsedAt time.Time

	// ExpiresAt is when the last token of the grant has expired, unless the
	// client gets another one before. It is too late by as much as UsedAt may
	// be off. Zero: never.
	ExpiresAt time.Time
}

// GrantLogs returns the IDs of the logs whose last entry [LiveGrants] needs,
// besides entries. These are the entries with a [GrantEntry.UserID].
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

// LiveGrants returns the grants that entries are about, except those that are
// over or have expired; the one used last comes first. It needs all entries
// that have a [GrantEntry.UserID], and the last one of each log that
// [GrantLogs] returns for these, of any number of grants and in any order.
// Others make no difference, so a page of grants costs the same however often
// they are refreshed.
//
// An access token that was revoked by itself counts until it would have
// expired.
func LiveGrants(entries []*GrantEntry) []*Grant {
	grants, ended := map[party]*Grant{}, map[string]bool{}
	first := map[string]party{} // by the ID of a grant, the client that it was made for
	for _, e := range entries {
		id := grantOf(e.GrantID)
		switch {
		case e.Kind == EntryRevoked:
			ended[id] = true
		case e.UserID != "":
			p := party{id, e.ClientID, e.Resource}
			if grants[p] == nil {
				grants[p] = &Grant{ID: id, ClientID: e.ClientID, UserID: e.UserID, Resource: e.Resource}
			}
			if e.GrantID == id {
				first[id] = p
			}
		}
	}
	for _, e := range entries {
		p := party{grantOf(e.GrantID), e.ClientID, e.Resource}
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
		return cmp.Or(
			b.UsedAt.Compare(a.UsedAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.ClientID, b.ClientID),
			cmp.Compare(a.Resource, b.Resource))
	})
	return live
}

// party is a client in a grant; there is more than one if others joined.
type party struct{ grantID, clientID, resource string }

// add takes an entry of the grant into account.
func (g *Grant) add(e *GrantEntry) {
	for _, token := range e.Scope {
		if !g.Scope.Contains(token) {
			g.Scope = append(g.Scope, token)
		}
	}
	g.UsedAt = latest(g.UsedAt, e.Time)
	until := e.speaksUntil()
	if use, _ := e.isUse(); use {
		until = e.ExpiresAt.Add(-markerMargin) // it stands for other uses
	}
	g.ExpiresAt = latest(g.ExpiresAt, until)
}
