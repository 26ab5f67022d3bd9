// This file reads password hashes, ours and those of other programs.

package credential

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// ownPrefix begins our own bcrypt hashes. They hash the digest of a password:
// see condense. Other programs hash the password itself; their hashes are
// stored as $2b$ or $2y$, so the two cannot be confused.
const ownPrefix = "$2a$"

// hash is a stored password hash.
type hash struct {
	recipe
	own       bool
	text      string // as it is stored
	salt, sum []byte // nil for bcrypt
}

// bcryptText is how bcrypt writes a hash: $2b$, its cost, 22 characters of salt
// and 31 of hash.
var bcryptText = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// werkzeugText is how Werkzeug (Flask) writes scrypt: N, r and p, the salt as
// text, and the key in hexadecimal.
var werkzeugText = regexp.MustCompile(
	`^scrypt:([0-9]{1,10}):([0-9]{1,10}):([0-9]{1,10})\$([^$]+)\$([0-9a-f]+)$`)

// readForeign reads a hash in the format of another program.
func readForeign(text string) (*hash, error) {
	if rest, found := strings.CutPrefix(text, ownPrefix); found {
		text = "$2b$" + rest // the same function
	}
	if parts := werkzeugText.FindStringSubmatch(text); parts != nil {
		converted, err := fromWerkzeug(parts[1:])
		if err != nil {
			return nil, err
		}
		text = converted
	}
	return readStored(text)
}

const knownKinds = "it can be bcrypt ($2a$, $2b$, $2y$), $argon2id$ or $scrypt$"

// readStored reads a stored hash. The errors do not contain it.
func readStored(text string) (*hash, error) {
	var h *hash
	var err error
	switch kind, _, _ := strings.Cut(strings.TrimPrefix(text, "$"), "$"); {
	case !strings.HasPrefix(text, "$"):
		return nil, errors.New("unknown kind; " + knownKinds)
	case kind == "2a" || kind == "2b" || kind == "2y":
		h, err = readBcrypt(text)
	case kind == "argon2id":
		h, err = readArgon2(text)
	case kind == "scrypt":
		h, err = readScrypt(text)
	case kind == "2x":
		return nil, errors.New("$2x$ is a faulty bcrypt: the user needs a new password")
	default:
		return nil, fmt.Errorf("unknown kind $%.16s$; "+knownKinds, kind)
	}
	if err != nil {
		return nil, err
	}
	if !h.own {
		if err := h.recipe.check(); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func readBcrypt(text string) (*hash, error) {
	parts := bcryptText.FindStringSubmatch(text)
	if parts == nil {
		return nil, errors.New("not a bcrypt hash: $2b$, two digits of cost, $ and 53 characters")
	}
	cost, _ := strconv.Atoi(parts[1])
	if _, err := bcrypt.Cost([]byte(text)); err != nil {
		return nil, err
	}
	return &hash{recipe: bcryptWork{cost}, own: strings.HasPrefix(text, ownPrefix), text: text}, nil
}

func readArgon2(text string) (*hash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, errors.New("not $argon2id$v=19$m=…,t=…,p=…$salt$hash; other versions of " +
			"argon2 are not known")
	}
	numbers, err := readNumbers(parts[3], "m", "t", "p")
	if err != nil {
		return nil, err
	}
	return readKeyed(text, argon2Work{numbers[0], numbers[1], numbers[2]}, parts[4], parts[5])
}

func readScrypt(text string) (*hash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, errors.New("not $scrypt$ln=…,r=…,p=…$salt$hash")
	}
	numbers, err := readNumbers(parts[2], "ln", "r", "p")
	if err != nil {
		return nil, err
	}
	return readKeyed(text, scryptWork{numbers[0], numbers[1], numbers[2]}, parts[3], parts[4])
}

// readNumbers reads "m=65536,t=3,p=4". Each name must occur once, in any order.
func readNumbers(text string, names ...string) ([]uint32, error) {
	numbers, found := make([]uint32, len(names)), 0
	for pair := range strings.SplitSeq(text, ",") {
		name, digits, _ := strings.Cut(pair, "=")
		for i := range names {
			n, err := strconv.ParseUint(digits, 10, 32)
			if names[i] == name && numbers[i] == 0 && err == nil {
				numbers[i] = uint32(n)
				found++
			}
		}
	}
	if found != len(names) || strings.Count(text, ",") != len(names)-1 {
		return nil, fmt.Errorf("the parameters must be %s, each a number", strings.Join(names, ", "))
	}
	return numbers, nil
}

func readKeyed(text string, work keyed, salt, sum string) (*hash, error) {
	h := &hash{recipe: work, text: text}
	var saltErr, sumErr error
	h.salt, saltErr = base64.RawStdEncoding.DecodeString(strings.TrimRight(salt, "="))
	h.sum, sumErr = base64.RawStdEncoding.DecodeString(strings.TrimRight(sum, "="))
	switch {
	case saltErr != nil || sumErr != nil:
		return nil, errors.New("the salt or the hash is not base64")
	case len(h.salt) < minSalt || len(h.salt) > maxLen:
		return nil, fmt.Errorf("the salt has %d bytes, not between %d and %d", len(h.salt), minSalt, maxLen)
	case len(h.sum) < minSum || len(h.sum) > maxSum:
		return nil, fmt.Errorf("the hash has %d bytes, not between %d and %d", len(h.sum), minSum, maxSum)
	}
	return h, nil
}

// fromWerkzeug returns the same hash in the format of passlib and PHC.
func fromWerkzeug(parts []string) (string, error) {
	n, err := strconv.ParseUint(parts[0], 10, 32)
	sum, sumErr := hex.DecodeString(parts[4])
	if err != nil || sumErr != nil || bits.OnesCount64(n) != 1 {
		return "", errors.New("not a Werkzeug hash: scrypt:N:r:p$salt$hash, N a power of two")
	}
	return fmt.Sprintf("$scrypt$ln=%d,r=%s,p=%s$%s$%s", bits.TrailingZeros64(n), parts[1], parts[2],
		base64.RawStdEncoding.EncodeToString([]byte(parts[3])),
		base64.RawStdEncoding.EncodeToString(sum)), nil
}

// matches reports whether the hash is that of password.
func (h *hash) matches(password string) (bool, error) {
	work, ok := h.recipe.(keyed)
	if !ok {
		key := []byte(password)
		if h.own {
			key = condense(password)
		}
		err := bcrypt.CompareHashAndPassword([]byte(h.text), key)
		if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			return false, nil
		}
		return err == nil, err
	}
	sum, err := work.key(password, h.salt, len(h.sum))
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1, err
}
