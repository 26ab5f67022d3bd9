// This file joins the rules in the order in which they are best read, and tries
// one.

package modeltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// rule is a line of the contract, the reason for it, and how to test it.
type rule struct {
	name   string
	needs  []need
	check  func(ctx context.Context, t *trial) error
	reason string
	harm   string
	last   bool // it tells nothing new when others are broken
}

// rules are in the order in which to fix them. A rule fails for its own reason
// only: if one defect would show in two rules, the second one first checks
// whether the other reports it, and then passes.
var rules = slices.Concat(clientRules, userRules, codeRules, tokenRules, aloneRules, extraRules,
	logRules, recordRules, peerRules, cancelRules,
	hostileRules, dumpRules, expiryRules, flowRules, revokeUserRules)

// need is something that a rule cannot be tried without.
type need struct {
	name string
	has  func(t *trial) bool
}

var (
	tokens      = need{"AccessTokenModel", func(t *trial) bool { return t.on.tokens != nil }}
	revoker     = need{"AccessTokenRevoker", func(t *trial) bool { return t.on.revoker != nil }}
	codes       = need{"AuthorizationCodeModel", func(t *trial) bool { return t.on.codes != nil }}
	refresh     = need{"RefreshTokenModel", func(t *trial) bool { return t.on.refresh != nil }}
	log         = need{"GrantLog", func(t *trial) bool { return t.on.log != nil }}
	clientUsers = need{"ClientCredentialsModel", func(t *trial) bool { return t.on.clientUsers != nil }}
	passwords   = need{"PasswordModel, and Username and Password of Fixture.Users", func(t *trial) bool {
		return t.on.users != nil && t.Users[0].signsIn() && t.Users[1].signsIn()
	}}
	public = need{"Fixture.Public", func(t *trial) bool { return t.Public != nil }}
	peer   = need{"Fixture.Peer", func(t *trial) bool { return t.Peer != nil }}
	dump   = need{"Fixture.Dump", func(t *trial) bool { return t.Dump != nil }}
)

func (u User) signsIn() bool { return u.Username != "" && u.Password != "" }

// try makes a fixture and tries the rule on it. missing names what the rule
// needs and the fixture lacks.
func (r rule) try(ctx context.Context, newFixture FixtureFunc) (missing string, err error) {
	f, err := newFixture(ctx)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return "", &fixtureError{fmt.Errorf("modeltest: the fixture: %w", err)}
	}
	if f.Close != nil {
		defer func() {
			if closing := f.Close(); closing != nil {
				err = errors.Join(err,
					&fixtureError{fmt.Errorf("modeltest: Close of the fixture: %w", closing)})
			}
		}()
	}
	t := newTrial(f)
	if !slices.Equal(t.on.abilities(), t.peer.abilities()) {
		return "", &fixtureError{errors.New("modeltest: the fixture: its Peer has other " +
			"methods than Model")}
	}
	for _, n := range r.needs {
		if !n.has(t) {
			return n.name, nil
		}
	}
	if seen := r.check(ctx, t); seen != nil {
		return "", &Violation{Rule: r.name, Seen: seen, Reason: r.reason, Harm: r.harm}
	}
	return "", nil
}
