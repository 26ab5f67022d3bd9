// This file issues tokens: it makes their strings and lifetimes, saves them,
// and begins or joins their grant in the log.

package oauth2server

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/extra"
	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// grantScope implements [GrantRequest.Scope].
func (s *Server) grantScope(ctx context.Context, g *GrantRequest, user *User) (Scope, *Error) {
	asked, refused := askedScope(g.form)
	if refused != nil {
		return nil, refused
	}
	if !user.known() {
		return nil, misuse("GrantRequest.Scope needs a user")
	}
	resource, refused := s.grantResource(g)
	if refused != nil {
		return nil, refused
	}
	return s.validateScope(ctx, user, g.Client, s.scopeAt(resource, asked))
}

// grantResource implements [GrantRequest.Resource].
func (s *Server) grantResource(g *GrantRequest) (string, *Error) {
	if len(s.resources) == 0 {
		return "", nil
	}
	return s.resources.named(g.Params("resource"))
}

// grantToken implements [GrantRequest.Issue]: the token joins a grant, begins
// one, or stands alone.
func (s *Server) grantToken(ctx context.Context, g *GrantRequest, asked *Issuance) (*Token, *Error) {
	token, refused := s.tokenFor(g, asked)
	switch {
	case refused != nil:
		return nil, refused
	case !asked.Refresh && token.GrantID != "" && s.can.log != nil:
		return s.join(ctx, g.Client, token, g.began)
	case asked.Refresh && token.GrantID == "":
		token.GrantID = g.began.newID()
	case asked.Refresh && s.can.log != nil:
		if refused := s.checkUnused(ctx, token.GrantID); refused != nil {
			return nil, refused
		}
	}
	return s.issue(ctx, g.Client, token, asked.Refresh && s.mayRefresh(g.Client) && !token.Details.online(), g.began)
}

// tokenFor returns the token that a [GrantFunc] asks for, before the server
// adds strings and lifetimes.
func (s *Server) tokenFor(g *GrantRequest, asked *Issuance) (*Token, *Error) {
	switch {
	case g.repeated != "":
		return nil, refusal(InvalidRequest, "parameter_repeated", "Repeated parameter: `"+g.repeated+"`")
	case !asked.User.known():
		return nil, misuse("Issue needs a user")
	case isReserved(asked.GrantID):
		return nil, misuse("Issue was given the GrantID %q, whose prefix is the server's own", asked.GrantID)
	}
	if err := asked.Scope.check(); err != nil {
		return nil, misuse("Issue was given a malformed scope: %w", err)
	}
	attributes, err := extra.Canonical(asked.Extra)
	if err != nil {
		return nil, misuse("Issue: %w", err)
	}
	details, err := asked.Details.canonical()
	if err != nil {
		return nil, misuse("Issue: %w", err)
	}
	if !holds(details.confirmation(), g.confirmation) {
		return nil, keyMismatch()
	}
	resource := asked.Resource
	if resource != "" {
		found, ok := s.resources.find(resource)
		if !ok {
			return nil, misuse("Issue: %q is none of Options.Resources", resource)
		}
		resource = found
	}
	// The ID may be a part of the request's body. A model that keeps it must
	// not keep the whole body in memory, with the client's secret.
	user := *asked.User
	user.ID = strings.Clone(user.ID)
	token := &Token{
		User:           &user,
		Scope:          asked.Scope,
		Extra:          attributes,
		GrantID:        asked.GrantID,
		GrantExpiresAt: asked.GrantExpiresAt,
		Resource:       resource,
		Details:        details.bound(g.confirmation),
	}
	switch limit := s.options.MaxGrantLifetime; {
	case token.GrantExpiresAt.IsZero():
	case expired(token.GrantExpiresAt):
		return nil, grantOver()
	case limit > 0:
		token.GrantExpiresAt = earliest(token.GrantExpiresAt, expiry(time.Now(), 0, limit))
	}
	return token, nil
}

// checkUnused refuses a GrantID, chosen by the program, that was used before.
// The first place of its log may be free again, as its entry has expired, so
// appending there is no proof.
func (s *Server) checkUnused(ctx context.Context, grantID string) *Error {
	used := false
	over, _, refused := endState(ctx, s.can.log, grantID)
	if refused == nil && !over {
		refused = eachEntry(ctx, s.can.log, grantID, 1, func(e *GrantEntry) bool {
			used, over = true, e.Kind == EntryRevoked
			return false
		})
	}
	if refused == nil && !used && !over {
		refused = eachEntry(ctx, s.can.log, usesLog+grantID, 0, func(*GrantEntry) bool {
			used = true
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

// join issues an access token that belongs to an existing grant. It appends to
// the uses of the grant, not to the log of the grant itself. Then it reads the
// log of the grant's end: an ending writes there first, and looks for uses
// after that, so one of the two sees the other. It also reads the marks of
// [RevokeUser], which cannot see a grant that was not in the log yet.
func (s *Server) join(ctx context.Context, client *Client, token *Token, began beginning) (*Token, *Error) {
	names, refused := s.checkJoin(ctx, token)
	if refused != nil {
		return nil, refused
	}
	issued, refused := s.prepare(ctx, client, token, 0, false)
	if refused != nil {
		return nil, refused
	}
	if refused = appendUse(ctx, s.can.log, s.joinEntry(token, issued, names)); refused == nil {
		refused = s.checkGoesOn(ctx, token.GrantID, issued, began)
	}
	if refused != nil {
		s.discard(ctx, issued)
		return nil, refused
	}
	return issued, nil
}

// joinEntry returns the entry of a token that joins a grant. It names nobody if
// the log of the grant names the same for as long, in names.
func (s *Server) joinEntry(token, issued *Token, names *GrantEntry) *GrantEntry {
	entry := s.entryFor(EntryGrant, 0, token, issued, nil, "")
	if names.namesFor(entry) {
		entry.ClientID, entry.UserID, entry.Scope, entry.Resource = "", "", nil, ""
	}
	return entry
}

// checkGoesOn refuses a token whose grant began to end, or whose user was
// revoked, before the token was in the log. The second ends no grant: RevokeUser
// ends those that it is about, and its mark may be about others.
func (s *Server) checkGoesOn(ctx context.Context, grantID string, issued *Token, began beginning) *Error {
	over, _, refused := endState(ctx, s.can.log, grantID)
	switch {
	case refused != nil:
		return refused
	case over:
		return s.finishRevocation(ctx, grantID)
	}
	outlived, refused := s.outlived(ctx, began, issued.User, issued.Client)
	if refused == nil && outlived {
		refused = grantOver()
	}
	return refused
}

// checkJoin checks that a token may join its grant, and sets when the grant
// ends. It returns the entry of the grant's log that names client and owner. If
// that has expired, it reads the uses instead, and returns an empty entry.
func (s *Server) checkJoin(ctx context.Context, token *Token) (names *GrantEntry, refused *Error) {
	names = &GrantEntry{}
	owner, until := "", time.Time{}
	read := func(e *GrantEntry) bool {
		owner, until = e.UserID, latest(until, e.GrantExpiresAt)
		if owner != "" && e.GrantID == token.GrantID {
			names = e
		}
		return owner == "" && e.Kind != EntryRevoked && e.Kind != EntryBurnt && e.Seq < usesUnnamed
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
		return nil, misuse("grant %q is of user %q, and cannot be joined by a token of %q",
			token.GrantID, owner, token.User.ID)
	case !end.IsZero() && expired(end):
		return nil, grantOver()
	}
	return names, nil
}

// issue prepares token. If it has a GrantID and there is a log, issue also
// begins the grant in the log: the GrantID must be new. began is the beginning
// of the request, or of the authorization, that led to the token.
func (s *Server) issue(
	ctx context.Context, client *Client, token *Token, refresh bool, began beginning,
) (*Token, *Error) {
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
	if there.Kind == EntryRevoked { // it was revoked before its entry was appended
		return nil, grantOver()
	}
	return nil, misuse("grant %q exists already and cannot begin again", token.GrantID)
}

// begin appends the first entry of token's grant. issued is what the model
// stored of token, and presented the code; empty if there was none. begin
// returns the entry that is there already, if one is.
func (s *Server) begin(
	ctx context.Context, issued, token *Token, presented string, until time.Time,
) (there *GrantEntry, refused *Error) {
	return appendEntry(ctx, s.can.log, s.entryFor(EntryGrant, 1, token, issued, nil, presented), until)
}

// unlessOutlived returns issued, whose grant is in the log now, unless
// everything of the user was revoked in the meantime: then it ends the grant at
// once.
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

// prepare gives token its strings and lifetimes, and saves it. place is that of
// its entry, if there is a log: the token must not leave the server before the
// entry is appended.
func (s *Server) prepare(
	ctx context.Context, client *Client, token *Token, place int, refresh bool,
) (*Token, *Error) {
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
		issued.GrantScope = nil // empty means the same as Scope
	}
	issued.GrantExpiresAt = s.grantExpiry(token)
	var refused *Error
	issued.AccessTokenExpiresAt = issued.GrantExpiresAt
	now := time.Now()
	if client.AccessTokenLifetime != 0 || !s.options.InsecureEternalAccessTokens {
		own := expiry(now, client.AccessTokenLifetime, s.options.AccessTokenLifetime)
		issued.AccessTokenExpiresAt = earliest(own, issued.GrantExpiresAt)
	}
	var ready, readyToo string
	if refresh && s.can.newAccessToken == nil && s.can.newRefreshToken == nil && len(s.ext.formatters) == 0 {
		ready, readyToo = newIDs()
	}
	if issued.AccessToken, refused = s.newAccessToken(ctx, client, &issued, ready); refused != nil {
		return nil, refused
	}
	issued.RefreshToken, issued.RefreshTokenExpiresAt, issued.GrantSeq = "", time.Time{}, 0
	if refresh {
		s.warnOfLifetimes(client)
		issued.RefreshToken, refused = generate(ctx, "GenerateRefreshToken", s.can.newRefreshToken,
			client, issued.User, issued.Scope, grammar.IsVSCHAR, readyToo)
		if refused != nil {
			return nil, refused
		}
		own := expiry(now, client.RefreshTokenLifetime, s.options.RefreshTokenLifetime)
		issued.RefreshTokenExpiresAt = earliest(own, issued.GrantExpiresAt)
		if s.can.log != nil {
			issued.GrantSeq = place
		}
	}
	saved, err := s.can.model.SaveToken(ctx, &issued, client, issued.User)
	switch {
	case err != nil:
		return nil, modelFailure("SaveToken", err, breach("SaveToken: %w", err))
	case saved == nil || saved.AccessToken == "" ||
		saved.Client.id() != client.ID || saved.User.id() != token.User.ID:
		return nil, breach("SaveToken did not return a token with its client and user")
	case !token.Scope.Contains(saved.Scope...) || saved.RefreshToken != "" && !refresh:
		// Compared with token: the model may have changed issued, and returned
		// it.
		return nil, breach("SaveToken returned a token that grants more than it was given")
	case saved.Resource != token.Resource || !saved.Details.same(token.Details):
		return nil, breach("SaveToken did not return the Resource and the Details of the token")
	}
	if len(s.ext.tokens) == 0 {
		return saved, nil
	}
	return s.extend(ctx, client, saved)
}

// newAccessToken returns the string of a token, which has all else already:
// ready, if nobody else makes it.
func (s *Server) newAccessToken(
	ctx context.Context, client *Client, token *Token, ready string,
) (string, *Error) {
	for _, e := range s.ext.formatters {
		shown := token.shown()
		shown.AccessToken, shown.RefreshToken = "", ""
		text, err := e.FormatToken(ctx, shown.Client, shown)
		switch {
		case err != nil:
			return "", refusedBy(e, "FormatToken", err, lapse(e, "FormatToken: %w", err))
		case text != "" && (!grammar.IsB64Token(text) || len(text) < minToken):
			return "", lapse(e, "FormatToken returned characters that may not be sent, or fewer than %d", minToken)
		case text != "":
			return text, nil
		}
	}
	return generate(ctx, "GenerateAccessToken", s.can.newAccessToken,
		client, token.User, token.Scope, grammar.IsB64Token, ready)
}

// extend returns saved with what extensions add to the answer. After an error
// nobody gets the token.
func (s *Server) extend(ctx context.Context, client *Client, saved *Token) (*Token, *Error) {
	issued := *saved
	issued.Client = client
	issued.answer = nil
	for _, e := range s.ext.tokens {
		shown := issued.shown()
		members, err := e.ExtendToken(ctx, shown.Client, shown)
		if err != nil {
			if s.can.log != nil {
				s.discard(ctx, saved)
			}
			return nil, refusedBy(e, "ExtendToken", err, lapse(e, "ExtendToken: %w", err))
		}
		for name, value := range members {
			if _, twice := issued.answer[name]; twice {
				return nil, lapse(e, "ExtendToken returned %q, which another extension answers", name)
			}
			issued.Answer(name, value)
		}
	}
	return &issued, nil
}

// warnOfLifetimes logs, once for each client, which of its lifetimes are cut
// short by the server's, or outlive them.
func (s *Server) warnOfLifetimes(client *Client) {
	if client.AccessTokenLifetime == 0 && client.RefreshTokenLifetime == 0 {
		return // New has warned already
	}
	// Load first: it copies nothing.
	if _, known := s.warned.Load(client.ID); known {
		return
	}
	if _, known := s.warned.LoadOrStore(strings.Clone(client.ID), true); known {
		return
	}
	options := s.options
	options.AccessTokenLifetime = cmp.Or(client.AccessTokenLifetime, options.AccessTokenLifetime)
	options.RefreshTokenLifetime = cmp.Or(client.RefreshTokenLifetime, options.RefreshTokenLifetime)
	if client.AccessTokenLifetime != 0 {
		options.InsecureEternalAccessTokens = false
	}
	for _, warning := range options.cutLifetimes() {
		options.Logger.Warn("oauth2server: "+warning, "client", client.ID)
	}
}

// discard deletes tokens that were never sent, as their entry is not in the
// log. Nobody has them and they expire, so errors are ignored.
func (s *Server) discard(ctx context.Context, issued *Token) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.can.log.RevokeAccessTokens(ctx, Digest(issued.AccessToken))
	if issued.RefreshToken != "" && s.can.refresh != nil {
		s.can.refresh.RevokeToken(ctx, issued)
	}
}

// mayRefresh reports whether a client gets refresh tokens: only if it may use
// the refresh token grant.
func (s *Server) mayRefresh(client *Client) bool {
	return s.grants["refresh_token"] != nil && slices.Contains(client.Grants, "refresh_token")
}
