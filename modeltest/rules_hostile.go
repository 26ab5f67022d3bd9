// This file has the rule about hostile strings: operators, patterns, NULs.

package modeltest

import (
	"cmp"
	"context"
	"strings"
)

var hostileRules = []rule{
	{
		name:  "hostile",
		check: hostile,
		reason: "whatever a stranger sends is text to look up: never part of a query, and never " +
			"a reason to fail",
		harm: "somebody signs in without a password, or deletes what is stored; or anybody makes " +
			"the server answer 503 and fill its log",
	},
}

// hostileStrings name nothing that is stored.
var hostileStrings = []near{
	{"a MongoDB operator", `{"$ne":""}`},
	{"another operator", `{"$gt":""}`},
	{"a parameter as an operator", `[$ne]=1`},
	{"SQL", `' OR 1=1 --`},
	{"more SQL", `'; DELETE FROM clients; --`},
	{"SQL in double quotes", `" OR ""="`},
	{"a percent sign", "%"},
	{"an asterisk", "*"},
	{"a regular expression", ".*"},
	{"half a regular expression", "(["},
	{"a backslash", `\`},
	{"a path", "../../../etc/passwd"},
	{"a newline", "\n"},
	{"a line with CR and LF", "a\r\nSET b c"},
	{"a NUL", "\x00"},
	{"text around a NUL", "a\x00b"},
	{"what is no UTF-8", "\xff\xfe\xfa"},
	{"half a character", "\xe2\x82"},
	{"letters and signs of other scripts", "ключ 🔑 مفتاح"},
	{"a direction override", "a\u202eb"},
	{"4 KiB", strings.Repeat("long", 1<<10)},
	{"64 KiB", strings.Repeat("longer..", 8<<10)},
}

// hostileTo adds strings that a careless lookup takes for right.
func hostileTo(right string) []near {
	most := right[:len(right)-1]
	return append([]near{
		{"the right one with a wildcard for its end, of LIKE", most + "%"},
		{"the right one with a wildcard for its last character, of LIKE", most + "_"},
		{"the right one with a wildcard for its end, of a glob", most + "*"},
		{"the right one as a regular expression", "^" + right + "$"},
		{"the right one and a NUL", right + "\x00"},
		{"the right one and what is no UTF-8", right + "\xff"},
		{"the right one and 4 KiB", right + strings.Repeat("x", 4<<10)},
	}, hostileStrings...)
}

func hostile(ctx context.Context, t *trial) error {
	stored, err := t.store(ctx, t.on)
	if err != nil {
		return err
	}
	for _, try := range []func(context.Context, *trial) error{hostileClients, hostileUsers,
		hostileTokens, hostileCodes} {
		if err := try(ctx, t); err != nil {
			return err
		}
	}
	for _, thing := range stored {
		if err := present("%s, after hostile strings were looked up", thing.getting)(thing.get(ctx, t.on)); err != nil {
			return err
		}
	}
	c := t.Clients[0]
	return present("GetClient(%q), after hostile strings were looked up",
		c.ID)(t.on.model.GetClient(ctx, c.ID, c.Secret))
}

func hostileClients(ctx context.Context, t *trial) error {
	c := t.Clients[0]
	if clientUnknown(ctx, t) != nil || clientWrongSecret(ctx, t) != nil {
		return nil // nothing hostile is needed: those rules report it
	}
	for _, h := range hostileTo(c.ID) {
		for _, secret := range []string{"", c.Secret, h.text} {
			if err := absent("GetClient with an id that is %s",
				h.name)(t.on.model.GetClient(ctx, h.text, secret)); err != nil {
				return err
			}
		}
	}
	for _, h := range hostileTo(c.Secret) {
		if err := absent("GetClient with a secret that is %s",
			h.name)(t.on.model.GetClient(ctx, c.ID, h.text)); err != nil {
			return err
		}
	}
	return nil
}

func hostileUsers(ctx context.Context, t *trial) error {
	if !passwords.has(t) {
		return nil
	}
	u, c := t.Users[1], t.Clients[0].Client
	if absent("")(t.on.users.GetUser(ctx, u.Username, unique(), c)) != nil {
		return nil // user-wrong-password reports it
	}
	for _, h := range hostileTo(u.Username) {
		if err := absent("GetUser with a name that is %s",
			h.name)(t.on.users.GetUser(ctx, h.text, u.Password, c)); err != nil {
			return err
		}
	}
	for _, h := range hostileStrings { // user-long-password tries longer ones
		if err := absent("GetUser with a password that is %s",
			h.name)(t.on.users.GetUser(ctx, u.Username, h.text, c)); err != nil {
			return err
		}
	}
	return nil
}

func hostileTokens(ctx context.Context, t *trial) error {
	saved, err := t.on.saveToken(ctx, t.newToken())
	if err != nil {
		return err
	}
	if tokenExact(ctx, t) != nil {
		return nil
	}
	for _, h := range append(hostileTo(saved.AccessToken), hostileTo(cmp.Or(saved.RefreshToken, unique()))...) {
		for _, k := range t.on.kinds() {
			if err := absent("%s with %s", k.name, h.name)(k.get(ctx, h.text)); err != nil {
				return err
			}
		}
		if err := t.revokeAbsent(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

func hostileCodes(ctx context.Context, t *trial) error {
	if t.on.codes == nil || codeExact(ctx, t) != nil {
		return nil
	}
	saved, err := t.on.saveCode(ctx, t.newCode())
	if err != nil {
		return err
	}
	for _, h := range hostileTo(saved.Code) {
		if err := absent("GetAuthorizationCode with %s",
			h.name)(t.on.codes.GetAuthorizationCode(ctx, h.text)); err != nil {
			return err
		}
		err := t.on.codes.RevokeAuthorizationCode(ctx, presentedCode(t.newCode(), h.text))
		if err := gone(err, "RevokeAuthorizationCode with %s", h.name); err != nil {
			return err
		}
	}
	return nil
}
