package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func init() { passwordCost, signingAlgorithm = bcrypt.MinCost, "ES256" }

// site serves the application in memory. Prepare, unless it is nil, registers
// more, or takes the model's place.
func site(t *testing.T, prepare func(*memorymodel.Model) storage) (base string) {
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	base = "http://" + server.Listener.Addr().String()
	model, err := openMemory(base)
	require.NoError(t, err)
	if prepare != nil {
		model = prepare(model.(*memorymodel.Model))
	}
	a, err := newApp(base, nil, model, files, nil)
	require.NoError(t, err)
	applications[base] = a
	server.Config.Handler = a
	server.Start()
	return base
}

// applications are those that are served, by their address: for what a browser cannot see.
var applications = map[string]*app{}

const otherSecret = "a-secret-that-nobody-guesses"

// withClient registers one more client.
func withClient(t *testing.T, c *oauth2server.Client) func(*memorymodel.Model) storage {
	return func(m *memorymodel.Model) storage {
		secret := otherSecret
		if c.Public {
			secret = ""
		}
		require.NoError(t, m.AddClient(c, secret))
		return m
	}
}

// browser keeps cookies and follows redirects within the site.
type browser struct {
	t    *testing.T
	base string
	http.Client
	last answer
}

// answer is what a browser shows: a page, or a redirect to a client elsewhere.
type answer struct {
	*http.Response
	page string
}

func newBrowser(t *testing.T, base string) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t: t, base: base, Client: http.Client{Jar: jar,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			require.Less(t, len(via), 10)
			if "http://"+r.URL.Host != base {
				return http.ErrUseLastResponse
			}
			return nil
		}}}
}

func (b *browser) saw(res *http.Response, err error) answer {
	b.t.Helper()
	b.last = answer{res, body(b.t, res, err)}
	return b.last
}

func body(t *testing.T, res *http.Response, err error) string {
	t.Helper()
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(text)
}

// open opens a path of the site, or an address.
func (b *browser) open(address string) answer {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.base + address
	}
	return b.saw(b.Get(address))
}

func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	return b.saw(b.PostForm(b.base+path, values(pairs...)))
}

func values(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

var (
	formTag     = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)".*?</form>`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// submit sends the form of the page that is shown whose action is that, with
// its hidden fields and those.
func (b *browser) submit(action string, pairs ...string) answer {
	b.t.Helper()
	return b.submitOf(b.last, action, pairs...)
}

// submitOf sends a form of a page that was shown at some time.
func (b *browser) submitOf(shown answer, action string, pairs ...string) answer {
	b.t.Helper()
	for _, form := range formTag.FindAllStringSubmatch(shown.page, -1) {
		if form[1] != action {
			continue
		}
		given, fields := values(pairs...), values(pairs...)
		for _, hidden := range hiddenField.FindAllStringSubmatch(form[0], -1) {
			if name := html.UnescapeString(hidden[1]); !given.Has(name) {
				fields.Add(name, html.UnescapeString(hidden[2]))
			}
		}
		return b.saw(b.PostForm(b.base+action, fields))
	}
	require.FailNow(b.t, "no such form", "%s in %s", action, shown.page)
	return answer{}
}

func (b *browser) signIn() answer {
	b.t.Helper()
	return b.submit("/signin", "username", "andy", "password", "123456")
}

// allow opens an authorization request, signs in if that is asked, consents if
// that is, and returns the parameters of the answer, which it does not deliver.
func (b *browser) allow(address string) url.Values {
	b.t.Helper()
	follow := b.CheckRedirect
	defer func() { b.CheckRedirect = follow }()
	b.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if r.URL.Query().Has("code") || r.URL.Query().Has("error") {
			return http.ErrUseLastResponse
		}
		return follow(r, via)
	}
	b.open(address)
	if strings.Contains(b.last.page, `name="password"`) {
		b.signIn()
	}
	if strings.Contains(b.last.page, `name="verdict"`) {
		b.submit("/authorize", "verdict", "allow")
	}
	return b.last.parameters()
}

// parameters are those of a redirect.
func (a answer) parameters() url.Values {
	location, err := a.Location()
	if err != nil {
		return nil
	}
	return location.Query()
}

// connect lets the demo client in, and ends at its page.
func (b *browser) connect() answer {
	b.t.Helper()
	b.post("/client/connect")
	if strings.Contains(b.last.page, `name="password"`) {
		b.signIn()
	}
	if strings.Contains(b.last.page, `name="verdict"`) {
		b.submit("/authorize", "verdict", "allow")
	}
	require.Equal(b.t, "/client/", b.last.Request.URL.Path)
	require.Contains(b.t, b.last.page, `action="/client/api"`, "connected")
	return b.last
}

// says requires words of words/en.json on the page.
func (b *browser) says(names ...string) {
	b.t.Helper()
	p, err := parsePages(files)
	require.NoError(b.t, err)
	shown := html.UnescapeString(b.last.page)
	for _, name := range names {
		require.Contains(b.t, p.words[0], name)
		require.Contains(b.t, shown, p.words[0][name])
	}
}
