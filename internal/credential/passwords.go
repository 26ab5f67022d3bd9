// This file hashes passwords and checks them, at the same cost for every name.

package credential

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/digest"
)

// Passwords hashes the passwords of a model, and checks them. A wrong password
// costs the same whether the name is unknown, or has a current hash, one of a
// lower cost, or one of another program: see rest. That holds once it has seen
// a hash of each stored recipe. It is safe for concurrent use.
type Passwords struct {
	cost int // of bcrypt

	mu      sync.Mutex
	highest int      // the highest bcrypt cost seen, at least cost
	foreign []recipe // the recipes of other functions seen
}

// NewPasswords returns Passwords that hash at this cost of bcrypt. Below 4, it
// is 10.
func NewPasswords(cost int) *Passwords {
	if cost < bcrypt.MinCost {
		cost = bcrypt.DefaultCost
	}
	return &Passwords{cost: cost, highest: cost}
}

// Hash returns the hash to store for a password. It must be one that can be
// registered.
func (p *Passwords) Hash(password string) (string, error) {
	if err := oauth2server.CheckUserPassword(password); err != nil {
		return "", err
	}
	return p.hash(password)
}

func (p *Passwords) hash(password string) (string, error) {
	made, err := bcrypt.GenerateFromPassword(condense(passwordForms(password)[0]), p.cost)
	return string(made), err
}

// Import returns the hash to store for one that another program made, or an
// error if that cannot be used.
func (p *Passwords) Import(foreign string) (string, error) {
	h, err := readForeign(foreign)
	if err != nil {
		return "", unfit("password hash: %w", err)
	}
	p.meet(h)
	return h.text, nil
}

// Verify returns nil if stored is the hash of password, and
// [oauth2server.ErrNotFound] if it is not. stored is "" for an unknown user. If
// the password is right and fresh is not empty, store fresh instead: stored is
// from another program, of a lower cost, or of another form of the password.
func (p *Passwords) Verify(ctx context.Context, stored, password string) (fresh string, err error) {
	if p.cost > bcrypt.MaxCost {
		return "", fmt.Errorf("PasswordCost: %w", bcrypt.InvalidCostError(p.cost))
	}
	var h *hash
	if stored != "" {
		if h, err = readStored(stored); err == nil {
			err = p.bound(h)
		}
		if err != nil {
			return "", err
		}
		p.meet(h)
	}
	rest := p.rest(h)
	for i, form := range passwordForms(password) {
		right, err := try(ctx, h, rest, form)
		switch {
		case err != nil:
			return "", err
		case right && (i > 0 || p.stale(h)):
			fresh, _ := p.hash(password) // after an error the old one stays
			return fresh, nil
		case right:
			return "", nil
		}
	}
	return "", oauth2server.ErrNotFound
}

// bound returns an error if checking one of our hashes takes too long.
func (p *Passwords) bound(h *hash) error {
	if work, ok := h.recipe.(bcryptWork); ok && work.cost > max(p.cost, maxBcryptCost) {
		return fmt.Errorf("the cost %d exceeds %d and PasswordCost", work.cost,
			maxBcryptCost)
	}
	return nil
}

// stale reports whether a hash should be replaced. One of a higher cost stays,
// as a new one would be weaker.
func (p *Passwords) stale(h *hash) bool {
	work, ok := h.recipe.(bcryptWork)
	return !ok || !h.own || work.cost < p.cost
}

// try compares password with h, and does the work in rest.
func try(ctx context.Context, h *hash, rest []recipe, password string) (right bool, err error) {
	if h != nil {
		err = limited(ctx, h.recipe, func() (err error) {
			right, err = h.matches(password)
			return err
		})
	}
	for _, work := range rest {
		if err != nil {
			return false, err
		}
		err = limited(ctx, work, func() error { return work.spend(password) })
	}
	return right, err
}

// meet remembers the recipe of a hash, so that every check has its cost.
func (p *Passwords) meet(h *hash) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if work, ok := h.recipe.(bcryptWork); ok {
		p.highest = max(p.highest, work.cost)
	} else if len(p.foreign) < maxForeign && !slices.Contains(p.foreign, h.recipe) {
		p.foreign = append(p.foreign, h.recipe)
	}
}

// maxForeign bounds the recipes of other programs whose cost is part of every
// check.
const maxForeign = 8

// rest returns the work that makes the check of h cost as much as that of every
// other name: bcrypt at the highest cost, and each function of other programs
// once. For a bcrypt hash of a lower cost c, it adds runs of cost c, c+1 and so
// on, as 2^c + 2^c + 2^(c+1) + … is 2^highest. h is nil for an unknown user.
func (p *Passwords) rest(h *hash) (rest []recipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var own recipe
	if h != nil {
		own = h.recipe
	}
	if work, ok := own.(bcryptWork); ok {
		for cost := work.cost; cost < p.highest; cost++ {
			rest = append(rest, bcryptWork{cost})
		}
	} else {
		rest = append(rest, bcryptWork{p.highest})
	}
	for _, work := range p.foreign {
		if work != own {
			rest = append(rest, work)
		}
	}
	return rest
}

// condense returns a digest of 44 characters for any password, as bcrypt reads
// at most 72 bytes and stops at a NUL.
func condense(password string) []byte {
	sum := digest.Of(password)
	return base64.StdEncoding.AppendEncode(nil, sum[:])
}
