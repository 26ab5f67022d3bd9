// This file defines the log of a grant, which a model stores and the files
// grantlog_*.go append to and read.

package oauth2server

import (
	"context"
	"encoding/json"
	"time"
)

// GrantLog keeps what became of each grant, as a log with places from 1 on.
// Refresh tokens that survive a lost reply, the detection of theft, and
// revocation need only one thing of a storage: to store an entry where there is
// none. That is a primary key in SQL, a unique _id in MongoDB, SET NX in Redis,
// which keeps it only as far as replicas and persistence do. See docs/refresh.md.
//
// With it, GetAuthorizationCode and GetRefreshToken must go on finding what was
// used, until it expires, as the log decides. RevokeAuthorizationCode is not
// called, and RevokeToken only for a token that nobody was given. Access tokens
// are found and revoked by [Digest].
//
// Without it, those two methods decide: a refresh token works once, and a
// replay is refused but does not end the grant.
type GrantLog interface {
	// AppendGrant stores entry at (entry.GrantID, entry.Seq) unless there is an
	// entry: then it returns that one and [ErrExists]. It never replaces an
	// entry. What it stored, and what it returned with ErrExists, is there for
	// good, and every later read sees it, on every machine. An entry that was
	// only read may still be lost, so before the server acknowledges something
	// because of it, the server appends at that place. On success the returned
	// entry is ignored.
	AppendGrant(ctx context.Context, entry *GrantEntry) (*GrantEntry, error)

	// GrantEntries returns the entries of a grant from place from on, in the
	// order of places: the first [GrantPage] of them, or all if there are
	// fewer. The server asks again from behind the last one, so returning more
	// only costs memory. No entries is no error. Places may be missing, as
	// entries expire one by one.
	GrantEntries(ctx context.Context, grantID string, from int) ([]*GrantEntry, error)

	// RevokeAccessTokens ends access tokens, given by [Digest]: GetAccessToken
	// no longer finds them. A token that is gone already is no error. When it
	// returns nil, none of them works any more, on any machine.
	RevokeAccessTokens(ctx context.Context, digests ...string) error
}

// GrantEntry is an entry in the log of a grant. A model stores it under GrantID
// and Seq and returns it unchanged. It looks at these two, at ExpiresAt, and,
// if it lists the grants of a user or a client, at UserID and ClientID.
//
// Some logs stand beside that of a grant. Their IDs have a prefix: "end:",
// "uses:", "user:" or "record:". To a model they are logs like others. Codes and tokens
// are in an entry as a [Digest] only, so they cannot be used by anyone who
// reads the log.
type GrantEntry struct {
	// GrantID is the ID of the grant, or of a log beside it.
	GrantID string

	// Seq is the place: 1 for the first, in "uses:" any from 0 to 2147483647.
	// Together with GrantID it is unique.
	Seq int

	// Kind is what happened.
	Kind EntryKind

	// Nonce distinguishes this attempt to append from all others.
	Nonce string

	// Time is when the entry was made, in UTC, to the millisecond.
	Time time.Time

	// ExpiresAt is when the entry may be deleted. Until then, what was used
	// stays used.
	ExpiresAt time.Time

	// Pace is when the entries so far would have been made at the average rate
	// at which a grant may be refreshed. It is ahead of Time by as much as they
	// were faster.
	Pace time.Time

	// Presented is the digest of the code or the refresh token that was used.
	// Empty: none was.
	Presented string

	// AccessToken is the digest of the access token that was issued. Empty:
	// none was.
	AccessToken string

	// AccessTokenExpiresAt is when AccessToken expires.
	AccessTokenExpiresAt time.Time

	// Successor is the digest of the refresh token that was issued. Empty: none
	// was.
	Successor string

	// SuccessorExpiresAt is when Successor expires; in a "retry", when the
	// refresh token that was given again expires.
	SuccessorExpiresAt time.Time

	// Sealed is the successor in a form that only the refresh token that was used
	// can open. A client that presents that again gets the same successor.
	Sealed []byte

	// ClientID and UserID name the client and the owner of the grant. They are
	// in the first entry of a grant, in one of each 30 days, in one that ended
	// it, and in one of each two hours in "uses:"; others do not repeat them.
	// Entries expire one by one, but as long as something of a grant can be
	// used, there is one with these; see [LiveGrants].
	ClientID, UserID string

	// Scope is what the owner granted, in an entry that has ClientID and UserID
	// and issued a token.
	Scope Scope

	// Resource is what the token is for, in an entry that has a Scope; see
	// [Token.Resource].
	Resource string

	// GrantExpiresAt is when the grant ends, in an entry that issued a token;
	// see [Token.GrantExpiresAt].
	GrantExpiresAt time.Time

	unknown map[string]json.RawMessage
}

// EntryKind is what an entry of a log is about.
type EntryKind string

// The kinds of log entries.
const (
	// EntryGrant: the grant began, as a code was redeemed or a user signed in;
	// or later, an access token joined it.
	EntryGrant EntryKind = "grant"

	// EntryRotate: a refresh token was replaced.
	EntryRotate EntryKind = "rotate"

	// EntryRetry: a refresh token was used without being replaced.
	EntryRetry EntryKind = "retry"

	// EntryBurnt: an attempt on the code failed, which spent the code.
	EntryBurnt EntryKind = "burnt"

	// EntryRevoked: the grant is over.
	EntryRevoked EntryKind = "revoked"

	// EntryRecord: no grant, but a record of an extension; see [LogRecords].
	EntryRecord EntryKind = "record"
)

// GrantPage is how many entries [GrantLog.GrantEntries] returns at once.
const GrantPage = 100
