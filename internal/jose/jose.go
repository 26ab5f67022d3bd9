// Package jose signs and checks JSON Web Tokens (RFC 7519) with go-jose, and is
// stricter (RFC 8725): the algorithm is that of the key, keys in a token are
// never used, the type must be the expected one, and a token has one spelling.
// Only an ES256 signature has a second form that anybody can make, by the
// symmetry of the curve, so a list of tokens must go by their claims.
package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// Algorithms are the signature algorithms that are used at all (RFC 7518,
// section 3.1; RFC 8037).
var Algorithms = []string{"ES256", "EdDSA", "RS256", "PS256"}

// MaxToken is the size up to which tokens are parsed, in bytes. MaxKeys is that
// of a key set.
const (
	MaxToken = 16 << 10
	MaxKeys  = 64 << 10
)

// Errors that callers tell apart. All others mean that a token is malformed.
var (
	// ErrUnknownKey: no key has the token's kid, so a newer set may have it.
	ErrUnknownKey = errors.New("jose: the key is unknown")

	// ErrSignature: the signature is wrong.
	ErrSignature = errors.New("jose: the signature is wrong")
)

// PrivateKey signs. It is safe for concurrent use if its signer is.
type PrivateKey struct {
	public PublicKey
	signer crypto.Signer
}

// NewPrivateKey returns a key that signs with signer, which may be in a KMS or
// an HSM. An empty algorithm means the usual one for the kind of key: ES256,
// EdDSA or RS256. An empty id means the thumbprint (RFC 7638).
func NewPrivateKey(signer crypto.Signer, algorithm, id string) (*PrivateKey, error) {
	if signer == nil {
		return nil, errors.New("jose: the signer is nil")
	}
	public, err := newPublicKey(jose.JSONWebKey{Key: signer.Public(), KeyID: id, Algorithm: algorithm})
	if err != nil {
		return nil, err
	}
	return &PrivateKey{public: *public, signer: signer}, nil
}

// Public returns the public half.
func (k *PrivateKey) Public() PublicKey { return k.public }

// Sign returns a token with these claims, which must have a JSON form. typ is
// its type, such as "at+jwt"; empty: none.
func (k *PrivateKey) Sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("jose: %w", err)
	}
	options := (&jose.SignerOptions{}).WithHeader("kid", k.public.ID())
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(k.public.Algorithm()),
		Key:       opaque{k},
	}, options)
	if err != nil {
		return "", fmt.Errorf("jose: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("jose: %w", err)
	}
	return signed.CompactSerialize()
}

// PublicKey checks signatures. Its zero value checks none.
type PublicKey struct{ key jose.JSONWebKey }

// ParsePublicKey reads a public JSON Web Key (RFC 7517). A key without an alg
// gets the usual one for its kind.
func ParsePublicKey(jwk []byte) (*PublicKey, error) {
	if len(jwk) > MaxKeys {
		return nil, errors.New("jose: the key is too large")
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(jwk, &key); err != nil {
		return nil, fmt.Errorf("jose: %w", err)
	}
	if !key.IsPublic() {
		return nil, errors.New("jose: the key is not a public one")
	}
	return newPublicKey(key)
}

// newPublicKey completes a key and refuses weak ones.
func newPublicKey(key jose.JSONWebKey) (*PublicKey, error) {
	var fitting []string
	switch public := key.Key.(type) {
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, errors.New("jose: the curve must be P-256")
		}
		if _, err := public.ECDH(); err != nil { // the point is not on the curve
			return nil, fmt.Errorf("jose: %w", err)
		}
		fitting = []string{"ES256"}
	case ed25519.PublicKey:
		fitting = []string{"EdDSA"}
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < 2048 || bits > 4096 {
			return nil, fmt.Errorf("jose: an RSA key of %d bits; use 2048 to 4096", bits)
		}
		if public.E < 65537 || public.E%2 == 0 {
			return nil, fmt.Errorf("jose: an RSA key with the exponent %d", public.E)
		}
		fitting = []string{"RS256", "PS256"}
	default:
		return nil, fmt.Errorf("jose: a key of the type %T cannot be used", public)
	}
	if !key.Valid() {
		return nil, errors.New("jose: the key is not valid")
	}
	if key.Algorithm == "" {
		key.Algorithm = fitting[0]
	}
	if !slices.Contains(fitting, key.Algorithm) {
		return nil, fmt.Errorf("jose: the algorithm %q does not fit the key", key.Algorithm)
	}
	if key.Use != "" && key.Use != "sig" {
		return nil, fmt.Errorf("jose: the key is for the use %q", key.Use)
	}
	own := jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: "sig"}
	if own.KeyID == "" {
		thumbprint, err := own.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("jose: %w", err)
		}
		own.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	}
	return &PublicKey{own}, nil
}

// ID returns the key's kid.
func (k PublicKey) ID() string { return k.key.KeyID }

// Algorithm returns the one algorithm that the key is used with.
func (k PublicKey) Algorithm() string { return k.key.Algorithm }

// Thumbprint returns the SHA-256 thumbprint of the key (RFC 7638), in base64url.
func (k PublicKey) Thumbprint() string {
	thumbprint, err := k.key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "" // newPublicKey has made one
	}
	return base64.RawURLEncoding.EncodeToString(thumbprint)
}

// MarshalJSON writes the key as a JSON Web Key.
func (k PublicKey) MarshalJSON() ([]byte, error) { return k.key.MarshalJSON() }

// Set is a set of keys, each with a kid of its own.
type Set []PublicKey

// ParseSet reads a JSON Web Key Set. Keys that cannot be used are skipped, as RFC
// 7517, section 5, recommends, but not two with one kid.
func ParseSet(data []byte) (Set, error) {
	if len(data) > MaxKeys {
		return nil, errors.New("jose: the key set is too large")
	}
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("jose: %w", err)
	}
	if document.Keys == nil {
		return nil, errors.New("jose: not a key set")
	}
	set := Set{}
	for _, text := range document.Keys {
		key, err := ParsePublicKey(text)
		if err != nil {
			continue
		}
		if set.find(key.ID()) != nil {
			return nil, fmt.Errorf("jose: two keys have the kid %q", key.ID())
		}
		set = append(set, *key)
	}
	return set, nil
}

// MarshalJSON writes a JSON Web Key Set.
func (s Set) MarshalJSON() ([]byte, error) {
	keys := []PublicKey(s)
	if keys == nil {
		keys = []PublicKey{}
	}
	return json.Marshal(struct {
		Keys []PublicKey `json:"keys"`
	}{keys})
}

func (s Set) find(id string) *PublicKey {
	for i := range s {
		if s[i].ID() == id {
			return &s[i]
		}
	}
	return nil
}

// Verify reads the claims of a token into the value that claims points to, if
// the key of the set that the token names has signed it, and its type is typ. A
// token without a kid is checked with the key of a set of one.
func (s Set) Verify(token, typ string, claims any) error {
	head, err := parseHeader(token, typ)
	if err != nil {
		return err
	}
	var key *PublicKey
	switch {
	case head.KeyID != "":
		key = s.find(head.KeyID)
	case len(s) == 1:
		key = &s[0]
	}
	if key == nil {
		return ErrUnknownKey
	}
	return key.verify(token, head, claims)
}

// header is what is read of a token's header. Members that would bring a key
// are refused, and so are extensions.
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`

	Critical    json.RawMessage `json:"crit"`
	Key         json.RawMessage `json:"jwk"`
	KeySet      json.RawMessage `json:"jku"`
	Chain       json.RawMessage `json:"x5c"`
	ChainURL    json.RawMessage `json:"x5u"`
	Compression json.RawMessage `json:"zip"`
}

// parseHeader reads the header of a token, and refuses one that could not be
// used whatever its signature is.
func parseHeader(token, typ string) (*header, error) {
	if len(token) > MaxToken {
		return nil, errors.New("jose: the token is too large")
	}
	if strings.Count(token, ".") != 2 {
		return nil, errors.New("jose: not a signed token")
	}
	text, _, _ := strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("jose: the header: %w", err)
	}
	head := new(header)
	if err := json.Unmarshal(data, head); err != nil {
		return nil, fmt.Errorf("jose: the header: %w", err)
	}
	switch {
	case !slices.Contains(Algorithms, head.Algorithm):
		return nil, errors.New("jose: the algorithm is not allowed")
	case head.Key != nil || head.KeySet != nil || head.Chain != nil || head.ChainURL != nil:
		return nil, errors.New("jose: the token brings a key of its own")
	case head.Critical != nil || head.Compression != nil:
		return nil, errors.New("jose: the token needs an extension")
	case !sameType(head.Type, typ):
		return nil, fmt.Errorf("jose: the token is not of the type %q", typ)
	}
	return head, nil
}

// sameType compares media types, whose prefix may be left out (RFC 7515, section
// 4.1.9). A token that is to have no type may say that it is a JWT.
func sameType(got, want string) bool {
	got = strings.ToLower(got)
	if want == "" {
		return got == "" || got == "jwt"
	}
	return strings.TrimPrefix(got, "application/") == strings.ToLower(want)
}

// verify checks the signature of a token and reads its claims.
func (k *PublicKey) verify(token string, head *header, claims any) error {
	if head.Algorithm != k.key.Algorithm {
		return errors.New("jose: the algorithm is not that of the key")
	}
	signed, err := jose.ParseSignedCompact(token,
		[]jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.key.Algorithm)})
	if err != nil {
		return fmt.Errorf("jose: %w", err)
	}
	// Another spelling of the same token would have another digest, so it would
	// not be known to be revoked.
	if canonical, err := signed.CompactSerialize(); err != nil || canonical != token {
		return errors.New("jose: the token is spelt in another way than it was made")
	}
	payload, err := signed.Verify(k.key)
	if err != nil {
		return ErrSignature
	}
	if err := json.Unmarshal(payload, claims); err != nil {
		return fmt.Errorf("jose: the claims: %w", err)
	}
	return nil
}

// Audience is the claim aud: one string, or a list of them.
type Audience []string

// UnmarshalJSON reads a string or a list of strings.
func (a *Audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = Audience{one}
		return nil
	}
	var several []string
	if err := json.Unmarshal(data, &several); err != nil {
		return errors.New("aud is neither a string nor a list of strings")
	}
	*a = several
	return nil
}

// MarshalJSON writes one string as such.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}
