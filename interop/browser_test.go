//go:build npm && browser

package interop

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rs/cors"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// app is a single-page app that signs in by oidc-client-ts, and Chromium in
// front of it. Both it and the provider are reached by HTTPS and by a name.
type app struct {
	t        *testing.T
	ctx      context.Context
	provider *provider
	desk     *desk
	origin   string
}

// signedIn is what the app knows of its user.
type signedIn struct {
	Subject      string `json:"sub"`
	Name         string
	Email        string
	State        string
	IDToken      string
	AccessToken  string
	RefreshToken string
	Error        string
}

// world is where an app lives.
type world struct {
	host      string // the app's
	sameSite  http.SameSite
	ask       bool // leave the user of a public client to be asked each time, as is the default
	noCORS    bool
	noCookies bool // the browser keeps third-party cookies back, as it does by default
}

// newApp starts the app, whose provider is at login.example.com.
func newApp(t *testing.T, library string, in world) *app {
	a := &app{t: t}
	files := http.NewServeMux()
	server := httptest.NewTLSServer(files)
	t.Cleanup(server.Close)
	files.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "node/spa.html") })
	files.HandleFunc("/oidc-client-ts.min.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, library)
	})
	a.origin = named(server, in.host)
	a.provider = newProvider(t, withPath, "RS256", func(p *provider) {
		p.issuer = named(p.Server, "login.example.com") + withPath
		p.options.InsecureApprovePublicClients = !in.ask
		p.goodbyes = []string{a.origin + "/bye"}
		if !in.noCORS {
			p.forScripts = cors.New(cors.Options{AllowedOrigins: []string{a.origin},
				AllowedHeaders: []string{"Authorization"}}).Handler
		}
		a.desk = openDesk(p)
		a.desk.sameSite = in.sameSite
		require.NoError(t, p.model.AddClient(&oauth2server.Client{ID: "spa", Public: true,
			RedirectURIs: []string{a.origin + "/callback", a.origin + "/silent"},
			Grants:       []string{"authorization_code", "refresh_token"}}, ""))
	})

	key := sha256.Sum256(server.Certificate().RawSubjectPublicKeyInfo)
	profile := filepath.Join(t.TempDir(), "Default")
	require.NoError(t, os.Mkdir(profile, 0o700))
	controls := map[bool]string{false: "0", true: "1"}[in.noCookies]
	require.NoError(t, os.WriteFile(filepath.Join(profile, "Preferences"),
		[]byte(`{"profile":{"cookie_controls_mode":`+controls+`}}`), 0o600))
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.DisableGPU, chromedp.UserDataDir(filepath.Dir(profile)),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"), // nothing else is reached
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	a.ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	a.visit("/?authority=" + url.QueryEscape(a.provider.issuer))
	return a
}

// named returns the origin of a server under another name.
func named(server *httptest.Server, host string) string {
	return strings.Replace(server.URL, "127.0.0.1", host, 1)
}

func (a *app) visit(path string) {
	a.t.Helper()
	require.NoError(a.t, chromedp.Do(a.ctx, chromedp.Navigate(a.origin+path)))
}

// at waits until the browser is at an address.
func (a *app) at(prefix string) {
	a.t.Helper()
	deadline, cancel := context.WithTimeout(a.ctx, 30*time.Second)
	defer cancel()
	for {
		text, err := json.Marshal(prefix)
		require.NoError(a.t, err)
		_, err = chromedp.Run(deadline, chromedp.Poll[chromedp.Void](
			"location.href.startsWith("+string(text)+") && document.readyState === 'complete'"))
		if err == nil {
			return
		}
		require.NoError(a.t, deadline.Err(), "at %s: %v", prefix, err) // otherwise it left the page, and we ask the next
	}
}

// call returns what a promise of the library comes to.
func (a *app) call(promise string) (user signedIn) {
	a.t.Helper()
	user, err := chromedp.Run(a.ctx, chromedp.Evaluate[signedIn]("told("+promise+")", chromedp.EvalAwaitPromise))
	require.NoError(a.t, err, promise)
	return user
}

// start calls what leaves the page.
func (a *app) start(call string) {
	a.t.Helper()
	require.NoError(a.t, chromedp.Do(a.ctx, chromedp.Evaluate[chromedp.Void]("void "+call)))
}

// signIn goes from the app to the provider, through its page and back.
func (a *app) signIn(state string) signedIn {
	a.t.Helper()
	a.visit("/")
	a.start("manager.signinRedirect({state: '" + state + "'})")
	a.at(a.provider.issuer + "/authorize")
	require.NoError(a.t, chromedp.Do(a.ctx, chromedp.SendKeys(chromedp.CSS("[name=username]"), "andy"),
		chromedp.SendKeys(chromedp.CSS("[name=password]"), "123456"), chromedp.Click(chromedp.CSS("button"))))
	a.at(a.origin + "/callback")
	return a.call("manager.signinRedirectCallback()")
}

// oidc-client-ts, the library of single-page apps, unchanged.
func TestOIDCClientTS(t *testing.T) {
	library := filepath.Join(node(t), "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js")

	t.Run("signs in, renews by refresh token, signs out", func(t *testing.T) {
		testSession(t, newApp(t, library, world{host: "app.example.com", sameSite: http.SameSiteLaxMode, ask: true}))
	})
	t.Run("without CORS headers, which are the program's", func(t *testing.T) {
		a := newApp(t, library, world{host: "app.example.com", noCORS: true})
		require.Equal(t, "Failed to fetch", a.call("manager.signinRedirect()").Error)
	})
	// A hidden frame renews only where the provider's cookie gets into it: on one
	// site, or where the cookie is for other sites too and the browser agrees.
	for _, test := range []struct {
		name, refused string
		world
	}{
		{"one site", "", world{host: "app.example.com", sameSite: http.SameSiteLaxMode, noCookies: true}},
		{"two sites", "login_required", world{host: "app.example.net", sameSite: http.SameSiteLaxMode}},
		{"two sites, cookie for both", "", world{host: "app.example.net", sameSite: http.SameSiteNoneMode}},
		{"two sites, no third-party cookies", "login_required",
			world{host: "app.example.net", sameSite: http.SameSiteNoneMode, noCookies: true}},
	} {
		t.Run("renews in a frame, "+test.name, func(t *testing.T) {
			a := newApp(t, library, test.world)
			user := a.signIn("")
			require.Empty(t, user.Error)
			renewed := a.call("manager.signinSilent({forceIframeAuth: true})")
			require.Equal(t, test.refused, renewed.Error)
			if test.refused == "" {
				require.Equal(t, "andy", renewed.Subject)
				require.NotEqual(t, user.RefreshToken, renewed.RefreshToken, "another grant")
			}
			require.Equal(t, "andy", a.call("manager.signinSilent()").Subject, "the refresh token does")
		})
	}
}

func testSession(t *testing.T, a *app) {
	user := a.signIn("s-1")
	require.Empty(t, user.Error)
	require.Equal(t, signedIn{Subject: "andy", Name: "Andy Ash", Email: "andy@example.com", State: "s-1",
		IDToken: user.IDToken, AccessToken: user.AccessToken, RefreshToken: user.RefreshToken}, user)

	a.provider.rotate()
	renewed := a.call("manager.signinSilent()")
	require.Empty(t, renewed.Error)
	require.Equal(t, "andy", renewed.Subject)
	require.NotEqual(t, user.RefreshToken, renewed.RefreshToken)
	require.NotEqual(t, keyOf(t, user.IDToken), keyOf(t, renewed.IDToken))
	known, err := chromedp.Run(a.ctx, chromedp.Evaluate[[]string](
		"manager.metadataService.getSigningKeys().then((keys) => keys.map((key) => key.kid))", chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	require.Subset(t, known, []string{keyOf(t, user.IDToken), keyOf(t, renewed.IDToken)})

	// The page remembers; the server insists that the user of a public client
	// was asked.
	require.Equal(t, "access_denied", a.call("manager.signinSilent({forceIframeAuth: true})").Error)

	require.Equal(t, 200, a.userInfo(renewed.AccessToken))
	require.Empty(t, a.call("manager.revokeTokens(['refresh_token']).then(() => null)").Error)
	require.Equal(t, 401, a.userInfo(renewed.AccessToken))

	a.start("manager.signoutRedirect({state: 's-2'})")
	a.at(a.origin + "/bye")
	require.Equal(t, "s-2",
		a.call("manager.signoutRedirectCallback().then((answer) => ({state: answer.userState}))").State)
	require.Equal(t, "login_required", a.call("manager.signinSilent({forceIframeAuth: true})").Error)
}

// userInfo is the status that a script of the app sees.
func (a *app) userInfo(token string) int {
	a.t.Helper()
	status, err := chromedp.Run(a.ctx, chromedp.Evaluate[int]("fetch('"+a.provider.issuer+
		"/userinfo', {headers: {Authorization: 'Bearer "+token+"'}}).then((answer) => answer.status)",
		chromedp.EvalAwaitPromise))
	require.NoError(a.t, err)
	return status
}
