package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type claims struct {
	Subject  string   `json:"sub"`
	Audience Audience `json:"aud,omitempty"`
}

// keys has one key of each kind.
var keys = func() map[string]*PrivateKey {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	all := map[string]*PrivateKey{}
	for algorithm, signer := range map[string]crypto.Signer{"ES256": p256, "EdDSA": ed, "RS256": rsaKey,
		"PS256": rsaKey} {
		key, err := NewPrivateKey(signer, algorithm, "key of "+algorithm)
		if err != nil {
			panic(err)
		}
		all[algorithm] = key
	}
	return all
}()

func setOf(keys ...*PrivateKey) (set Set) {
	for _, key := range keys {
		set = append(set, key.Public())
	}
	return set
}

func mustSign(t testing.TB, key *PrivateKey, typ string) string {
	token, err := key.Sign(typ, claims{Subject: "u1", Audience: Audience{"api"}})
	require.NoError(t, err)
	return token
}

// raw returns a token with any header, signed by sign.
func raw(header string, payload string, sign func(input string) []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	return input + "." + encode(sign(input))
}

func TestSignAndVerify(t *testing.T) {
	for algorithm, key := range keys {
		token := mustSign(t, key, "at+jwt")
		var got claims
		require.NoError(t, setOf(key).Verify(token, "at+jwt", &got), algorithm)
		require.Equal(t, claims{Subject: "u1", Audience: Audience{"api"}}, got)

		// Through the documents that others read.
		document, err := json.Marshal(setOf(key))
		require.NoError(t, err)
		require.NotContains(t, string(document), `"d"`)
		set, err := ParseSet(document)
		require.NoError(t, err)
		require.NoError(t, set.Verify(token, "AT+JWT", &got))
		require.Equal(t, algorithm, set[0].Algorithm())
	}
	token, err := keys["ES256"].Sign("", claims{})
	require.NoError(t, err)
	require.NoError(t, setOf(keys["ES256"]).Verify(token, "", new(claims)))
}

// The salt of PS256 is as long as the hash (RFC 7518, section 3.5). WebCrypto
// takes no other.
func TestTheSaltOfPS256(t *testing.T) {
	key := keys["PS256"]
	token := mustSign(t, key, "")
	signed, text, found := strings.Cut(token[strings.Index(token, ".")+1:], ".")
	require.True(t, found)
	signature, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(token[:strings.Index(token, ".")+1] + signed))
	require.NoError(t, rsa.VerifyPSS(key.signer.Public().(*rsa.PublicKey), crypto.SHA256, sum[:], signature,
		&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
}

// A signer elsewhere, such as a KMS, may fail or answer nonsense.
func TestSignersThatFail(t *testing.T) {
	for name, answer := range map[string][]byte{"fails": nil, "nonsense": []byte("x"), "empty": {0x30, 0}} {
		key, err := NewPrivateKey(brokenSigner{keys["ES256"].signer, answer}, "", "")
		require.NoError(t, err)
		_, err = key.Sign("", claims{})
		require.Error(t, err, name)
	}
}

type brokenSigner struct {
	crypto.Signer
	answer []byte
}

func (s brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	if s.answer == nil {
		return nil, errors.New("the vault is sealed")
	}
	return s.answer, nil
}

// The algorithm is the key's, whatever a token says.
func TestAttack_Algorithm(t *testing.T) {
	rsaKey := keys["RS256"]
	public, err := json.Marshal(rsaKey.Public())
	require.NoError(t, err)
	mac := func(secret []byte) func(string) []byte {
		return func(input string) []byte {
			h := hmac.New(sha256.New, secret)
			h.Write([]byte(input))
			return h.Sum(nil)
		}
	}
	nothing := func(string) []byte { return nil }
	kid := rsaKey.Public().ID()
	for _, token := range []string{
		raw(`{"alg":"HS256","kid":"`+kid+`"}`, `{"sub":"u1"}`, mac(public)),
		raw(`{"alg":"none","kid":"`+kid+`"}`, `{"sub":"u1"}`, nothing),
		raw(`{"alg":"nOnE"}`, `{"sub":"u1"}`, nothing),
		raw(`{"alg":"","kid":"`+kid+`"}`, `{"sub":"u1"}`, nothing),
		raw(`{"kid":"`+kid+`"}`, `{"sub":"u1"}`, nothing),
		raw(`{"alg":"RS256","alg":"none","kid":"`+kid+`"}`, `{"sub":"u1"}`, nothing),
	} {
		require.Error(t, setOf(rsaKey).Verify(token, "", new(claims)), token)
	}
	// The same RSA key, with the other padding.
	token := mustSign(t, keys["PS256"], "")
	other := setOf(rsaKey)
	other[0].key.KeyID = keys["PS256"].Public().ID()
	require.ErrorContains(t, other.Verify(token, "", new(claims)), "not that of the key")
}

// Keys in a token are not used, and a kid is a name, not a path (rows 3, 4, 5).
func TestAttack_KeysOfTheToken(t *testing.T) {
	mine, known := keys["ES256"], keys["EdDSA"]
	jwk, err := json.Marshal(mine.Public())
	require.NoError(t, err)
	signed := func(header string) string {
		return raw(header, `{"sub":"u1"}`, func(input string) []byte {
			sum := sha256.Sum256([]byte(input))
			r, s, err := ecdsa.Sign(rand.Reader, mine.signer.(*ecdsa.PrivateKey), sum[:])
			require.NoError(t, err)
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		})
	}
	require.NoError(t, setOf(mine).Verify(signed(`{"alg":"ES256"}`), "", new(claims)), "the forger signs rightly")
	for _, header := range []string{
		`{"alg":"ES256","jwk":` + string(jwk) + `}`,
		`{"alg":"ES256","jku":"https://evil.example/keys"}`,
		`{"alg":"ES256","x5u":"https://evil.example/chain"}`,
		`{"alg":"ES256","x5c":["AAAA"]}`,
		`{"alg":"ES256","crit":["b64"],"b64":false}`,
		`{"alg":"ES256","crit":["exp"],"exp":1}`,
		`{"alg":"ES256","zip":"DEF"}`, `{"alg":"ES256","b64":false}`,
		`{"alg":"ES256","kid":["a"]}`, `{"alg":"ES256"`, `[]`, `null`, ``,
	} {
		require.Error(t, setOf(mine).Verify(signed(header), "", new(claims)), header)
	}
	for _, kid := range []string{"../../key", "' or 1=1", "key of EdDSA\x00", strings.Repeat("k", 8000)} {
		quoted, _ := json.Marshal(kid)
		err := setOf(mine, known).Verify(signed(`{"alg":"ES256","kid":`+string(quoted)+`}`), "", new(claims))
		require.ErrorIs(t, err, ErrUnknownKey)
	}
	require.ErrorIs(t, setOf(mine, known).Verify(signed(`{"alg":"ES256"}`), "", new(claims)), ErrUnknownKey,
		"no key is guessed")
	require.Error(t, setOf(mine, known).Verify(signed(`{"alg":"ES256","kid":"key of EdDSA"}`), "", new(claims)))
	require.ErrorIs(t, Set(nil).Verify(signed(`{"alg":"ES256"}`), "", new(claims)), ErrUnknownKey)
}

// A token has one spelling: each change of one character is refused, and so is
// each prefix (rows 6, 14).
func TestAttack_Spelling(t *testing.T) {
	for algorithm, key := range keys {
		token := mustSign(t, key, "")
		set := setOf(key)
		for i := range token {
			for _, c := range []byte{'A', 'B', 'Q', 'g', '-', '_', '=', '.', '\n', ' ', '+'} {
				if token[i] == c {
					continue
				}
				changed := token[:i] + string(c) + token[i+1:]
				require.Error(t, set.Verify(changed, "", new(claims)), "%s at %d: %q", algorithm, i, c)
			}
			require.Error(t, set.Verify(token[:i], "", new(claims)), algorithm)
			inserted := token[:i] + "\n" + token[i:]
			require.Error(t, set.Verify(inserted, "", new(claims)), "%s: a line break at %d", algorithm, i)
			if algorithm != "EdDSA" && i > 40 {
				break // the others differ in the signature alone, which is long
			}
		}
		for _, other := range []string{token + "=", token + ".", " " + token, token + "\n", "", ".", "..", "..."} {
			require.Error(t, set.Verify(other, "", new(claims)), "%q", other)
		}
	}
}

// What is no signature at all is refused, of whatever length it is.
func TestAttack_Signatures(t *testing.T) {
	for algorithm, key := range keys {
		token := mustSign(t, key, "")
		input := token[:strings.LastIndexByte(token, '.')+1]
		for _, length := range []int{0, 1, 31, 32, 33, 63, 64, 65, 96, 128, 255, 256, 257, 512} {
			for _, fill := range []byte{0, 1, 0x80, 0xff} {
				signature := bytes.Repeat([]byte{fill}, length)
				require.Error(t, setOf(key).Verify(input+base64.RawURLEncoding.EncodeToString(signature), "",
					new(claims)), "%s: %d times %x", algorithm, length, fill)
			}
		}
	}
	for _, header := range []string{"", "}", `{"alg":"ES256"}`, `{"alg":""}`} {
		require.Error(t, (Set{{}}).Verify(raw(header, `{}`, func(string) []byte { return nil }), "", new(claims)),
			"the zero key: %s", header)
	}
}

// ECDSA signatures come in pairs (r, s) and (r, -s), and other libraries make
// either.
func TestSignaturesOfES256(t *testing.T) {
	key := keys["ES256"]
	order := elliptic.P256().Params().N
	token := mustSign(t, key, "")
	at := strings.LastIndexByte(token, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(token[at:])
	require.NoError(t, err)
	require.Len(t, signature, 64)
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(order, s).FillBytes(signature[32:])
	require.NoError(t, setOf(key).Verify(token[:at]+base64.RawURLEncoding.EncodeToString(signature), "", new(claims)))
}

// Large, encrypted and compressed tokens are refused before they are parsed
// (rows 7, 8).
func TestAttack_Size(t *testing.T) {
	set := setOf(keys["ES256"])
	for name, token := range map[string]string{
		"dots":       strings.Repeat(".", 1<<20),
		"long parts": strings.Repeat("A", 8<<20) + "." + strings.Repeat("A", 8<<20) + ".A",
		"encrypted":  "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d",
		"deep": raw(`{"alg":"ES256"}`, strings.Repeat(`{"a":`, 2000)+"1"+strings.Repeat("}", 2000),
			func(string) []byte { return make([]byte, 64) }),
	} {
		require.Error(t, set.Verify(token, "", new(claims)), name)
		if name != "deep" {
			require.LessOrEqual(t, testing.AllocsPerRun(10, func() { set.Verify(token, "", new(claims)) }), 3.0, name)
		}
	}
	_, err := ParseSet([]byte(`{"keys":[` + strings.Repeat(`{},`, 40_000) + `{}]}`))
	require.ErrorContains(t, err, "too large")
}

// The type of a token is checked both ways (row 12).
func TestAttack_Type(t *testing.T) {
	key := keys["ES256"]
	types := []string{"", "at+jwt", "logout+jwt", "dpop+jwt"}
	for _, made := range types {
		for _, wanted := range types {
			err := setOf(key).Verify(mustSign(t, key, made), wanted, new(claims))
			if made == wanted {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "not of the type", "%q as %q", made, wanted)
			}
		}
	}
	require.NoError(t, setOf(key).Verify(mustSign(t, key, "JWT"), "", new(claims)))
	require.NoError(t, setOf(key).Verify(mustSign(t, key, "application/at+jwt"), "at+jwt", new(claims)))
	require.Error(t, setOf(key).Verify(mustSign(t, key, "JWT"), "at+jwt", new(claims)))
}

// Weak, private and wrong keys are refused (rows 10, 46).
func TestAttack_Keys(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	n.SetBit(n, 0, 1)
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	for name, jwk := range map[string]string{
		"off the curve": `{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A",
			42) + `E","y":"` + strings.Repeat("A", 42) + `E"}`,
		"another curve": `{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}`,
		"small":         `{"kty":"RSA","n":"` + number(new(big.Int).Lsh(big.NewInt(3), 510)) + `","e":"AQAB"}`,
		"e = 1":         `{"kty":"RSA","n":"` + number(n) + `","e":"AQ"}`,
		"e = 3":         `{"kty":"RSA","n":"` + number(n) + `","e":"Aw"}`,
		"huge":          `{"kty":"RSA","n":"` + number(new(big.Int).Lsh(big.NewInt(1), 16000)) + `","e":"AQAB"}`,
		"symmetric":     `{"kty":"oct","k":"AAAA"}`,
		"private":       `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`,
		"encrypts":      `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"enc"}`,
		"another alg":   `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"ES256"}`,
		"no key":        `{}`, "no JSON": `{`, "null": `null`, "list": `[]`,
	} {
		_, err := ParsePublicKey([]byte(jwk))
		require.Error(t, err, name)
		set, err := ParseSet([]byte(`{"keys":[` + jwk + `]}`))
		if err == nil {
			require.Empty(t, set, name)
		}
	}
	good := `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	key, err := ParsePublicKey([]byte(good))
	require.NoError(t, err)
	require.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", key.ID(), "RFC 8037, appendix A.3")
	_, err = ParseSet([]byte(`{"keys":[` + good + `,` + good + `]}`))
	require.ErrorContains(t, err, "two keys")
	for _, text := range []string{`{}`, `{"keys":null}`, `{"keys":{}}`, `[]`, ``} {
		_, err := ParseSet([]byte(text))
		require.Error(t, err, text)
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, err = NewPrivateKey(p384, "", "")
	require.Error(t, err)
	_, err = NewPrivateKey(nil, "", "")
	require.Error(t, err)
	_, err = NewPrivateKey(keys["ES256"].signer, "RS256", "")
	require.Error(t, err)
}

func TestAudience(t *testing.T) {
	for text, want := range map[string]Audience{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `[]`: {}} {
		var got Audience
		require.NoError(t, json.Unmarshal([]byte(text), &got))
		require.Equal(t, want, got)
		back, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, text, string(back))
	}
	for _, text := range []string{`1`, `{}`, `[1]`, `null1`} {
		require.Error(t, json.Unmarshal([]byte(text), new(Audience)), text)
	}
}

// Nothing that a stranger sends is a panic, and nothing but the token itself is
// accepted.
func FuzzVerify(f *testing.F) {
	key := keys["EdDSA"]
	good := mustSign(f, key, "")
	f.Add(good)
	f.Add(raw(`{"alg":"none"}`, `{}`, func(string) []byte { return nil }))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if err := setOf(key).Verify(token, "", new(claims)); err == nil && token != good {
			t.Fatalf("accepted: %q", token)
		}
		ParsePublicKey([]byte(token))
		ParseSet([]byte(token))
	})
}
