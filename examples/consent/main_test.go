package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// browser keeps cookies and follows redirects within the site.
type browser struct {
	t *testing.T
	http.Client
	address string
}

func newBrowser(t *testing.T, server string) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t, http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" || "http://"+r.URL.Host != server {
			return http.ErrUseLastResponse
		}
		return nil
	}}, server + "/authorize?response_type=code&client_id=app&state=1&scope=read+write"}
}

func start(t *testing.T, model *memorymodel.Model) (server string) {
	listening := httptest.NewUnstartedServer(nil)
	t.Cleanup(listening.Close)
	handler, err := newHandler(model, "http://"+listening.Listener.Addr().String())
	require.NoError(t, err)
	listening.Config.Handler = handler
	listening.Start()
	return listening.URL
}

// answer is a page or a redirect to the client.
type answer struct {
	*http.Response
	page string
}

func (a answer) at(parameter string) string {
	location, err := a.Location()
	if err != nil {
		return ""
	}
	return location.Query().Get(parameter)
}

func (b *browser) read(res *http.Response, err error) answer {
	b.t.Helper()
	require.NoError(b.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return answer{res, string(body)}
}

func (b *browser) open() answer { return b.read(b.Get(b.address)) }

func (b *browser) submit(fields url.Values) answer { return b.read(b.PostForm(b.address, fields)) }

func (b *browser) signIn() answer {
	return b.submit(url.Values{"username": {"andy"}, "password": {"123456"}})
}

var ticketField = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

// decide sends the form of a consent page.
func (b *browser) decide(page, verdict string, granted ...string) answer {
	b.t.Helper()
	ticket := ticketField.FindStringSubmatch(page)
	require.NotNil(b.t, ticket, page)
	return b.submit(url.Values{"ticket": ticket[1:], "verdict": {verdict}, "granted": granted})
}

func TestConsent(t *testing.T) {
	server := start(t, memorymodel.New(nil))
	b := newBrowser(t, server)
	require.Contains(t, b.open().page, `name="password"`)
	r := b.submit(url.Values{"verdict": {"allow"}, "granted": {"read"}})
	require.Empty(t, r.at("code"), "nobody is signed in")
	require.Contains(t, r.page, "wrong")
	require.Contains(t, b.submit(url.Values{"username": {"andy"}, "password": {"nope"}}).page,
		"Name or password is wrong.")
	require.Contains(t, b.signIn().page, `name="granted" value="write"`)
	r = b.open()
	require.Contains(t, r.page, "app wants to", "the session remembers the user")

	require.Equal(t, "access_denied", b.decide(r.page, "deny").at("error"))
	require.Equal(t, "access_denied", b.decide(b.open().page, "allow").at("error"), "every box is unticked")
	r = b.decide(b.open().page, "allow", "read")
	require.NotEmpty(t, r.at("code"))
	require.Equal(t, "1", r.at("state"))

	require.Contains(t, newBrowser(t, server).open().page, `name="password"`, "another browser, another session")
}

func TestFaultIsNoWrongPassword(t *testing.T) {
	demotest.FaultIsNoWrongPassword(t, func(users oauth2server.PasswordModel) http.Handler {
		a := &app{users, scs.New()}
		return a.sessions.LoadAndSave(http.HandlerFunc(a.page))
	})
}
