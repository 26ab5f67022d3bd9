package oauth2server_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// Anyone on the network can read a code that is sent in clear (RFC 9700,
// section 2.6).
func TestAnswersInClear(t *testing.T) {
	for _, public := range []bool{false, true} {
		model := newSpy(t)
		for uri, good := range map[string]bool{"http://client.example/cb": false,
			"HTTP://client.example/cb": false, "http://10.0.0.1/cb": false,
			"http://localhost.example/cb": false, "http://127.0.0.1:8080/cb": true,
			"http://[::1]/cb": true, "http://localhost/cb": true,
			"https://client.example/cb": true, "com.example.app:/cb": true} {
			clientSecret := secret
			if public {
				clientSecret = ""
			}
			require.NoError(t, model.AddClient(&oauth2server.Client{ID: uri, Public: public,
				Grants: grantsOf(public), RedirectURIs: []string{uri}}, clientSecret))
			options := &oauth2server.Options{InsecureApprovePublicClients: true}
			for _, named := range []string{uri, ""} {
				asked := append(withChallenge(challenge), "client_id", uri, "redirect_uri", named)
				r := newSite(t, model, options, nil).authorize(asked...)
				if good {
					require.NotEmpty(t, r.at("code"), "%s: %s", uri, r.text)
					continue
				}
				requireNoRedirect(t, r, 400, "invalid_request")
				allowing := *options
				allowing.InsecureAllowHTTPRedirects = true
				require.NotEmpty(t, newSite(t, model, &allowing, nil).authorize(asked...).at("code"), uri)
			}
		}
	}
}

func TestCheckRedirectURI(t *testing.T) {
	for _, uri := range []string{
		"https://client.example/cb", "https://client.example",
		"https://client.example/cb?tenant=7&lang=de%20AT", "http://127.0.0.1/cb",
		"http://[::1]:8080/", "http://localhost", "com.example.app:/cb", "myapp://cb/path",
		"https://client.example/cb?codes=1",
		"https://client.example/cb?x=%zz", "https://xn--bcher-kva.example:8443/cb",
		"https://[2001:db8::1]:8443/cb", "https://192.0.2.7/cb",
		"com.example.app:cb", "com.example.app:///cb", "app://",
		"chrome-extension://abcdefghijklmnop/cb.html", "exp://127.0.0.1:8081/--/auth",
		"http://app.localhost:3000/cb",
	} {
		require.NoError(t, oauth2server.CheckRedirectURI(uri), uri)
	}
	for uri, why := range map[string]string{
		"":                                         "ASCII",
		"/cb":                                      "not absolute",
		"//client.example/cb":                      "not absolute",
		"client.example/cb":                        "not absolute",
		"https:/cb":                                "no host",
		"https://":                                 "no host",
		"mailto:a@b.example":                       "domain name in reverse",
		"myapp:cb":                                 "domain name in reverse",
		"urn:ietf:wg:oauth:2.0:oob":                "URN",
		"javascript:alert(1)":                      "the scheme javascript",
		"javascript://x/%0aalert(1)":               "scheme",
		"JavaScript:/alert":                        "scheme",
		"data:text/html,x":                         "the scheme data",
		"data:/text/html,x":                        "scheme",
		"vbscript:/x":                              "scheme",
		"file:///etc/passwd":                       "scheme",
		"blob:/x":                                  "scheme",
		"https://client.example/cb#":               "fragment",
		"https://client.example/cb#x":              "fragment",
		"https://u@client.example/cb":              "user information",
		"https://u:p@client.example/cb":            "user information",
		"https://@client.example/cb":               "user information",
		"https://client.example/ä":                 "ASCII",
		"https://client.example/ b":                "ASCII",
		"https://client.example/\\b":               "ASCII",
		"https://client.example/\r\nX:":            "ASCII",
		"https://client.example/cb\x00":            "ASCII",
		"https://client.example/?code=1":           "response parameter",
		"https://client.example/?a=1&state":        "response parameter",
		"https://client.example/?iss=x":            "response parameter",
		"https://client.example/?error=x":          "response parameter",
		"https://client.example/?%63ode=1":         "response parameter",
		"https://client.example/?a=1&access_token": "response parameter",
	} {
		err := oauth2server.CheckRedirectURI(uri)
		require.ErrorContains(t, err, why, "%q", uri)
	}
}

// The answer goes to the host that people read: no letter of another alphabet,
// however it is written, and no number that a browser takes for an address.
func TestHostsAreWhatPeopleRead(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"%D0%B0pple.com", "client.example%E2%80%AE", "client%E3%80%82example",
		"client.example%E2%88%95evil.example", "%63lient.example",
		"*.app.example", "*", "client_1.example", "client.example%00", "cl~ient.example",
		"client.example:", "client.example:0",
		"client.example:65536", "client.example:80a", "client.example:+80", "2130706433", "127.1",
		"0x7f.0.0.1", "0x7f000001", "127.0.0.0x",
		"127.0.0.1.", "256.0.0.1", "[::1", "[::1%25eth0]", "[127.0.0.1]", "[v1.x]", "::1",
		"a,b.example", "a!b.example", "a;b.example",
	} {
		for _, uri := range []string{"https://" + host + "/cb", "https://" + host,
			"https://" + host + "?x=1", "com.example.app://" + host + "/cb"} {
			require.Error(t, oauth2server.CheckRedirectURI(uri), uri)
			s := newSite(t, careless{newSpy(t), uri}, nil, nil)
			requireNoRedirect(t, s.authorize("redirect_uri", uri), 400, "invalid_request")
			requireNoRedirect(t, s.authorize("redirect_uri", ""), 400, "invalid_request")
		}
	}
}

// Any program can claim the scheme of an app, so a confidential client, which
// has a server, is not sent there. RFC 8252, section 7.1.
func TestRootlessRedirects(t *testing.T) {
	model := newSpy(t)
	const uri = "com.example.app:cb"
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone", Public: true,
		RedirectURIs: []string{uri}, Grants: publicGrants}, ""))
	s := newSite(t, model, &oauth2server.Options{InsecureApprovePublicClients: true}, nil)
	for _, named := range []string{uri, ""} {
		r := s.authorize(append(withChallenge(challenge), "client_id", "phone", "redirect_uri", named)...)
		require.True(t, strings.HasPrefix(r.Header.Get("Location"), uri+"?code="), r.text)
		r = newSite(t, careless{newSpy(t), uri}, nil, nil).authorize("redirect_uri", named)
		requireNoRedirect(t, r, 400, "invalid_request")
		require.Contains(t, r.str("error_description"), "public clients only")
	}
}

// Only the port of a loopback URI may differ: RFC 8252, section 7.3.
func TestLoopbackRedirects(t *testing.T) {
	model := newSpy(t)
	add := func(id string, public bool, uris ...string) {
		clientSecret := secret
		if public {
			clientSecret = ""
		}
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, Public: public,
			RedirectURIs: uris, Grants: grantsOf(public)}, clientSecret))
	}
	add("native", true, "http://127.0.0.1/cb", "http://[::1]:3000/cb?x=1", "http://localhost/cb",
		"http://127.0.0.1", "https://127.0.0.1/tls",
		"http://127.0.0.2/cb", "http://app.localhost/cb", "http://localhost?x=1")
	add("server", false, "http://127.0.0.1/cb", "http://localhost/cb")
	s := newSite(t, model, &oauth2server.Options{InsecureApprovePublicClients: true}, nil)
	for _, row := range []struct {
		client, uri string
		good        bool
	}{
		{"native", "http://127.0.0.1/cb", true},
		{"native", "http://127.0.0.1:51004/cb", true},
		{"native", "http://127.0.0.1:1/cb", true},
		{"native", "http://[::1]:51004/cb?x=1", true},
		{"native", "http://[::1]/cb?x=1", true},
		{"native", "http://localhost:51004/cb", true},
		{"native", "http://127.0.0.1:51004", true},
		{"native", "http://127.0.0.1:51004/", true},
		{"native", "http://127.0.0.1/", true},
		{"native", "http://localhost:51004/?x=1", true},
		{"native", "http://app.localhost:51004/cb", true},
		{"native", "http://app.localhost/cb", true},
		{"native", "http://b.localhost/cb", false},
		{"native", "http://.localhost/cb", false},
		{"native", "http://app.localhost.evil.example/cb", false},
		{"native", "http://applocalhost/cb", false},
		{"native", "http://127.0.0.1:/cb", false},
		{"native", "http://127.0.0.1:123456/cb", false},
		{"native", "http://127.0.0.1:80a/cb", false},
		{"native", "http://127.0.0.1:51004/CB", false},
		{"native", "http://127.0.0.1:51004/cb?x=1", false},
		{"native", "http://[::1]:51004/cb", false},
		{"native", "http://127.0.0.1:51004/cb/", false},
		{"native", "https://127.0.0.1:51004/cb", false},
		{"native", "https://127.0.0.1:51004/tls", false},
		{"native", "HTTP://127.0.0.1:51004/cb", false},
		{"native", "http://127.0.0.2:51004/cb", false},
		{"native", "http://user@127.0.0.1:51004/cb", false},
		{"native", "http://127.0.0.1:51004@evil.example/cb", false},
		{"native", "http://127.0.0.1.evil.example/cb", false},
		{"native", "http://localhost.evil.example/cb", false},
		{"native", "http://localhost.evil.example:51004/cb", false},
		{"native", "http://LOCALHOST:51004/cb", false},
		{"native", "http://0.0.0.0:51004/cb", false},
		{"native", "http://127.1:51004/cb", false},
		{"server", "http://127.0.0.1/cb", true},
		{"server", "http://127.0.0.1:51004/cb", true},
		{"server", "http://localhost:51004/cb", true},
		{"server", "http://localhost:51004/cb/", false},
	} {
		r := s.authorize("client_id", row.client, "redirect_uri", row.uri, "code_challenge", challenge,
			"code_challenge_method", "S256")
		if row.good {
			require.NotEmpty(t, r.at("code"), "%s %s: %s", row.client, row.uri, r.text)
			require.True(t, strings.HasPrefix(r.Header.Get("Location"), row.uri))
		} else {
			require.Empty(t, r.Header.Get("Location"), row.uri)
			require.Equal(t, 400, r.StatusCode, row.uri)
		}
	}
}

// redirectValidator decides about redirection URIs itself.
type redirectValidator struct {
	*spy
	ok      bool
	failure error
}

func (m *redirectValidator) ValidateRedirectURI(context.Context, string, *oauth2server.Client) (bool, error) {
	return m.ok, m.failure
}

func TestRedirectURIValidator(t *testing.T) {
	model := &redirectValidator{newSpy(t), true, nil}
	s := newSite(t, model, nil, nil)
	r := s.authorize("redirect_uri", "https://tenant9.example/cb?a=1&a=2")
	require.True(t, strings.HasPrefix(r.Header.Get("Location"), "https://tenant9.example/cb?a=1&a=2&code="), r.text)
	for _, uri := range []string{"javascript://x/%0aalert(1)", "https://tenant9.example/cb#x",
		"https://u@tenant9.example/cb", "/cb"} {
		requireNoRedirect(t, s.authorize("redirect_uri", uri), 400, "invalid_request")
	}
	model.ok = false
	requireNoRedirect(t, s.authorize(), 400, "invalid_request")
	require.NotEmpty(t, s.authorize("redirect_uri", "").at("code"), "it is not asked when none is named")
	model.failure = errors.New("down")
	requireNoRedirect(t, s.authorize(), 503, "server_error")
}

// careless is a model whose registration checked nothing.
type careless struct {
	target
	uri string
}

func (m careless) Unwrap() oauth2server.Model { return m.target }

func (m careless) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	client, err := m.target.GetClient(ctx, id, secret)
	if err == nil {
		client.RedirectURIs = []string{m.uri}
	}
	return client, err
}

func TestRegisteredURIsAreCheckedAgain(t *testing.T) {
	for _, uri := range []string{"javascript://x/%0aalert(1)", "https://client.example/cb#x",
		"https://u@client.example/cb", "/cb"} {
		s := newSite(t, careless{newSpy(t), uri}, nil, nil)
		requireNoRedirect(t, s.authorize("redirect_uri", uri), 400, "invalid_request")
		requireNoRedirect(t, s.authorize("redirect_uri", ""), 400, "invalid_request")
	}
	// The client sees one code and one state, the server's, whatever the
	// registered query contains.
	s := newSite(t, careless{newSpy(t), callback + "?code=fixed&keep=1&st%61te=fixed&error=x&iss=y"}, nil, nil)
	r := s.authorize("redirect_uri", "", "state", "", "code_challenge", challenge, "code_challenge_method", "S256")
	require.Equal(t, callback+"?keep=1&code="+r.at("code"), r.Header.Get("Location"))
}
