// These tests are of the server as an OpenID provider, and of the demo client
// that signs people in with it.

package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// asksWho is a request of the demo client to sign the user in.
func asksWho(base string, pairs ...string) string {
	query := values(append([]string{"response_type", "code", "client_id", clientID, "state", "s"}, pairs...)...)
	if !query.Has("scope") {
		query.Set("scope", "openid")
	}
	return base + "/authorize?" + query.Encode()
}

// told is what a client is told when a code is redeemed.
type told struct {
	IDToken     string `json:"id_token"`
	AccessToken string `json:"access_token"`
	claims      struct {
		Subject  string   `json:"sub"`
		Nonce    string   `json:"nonce"`
		AuthTime int64    `json:"auth_time"`
		Session  string   `json:"sid"`
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
	}
}

// redeem exchanges the code that a browser shows, and checks the ID token as
// clients do.
func (b *browser) redeem() (got told) {
	b.t.Helper()
	require.Equal(b.t, "code", b.shows())
	res, err := http.PostForm(b.base+"/user/token", values("grant_type", "authorization_code", "code",
		b.last.parameters().Get("code"), "client_id", clientID, "client_secret", clientSecret))
	require.NoError(b.t, json.Unmarshal([]byte(body(b.t, res, err)), &got))
	provider, err := oidc.NewProvider(b.t.Context(), b.base)
	require.NoError(b.t, err)
	checked, err := provider.Verifier(&oidc.Config{ClientID: clientID}).Verify(b.t.Context(), got.IDToken)
	require.NoError(b.t, err)
	require.NoError(b.t, checked.VerifyAccessToken(got.AccessToken))
	require.NoError(b.t, checked.Claims(&got.claims))
	return got
}

// enter signs in and allows what is asked for, until the client has its answer.
func (b *browser) enter(address string) told {
	b.t.Helper()
	b.open(address)
	for range 3 {
		switch b.shows() {
		case "sign-in":
			b.signIn()
		case "consent":
			b.submit("/authorize", "verdict", "allow")
		}
	}
	return b.redeem()
}

// passTime moves every sign-in that far into the past.
func passTime(t *testing.T, base string, d time.Duration) {
	store := applications[base].signIns
	for key, text := range kept(t, store.Store) {
		if strings.HasPrefix(key, "user ") {
			continue
		}
		var known signIn
		require.NoError(t, json.Unmarshal(text, &known))
		known.At = known.At.Add(-d)
		text, err := json.Marshal(known)
		require.NoError(t, err)
		require.NoError(t, store.Commit(key, text, time.Now().Add(time.Hour)))
	}
}

func TestDiscovery(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	document := b.open("/.well-known/openid-configuration").page
	require.Equal(t, document, b.open("/.well-known/oauth-authorization-server").page, "one document")
	for name, path := range map[string]string{"jwks_uri": jwksPath, "userinfo_endpoint": userInfoPath,
		"end_session_endpoint": logoutPath, "authorization_endpoint": "/authorize", "token_endpoint": "/user/token"} {
		require.Contains(t, document, `"`+name+`":"`+b.base+path+`"`)
	}
	require.Contains(t, document, `"acr_values_supported":["password"]`)
	require.Contains(t, b.open(jwksPath).page, `"kty":"EC"`)
	require.NotContains(t, b.last.page, `"d":`, "no private key")
}

// The client gets what the user allowed it to see, by GET and by POST.
func TestClaims(t *testing.T) {
	for scope, want := range map[string]string{
		"openid":               `{"sub": "1"}`,
		"openid profile":       `{"sub": "1", "name": "Andy", "preferred_username": "andy"}`,
		"openid email":         `{"sub": "1", "email": "andy@example.com"}`,
		"openid profile email": `{"sub": "1", "name": "Andy", "preferred_username": "andy", "email": "andy@example.com"}`,
	} {
		b := newBrowser(t, site(t, nil)).stay()
		token := b.enter(asksWho(b.base, "scope", scope)).AccessToken
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, b.base+userInfoPath, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(r)
			require.JSONEq(t, want, body(t, res, err), "%s %s", method, scope)
		}
	}
	b := newBrowser(t, site(t, withBeth(t))).stay() // of whom nothing is known
	b.open(asksWho(b.base, "scope", "openid profile email"))
	b.submit("/signin", "username", "beth", "password", "abcdef")
	b.submit("/authorize", "verdict", "allow")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+userInfoPath, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+b.redeem().AccessToken)
	res, err := http.DefaultClient.Do(r)
	require.JSONEq(t, `{"sub": "2"}`, body(t, res, err))
}

func TestConsentSaysWhatTheScopesGive(t *testing.T) {
	b := newBrowser(t, site(t, nil)).stay()
	b.open(asksWho(b.base, "scope", "openid profile email read"))
	b.signIn()
	b.says("scope.openid", "scope.profile", "scope.email", "scope.read")
	require.NotContains(t, b.last.page, "<bdi>openid</bdi>")
}

// A client asks this of the page when somebody signed in a minute ago and
// allowed it before.
func TestWhatOpenIDClientsAskOfThePage(t *testing.T) {
	base := site(t, withBeth(t))
	andy, beth := newBrowser(t, base).stay(), newBrowser(t, base).stay()
	ofAndy := andy.enter(asksWho(base))
	beth.open(asksWho(base))
	beth.submit("/signin", "username", "beth", "password", "abcdef")
	beth.submit("/authorize", "verdict", "allow")
	ofBeth := beth.redeem()
	passTime(t, base, time.Minute)

	for _, c := range []struct {
		pairs string // as in a query
		want  string
	}{
		{"", "code"},
		{"max_age=30", "sign-in, code"},
		{"max_age=90", "code"},
		{"max_age=0", "sign-in, code"},
		{"prompt=login", "sign-in, code"},
		{"prompt=login&max_age=1", "sign-in, code"},
		{"prompt=login select_account", "sign-in, code"},
		{"prompt=select_account&max_age=30", "sign-in, code"},
		{"prompt=select_account", "select, code"},
		{"prompt=select_account&max_age=90", "select, code"},
		{"prompt=consent", "consent, code"},
		{"prompt=login consent&max_age=0", "sign-in, consent, code"},
		{"prompt=none", "code"},
		{"prompt=none&max_age=30", "login_required"},
		{"prompt=none&max_age=90", "code"},
		{"prompt=none&max_age=0", "login_required"},
		{"prompt=none login", "invalid_request"},
		{"prompt=create", "invalid_request"},
		{"max_age=-1", "invalid_request"},
		{"id_token_hint=" + ofAndy.IDToken, "code"},
		{"prompt=none&id_token_hint=" + ofAndy.IDToken, "code"},
		{"prompt=none&id_token_hint=" + ofBeth.IDToken, "login_required"},
		{"id_token_hint=" + ofBeth.IDToken, "sign-in, login_required"}, // they are Andy again
		{"id_token_hint=nonsense", "invalid_request"},
		{"acr_values=gold", "code"},
		{`claims={"id_token":{"acr":{"essential":true,"value":"gold"}}}`, "unmet_authentication_requirements"},
		{`claims={"id_token":{"acr":{"essential":true,"value":"password"}}}`, "code"},
		{"display=touch", "code"},
	} {
		b := newBrowser(t, base).stay()
		b.Jar = andy.Jar
		pairs, err := url.ParseQuery(strings.ReplaceAll(c.pairs, " ", "+"))
		require.NoError(t, err)
		pairs.Set("nonce", "n")
		b.open(asksWho(base, pairsOf(t, "?"+pairs.Encode())...))
		seen := []string{b.shows()}
		signedIn := time.Now().Add(-time.Minute)
		for len(seen) < 5 {
			switch seen[len(seen)-1] {
			case "sign-in":
				b.signIn()
				signedIn = time.Now()
			case "select":
				b.open(linkTo(t, b.last.page, "/authorize"))
			case "consent":
				b.submit("/authorize", "verdict", "allow")
			default:
				seen = append(seen, "")
				continue
			}
			seen = append(seen, b.shows())
		}
		require.Equal(t, c.want, strings.TrimRight(strings.Join(seen, ", "), ", "), c.pairs)
		if strings.HasSuffix(c.want, "code") {
			got := b.redeem().claims
			require.Equal(t, "1", got.Subject)
			require.Equal(t, "n", got.Nonce)
			require.Equal(t, "password", got.ACR)
			require.Equal(t, []string{"pwd"}, got.AMR)
			require.Equal(t, ofAndy.claims.Session, got.Session, "who signs in again stays in the session")
			require.WithinDuration(t, signedIn, time.Unix(got.AuthTime, 0), 5*time.Second, c.pairs)
		}
		if strings.HasPrefix(c.want, "sign-in") {
			passTime(t, base, time.Minute)
		}
	}
}

// Users who have to sign in again find their name filled in. If another user
// signs in instead, that is another session.
func TestReauthentication(t *testing.T) {
	b := newBrowser(t, site(t, withBeth(t))).stay()
	before := b.enter(asksWho(b.base))
	b.open(asksWho(b.base, "max_age", "0", "nonce", "n"))
	b.says("signin.again")
	require.Contains(t, b.last.page, `name="username" value="andy"`)
	b.submit("/signin", "username", "andy", "password", "wrong")
	b.says("signin.wrong")
	b.submit("/signin", "username", "beth", "password", "abcdef")
	require.Equal(t, "consent", b.shows(), "what Andy allowed is not what Beth does")
	b.submit("/authorize", "verdict", "allow")
	after := b.redeem()
	require.Equal(t, "2", after.claims.Subject)
	require.Equal(t, "n", after.claims.Nonce, "the request is not lost")
	require.NotEqual(t, before.claims.Session, after.claims.Session)

	b.open(asksWho(b.base, "id_token_hint", before.IDToken))
	b.says("signin.another")
	require.Contains(t, b.last.page, `name="username" value=""`, "a hint tells no names")
	b.signIn()
	require.Equal(t, "1", b.redeem().claims.Subject)
	b.open(asksWho(b.base, "prompt", "login", "login_hint", "carol"))
	require.Contains(t, b.last.page, `name="username" value="carol"`)
}

// People read the consent page, however short max_age is, but not for ever.
func TestConsentTakesTime(t *testing.T) {
	b := newBrowser(t, site(t, nil)).stay()
	b.open(asksWho(b.base, "max_age", "1"))
	b.signIn()
	passTime(t, b.base, freshTime-time.Minute)
	b.submit("/authorize", "verdict", "allow")
	b.redeem()
	b.open(asksWho(b.base, "max_age", "1", "prompt", "consent"))
	b.signIn()
	require.Equal(t, "consent", b.shows())
	passTime(t, b.base, freshTime)
	b.submit("/authorize", "verdict", "allow")
	require.Equal(t, "sign-in", b.shows())
	b.signIn()
	require.Equal(t, "consent", b.shows())
}

// A fresh sign-in for one request does not count for another.
func TestAttack_FreshForAnotherRequest(t *testing.T) {
	b := newBrowser(t, site(t, nil)).stay()
	b.enter(asksWho(b.base, "prompt", "login", "nonce", "1"))
	b.open(asksWho(b.base, "prompt", "login", "nonce", "2"))
	require.Equal(t, "sign-in", b.shows())
	b.open("/signin?" + url.Values{"next": {asksWho("", "prompt", "login", "nonce", "2")}}.Encode())
	require.Equal(t, "sign-in", b.shows(), "without the mark that it is again")
}

// A request with prompt=none gives the registered client what the user allowed
// before, and tells others only that the user must be asked.
func TestAttack_SilentRequestsOfStrangers(t *testing.T) {
	base := site(t, withClient(t, &oauth2server.Client{ID: "stranger", Grants: []string{"authorization_code"},
		RedirectURIs: []string{"https://stranger.example/cb"}}))
	signedIn, nobody := newBrowser(t, base).stay(), newBrowser(t, base).stay()
	hint := signedIn.enter(asksWho(base, "scope", "openid profile")).IDToken
	public := []string{"client_id", "spa", "code_challenge", strings.Repeat("c", 43), "code_challenge_method", "S256"}
	for _, c := range []struct {
		name             string
		pairs            []string
		signedIn, nobody string
	}{
		{"its own client", []string{"client_id", clientID, "scope", "openid"}, "code", "login_required"},
		{"more than was allowed", []string{"client_id", clientID, "scope", "openid email"},
			"consent_required", "login_required"},
		{"another client", []string{"client_id", "stranger", "scope", "openid"}, "consent_required", "login_required"},
		{"with the token of this one", []string{"client_id", "stranger", "scope", "openid", "id_token_hint", hint},
			"consent_required", "login_required"},
		{"a client that anybody can be", append([]string{"scope", "openid"}, public...),
			"consent_required", "login_required"},
		{"to the stranger's address", []string{"client_id", clientID, "scope", "openid",
			"redirect_uri", "https://stranger.example/cb"}, "page", "page"},
	} {
		address := "/authorize?" + values(append([]string{"response_type", "code", "state", "s", "prompt", "none"},
			c.pairs...)...).Encode()
		for b, want := range map[*browser]string{signedIn: c.signedIn, nobody: c.nobody} {
			b.open(address)
			if b == nobody {
				require.Empty(t, b.last.Header.Values("Set-Cookie"), c.name)
			}
			if want == "page" {
				require.Equal(t, http.StatusBadRequest, b.last.StatusCode)
				require.Equal(t, "DENY", b.last.Header.Get("X-Frame-Options"))
				continue
			}
			require.Equal(t, want, b.shows(), c.name)
		}
	}
}

// A popup has no menu, on any of its pages.
func TestDisplay(t *testing.T) {
	b := newBrowser(t, site(t, nil)).stay()
	for display, menu := range map[string]bool{"popup": false, "page": true, "touch": true, "": true} {
		b.Jar = newBrowser(t, b.base).Jar
		b.open(asksWho(b.base, "display", display))
		require.Equal(t, menu, strings.Contains(b.last.page, "<nav"), "sign-in %s", display)
		b.submit("/signin", "username", "andy", "password", "wrong")
		require.Equal(t, menu, strings.Contains(b.last.page, "<nav"), "wrong %s", display)
		b.signIn()
		require.Equal(t, menu, strings.Contains(b.last.page, "<nav"), "consent %s", display)
	}
}

// signInToClient signs in to the demo client.
func (b *browser) signInToClient() {
	b.t.Helper()
	b.post("/client/signin")
	if strings.Contains(b.last.page, `name="password"`) {
		b.signIn()
	}
	if strings.Contains(b.last.page, `name="verdict"`) {
		b.says("scope.openid", "scope.profile", "scope.read")
		b.submit("/authorize", "verdict", "allow")
	}
	require.Equal(b.t, "/client/", b.last.Request.URL.Path)
	b.says("client.signedin", "client.connected")
	require.Contains(b.t, b.last.page, "Signed in as <bdi>Andy</bdi>.")
}

func TestSignInToTheDemoClient(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	require.Contains(t, b.open("/").page, "Sign in with Example Accounts")
	b.signInToClient()
	b.says("step.redirect", "step.answer", "step.token", "step.identity", "step.userinfo", "step.api")
	for _, want := range []string{"scope=openid&#43;profile&#43;read", "&amp;nonce=", "&amp;state=", "code_challenge=",
		"&#34;id_token&#34;:", "&#34;auth_time&#34;:", "&#34;sid&#34;:", "GET /userinfo",
		"&#34;preferred_username&#34;: &#34;andy&#34;"} {
		require.Contains(t, b.last.page, want)
	}
	b.submit("/client/refresh")
	b.says("client.refreshed")
	require.Contains(t, b.last.page, "Signed in as <bdi>Andy</bdi>.")
	b.submit("/client/disconnect")
	require.Contains(t, b.last.page, "Signed in as <bdi>Andy</bdi>.", "without access")

	b.submit("/client/signout")
	require.Equal(t, b.base+"/client/", b.last.Request.URL.String(), "the server did not ask")
	b.says("client.signedout", "step.signout", "step.signedout", "client.story")
	require.NotContains(t, b.last.page, "Signed in as")
	require.Equal(t, "/signin", b.open("/apps").Request.URL.Path, "signed out there, too")
	b.post("/client/signout")
	b.says("client.unconnected")
	b.stay().open(asksWho(b.base, "prompt", "none"))
	require.Equal(t, "login_required", b.shows())

	b = newBrowser(t, b.base)
	b.signInToClient()
	b.connect() // without openid, so the user is unknown
	require.NotContains(t, b.last.page, "Signed in as")
}

// The ID token is not of the sign-in that this browser began (OpenID Connect
// Core 1.0, section 3.1.3.7), or there is none.
func TestAttack_InjectedIDToken(t *testing.T) {
	for name, change := range map[string]func(url.Values){
		"of another nonce":  func(asked url.Values) { asked.Set("nonce", "another") },
		"without a nonce":   func(asked url.Values) { asked.Del("nonce") },
		"that is not there": func(asked url.Values) { asked.Set("scope", "read") },
	} {
		b := newBrowser(t, site(t, nil))
		follow := b.CheckRedirect
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		b.post("/client/signin")
		address, err := b.last.Location()
		require.NoError(t, err)
		b.CheckRedirect = follow
		asked := address.Query()
		change(asked)
		b.open("/authorize?" + asked.Encode())
		b.signIn()
		b.submit("/authorize", "verdict", "allow")
		b.says("client.failed", "step.token")
		require.Contains(t, b.last.page, "200 OK", name)
		require.NotContains(t, b.last.page, "Signed in as", name)
		require.NotContains(t, b.last.page, `action="/client/api"`, name)
	}
	// What another site starts has no effect.
	b := newBrowser(t, site(t, nil))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+"/client/signin", nil)
	require.NoError(t, err)
	r.Header.Set("Origin", "https://evil.example")
	require.Equal(t, http.StatusForbidden, b.saw(b.Do(r)).StatusCode)
}

// A client signs the user out: without a question only by an ID token of this
// very session.
func TestLogout(t *testing.T) {
	base := site(t, nil)
	signedOut := base + signedOutPath
	here, elsewhere := newBrowser(t, base).stay(), newBrowser(t, base).stay()
	hint, otherHint := here.enter(asksWho(base)).IDToken, elsewhere.enter(asksWho(base)).IDToken
	for _, c := range []struct {
		name  string
		pairs []string
		asks  bool   // whether the user is asked
		app   bool   // whether the question names the client
		ends  string // where the browser is sent
	}{
		{"of this session", []string{"id_token_hint", hint, "post_logout_redirect_uri", signedOut}, false, true, signedOut},
		{"with a state", []string{"id_token_hint", hint, "post_logout_redirect_uri", signedOut, "state", "s&t"},
			false, true, signedOut + "?state=s%26t"},
		{"of another session", []string{"id_token_hint", otherHint, "post_logout_redirect_uri", signedOut},
			true, true, signedOut},
		{"of no session", []string{"client_id", clientID, "post_logout_redirect_uri", signedOut}, true, true, signedOut},
		{"to another address", []string{"id_token_hint", hint, "post_logout_redirect_uri", "https://evil.example/"},
			false, true, ""},
		{"to an address of nobody", []string{"post_logout_redirect_uri", signedOut}, true, false, ""},
		{"of a broken token", []string{"id_token_hint", "x", "post_logout_redirect_uri", signedOut}, true, false, ""},
		{"with nothing", nil, true, false, ""},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			b := newBrowser(t, base)
			b.stay()
			b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				if r.URL.Path == callbackPath || r.URL.Path == signedOutPath {
					return http.ErrUseLastResponse
				}
				return nil
			}
			own := b.enter(asksWho(base)).IDToken
			pairs := append([]string(nil), c.pairs...)
			for i, value := range pairs {
				if value == hint {
					pairs[i] = own
				}
			}
			if method == http.MethodGet {
				b.open(logoutPath + "?" + values(pairs...).Encode())
			} else {
				b.post(logoutPath, pairs...)
			}
			asked := strings.Contains(b.last.page, `name="confirm_logout"`)
			require.Equal(t, c.asks, asked, "%s %s", method, c.name)
			if asked {
				b.says("signout.question", "signout.stay")
				require.Equal(t, c.app, strings.Contains(b.last.page, "<bdi>Demo Web App</bdi> asks to sign you out"), c.name)
				shown := b.last
				require.Equal(t, "/apps", b.open("/apps").Request.URL.Path, "nothing was done yet")
				b.submitOf(shown, logoutPath)
			}
			location := ""
			if to, err := b.last.Location(); err == nil {
				location = to.String()
			} else {
				b.says("signout.done")
			}
			require.Equal(t, c.ends, location, "%s %s", method, c.name)
			b.open(asksWho(base, "prompt", "none"))
			require.Equal(t, "login_required", b.shows(), "the session ended")
		}
	}
	require.Equal(t, "/apps", here.open("/apps").Request.URL.Path, "other sessions go on")
	here.open(asksWho(base, "prompt", "none"))
	require.Equal(t, "code", here.shows())
}

// Another site sends the form that confirms, or a form without the cookie.
func TestAttack_LogoutFromElsewhere(t *testing.T) {
	b := newBrowser(t, site(t, nil)).stay()
	b.enter(asksWho(b.base))
	send := func(client *http.Client) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+logoutPath,
			strings.NewReader("confirm_logout=yes&client_id="+clientID))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		res, err := client.Do(r)
		return body(t, res, err)
	}
	require.Contains(t, send(&b.Client), "Sign out?")
	require.Equal(t, "/apps", b.open("/apps").Request.URL.Path)
	require.Contains(t, send(http.DefaultClient), "Sign out?",
		"a browser keeps the cookie back, so nobody knows whether there is a session")
}

// The client believes that it is signed out only if it asked for that.
func TestAttack_SignedOutUnasked(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for _, query := range []string{"", "?state=", "?state=guessed"} {
		b.open(signedOutPath + query)
		b.says("client.unasked")
	}
	b.signInToClient()
	for _, query := range []string{"", "?state=", "?state=guessed"} {
		b.open(signedOutPath + query)
		b.says("client.unasked")
		require.Contains(t, b.last.page, "Signed in as <bdi>Andy</bdi>.")
	}
}

// A failing model is answered as a fault, not as a user without claims or a
// session to end.
func TestFaultsOfTheProvider(t *testing.T) {
	model := &broken{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model })).stay()
	token := b.enter(asksWho(b.base)).AccessToken
	model.methods = "UserByID"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+userInfoPath, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	require.NotContains(t, body(t, res, err), "secret details")
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, http.StatusServiceUnavailable, b.open(logoutPath).StatusCode)
	b.says("problem.fault")
	model.methods = ""
	require.Equal(t, "/apps", b.open("/apps").Request.URL.Path)
}

// keyIDs are those of the keys that the server publishes.
func keyIDs(t *testing.T, base string) (ids []string) {
	res, err := http.Get(base + jwksPath)
	for _, match := range regexp.MustCompile(`"kid":"([^"]+)"`).FindAllStringSubmatch(body(t, res, err), -1) {
		ids = append(ids, match[1])
	}
	require.NotEmpty(t, ids)
	return ids
}
