// Package takeover moves clients, users, codes and tokens of another
// authorization server into a model, so that live ones go on working: see
// examples/fromegg. It does not change what it reads. Stop the old server first:
// otherwise a code could be redeemed at both.
package takeover

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// Target is a model that old data can be moved into: that of mongomodel or
// sqlmodel, or [Memory].
type Target interface {
	oauth2server.Model
	oauth2server.AuthorizationCodeModel
	oauth2server.RefreshTokenModel
	oauth2server.GrantLog
	AddClient(ctx context.Context, client *oauth2server.Client, secret string) error
	AddUser(ctx context.Context, user *oauth2server.User, username, password string) error
	AddUserHash(ctx context.Context, user *oauth2server.User, username, hash string) error
	UserByID(ctx context.Context, userID string) (*oauth2server.User, error)
}

// Memory is memorymodel as a [Target].
type Memory struct{ *memorymodel.Model }

// AddClient registers a client. Its errors are those of memorymodel, and that of
// ctx.
func (m Memory) AddClient(ctx context.Context, client *oauth2server.Client, secret string) error {
	return errors.Join(ctx.Err(), m.Model.AddClient(client, secret))
}

// AddUser registers a user by their password. Its errors are those of
// memorymodel, and that of ctx.
func (m Memory) AddUser(ctx context.Context, user *oauth2server.User, username, password string) error {
	return errors.Join(ctx.Err(), m.Model.AddUser(user, username, password))
}

// Source reads the old data, in the order in which it was written. A nil field
// means that there is none of its kind. A code or a token without a User is one
// that the client has for itself.
type Source struct {
	Clients Records[*Client]
	Users   Records[*User] // read twice
	Codes   Records[*oauth2server.AuthorizationCode]
	Tokens  Records[*oauth2server.Token] // access tokens, refresh tokens, or both in one
}

// Records reads all records of a kind. An error that is a [Refusal] is about one
// record; any other ends the reading.
type Records[T any] func(ctx context.Context) iter.Seq2[T, error]

// Client is a client and its secret, in clear. One without a secret is public.
type Client struct {
	oauth2server.Client
	Secret string
}

// User is a user as the old server knew them.
type User struct {
	ID, Username string
	Password     string // in clear, or its hash
	Key          string // unique, for users who share an ID
}

// Options are deviations from the defaults. nil means the zero value.
type Options struct {
	// NewIDs gives users who share an ID their Keys as IDs. What was issued under
	// the shared ID is refused, as nobody knows whose it is. Without NewIDs,
	// Import returns [SharedIDs].
	NewIDs bool
}

// SharedIDs is the error about users who have the same ID. In Mongoose, such IDs
// come from "default: uuid()", which is called once for each process.
type SharedIDs map[string][]string // usernames, by ID

// Error lists the users.
func (e SharedIDs) Error() string {
	text := "users share an ID, so nobody knows whose tokens these are:"
	for _, id := range slices.Sorted(maps.Keys(e)) {
		text += fmt.Sprintf("\n  %q: %q", id, e[id])
	}
	return text
}

// Import moves everything from a source into a model. It counts and skips records
// that are there, that have expired or that are wrong, so a second run changes
// nothing, unless clients or users were deleted in between. Any other error ends
// it; then run it again before the model is served, as one access token may be
// stored without the entry by which its owner could end it. The report is never
// nil. Import looks for [SharedIDs] before it writes anything.
//
// If the model has a client or a user with the ID of an old one, Import takes
// them for the same.
func Import(ctx context.Context, from Source, to Target, opts *Options) (*Report, error) {
	if opts == nil {
		opts = &Options{}
	}
	m := &move{ctx: ctx, to: to, report: &Report{}, now: time.Now(), clients: map[string]bool{}}
	if err := m.readIDs(from.Users, opts.NewIDs); err != nil {
		return m.report, err
	}
	err := each(m, from.Clients, m.client)
	if err == nil {
		err = each(m, from.Users, m.user)
	}
	if err == nil {
		err = each(m, from.Codes, m.code)
	}
	if err == nil {
		err = each(m, from.Tokens, m.token)
	}
	return m.report, err
}

// move is one run.
type move struct {
	ctx     context.Context
	to      Target
	report  *Report
	now     time.Time
	clients map[string]bool     // whether the model has them, as far as known
	users   map[string][]string // names by ID; nil: the source has no users
}

// each moves the records of a kind, until there is an error that is no refusal.
func each[T any](m *move, read Records[T], one func(T) error) error {
	if read == nil {
		return nil
	}
	for record, err := range read(m.ctx) {
		if err == nil {
			err = one(record)
		}
		if refusal := new(Refusal); errors.As(err, &refusal) {
			m.report.refuse(refusal)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (m *move) readIDs(users Records[*User], newIDs bool) error {
	if users == nil {
		return nil
	}
	m.users = map[string][]string{}
	for user, err := range users(m.ctx) {
		if err == nil {
			m.users[user.ID] = append(m.users[user.ID], user.Username)
		} else if refusal := new(Refusal); !errors.As(err, &refusal) {
			return err
		}
	}
	shared := SharedIDs(maps.Clone(m.users))
	maps.DeleteFunc(shared, func(_ string, names []string) bool { return len(names) == 1 })
	if len(shared) > 0 && !newIDs {
		return shared
	}
	return nil
}

func (m *move) client(c *Client) error {
	if m.clients[c.ID] {
		return refuse(Clients, "client %q: there is another record of it", c.ID)
	}
	c.Public = c.Public || c.Secret == ""
	err := m.to.AddClient(m.ctx, &c.Client, c.Secret)
	m.clients[c.ID] = err == nil || errors.Is(err, oauth2server.ErrExists)
	if errors.Is(err, oauth2server.ErrExists) {
		return m.report.count(Clients, there)
	}
	return m.added(Clients, err)
}

// added counts a record, unless the model could not add it. If the record is
// wrong, that is a refusal.
func (m *move) added(kind Kind, err error) error {
	var wrong *oauth2server.Error
	switch {
	case err == nil:
		return m.report.count(kind, added)
	case errors.As(err, &wrong) && wrong.Code == oauth2server.InvalidArgument:
		return refuse(kind, "%s", plain.Replace(err.Error()))
	}
	return fmt.Errorf("%s: %w", kind, err)
}

var plain = strings.NewReplacer("oauth2server: ", "", "invalid_argument: ", "", "\n", " ")

var (
	hashed   = regexp.MustCompile(`^(\$[0-9a-z-]+\$|scrypt:)`)
	unsalted = regexp.MustCompile(`^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})$`)
)

// user moves a user. One who is refused is not there, so what was issued for them
// is refused too.
func (m *move) user(u *User) error {
	err := m.addUser(u)
	if refusal := new(Refusal); errors.As(err, &refusal) && len(m.users[u.ID]) == 1 {
		delete(m.users, u.ID)
	}
	return err
}

func (m *move) addUser(u *User) error {
	user := &oauth2server.User{ID: u.ID}
	if len(m.users[u.ID]) > 1 {
		user.ID = u.Key
	}
	// Look before hashing a password, which takes long.
	_, err := m.to.UserByID(m.ctx, user.ID)
	switch {
	case err == nil:
		return m.report.count(Users, there)
	case !errors.Is(err, oauth2server.ErrNotFound):
		return err
	case unsalted.MatchString(u.Password):
		return refuse(Users, "user %q: the password looks like a hash of MD5 or SHA", u.Username)
	case hashed.MatchString(u.Password):
		err = m.to.AddUserHash(m.ctx, user, u.Username, u.Password)
	default:
		err = m.to.AddUser(m.ctx, user, u.Username, u.Password)
	}
	if errors.Is(err, oauth2server.ErrExists) {
		return refuse(Users, "user %q: the name is another's", u.Username)
	}
	return m.added(Users, err)
}

// ofClients begins the ID of the user that a model has for a client.
const ofClients = "client:"

// owner refuses what was issued to a client that is not there, or for somebody
// who is not a user. Without a user, the client acts for itself.
func (m *move) owner(kind Kind, client *oauth2server.Client, user *oauth2server.User) error {
	known, asked := m.clients[client.ID]
	if !asked {
		_, err := m.to.GetClient(m.ctx, client.ID, "")
		if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
			return err
		}
		known = err == nil
		m.clients[client.ID] = known
	}
	if !known {
		return refuse(kind, "the client is not there")
	} else if user == nil {
		return nil
	}
	names := m.users[user.ID]
	switch {
	case user.ID == "":
		return refuse(kind, "there is no user")
	case m.users != nil && len(names) == 0:
		return refuse(kind, "the user is not there")
	case len(names) > 1:
		return refuse(kind, "the user's ID is that of %d users", len(names))
	case strings.HasPrefix(user.ID, ofClients):
		return refuse(kind, "the user's ID begins with %q, which is for clients", ofClients)
	case oauth2server.CheckUser(user, "name") != nil:
		return refuse(kind, "the user's ID is too long, or has a control character")
	}
	return nil
}

// userOf returns the user that acts for a client.
func userOf(c *oauth2server.Client) *oauth2server.User {
	return &oauth2server.User{ID: ofClients + c.ID}
}

func (m *move) expired(at time.Time) bool { return !at.IsZero() && !at.After(m.now) }

// maxCodeLifetime is how long a model remembers that a user was revoked, and so
// that an unused code of theirs is over.
const maxCodeLifetime = 30 * 24 * time.Hour

// code moves a code. The log of its grant decides whether it was redeemed here,
// so it does not matter that a second run stores it again.
func (m *move) code(code *oauth2server.AuthorizationCode) error {
	switch {
	case code.Code == "":
		return refuse(Codes, "there is no code")
	case code.ExpiresAt.IsZero():
		return refuse(Codes, "it has no expiry")
	case m.expired(code.ExpiresAt):
		return m.report.count(Codes, expired)
	case code.ExpiresAt.After(m.now.Add(maxCodeLifetime)):
		return refuse(Codes, "it lives for more than 30 days")
	}
	if err := m.owner(Codes, code.Client, code.User); err != nil {
		return err
	}
	_, err := m.to.GetAuthorizationCode(m.ctx, code.Code)
	if !errors.Is(err, oauth2server.ErrNotFound) {
		return errors.Join(err, m.report.count(Codes, there))
	}
	if code.User == nil {
		code.User = userOf(code.Client)
	}
	code.GrantID = oauth2server.Digest(code.Code)
	code.ExpiresAt = inMillis(code.ExpiresAt)
	_, err = m.to.SaveAuthorizationCode(m.ctx, code, code.Client, code.User)
	return m.added(Codes, err)
}

// token moves a refresh token, its access token with it, or an access token.
func (m *move) token(token *oauth2server.Token) error {
	if token.AccessToken == "" && token.RefreshToken == "" {
		return refuse(AccessTokens, "there is no token")
	}
	if token.AccessToken != "" {
		switch {
		case token.AccessTokenExpiresAt.IsZero():
			m.report.refuse(&Refusal{AccessTokens, "it never expires"})
			token.AccessToken = ""
		case m.expired(token.AccessTokenExpiresAt):
			m.report.count(AccessTokens, expired)
			token.AccessToken = ""
		}
	}
	if token.RefreshToken != "" && m.expired(token.RefreshTokenExpiresAt) {
		m.report.count(RefreshTokens, expired)
		pair := oauth2server.Digest(token.RefreshToken)
		token.RefreshToken = ""
		return m.leftOver(token, pair)
	}
	if token.RefreshToken == "" {
		return m.access(token)
	}
	first, err := m.grant(token, token.RefreshToken, RefreshTokens)
	if err != nil || first == nil || token.AccessToken == "" {
		return err
	}
	if first.AccessToken == oauth2server.Digest(token.AccessToken) {
		return m.report.count(AccessTokens, there)
	}
	// The grant of this refresh token does not name this access token.
	token.RefreshToken = ""
	return m.access(token)
}

// leftOver moves an access token that outlives its refresh token, unless an
// earlier run moved both as the grant pair: it may have ended since. If that run
// failed between the two steps, the token is lost.
func (m *move) leftOver(token *oauth2server.Token, pair string) error {
	if token.AccessToken == "" {
		return nil
	}
	entries, err := m.to.GrantEntries(m.ctx, pair, 1)
	if err != nil {
		return err
	}
	if len(entries) > 0 && entries[0].AccessToken == oauth2server.Digest(token.AccessToken) {
		return m.report.count(AccessTokens, there)
	}
	return m.access(token)
}

func (m *move) access(token *oauth2server.Token) error {
	if token.AccessToken == "" {
		return nil
	}
	_, err := m.grant(token, token.AccessToken, AccessTokens)
	return err
}

// grant stores a token as a grant of its own, with the first entry of its log, so
// that the owner sees the grant and can end it. If the log is there, grant returns
// its first entry, so that a grant that was ended does not come back.
//
// A run may fail between the two steps. Of a refresh token the entry comes first:
// without it, the token would work even if its grant was ended. An access token
// comes before its entry: it can be revoked without a trace in the log, so the
// next run could not tell that from a token that is still to be stored.
func (m *move) grant(token *oauth2server.Token, secret string, kind Kind) (*oauth2server.GrantEntry, error) {
	if err := m.owner(kind, token.Client, token.User); err != nil {
		if kind == RefreshTokens && token.AccessToken != "" {
			m.report.refuseAs(AccessTokens, err)
		}
		return nil, err
	}
	stored, entry := m.granted(token, oauth2server.Digest(secret))
	entries, err := m.to.GrantEntries(m.ctx, stored.GrantID, 1)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return m.resume(stored, entries[0], kind)
	}
	if kind == RefreshTokens {
		_, err = m.to.AppendGrant(m.ctx, entry)
	}
	if err == nil {
		_, err = m.to.SaveToken(m.ctx, stored, stored.Client, stored.User)
	}
	if err == nil && kind == AccessTokens {
		_, err = m.to.AppendGrant(m.ctx, entry)
	}
	return nil, m.moved(stored, kind, err)
}

// resume stores a refresh token if an earlier run only appended its entry. It
// returns the entry, unless it stored the access token too.
func (m *move) resume(token *oauth2server.Token, first *oauth2server.GrantEntry, kind Kind,
) (*oauth2server.GrantEntry, error) {
	missing, err := m.missing(token)
	if err != nil {
		return nil, err
	} else if !missing {
		return first, m.report.count(kind, there)
	}
	if first.AccessToken != oauth2server.Digest(token.AccessToken) {
		token.AccessToken = "" // it is not of this grant
	} else {
		first = nil
	}
	_, err = m.to.SaveToken(m.ctx, token, token.Client, token.User)
	return first, m.moved(token, kind, err)
}

// missing reports whether a refresh token is not stored, and its grant not over.
func (m *move) missing(token *oauth2server.Token) (bool, error) {
	if token.RefreshToken == "" {
		return false, nil
	}
	_, err := m.to.GetRefreshToken(m.ctx, token.RefreshToken)
	if !errors.Is(err, oauth2server.ErrNotFound) {
		return false, err
	}
	end, err := m.to.GrantEntries(m.ctx, "end:"+token.GrantID, 1)
	return len(end) == 0, err
}

// moved counts a token, and the access token that came with a refresh token.
func (m *move) moved(token *oauth2server.Token, kind Kind, err error) error {
	if err == nil && kind == RefreshTokens && token.AccessToken != "" {
		m.report.count(AccessTokens, added)
	}
	return m.added(kind, err)
}

// keepEntry is how long a first entry outlives its tokens. It names client and
// owner for the entries of the next 30 days, which do not repeat them.
const keepEntry = 31 * 24 * time.Hour

// granted returns a token as it is stored, and the first entry of its log.
func (m *move) granted(old *oauth2server.Token, grantID string) (*oauth2server.Token, *oauth2server.GrantEntry) {
	token := *old
	token.GrantID = grantID
	if token.User == nil {
		token.User = userOf(token.Client)
	}
	entry := &oauth2server.GrantEntry{
		GrantID:  grantID,
		Seq:      1,
		Kind:     oauth2server.EntryGrant,
		Nonce:    rand.Text(),
		Time:     inMillis(m.now),
		ClientID: token.Client.ID,
		UserID:   token.User.ID,
		Scope:    token.Scope,
	}
	token.AccessTokenExpiresAt = inMillis(token.AccessTokenExpiresAt)
	token.RefreshTokenExpiresAt = inMillis(token.RefreshTokenExpiresAt)
	var until time.Time
	if token.AccessToken != "" {
		until = token.AccessTokenExpiresAt
		entry.AccessToken, entry.AccessTokenExpiresAt = oauth2server.Digest(token.AccessToken), until
	}
	if token.RefreshToken == "" {
		token.RefreshTokenExpiresAt = time.Time{}
	} else {
		token.GrantSeq = entry.Seq
		entry.Successor, entry.SuccessorExpiresAt = oauth2server.Digest(token.RefreshToken), token.RefreshTokenExpiresAt
		if token.AccessTokenExpiresAt.IsZero() {
			// Zero would mean that the grant never expires, and later entries
			// would rely on the names in this one.
			token.AccessTokenExpiresAt = token.RefreshTokenExpiresAt
		}
		if token.RefreshTokenExpiresAt.IsZero() { // it never expires
			until = m.now.AddDate(100, 0, 0)
		} else if token.RefreshTokenExpiresAt.After(until) {
			until = token.RefreshTokenExpiresAt
		}
	}
	entry.ExpiresAt = inMillis(until.Add(keepEntry))
	return &token, entry
}

// inMillis is a time as models keep it.
func inMillis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
