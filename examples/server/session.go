// This file keeps sessions and tells who is signed in.

package main

import (
	"container/list"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"github.com/seed-11d18166/oauth2server"
)

// newSessions keeps sessions in memory; scs has stores for databases. Scripts
// cannot read the cookie, other sites' forms do not send it, and it is Secure
// if base is https. If the store fails, fault answers.
func newSessions(
	name, base string, fault func(http.ResponseWriter, *http.Request, error),
) *scs.SessionManager {
	sessions := scs.New()
	sessions.ErrorFunc = fault
	sessions.Lifetime, sessions.IdleTimeout = 12*time.Hour, time.Hour
	sessions.HashTokenInStore = true
	sessions.Cookie.Name, sessions.Cookie.Secure = cookieName(name, base)
	sessions.Cookie.HttpOnly = true
	sessions.Cookie.SameSite = http.SameSiteLaxMode // Strict would not send it on the way from a client
	sessions.Cookie.Persist = false                 // it ends with the browser
	return sessions
}

// cookieName returns the full name of a cookie of a site at base, and whether
// it must be Secure. The prefix keeps other hosts of the domain from setting
// it.
func cookieName(name, base string) (full string, secure bool) {
	if strings.HasPrefix(base, "https://") {
		return "__Host-" + name, true
	}
	return name, false
}

// sessionNotice is the session key of the notice that the next page shows, a
// key of the words.
const sessionNotice = "notice"

// signIn is who signed in at a browser, and when.
type signIn struct {
	UserID  string
	At      time.Time // when the password was checked
	Session string    // what clients know the session by, hashed: the claim sid
	For     string    // the digest of the client's request that it was for, if any
}

// signIns stores who is signed in, by the key of the session in its store. It is
// separate from the sessions because those are loaded and saved: a slow request
// can restore a session that was destroyed meanwhile, but not the sign-in.
//
// Nothing is kept for people who are not signed in. A user has at most
// maxSignIns sign-ins: the next one ends the oldest, and its session. A session
// has tickets of a fixed size (see giveTicket) and a notice. So the number of
// users bounds the memory.
type signIns struct {
	scs.Store // scs has others
	mu        sync.Mutex
}

const maxSignIns = 16

func newSignIns() *signIns { return &signIns{Store: memstore.New()} }

// of returns the sign-in of a session; nil if nobody is signed in.
func (s *signIns) of(key string) (*signIn, error) {
	text, found, err := s.Find(key)
	if err != nil || !found {
		return nil, err
	}
	known := new(signIn)
	return known, json.Unmarshal(text, known)
}

// add adds a sign-in, and returns the keys of those of its user that had to end.
// Machines that share a store may exceed the bound at the same moment.
func (s *signIns) add(begun signIn, key string, until time.Time) (ended []string, err error) {
	text, err := json.Marshal(begun)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	listed := "user " + begun.UserID // keys have no space
	known, _, err := s.Find(listed)
	if err != nil {
		return nil, err
	}
	var live []string // the oldest first
	for _, key := range strings.Fields(string(known)) {
		_, found, err := s.Find(key)
		if err != nil {
			return nil, err
		}
		if found {
			live = append(live, key)
		}
	}
	live = append(live, key)
	excess := max(0, len(live)-maxSignIns)
	for _, key := range live[:excess] {
		err = errors.Join(err, s.Delete(key))
	}
	return live[:excess], errors.Join(err, s.Commit(key, text, until),
		s.Commit(listed, []byte(strings.Join(live[excess:], " ")), until))
}

// keyOf returns the key of a request's session in its store, or "".
func (a *app) keyOf(r *http.Request) string {
	token := a.sessions.Token(r.Context())
	if token == "" {
		return ""
	}
	return oauth2server.Digest(token) // as scs does with HashTokenInStore
}

// signedIn is for [oauth2server.Options.AuthenticateUser]. It returns nil if
// nobody is signed in. It looks the user up each time, in case they were
// deleted.
func (a *app) signedIn(r *http.Request) (*oauth2server.User, error) {
	now, err := a.signIns.of(a.keyOf(r))
	if err != nil || now == nil {
		return nil, err
	}
	return a.model.UserByID(r.Context(), now.UserID)
}

// sessionID returns the session of a request, for clients; empty if nobody is
// signed in.
func (a *app) sessionID(r *http.Request) string {
	now, err := a.signIns.of(a.keyOf(r))
	if err != nil || now == nil {
		return ""
	}
	return now.Session
}

// begin signs user in, for the request of a client in next, if there is one. It
// clears the session and renews its token, as someone else may have used it
// before or know the old token. To clients, a user who signs in again is in the
// same session.
func (a *app) begin(r *http.Request, user *oauth2server.User, next string) error {
	ctx := r.Context()
	before, err := a.signIns.of(a.keyOf(r))
	if err != nil {
		return err
	}
	begun := signIn{UserID: user.ID, At: time.Now(), Session: rand.Text()}
	if before != nil && before.UserID == user.ID {
		begun.Session = before.Session
	}
	if asked := requestIn(next); len(asked) > 0 {
		begun.For = oauth2server.Digest(asked.Encode())
	}
	if err := errors.Join(a.signIns.Delete(a.keyOf(r)), a.sessions.Clear(ctx), a.sessions.RenewToken(ctx)); err != nil {
		return err
	}
	ended, err := a.signIns.add(begun, a.keyOf(r), time.Now().Add(a.sessions.Lifetime))
	for _, key := range ended {
		err = errors.Join(err, a.sessions.Store.Delete(key))
	}
	return err
}

// end ends the sign-in of the session, and the session.
func (a *app) end(r *http.Request) error {
	return errors.Join(a.signIns.Delete(a.keyOf(r)), a.sessions.Destroy(r.Context()))
}

// signedInName returns the name for the menu of public pages. It is empty if
// nobody is signed in, or the storage fails.
func (a *app) signedInName(r *http.Request) string {
	user, err := a.signedIn(r)
	if err != nil || user == nil {
		return ""
	}
	return a.nameOf(user.Data, user.ID)
}

// requireUser calls next for signed-in users, and sends others to the sign-in
// page and back.
func (a *app) requireUser(
	next func(http.ResponseWriter, *http.Request, *oauth2server.User),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, err := a.signedIn(r)
		switch {
		case user == nil && (err == nil || errors.Is(err, oauth2server.ErrNotFound)):
			redirectToSignIn(w, r, r.URL.Path, "")
		case err != nil:
			a.fault(w, r, err)
		default:
			next(w, r, user)
		}
	}
}

// boundedStore is a store in memory for a bounded number of sessions. The one
// saved longest ago is dropped for a new one.
type boundedStore struct {
	*memstore.MemStore
	most  int
	mu    sync.Mutex
	saved *list.List               // keys, the oldest first
	at    map[string]*list.Element // the element of a key in saved
}

func newBoundedStore(most int) *boundedStore {
	return &boundedStore{
		MemStore: memstore.New(),
		most:     most,
		saved:    list.New(),
		at:       map[string]*list.Element{},
	}
}

// Commit implements [scs.Store].
func (s *boundedStore) Commit(key string, data []byte, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
	s.at[key] = s.saved.PushBack(key)
	for s.saved.Len() > s.most {
		if err := s.MemStore.Delete(s.remove(s.saved.Front().Value.(string))); err != nil {
			return err
		}
	}
	return s.MemStore.Commit(key, data, until)
}

// Delete implements [scs.Store].
func (s *boundedStore) Delete(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.MemStore.Delete(s.remove(key))
}

func (s *boundedStore) remove(key string) string {
	if at, ok := s.at[key]; ok {
		s.saved.Remove(at)
		delete(s.at, key)
	}
	return key
}
