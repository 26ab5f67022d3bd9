// This file keeps keys with the program's other data, and replaces them on a
// schedule.

package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/jose"
)

// KeptOptions are the options of [Kept]. The zero value is the usual one.
type KeptOptions struct {
	// Algorithm is that of new keys: a change takes effect when the next key
	// begins. Empty: RS256, which every client knows, and
	// which OpenID Connect Discovery 1.0 asks for. ES256 and EdDSA sign many
	// times as fast.
	Algorithm string

	// FormerSecrets open keys that were sealed before the secret was changed.
	FormerSecrets [][]byte

	// Every is how long a key signs. 0: 30 days; an hour at least. Another
	// value makes other keys, which sign at once, and what the old ones signed
	// is refused.
	Every time.Duration

	// Retain is how long a key is published after it has signed for the last
	// time: as long as something that it signed may be shown, such as an ID
	// token as a hint, and at least as long as access tokens live. 0: 90 days;
	// 100 times Every at most.
	Retain time.Duration
}

// maxKept bounds the number of keys in a key set, which others have to fetch.
const maxKept = 100

// lead is how long a key is published before it signs, so that every process
// and every cache of the key set knows it in time.
const lead = 30 * time.Minute

// Kept returns a Source that makes keys, keeps them in records and replaces them
// on a schedule. Any number of processes over the same records agree: a key is
// a record that is put once, for a period of time. secret seals the keys: 32
// bytes at least, from where the program keeps its secrets. It cannot be
// changed without its predecessor in [KeptOptions.FormerSecrets]: the Source
// fails then. Records are in any model that is
// a GrantLog: [oauth2server.LogRecords].
func Kept(records oauth2server.RecordModel, secret []byte, opts *KeptOptions) (Source, error) {
	k := &kept{records: records}
	if opts != nil {
		k.KeptOptions = *opts
	}
	if k.Algorithm == "" {
		k.Algorithm = "RS256"
	}
	if k.Every == 0 {
		k.Every = 30 * 24 * time.Hour
	}
	if k.Retain == 0 {
		k.Retain = 90 * 24 * time.Hour
	}
	switch {
	case records == nil:
		return nil, errors.New("keys: there are no records")
	case len(secret) < 32:
		return nil, fmt.Errorf("keys: the secret has %d bytes; it needs 32", len(secret))
	case k.Every < time.Hour || k.Retain < 0 || k.Retain/k.Every > maxKept:
		return nil, fmt.Errorf("keys: Every must be an hour or more, and Retain at most %d times that", maxKept)
	}
	if !slices.Contains(jose.Algorithms, k.Algorithm) {
		return nil, fmt.Errorf("keys: there is no algorithm %q", k.Algorithm)
	}
	for _, one := range append([][]byte{secret}, k.FormerSecrets...) {
		sum := sha256.Sum256(append([]byte("oauth2server signing keys\n"), one...))
		block, err := aes.NewCipher(sum[:])
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		k.seals = append(k.seals, aead)
	}
	return k.keys, nil
}

type kept struct {
	KeptOptions
	records oauth2server.RecordModel
	seals   []cipher.AEAD // the first one seals
	known   sync.Map      // the Key of each period; it never changes
}

// keys returns the keys of all periods that are published now: that of the next
// period shortly before it begins, that of this one, and those that are
// retained.
func (k *kept) keys(ctx context.Context) (all []Key, err error) {
	now := time.Now()
	current := now.UnixNano() / int64(k.Every)
	last := current
	if k.begins(current+1).Sub(now) <= lead {
		last++
	}
	for period := last; period >= 0 && now.Before(k.begins(period+1).Add(k.Retain)); period-- {
		key, err := k.key(ctx, period, period >= current)
		switch {
		case errors.Is(err, oauth2server.ErrNotFound), errors.Is(err, errSecret) && period < current:
			continue // nobody signed in that period, or nobody can check it any more
		case err != nil:
			return nil, err
		}
		all = append(all, key)
	}
	return all, nil
}

// begins returns when a period begins.
func (k *kept) begins(period int64) time.Time { return time.Unix(0, period*int64(k.Every)) }

// key returns the key of a period. If there is none and create is set, it makes
// one; of several processes that do, one is first, and all take its key.
func (k *kept) key(ctx context.Context, period int64, create bool) (Key, error) {
	if known, ok := k.known.Load(period); ok {
		return known.(Key), nil
	}
	name := fmt.Sprintf("signing-key:%d:%d", int64(k.Every/time.Second), period)
	record, err := k.records.GetRecord(ctx, name)
	if errors.Is(err, oauth2server.ErrNotFound) && create {
		if record, err = k.newRecord(name); err != nil {
			return Key{}, err
		}
		err = k.records.SaveRecord(ctx, name, record, k.begins(period+1).Add(k.Retain+lead))
		if errors.Is(err, oauth2server.ErrExists) {
			record, err = k.records.GetRecord(ctx, name)
		}
	}
	if err != nil {
		return Key{}, err
	}
	key, err := k.open(name, record)
	if err != nil {
		return Key{}, err
	}
	key.SignsFrom, key.SignsUntil = k.begins(period), k.begins(period+1).Add(lead)
	k.known.Store(period, key)
	return key, nil
}

var errSecret = errors.New("keys: a kept key cannot be opened: the secret is another one")

// open reads what newRecord wrote.
func (k *kept) open(name string, record []byte) (Key, error) {
	var plain []byte
	err := errSecret
	for i := 0; err != nil && i < len(k.seals); i++ {
		plain, err = k.seals[i].Open(nil, nil, record, []byte(name))
	}
	if err != nil {
		return Key{}, errSecret
	}
	algorithm, text, _ := bytes.Cut(plain, []byte{0})
	parsed, err := x509.ParsePKCS8PrivateKey(text)
	if err != nil {
		return Key{}, fmt.Errorf("keys: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return Key{}, fmt.Errorf("keys: a kept key is a %T", parsed)
	}
	return Key{Signer: signer, Algorithm: string(algorithm)}, nil
}

// newRecord returns a new key with its algorithm, sealed.
func (k *kept) newRecord(name string) ([]byte, error) {
	signer, err := newSigner(k.Algorithm)
	if err != nil {
		return nil, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	plain := append(append([]byte(k.Algorithm), 0), text...)
	return k.seals[0].Seal(nil, nil, plain, []byte(name)), nil
}

// newSigner makes a key.
func newSigner(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "RS256", "PS256":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("keys: there is no algorithm %q", algorithm)
}

// Development returns a Source with a key that is made anew at each start: what
// it signed is worth nothing after a restart, and to no other process. It is
// for development and tests.
func Development() Source {
	key, err := newSigner("RS256")
	if err != nil {
		return func(context.Context) ([]Key, error) { return nil, err }
	}
	return Static(Key{Signer: key})
}
