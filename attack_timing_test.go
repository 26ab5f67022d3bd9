package oauth2server_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// unreadable is a secret of 32 characters at no address: reading it panics.
func unreadable() string {
	text := struct {
		data *byte
		size int
	}{nil, 32}
	return *(*string)(unsafe.Pointer(&text))
}

// Secrets found out by response time (CVE-2021-4294): what was wrong shows
// neither in the answer nor in the work done for it. There is no stopwatch
// here. The secret of an unknown client is read like a known one's, a hash is
// computed for an unknown user, and nothing compares byte by byte.
func TestAttack_TimingOfSecrets(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		same := func(replies ...reply) {
			t.Helper()
			for _, r := range replies {
				require.GreaterOrEqual(t, r.StatusCode, 400)
				require.Equal(t, replies[0].StatusCode, r.StatusCode)
				require.Equal(t, replies[0].text, r.text)
				r.Header.Del("Date")
				require.Equal(t, replies[0].Header, r.Header)
			}
		}
		var inHeader, inBody []reply
		for _, client := range []string{"web:junk", "web:" + secret + "we", "web:" + secret + "webx",
			"app:junk", "nobody:junk"} {
			id, secret, _ := strings.Cut(client, ":")
			inHeader = append(inHeader,
				s.post("/token", "grant_type=client_credentials", "Authorization", basic(client)))
			inBody = append(inBody, s.post("/token",
				form("grant_type", "client_credentials", "client_id", id, "client_secret", secret)))
		}
		same(inHeader...)
		same(inBody...)
		same(s.token("web", "grant_type", "password", "username", "andy", "password", "wrong"),
			s.token("web", "grant_type", "password", "username", "nobody", "password", "wrong"))
		same(s.authorize("password", "wrong"), s.authorize("username", "nobody"))

		for _, id := range []string{"web", "app", "nobody", ""} {
			require.Panics(t, func() {
				model.GetClient(t.Context(), id, unreadable())
			}, "client %q: the secret is not looked at", id)
		}
	})

	// A hash of this cost cannot be computed, so the answer to an unknown name
	// shows that it was tried.
	const tooMuch = 99
	onEachModel(t, func(t *testing.T, model target) {
		switch model.(type) {
		case *memorymodel.Model:
			model = memorymodel.New(&memorymodel.Options{PasswordCost: tooMuch})
		case *mongomodel.Model:
			model = mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: tooMuch})
		}
		require.NoError(t, addClient(t, model,
			oauth2server.Client{ID: "web", Grants: allGrants, RedirectURIs: []string{callback}}, secret+"web"))
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		requireError(t, s.token("web", "grant_type", "password", "username", "nobody", "password", "wrong"),
			503, "server_error")
		require.Equal(t, "server_error", s.authorize("username", "nobody").at("error"))
	})

	require.Equal(t, reflect.Array, reflect.TypeFor[credential.Digest]().Kind(), "as long whatever the secret")
	for _, row := range []struct{ file, function, by string }{
		{"internal/credential/secrets.go", "Matches", "ConstantTimeCompare"}, // of each secret in a loop
		{"internal/credential/hashes.go", "matches", "CompareHashAndPassword"},
		{"internal/credential/hashes.go", "matches", "ConstantTimeCompare"},
		{"internal/credential/passwords.go", "try", "matches"},
		{"internal/credential/passwords.go", "Verify", "rest"},
		{"memorymodel/clients.go", "GetClient", "Matches"},
		{"memorymodel/users.go", "GetUser", "Verify"},
		{"mongomodel/clients.go", "GetClient", "Matches"},
		{"mongomodel/users.go", "GetUser", "Verify"},
		{"pkce.go", "verifyPKCE", "ConstantTimeCompare"},
	} {
		requireComparedBy(t, row.file, row.function, row.by)
	}
}

// requireComparedBy checks that a function leaves the comparison to another,
// and itself compares only with constants.
func requireComparedBy(t *testing.T, file, function, by string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	constant := func(e ast.Expr) bool {
		_, literal := e.(*ast.BasicLit)
		name, _ := e.(*ast.Ident)
		return literal || name != nil && name.Name == "nil"
	}
	calls := 0
	for _, declared := range parsed.Decls {
		f, ok := declared.(*ast.FuncDecl)
		if !ok || f.Name.Name != function {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				compares := n.Op == token.EQL || n.Op == token.NEQ
				require.True(t, !compares || constant(n.X) || constant(n.Y), "%s: %s compares", file, function)
			case *ast.SelectorExpr:
				if n.Sel.Name == by {
					calls++
				}
			}
			return true
		})
	}
	require.Equal(t, 1, calls, "%s: %s should use %s", file, function, by)
}

// User names found out by the time that a wrong password takes (CWE-208), while
// the stored hashes have a lower cost or come from other programs.
// TestEveryCheckCostsTheSame of internal/credential counts the work; this test
// uses a stopwatch, so it leaves room for a busy machine.
func TestAttack_TimingOfUsernames(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out what is measured with a stopwatch")
	}
	const before, rounds, room = 4, 11, 1.6
	now := 8
	if underRace { // bcrypt is slow there
		now = 6
	}
	hashes := map[string]string{
		"bcrypt of elsewhere": "$2b$05$dRyBfYlZ5XCivfXuROxQIeEwrhjyoHyWOyN1JMXOoggg5SddCrAUy",
		"argon2id": "$argon2id$v=19$m=256,t=2,p=1$cm9keTN3ZlAuSHhKSjB3UQ$" +
			"AuBb+g8g/OWlyI7wPYkH/ChirP2RCCSbYuYuhtlF+IU",
		"scrypt": "$scrypt$ln=4,r=8,p=1$U0FMVFNBTFRTQUxUU0FMVA$2AuX2iG4qfh8yqhCzcsdB/6ILLCjOF8DtM2wh1v5PNk",
	}
	ctx, db := t.Context(), mongotest.Database(t)
	older := mongomodel.New(db, &mongomodel.Options{PasswordCost: before})
	web := &oauth2server.Client{ID: "web", Grants: []string{"password"}}
	require.NoError(t, older.AddClient(ctx, web, secret+"web"))
	require.NoError(t, older.AddUser(ctx, &oauth2server.User{ID: "older"}, "older", "a password"))
	model := mongomodel.New(db, &mongomodel.Options{PasswordCost: now})
	require.NoError(t, model.AddUser(ctx, &oauth2server.User{ID: "current"}, "current", "a password"))
	names := []string{"nobody", "current", "older"}
	for name, hash := range hashes {
		// By another process than the one asked.
		require.NoError(t, older.AddUserHash(ctx, &oauth2server.User{ID: name}, name, hash))
		names = append(names, name)
	}
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	signIn := func(name, password string) reply {
		return s.token("web", "grant_type", "password", "username", name, "password", password)
	}
	measure := func() (slowest, fastest time.Duration) {
		took := map[string][]time.Duration{}
		for round := range rounds {
			for _, name := range names {
				begin := time.Now()
				requireError(t, signIn(name, "wrong"), 400, "invalid_grant")
				if round > 0 { // the first round meets the stored hashes
					took[name] = append(took[name], time.Since(begin))
				}
			}
		}
		fastest = time.Hour
		for _, name := range names {
			least := slices.Min(took[name]) // other work on the machine only adds to it
			t.Logf("%-20s %v", name, least)
			slowest, fastest = max(slowest, least), min(fastest, least)
		}
		return slowest, fastest
	}
	for try := 1; ; try++ {
		slowest, fastest := measure()
		if float64(slowest) < room*float64(fastest) {
			break
		}
		require.Less(t, try, 4, "%v against %v", slowest, fastest)
	}

	// The sign-in replaces the hash with one of today's cost, and takes no less
	// time.
	for _, name := range names[1:] {
		password := "a password"
		if hashes[name] != "" {
			password = "pass word"
		}
		require.Equal(t, 200, signIn(name, password).StatusCode, name)
	}
	ofToday := map[string]any{"password_hash": map[string]any{"$regex": fmt.Sprintf(`^\$2a\$%02d\$`, now)}}
	stored, err := db.Collection("oauth2_users").CountDocuments(ctx, ofToday)
	require.NoError(t, err)
	require.EqualValues(t, len(names)-1, stored)
}
