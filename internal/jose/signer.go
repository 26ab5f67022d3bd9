// This file lets go-jose sign with any crypto.Signer.

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"
)

// opaque is a PrivateKey as go-jose uses it. go-jose has one of its own, whose
// PS256 signatures have a longer salt than RFC 7518, section 3.5, allows:
// WebCrypto refuses them.
type opaque struct{ *PrivateKey }

// Public implements [jose.OpaqueSigner].
func (o opaque) Public() *jose.JSONWebKey { return &o.public.key }

// Algs implements [jose.OpaqueSigner].
func (o opaque) Algs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.SignatureAlgorithm(o.public.Algorithm())}
}

// SignPayload implements [jose.OpaqueSigner].
func (o opaque) SignPayload(payload []byte, algorithm jose.SignatureAlgorithm) ([]byte, error) {
	if string(algorithm) != o.public.Algorithm() {
		return nil, jose.ErrUnsupportedAlgorithm
	}
	switch o.public.key.Key.(type) {
	case ed25519.PublicKey:
		return o.signer.Sign(rand.Reader, payload, crypto.Hash(0))
	case *ecdsa.PublicKey:
		signature, err := o.signer.Sign(rand.Reader, digest(payload), crypto.SHA256)
		if err != nil {
			return nil, err
		}
		return joined(signature)
	case *rsa.PublicKey:
		var options crypto.SignerOpts = crypto.SHA256
		if algorithm == jose.PS256 {
			options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		return o.signer.Sign(rand.Reader, digest(payload), options)
	}
	return nil, jose.ErrUnsupportedAlgorithm
}

func digest(payload []byte) []byte {
	hash := crypto.SHA256.New()
	hash.Write(payload)
	return hash.Sum(nil)
}

// joined returns an ECDSA signature as two numbers of 32 bytes (RFC 7518,
// section 3.4).
func joined(signature []byte) ([]byte, error) {
	var numbers struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(signature, &numbers)
	switch {
	case err != nil:
		return nil, fmt.Errorf("jose: the signature: %w", err)
	case len(rest) > 0 || numbers.R.Sign() <= 0 || numbers.S.Sign() <= 0 ||
		numbers.R.BitLen() > 256 || numbers.S.BitLen() > 256:
		return nil, errors.New("jose: the signer returned no ECDSA signature on P-256")
	}
	out := make([]byte, 64)
	numbers.R.FillBytes(out[:32])
	numbers.S.FillBytes(out[32:])
	return out, nil
}
