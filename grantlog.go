package oauth2server

import (
	"context"
	"encoding/json"
	"time"
)

// GrantLog keeps what became of each authorization, as a log with places from 1 on. Refresh tokens that survive a lost
// reply, the detection of theft, and revocation need nothing else of a storage than to put a thing where nothing is:
// a primary key in SQL, a unique _id in MongoDB, SET NX in Redis. See docs/refresh.md.
//
// With it, GetAuthorizationCode and GetRefreshToken must go on finding what was used, until it expires, as the log
// decides; RevokeAuthorizationCode is not called, and RevokeToken only for a token that nobody was given. Access tokens
// are found and revoked by [Digest].
// Without it, those two are the gates: a refresh token is used once, and a replay is refused, no more.
type GrantLog interface {
	// AppendGrant stores entry at (entry.GrantID, entry.Seq) unless something
	// is there: then the error is [ErrExists], and the stored entry is
	// returned. It never replaces. What it acknowledged, and what it returned
	// with ErrExists, is there for good, and every later read sees it, on every
	// machine. An entry that was only read may still be lost: before the server
	// acknowledges something because of it, it appends at that place. On
	// success the returned entry is not looked at.
	AppendGrant(ctx context.Context, entry *GrantEntry) (*GrantEntry, error)

	// GrantEntries returns the entries of a grant from place from on, in the
	// order of places: the first [GrantPage] of them, or all if they are fewer.
	// The server asks again from behind the last one, so more than that only
	// costs memory. No entries is no error. Places may be missing, as entries
	// expire one by one.
	GrantEntries(ctx context.Context, grantID string, from int) ([]*GrantEntry, error)

	// RevokeAccessTokens ends access tokens, given by [Digest]: GetAccessToken no longer finds them. Ending what is
	// gone is no error. When it returns nil, none of them works any more, on any machine.
	RevokeAccessTokens(ctx context.Context, digests ...string) error
}

// GrantEntry is a line in the log of a grant. A model stores it under GrantID
// and Seq and returns it as it was; it looks at these two, at ExpiresAt, and at
// UserID and ClientID if it lists the grants of a user or a client. Some logs
// stand beside that of a grant, and have an ID with a prefix: "end:", "uses:",
// "user:"; to a model they are logs like others. Whatever the entry is about is
// there as a [Digest]: whoever reads the log cannot use it.
type GrantEntry struct {
	// GrantID is that of the grant.
	GrantID string

	// Seq is the place: 1 for the first, in "uses:" any from 0 to 2147483647.
	// Together with GrantID it is unique.
	Seq int

	// Kind is "grant" (the grant began: a code was redeemed, a user signed in; later, an access token joined it),
	// "rotate" (a refresh token was replaced), "retry" (a refresh token was used without being replaced), "burnt"
	// (an attempt on the code failed) or "revoked" (the grant is over).
	Kind EntryKind

	// Nonce tells this attempt to append from all others.
	Nonce string

	// Time is when the entry was made, in UTC, to the millisecond.
	Time time.Time

	// ExpiresAt is when the entry may be deleted, and not before: until then, what was used stays used.
	ExpiresAt time.Time

	// Pace is the time until which the entries so far would have taken at the
	// rate at which a grant may be refreshed. It is ahead of Time by as much as
	// they were faster.
	Pace time.Time

	// Presented is the digest of the code or the refresh token that was used. Empty: none was.
	Presented string

	// AccessToken is the digest of the access token that was issued. Empty: none was.
	AccessToken string

	// AccessTokenExpiresAt is when that one expires.
	AccessTokenExpiresAt time.Time

	// Successor is the digest of the refresh token that was issued. Empty: none was.
	Successor string

	// SuccessorExpiresAt is when Successor expires; in a "retry", when the
	// refresh token that was given again expires.
	SuccessorExpiresAt time.Time

	// Sealed is the successor, encrypted so that only who has the refresh token that was used can open it: it gets the
	// same successor when it asks again.
	Sealed []byte

	// ClientID and UserID name the client and the owner of the grant. They are
	// in the first entry of a grant, in one of each 30 days, and in one that
	// ended it. Others do not repeat them. Entries expire one by one, but as
	// long as something of a grant can be used, there is one with these: see
	// [LiveGrants].
	ClientID, UserID string

	// Scope is what the owner granted, in an entry that has ClientID and UserID
	// and issued a token.
	Scope Scope

	// GrantExpiresAt is when the grant ends, in an entry that issued a token; see [Token.GrantExpiresAt].
	GrantExpiresAt time.Time

	unknown map[string]json.RawMessage
}

// EntryKind is what an entry of a log is about.
type EntryKind string

// The kinds of log entries.
const (
	// EntryGrant: the grant began with a token, or a token joined it.
	EntryGrant EntryKind = "grant"

	// EntryRotate: a refresh token was replaced.
	EntryRotate EntryKind = "rotate"

	// EntryRetry: a refresh token was used again, and not replaced.
	EntryRetry EntryKind = "retry"

	// EntryBurnt: an attempt on a code was refused, which spent the code.
	EntryBurnt EntryKind = "burnt"

	// EntryRevoked: the grant is over.
	EntryRevoked EntryKind = "revoked"
)

// GrantPage is how many entries [GrantLog.GrantEntries] returns at once.
const GrantPage = 100

// names reports whether an entry says of whom a grant is, and for what.
func (e *GrantEntry) names(clientID, userID string, scope Scope) bool {
	return e.ClientID == clientID && e.UserID == userID && e.Scope.Contains(scope...)
}
