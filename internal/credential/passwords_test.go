package credential

import (
	"context"
	"math/bits"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
)

// foreign are hashes that other programs made.
var foreign = map[string]struct{ hash, password string }{
	"bcrypt, PHP, its manual": {"$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq", "rasmuslerdorf"},
	"bcrypt, PHP 8.2":         {"$2y$05$WMmKbhSYxUnEth3XcvFr2u21QwqdDhSgxlpuvdmM59a05DmkL/Gwq", "pass word"},
	"bcrypt, PHP 8.2, emoji": {"$2y$05$6fElmr/SG83a8Lhepgdc5.RGPMSusQNRMGXCU.JIMioUgZUF7filC",
		"p\u00e4\U0001F600 ss"},
	"bcrypt, Python":     {"$2b$05$dRyBfYlZ5XCivfXuROxQIeEwrhjyoHyWOyN1JMXOoggg5SddCrAUy", "pass word"},
	"bcrypt, Python, 2a": {"$2a$05$3PE/BewGTeXwEPpVylcHbemDQcNS8XJZz6NQEEVsCvvOjaCPCh2j6", "pass word"},
	"bcrypt, Python, 72 bytes": {"$2b$04$Faz1b8dJfsUaLgznzROVm.S9qkriMNQitu7Bfs/c4v0g/fgHquMIa",
		strings.Repeat("x", 71) + "y"},
	"argon2id, its command":       {"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$79CPBBtFLAJe3yMqiKHvf7zwXFiecLBi", "password"},
	"argon2id, PHP 8.2":           {"$argon2id$v=19$m=256,t=2,p=1$cm9keTN3ZlAuSHhKSjB3UQ$AuBb+g8g/OWlyI7wPYkH/ChirP2RCCSbYuYuhtlF+IU", "pass word"},
	"argon2id, Python, 2 threads": {"$argon2id$v=19$m=256,t=2,p=2$tyn4Rg7hTx/ObGeLHfUMPA$6T1O3Somw8wS/h+81d138w", "pass word"},
	"scrypt, passlib's manual":    {"$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "password"},
	"scrypt, Python":              {"$scrypt$ln=4,r=8,p=1$U0FMVFNBTFRTQUxUU0FMVA$2AuX2iG4qfh8yqhCzcsdB/6ILLCjOF8DtM2wh1v5PNk", "pass word"},
	"scrypt, Python, padded":      {"$scrypt$ln=4,r=8,p=1$U0FMVFNBTFRTQUxUU0FMVA==$2AuX2iG4qfh8yqhCzcsdB/6ILLCjOF8DtM2wh1v5PNk=", "pass word"},
	"scrypt, as Werkzeug": {"scrypt:16:8:1$SALTSALTSALTSALT$d80b97da21b8a9f87ccaa842cdcb1d07fe882cb0a3385f03b4cdb0875bf93cd9" +
		"e478e65514d937a6319978ecf2016b9ebb782a62b9ce8fe040990f715a4a634f", "pass word"},
}

func TestForeignHashes(t *testing.T) {
	for name, row := range foreign {
		p := NewPasswords(bcrypt.MinCost)
		stored, err := p.Import(row.hash)
		require.NoError(t, err, name)
		require.False(t, strings.HasPrefix(stored, ownPrefix), name)
		_, err = p.Verify(t.Context(), stored, row.password[:len(row.password)-1])
		require.ErrorIs(t, err, oauth2server.ErrNotFound, name)

		fresh, err := p.Verify(t.Context(), stored, row.password)
		require.NoError(t, err, name)
		require.True(t, strings.HasPrefix(fresh, ownPrefix), name)
		again, err := p.Verify(t.Context(), fresh, row.password)
		require.NoError(t, err, name)
		require.Empty(t, again, name)
		_, err = p.Verify(t.Context(), fresh, row.password+"x")
		require.ErrorIs(t, err, oauth2server.ErrNotFound, name)
	}
}

func TestHashesThatAreRefused(t *testing.T) {
	const salt, sum = "$c29tZXNhbHQ", "$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	const tail = "$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTTOq"
	for hash, want := range map[string]string{
		"":                                                  "known kind",
		"a password, by mistake":                            "known kind",
		"5f4dcc3b5aa765d61d8327deb882cf99":                  "known kind",
		"pbkdf2_sha256$600000$salt$hash":                    "known kind",
		"$1$salt$hash":                                      "$1$",
		"$6$rounds=5000$salt$hash":                          "$6$",
		"$pbkdf2-sha256$6400$salt$hash":                     "$pbkdf2-sha256$",
		"$argon2i$v=19$m=256,t=2,p=1" + salt + sum:          "$argon2i$",
		"$argon2d$v=19$m=256,t=2,p=1" + salt + sum:          "$argon2d$",
		"$2x$07" + tail:                                     "faulty",
		"$2$07" + tail:                                      "$2$",
		"$2b$03" + tail:                                     "cost 3",
		"$2b$16" + tail:                                     "between 4 and 15",
		"$2b$31" + tail:                                     "between 4 and 15",
		"$2a$31" + tail:                                     "between 4 and 15",
		"$2b$99" + tail:                                     "99",
		"$2b$+7" + tail:                                     "not a bcrypt hash",
		"$2b$07" + tail + "x":                               "not a bcrypt hash",
		"$2b$07" + tail[:50]:                                "not a bcrypt hash",
		"$2b$07" + tail[:53] + "=":                          "not a bcrypt hash",
		"$2b$07$":                                           "not a bcrypt hash",
		"$argon2id$v=16$m=256,t=2,p=1" + salt + sum:         "other versions",
		"$argon2id$m=256,t=2,p=1" + salt + sum:              "other versions",
		"$argon2id$v=19$m=256,t=2,p=1" + salt:               "other versions",
		"$argon2id$v=19$m=256,t=2" + salt + sum:             "m, t, p",
		"$argon2id$v=19$m=256,t=2,p=1,keyid=x" + salt + sum: "m, t, p",
		"$argon2id$v=19$m=256,t=2,p=x" + salt + sum:         "m, t, p",
		"$argon2id$v=19$m=256,t=-1,p=1" + salt + sum:        "m, t, p",
		"$argon2id$v=19$m=256,t=0,p=1" + salt + sum:         "at least 1",
		"$argon2id$v=19$m=256,t=1,p=0" + salt + sum:         "at least 1",
		"$argon2id$v=19$m=8,t=1,p=2" + salt + sum:           "8 times p",
		"$argon2id$v=19$m=4194304,t=1,p=1" + salt + sum:     "too much work",
		"$argon2id$v=19$m=65536,t=1000,p=1" + salt + sum:    "too much work",
		"$argon2id$v=19$m=4000,t=1,p=256" + salt + sum:      "too much work",
		"$argon2id$v=19$m=1,t=1,p=4294967295" + salt + sum:  "8 times p",
		"$argon2id$v=19$m=0,t=1,p=536870912" + salt + sum:   "too much work",
		"$argon2id$v=19$m=256,t=2,p=1$?" + sum:              "base64",
		"$argon2id$v=19$m=256,t=2,p=1$c2FsdA" + sum:         "salt has 4 bytes",
		"$argon2id$v=19$m=256,t=2,p=1" + salt + "$c2FsdA":   "the hash has 4 bytes",
		"$argon2id$v=19$m=256,t=2,p=1" + salt + "$":         "the hash has 0 bytes",
		"$argon2id$v=19$m=256,t=2,p=1" + salt + "$" + strings.Repeat("AAAA", 22):      "the hash has 66 bytes",
		"$scrypt$ln=16,r=8" + salt + sum:                                              "ln, r, p",
		"$scrypt$n=65536,r=8,p=1" + salt + sum:                                        "ln, r, p",
		"$scrypt$ln=0,r=8,p=1" + salt + sum:                                           "at least 1",
		"$scrypt$ln=20,r=8,p=1" + salt + sum:                                          "too much work",
		"$scrypt$ln=63,r=1,p=1" + salt + sum:                                          "too much work",
		"$scrypt$ln=4294967295,r=1,p=1" + salt + sum:                                  "too much work",
		"$scrypt$ln=1,r=4294967295,p=1" + salt + sum:                                  "too much work",
		"$scrypt$ln=1,r=1,p=4194304" + salt + sum:                                     "too much work",
		"$scrypt$ln=17,r=8,p=64" + salt + sum:                                         "too much work",
		"$scrypt$ln=4,r=8,p=1" + salt + sum + "$":                                     "$scrypt$ln",
		"scrypt:32767:8:1$SALTSALT$51057ff2d43ba5116dd36117b07d5dfb":                  "power of two",
		"scrypt:32768:8:1$SALTSALT$51057ff2d43ba5116dd36117b07d5df":                   "Werkzeug",
		"scrypt:32768:8:4294967296$SALTSALT$51057ff2d43ba5116dd36117b07d5dfb51057ff2": "ln, r, p",
	} {
		_, err := NewPasswords(bcrypt.MinCost).Import(hash)
		require.ErrorContains(t, err, want, hash)
		require.ErrorIs(t, err, oauth2server.InvalidArgument, hash)
		if len(hash) > 40 {
			require.NotContains(t, err.Error(), hash[len(hash)-16:], "it is half a secret")
		}
	}
}

// What is stored today goes on being read.
func TestOwnHashes(t *testing.T) {
	p := NewPasswords(bcrypt.MinCost)
	// Of an earlier version, of "correct horse".
	const stored = "$2a$04$4YaGoV5zyacI7vZXluTon.i83BJHWGEaEuChyf7Xb/neBeiQOyrDK"
	long := strings.Repeat("x", 100)
	hash, err := p.Hash(long + "1")
	require.NoError(t, err)
	require.Regexp(t, `^\$2a\$04\$`, hash, "by this it is told from those of others")
	for _, row := range []struct {
		stored, password string
		right            bool
	}{
		{stored, "correct horse", true}, {stored, "correct hors", false},
		{hash, long + "1", true}, {hash, long + "2", false}, {hash, "", false}, {"", "x", false}, {"", "", false},
	} {
		fresh, err := p.Verify(t.Context(), row.stored, row.password)
		require.Equal(t, row.right, err == nil, "%q %v", row.password, err)
		require.Empty(t, fresh)
		if !row.right {
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
		}
	}
	for _, cost := range []int{-1, 0, 3} {
		hash, err = NewPasswords(cost).Hash("x")
		require.NoError(t, err)
		require.Regexp(t, `^\$2a\$10\$`, hash)
	}
	for _, password := range []string{"", "two\nlines", "\xff", strings.Repeat("x", 5000)} {
		_, err = p.Hash(password)
		require.ErrorIs(t, err, oauth2server.InvalidArgument)
	}
}

// The password itself is hashed elsewhere, its digest here: one is not taken for
// the other, whoever wrote it into the storage.
func TestForeignAndOwnAreApart(t *testing.T) {
	p := NewPasswords(bcrypt.MinCost)
	own, err := p.Hash("x")
	require.NoError(t, err)
	imported, err := p.Import(own)
	require.NoError(t, err)
	_, err = p.Verify(t.Context(), imported, "x")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	_, err = p.Verify(t.Context(), own, string(condense("x")))
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	_, err = p.Verify(t.Context(), imported, string(condense("x")))
	require.NoError(t, err, "which is the password that this hash is of")
}

func TestPreparedPasswords(t *testing.T) {
	p := NewPasswords(bcrypt.MinCost)
	for name, row := range map[string]struct{ registered, typed string }{
		"composed, decomposed":     {"p\u00e4ssword", "pa\u0308ssword"},
		"decomposed, composed":     {"pa\u0308ssword", "p\u00e4ssword"},
		"spaces":                   {"pass\u00a0word", "pass word"},
		"wide space":               {"pass word", "pass\u3000word"},
		"an emoji":                 {"\U0001F511", "\U0001F511"},
		"an emoji of no table yet": {"\U0001FAEA\U000E0FFF", "\U0001FAEA\U000E0FFF"},
		"a tab":                    {"a\tb", "a\tb"},
		"spaces at the ends":       {" a ", " a "},
	} {
		hash, err := p.Hash(row.registered)
		require.NoError(t, err, name)
		fresh, err := p.Verify(t.Context(), hash, row.typed)
		require.NoError(t, err, name)
		require.Empty(t, fresh, name)
	}
	hash, err := p.Hash("full width")
	require.NoError(t, err)
	_, err = p.Verify(t.Context(), hash, "\uff46ull width")
	require.ErrorIs(t, err, oauth2server.ErrNotFound, "RFC 8265, section 4.2: no width mapping")

	// Hashed before passwords were prepared.
	older, err := bcrypt.GenerateFromPassword(condense("pa\u0308ssword"), bcrypt.MinCost)
	require.NoError(t, err)
	_, err = p.Verify(t.Context(), string(older), "p\u00e4ssword")
	require.ErrorIs(t, err, oauth2server.ErrNotFound, "then it was another one")
	fresh, err := p.Verify(t.Context(), string(older), "pa\u0308ssword")
	require.NoError(t, err)
	_, err = p.Verify(t.Context(), fresh, "p\u00e4ssword")
	require.NoError(t, err)
}

func TestStaleHashes(t *testing.T) {
	at := func(cost int) string {
		hash, err := NewPasswords(cost).Hash("x")
		require.NoError(t, err)
		return hash
	}
	p := NewPasswords(6)
	for cost, stale := range map[int]bool{4: true, 5: true, 6: false, 7: false} {
		fresh, err := p.Verify(t.Context(), at(cost), "x")
		require.NoError(t, err)
		require.Equal(t, stale, fresh != "", cost)
		if stale {
			require.Regexp(t, `^\$2a\$06\$`, fresh)
		}
		fresh, err = p.Verify(t.Context(), at(cost), "y")
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
		require.Empty(t, fresh)
	}
}

// What one check costs, by recipe: bcrypt in iterations.
func work(p *Passwords, h *hash) (iterations uint64, others map[recipe]int) {
	all := p.rest(h)
	if h != nil {
		all = append(all, h.recipe)
	}
	others = map[recipe]int{}
	for _, r := range all {
		if b, ok := r.(bcryptWork); ok {
			iterations += 1 << b.cost
		} else {
			others[r]++
		}
	}
	return iterations, others
}

// A name that is unknown, and one that has whichever hash, cost the same once a
// hash of each kind was seen.
func TestEveryCheckCostsTheSame(t *testing.T) {
	p := NewPasswords(10)
	iterations, others := work(p, nil)
	require.EqualValues(t, 1<<10, iterations)
	require.Empty(t, others)
	met := []*hash{nil}
	for _, cost := range []int{4, 9, 10, 12} {
		own, err := bcrypt.GenerateFromPassword([]byte("x"), 4)
		require.NoError(t, err)
		for _, prefix := range []string{"$2a$", "$2b$"} {
			h, err := readStored(prefix + string([]byte{'0' + byte(cost/10), '0' + byte(cost%10)}) + string(own[6:]))
			require.NoError(t, err)
			met = append(met, h)
		}
	}
	for _, row := range foreign {
		h, err := readForeign(row.hash)
		require.NoError(t, err)
		met = append(met, h)
	}
	for _, h := range met[1:] {
		p.meet(h)
	}
	want, all := work(p, nil)
	require.EqualValues(t, 1<<12, want)
	require.Len(t, all, 4, "each once, however many hashes there are of it")
	for _, h := range met {
		iterations, others := work(p, h)
		require.Equal(t, want, iterations, bits.Len64(iterations))
		require.Equal(t, all, others)
	}

	// That is bounded too.
	for passes := range uint32(100) {
		p.meet(&hash{recipe: argon2Work{8, passes + 5, 1}})
	}
	_, all = work(p, nil)
	require.Len(t, all, maxForeign)
}

// The recipes do the work that they stand for.
func TestRecipesSpend(t *testing.T) {
	for _, r := range []recipe{bcryptWork{4}, argon2Work{64, 1, 1}, scryptWork{4, 8, 1}} {
		require.NoError(t, r.check())
		require.NoError(t, r.spend("x"))
	}
	require.Error(t, bcryptWork{99}.spend("x"))
}

// Only a hash made at the cost of the others takes as long as they do; this one
// cannot be made, so it was tried.
func TestUnknownUsersCostAHash(t *testing.T) {
	_, err := NewPasswords(99).Verify(t.Context(), "", "p")
	require.Error(t, err)
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
	const tail = "BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTTOq"
	for _, stored := range []string{"no hash", "$2b$31$" + tail, "$2a$31$" + tail} {
		_, err = NewPasswords(4).Verify(t.Context(), stored, "p")
		require.Error(t, err)
		require.NotErrorIs(t, err, oauth2server.ErrNotFound)
		require.NotContains(t, err.Error(), "XTTOq")
	}
}

// What takes memory waits for the others, or until the caller gives up.
func TestMemoryIsBounded(t *testing.T) {
	for range atOnce {
		places <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := NewPasswords(4).Verify(ctx, foreign["argon2id, its command"].hash, "password")
	require.ErrorIs(t, err, context.Canceled)
	for range atOnce {
		<-places
	}
	_, err = NewPasswords(4).Verify(t.Context(), foreign["argon2id, its command"].hash, "password")
	require.NoError(t, err)
	require.Empty(t, places)
}

func FuzzReadForeign(f *testing.F) {
	for _, row := range foreign {
		f.Add(row.hash)
	}
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := readForeign(text)
		if err != nil {
			return
		}
		require.False(t, h.own)
		require.NoError(t, h.check())
		again, err := readStored(h.text)
		require.NoError(t, err, "what is stored can be read")
		require.Equal(t, h, again)
		if w, ok := h.recipe.(argon2Work); ok && w.memory*w.passes > 1<<10 {
			return
		}
		if w, ok := h.recipe.(scryptWork); ok && w.log2N > 8 {
			return
		}
		if w, ok := h.recipe.(bcryptWork); ok && w.cost > 4 {
			return
		}
		_, err = h.matches("x")
		require.NoError(t, err)
	})
}

func FuzzPrepare(f *testing.F) {
	for _, seed := range []string{"andy", "zoe\u0308", "\uff41", "\U0001F98A", " ", "a  b", "\u05d0", "\xff", "\u3000",
		"o\ufb03ce", "\u0345\u03b1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		stored, err := CheckUser(&oauth2server.User{ID: "u"}, text)
		if err == nil {
			raw, prepared := Names(text)
			require.Equal(t, text, raw)
			require.Equal(t, stored, prepared, "it is found by what was registered")
			raw, _ = Names(stored)
			require.Equal(t, stored, raw, "and by what is stored")
		}
		forms := passwordForms(text)
		require.Equal(t, text, forms[len(forms)-1])
	})
}
