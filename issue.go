package oauth2server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// issue prepares token. If there are a log and a GrantID, it also begins the
// grant in the log. The GrantID must be new; began is when what led to the
// token began.
func (s *Server) issue(ctx context.Context, client *Client, token *Token, refresh bool, began beginning) (*Token, *Error) {
	issued, refused := s.prepare(ctx, client, token, 1, refresh)
	if refused != nil || s.can.log == nil || token.GrantID == "" {
		return issued, refused
	}
	there, refused := s.begin(ctx, issued, token, "", time.Time{})
	switch {
	case refused != nil:
		return nil, refused
	case there == nil:
		return s.unlessOutlived(ctx, issued, began)
	}
	s.discard(ctx, issued)
	if there.Kind == kindRevoked { // it was revoked before its entry was appended
		return nil, grantOver()
	}
	return nil, misuse("grant %q exists already and cannot begin again", token.GrantID)
}

// unlessOutlived returns what was issued for a grant that is in the log now, unless
// the user revoked it before: then it ends at once.
func (s *Server) unlessOutlived(ctx context.Context, issued *Token, began beginning) (*Token, *Error) {
	outlived, refused := s.outlived(ctx, began, issued.User, issued.Client)
	if refused == nil && outlived {
		refused = s.finishRevocation(ctx, issued.GrantID)
	}
	if refused != nil {
		return nil, refused
	}
	return issued, nil
}

// join issues an access token into a grant that goes on. The line of the grant
// stays as it is. The log of its end is read afterwards: an ending writes there
// first, and looks for uses after that. The marks of the user are read, too, for a
// grant that was not in the log when everything of theirs was revoked.
func (s *Server) join(ctx context.Context, client *Client, token *Token, began beginning) (*Token, *Error) {
	names, refused := s.checkJoin(ctx, token)
	if refused != nil {
		return nil, refused
	}
	issued, refused := s.prepare(ctx, client, token, 0, false)
	if refused != nil {
		return nil, refused
	}
	entry := s.entryFor(kindGrant, 0, token, issued, nil)
	if until := entry.speaksUntil(); names.names(entry.ClientID, entry.UserID, entry.Scope) &&
		!until.After(names.ExpiresAt.Add(-markerMargin)) {
		entry.ClientID, entry.UserID, entry.Scope = "", "", nil // they are known
	}
	begun := false
	if refused = appendUse(ctx, s.can.log, entry); refused == nil {
		begun, _, refused = endState(ctx, s.can.log, token.GrantID)
	}
	if refused == nil && !begun {
		begun, refused = s.outlived(ctx, began, issued.User, client)
	}
	if refused == nil && begun {
		refused = s.finishRevocation(ctx, token.GrantID)
	}
	if refused != nil {
		s.discard(ctx, issued)
		return nil, refused
	}
	return issued, nil
}

// checkJoin looks at the beginning of a grant that a token is to join, and returns
// the entry of its line that names client and owner; an empty one if that has
// expired. Then the uses, which are what still lives of it, say when it must end.
func (s *Server) checkJoin(ctx context.Context, token *Token) (names *GrantEntry, refused *Error) {
	names = &GrantEntry{}
	owner, until := "", time.Time{}
	read := func(e *GrantEntry) bool {
		owner, until = e.UserID, latest(until, e.GrantExpiresAt)
		if owner != "" && e.GrantID == token.GrantID {
			names = e
		}
		return owner == "" && e.Kind != kindRevoked && e.Kind != kindBurnt && e.Seq < usesUnnamed
	}
	if refused = eachEntry(ctx, s.can.log, token.GrantID, 1, read); refused == nil && owner == "" {
		refused = eachEntry(ctx, s.can.log, usesLog+token.GrantID, 0, read)
	}
	if token.GrantExpiresAt = earliest(token.GrantExpiresAt, until); token.GrantExpiresAt.IsZero() {
		token.GrantExpiresAt = until
	}
	end := s.grantExpiry(token)
	switch {
	case refused != nil:
		return nil, refused
	case owner != "" && owner != token.User.ID: // neither user could see and end it
		return nil, misuse("grant %q is of user %q, and cannot be joined by a token of %q", token.GrantID, owner, token.User.ID)
	case !end.IsZero() && expired(end):
		return nil, grantOver()
	}
	return names, nil
}

// checkUnused refuses to begin a grant whose ID, which the program chose, was
// used before. The first place of its log may be free again, as its entry has
// expired.
func (s *Server) checkUnused(ctx context.Context, grantID string) *Error {
	used := false
	over, _, refused := endState(ctx, s.can.log, grantID)
	if refused == nil && !over {
		refused = eachEntry(ctx, s.can.log, grantID, 1, func(e *GrantEntry) bool {
			used, over = true, e.Kind == kindRevoked
			return false
		})
	}
	switch {
	case refused != nil:
		return refused
	case over:
		return s.finishRevocation(ctx, grantID)
	case used:
		return misuse("grant %q exists already and cannot begin again", grantID)
	}
	return nil
}

// discard deletes tokens that nobody was given, as their entry is not in the log. They are of no use to anybody and would
// expire, so an error is of no consequence.
func (s *Server) discard(ctx context.Context, issued *Token) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.can.log.RevokeAccessTokens(ctx, Digest(issued.AccessToken))
	if issued.RefreshToken != "" && s.can.refresh != nil {
		s.can.refresh.RevokeToken(ctx, issued)
	}
}

// begin writes the first entry of a grant: token's, of which issued is what the model stored. presented is the digest of
// the code, if there was one. It returns what is there if something is.
func (s *Server) begin(ctx context.Context, issued, token *Token, presented string, until time.Time) (*GrantEntry, *Error) {
	entry := s.entryFor(kindGrant, 1, token, issued, nil)
	entry.Presented = presented
	return appendEntry(ctx, s.can.log, entry, until)
}

// prepare gives token its strings and lifetimes and saves it; place is that of its log entry. With a log, nobody may see
// the token before that entry is there.
func (s *Server) prepare(ctx context.Context, client *Client, token *Token, place int, refresh bool) (*Token, *Error) {
	if !client.allows(token.Scope) {
		return nil, beyondClient(client, token.Scope)
	}
	for _, lifetime := range []time.Duration{client.AccessTokenLifetime, client.RefreshTokenLifetime} {
		if err := checkLifetime(lifetime); err != nil {
			return nil, breach("client %q: a lifetime of %w", client.ID, err)
		}
	}
	issued := *token
	issued.Client = client
	if issued.GrantScope = token.granted(); slices.Equal(issued.GrantScope, issued.Scope) {
		issued.GrantScope = nil // it is the same
	}
	issued.GrantExpiresAt = s.grantExpiry(token)
	var refused *Error
	issued.AccessToken, refused = generate(ctx, "GenerateAccessToken", s.can.newAccessToken, client, issued.User, issued.Scope, isB64Token)
	if refused != nil {
		return nil, refused
	}
	issued.AccessTokenExpiresAt = issued.GrantExpiresAt
	if client.AccessTokenLifetime != 0 || !s.options.InsecureEternalAccessTokens {
		issued.AccessTokenExpiresAt = earliest(expiry(client.AccessTokenLifetime, s.options.AccessTokenLifetime), issued.GrantExpiresAt)
	}
	issued.RefreshToken, issued.RefreshTokenExpiresAt, issued.GrantSeq = "", time.Time{}, 0
	if refresh {
		s.warnOfLifetimes(client)
		issued.RefreshToken, refused = generate(ctx, "GenerateRefreshToken", s.can.newRefreshToken, client, issued.User, issued.Scope, isVSCHAR)
		if refused != nil {
			return nil, refused
		}
		issued.RefreshTokenExpiresAt = earliest(expiry(client.RefreshTokenLifetime, s.options.RefreshTokenLifetime), issued.GrantExpiresAt)
		if s.can.log != nil {
			issued.GrantSeq = place
		}
	}
	saved, err := s.can.model.SaveToken(ctx, &issued, client, issued.User)
	switch {
	case err != nil:
		return nil, modelFailure("SaveToken", err, breach("SaveToken: %w", err))
	case saved == nil || saved.AccessToken == "" || saved.Client.id() != client.ID || saved.User.id() != token.User.ID:
		return nil, breach("SaveToken did not return a token with its client and user")
	case !token.Scope.Contains(saved.Scope...) || saved.RefreshToken != "" && !refresh: // issued may be saved, and have been changed
		return nil, breach("SaveToken returned a token that grants more than it was given")
	}
	return saved, nil
}

// warnOfLifetimes says once for each client which of its lifetimes the server's
// cut, or outlive.
func (s *Server) warnOfLifetimes(client *Client) {
	if client.AccessTokenLifetime == 0 && client.RefreshTokenLifetime == 0 {
		return // New has looked
	}
	if _, known := s.warned.Load(client.ID); known {
		return
	}
	if _, known := s.warned.LoadOrStore(strings.Clone(client.ID), true); known {
		return
	}
	options := s.options
	options.AccessTokenLifetime = cmp.Or(client.AccessTokenLifetime, options.AccessTokenLifetime)
	options.RefreshTokenLifetime = cmp.Or(client.RefreshTokenLifetime, options.RefreshTokenLifetime)
	options.InsecureEternalAccessTokens = options.InsecureEternalAccessTokens && client.AccessTokenLifetime == 0
	for _, warning := range options.cutLifetimes() {
		options.Logger.Warn("oauth2server: "+warning, "client", client.ID)
	}
}

// grantExpiry is when the grant of token ends, however often it is refreshed.
func (s *Server) grantExpiry(token *Token) time.Time {
	switch {
	case token.GrantID == "" || s.options.MaxGrantLifetime < 0:
		return time.Time{}
	case token.GrantExpiresAt.IsZero():
		return expiry(0, s.options.MaxGrantLifetime)
	}
	return token.GrantExpiresAt
}

// granted is what the owner authorized.
func (t *Token) granted() Scope {
	if len(t.GrantScope) == 0 {
		return t.Scope
	}
	return t.GrantScope
}

// known says whether the model named somebody.
func (u *User) known() bool { return u != nil && u.ID != "" }

// minToken is how many printable characters 128 bits take at the least.
const minToken = 20

// generator is a model's own way to make a token or a code.
type generator func(ctx context.Context, client *Client, user *User, scope Scope) (string, error)

func generate(ctx context.Context, method string, own generator, client *Client, user *User, scope Scope, wellFormed func(string) bool) (string, *Error) {
	if own == nil {
		return newID(), nil
	}
	generated, err := own(ctx, client, user, scope)
	switch {
	case err != nil:
		return "", modelFailure(method, err, breach("%s: %w", method, err))
	case generated == "":
		return newID(), nil
	case !wellFormed(generated) || len(generated) < minToken:
		return "", breach("%s returned characters that may not be sent, or fewer than %d", method, minToken)
	}
	return generated, nil
}

// newID returns 32 random bytes in base64url: 43 characters that nobody can guess.
func newID() string {
	var random [32]byte
	var text [43]byte
	rand.Read(random[:]) // never fails: it ends the program instead
	base64.RawURLEncoding.Encode(text[:], random[:])
	return string(text[:])
}

// expiry is when something that lives so long ends, in UTC and whole milliseconds, which every storage can keep.
func expiry(clients, servers time.Duration) time.Time {
	lifetime := servers
	if clients != 0 {
		lifetime = clients
	}
	return time.Now().Add(lifetime).UTC().Truncate(time.Millisecond)
}

// earliest is at, or limit if that is sooner and there is one.
func earliest(at, limit time.Time) time.Time {
	if !limit.IsZero() && limit.Before(at) {
		return limit
	}
	return at
}

func expired(at time.Time) bool { return !at.After(time.Now()) }

// orNil keeps a nil *Error from becoming an error that is not nil.
func orNil[T any](value T, refused *Error) (T, error) {
	if refused != nil {
		return value, refused
	}
	return value, nil
}
