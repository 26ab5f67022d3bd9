// This file has the password hash functions, and bounds their cost.

package credential

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Bounds of hashes of other programs. Each takes a few seconds at most, so that
// none can stall the server.
const (
	maxBcryptCost   = 15
	maxMemory       = 256 << 10 // KiB
	maxArgon2Work   = 2 << 20   // KiB times passes
	maxScryptWork   = 1 << 20   // KiB times p
	maxParallel     = 64        // threads of argon2id, r and p of scrypt
	atOnce          = 4         // of the recipes that take much memory
	minSum, maxSum  = 16, 64    // bytes of a hash
	minSalt, maxLen = 8, 64     // bytes of a salt
)

// recipe is a function with its parameters: what a hash costs. Two are equal if
// they cost the same.
type recipe interface {
	// spend does the work of one hash.
	spend(password string) error

	// check returns an error if it is invalid or costs too much.
	check() error
}

// keyed is a recipe whose hash is a key derived from password and salt.
type keyed interface {
	recipe
	key(password string, salt []byte, size int) ([]byte, error)
}

type bcryptWork struct{ cost int }

func (w bcryptWork) spend(password string) error {
	_, err := bcrypt.GenerateFromPassword(condense(password), w.cost)
	return err
}

func (w bcryptWork) check() error {
	if w.cost < bcrypt.MinCost || w.cost > maxBcryptCost {
		return fmt.Errorf("the cost %d is not between %d and %d", w.cost, bcrypt.MinCost, maxBcryptCost)
	}
	return nil
}

type argon2Work struct{ memory, passes, threads uint32 } // memory in KiB

func (w argon2Work) spend(password string) error {
	_, err := w.key(password, make([]byte, 16), 32)
	return err
}

func (w argon2Work) key(password string, salt []byte, size int) ([]byte, error) {
	return argon2.IDKey([]byte(password), salt, w.passes, w.memory, uint8(w.threads), uint32(size)), nil
}

func (w argon2Work) check() error {
	switch {
	case w.passes < 1, w.threads < 1, w.memory < 8*w.threads:
		return errors.New("m must be at least 8 times p, and t and p at least 1 (RFC 9106, section 3.1)")
	case w.threads > maxParallel, w.memory > maxMemory, uint64(w.memory)*uint64(w.passes) > maxArgon2Work:
		return fmt.Errorf("m=%d,t=%d,p=%d is too much work; at most m=%d, p=%d and m times t=%d",
			w.memory, w.passes, w.threads, maxMemory, maxParallel, maxArgon2Work)
	}
	return nil
}

type scryptWork struct{ log2N, r, p uint32 }

func (w scryptWork) spend(password string) error {
	_, err := w.key(password, make([]byte, 16), 32)
	return err
}

func (w scryptWork) key(password string, salt []byte, size int) ([]byte, error) {
	return scrypt.Key([]byte(password), salt, 1<<w.log2N, int(w.r), int(w.p), size)
}

func (w scryptWork) check() error {
	if w.log2N < 1 || w.r < 1 || w.p < 1 {
		return errors.New("ln, r and p must be at least 1 (RFC 7914, section 2)")
	}
	memory := uint64(w.r) << min(w.log2N, 32) / 8 // KiB: 128 bytes times N times r
	if w.log2N > 30 || w.r > maxParallel || w.p > maxParallel ||
		memory > maxMemory || memory*uint64(w.p) > maxScryptWork {
		return fmt.Errorf("ln=%d,r=%d,p=%d is too much work; at most %d MiB, r=%d, p=%d and %d "+
			"MiB times p",
			w.log2N, w.r, w.p, maxMemory>>10, maxParallel, maxParallel, maxScryptWork>>10)
	}
	return nil
}

// places bounds how many recipes that take much memory run at once.
var places = make(chan struct{}, atOnce)

// limited calls run once there is a place for the recipe, unless ctx ends
// first.
func limited(ctx context.Context, work recipe, run func() error) error {
	if _, small := work.(bcryptWork); small {
		return run()
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
		return run()
	case <-ctx.Done():
		return ctx.Err()
	}
}
