// This file has the rules about signing in by password.

package modeltest

import (
	"context"
	"fmt"
	"strings"
)

var userRules = []rule{
	{
		name:  "user-signs-in",
		needs: []need{passwords},
		check: userSignsIn,
		reason: "GetUser is how an owner signs in without a page, and its result is who the " +
			"tokens are for",
		harm: "somebody cannot sign in, or is signed in as somebody else",
	},
	{
		name:  "user-wrong-password",
		needs: []need{passwords},
		check: userWrongPassword,
		reason: "GetUser finds a user by both, name and password; everything else is " +
			"ErrNotFound, and the page is shown again",
		harm: "accounts can be opened without their password; or a mistyped one is answered as a " +
			"fault of the server",
	},
	{
		name:  "user-long-password",
		needs: []need{passwords},
		check: userLongPassword,
		reason: "bcrypt reads 72 bytes of a password and repeats a short one behind a NUL; what " +
			"it reads must stand for all of it",
		harm: "long passphrases that only begin alike open each other's accounts",
	},
	{name: "user-of-client", needs: []need{clientUsers}, check: userOfClient,
		reason: "the user that a client acts as must not be one who signs in (RFC 9700, section 4.15)",
		harm:   "a client is taken for a person: with a token of its own it reads that person's data"},
}

func userSignsIn(ctx context.Context, t *trial) error {
	for _, h := range t.both() {
		for _, u := range t.Users {
			found, err := h.users.GetUser(ctx, u.Username, u.Password, t.Clients[0].Client)
			if err := present("%s: GetUser(%q, the password)", h.name, u.Username)(found, err); err != nil {
				return err
			}
			if found.ID != u.ID {
				return fmt.Errorf("%s: GetUser(%q, the password) found user %q, want %q", h.name,
					u.Username, found.ID, u.ID)
			}
		}
	}
	return nil
}

func userWrongPassword(ctx context.Context, t *trial) error {
	for i, u := range t.Users {
		wrong := []near{
			{"a made-up password", unique()},
			{"no password", ""},
			{"the other user's password", t.Users[1-i].Password},
			{"the password but its beginning", u.Password[len(u.Password)/2:]},
			{"the password behind another character", "x" + u.Password},
			{"the password in another case", swapCase(u.Password)},
		}
		if len(u.Password) <= bcryptReads { // user-long-password tries the others
			wrong = append(wrong, near{"the beginning of the password", u.Password[:len(u.Password)/2]})
		}
		for _, w := range wrong {
			if w.text == u.Password { // it has no letters
				continue
			}
			if err := absent("GetUser(%q, %s)", u.Username,
				w.name)(t.on.users.GetUser(ctx, u.Username, w.text, t.Clients[0].Client)); err != nil {
				return err
			}
		}
		for _, name := range []string{unique(), "", u.Password} {
			if err := absent("GetUser(%q, the password of %q)", name,
				u.Username)(t.on.users.GetUser(ctx, name, u.Password, t.Clients[0].Client)); err != nil {
				return err
			}
		}
	}
	return nil
}

// bcryptReads is how many bytes of a password bcrypt looks at.
const bcryptReads = 72

func userLongPassword(ctx context.Context, t *trial) error {
	for _, u := range t.Users {
		wrong := []near{
			{"the password and its NUL and itself", u.Password + "\x00" + u.Password},
			{"the password and 4 KiB", u.Password + strings.Repeat("x", 4<<10)},
		}
		if len(u.Password) > bcryptReads {
			wrong = append(wrong,
				near{"its first 72 bytes", u.Password[:bcryptReads]},
				near{"its first 72 bytes and others", u.Password[:bcryptReads] + "others"},
				near{"all but its last byte", u.Password[:len(u.Password)-1]})
		}
		for _, w := range wrong {
			found, err := t.on.users.GetUser(ctx, u.Username, w.text, t.Clients[0].Client)
			if err == nil && found != nil { // user-wrong-password checks which error it is
				return fmt.Errorf("GetUser(%q, %s) found the user, whose password has %d bytes; "+
					"want ErrNotFound", u.Username, w.name, len(u.Password))
			}
		}
	}
	return nil
}

// userOfClient accepts a client without a user: it gets no token of its own.
func userOfClient(ctx context.Context, t *trial) error {
	for _, c := range t.Clients {
		found, err := t.on.clientUsers.GetUserFromClient(ctx, c.Client)
		if absent("")(found, err) == nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("GetUserFromClient(%q): %w", c.ID, err)
		}
		if found.ID == "" || found.ID == t.Users[0].ID || found.ID == t.Users[1].ID {
			return fmt.Errorf("GetUserFromClient(%q) found a user with the ID %q, want one that "+
				"is no person's", c.ID, found.ID)
		}
	}
	return nil
}
