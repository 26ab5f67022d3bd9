// The tests here start the program as people do and speak HTTP to it.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

// site is the program as it runs.
type site struct {
	*testing.T
	base, story string
}

// start runs the program at a free port until the test ends. It must end well then.
func start(t *testing.T, args ...string) site {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), write)
		write.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	s := site{T: t}
	lines := bufio.NewScanner(read)
	for !strings.HasPrefix(lines.Text(), "Ctrl-C") && lines.Scan() {
		s.story += lines.Text() + "\n"
	}
	s.base = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(s.story)
	require.NotEmpty(t, s.base, s.story)
	return s
}

// onEach runs a test in memory and in MongoDB.
func onEach(t *testing.T, test func(site)) {
	t.Run("memory", func(t *testing.T) { test(start(t)) })
	t.Run("MongoDB", func(t *testing.T) { test(start(t, "-mongo", mongotest.DatabaseURI(t))) })
}

// reply is an answer that was read.
type reply struct {
	*http.Response
	text string
}

// browser keeps cookies, and follows no redirect by itself.
type browser struct {
	site
	http.Client
	shown reply
}

func (s site) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(s, err)
	return &browser{site: s, Client: http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

// send sends a request to an address, or to a path of the site.
func (b *browser) send(method, address string, form url.Values, header ...string) reply {
	b.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.base + address
	}
	r, err := http.NewRequestWithContext(b.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(b, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(r)
	require.NoError(b, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(b, err)
	b.shown = reply{res, string(text)}
	return b.shown
}

func (b *browser) get(address string) reply {
	b.Helper()
	return b.send("GET", address, nil)
}

// follow goes where the last answer leads.
func (b *browser) follow(header ...string) reply {
	b.Helper()
	location, err := b.shown.Location()
	require.NoError(b, err, "%d: %s", b.shown.StatusCode, b.shown.text)
	return b.send("GET", location.String(), nil, header...)
}

var formTag = regexp.MustCompile(`<form action="([^"]*)" method="post">`)

// signIn sends the form that is shown.
func (b *browser) signIn(username, password string) reply {
	b.Helper()
	action := formTag.FindStringSubmatch(b.shown.text)
	require.NotNil(b, action, b.shown.text)
	target, err := b.shown.Request.URL.Parse(html.UnescapeString(action[1]))
	require.NoError(b, err)
	return b.send("POST", target.String(), url.Values{"username": {username}, "password": {password}})
}

// address is the one of the article, with other parameters: pairs, of which an empty
// value leaves one out.
func (s site) address(path string, pairs ...string) string {
	parameters := url.Values{
		"response_type": {"code"},
		"client_id":     {"123456"},
		"state":         {"xyz"},
		"redirect_uri":  {s.base + "/"},
	}
	for i := 0; i < len(pairs); i += 2 {
		if parameters.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			parameters.Del(pairs[i])
		}
	}
	return s.base + path + "?" + parameters.Encode()
}

// andy is the form that andy sends.
var andy = url.Values{"username": {"andy"}, "password": {"123456"}}

// code is what andy lets the client have.
func (s site) code() string {
	s.Helper()
	b := s.browser()
	b.send("POST", s.address("/user/authorize"), andy)
	location, err := b.shown.Location()
	require.NoError(s, err, b.shown.text)
	return location.Query().Get("code")
}

// token sends a form to the token endpoint, with the client's name and secret unless
// it has others.
func (s site) token(query string) reply {
	s.Helper()
	form, err := url.ParseQuery(query)
	require.NoError(s, err)
	for name, value := range map[string]string{"client_id": "123456", "client_secret": "qwerty"} {
		if !form.Has(name) {
			form.Set(name, value)
		}
	}
	return s.browser().send("POST", "/user/token", form)
}

// exchange is the token request of the article.
func (s site) exchange(code string) reply {
	s.Helper()
	return s.token("grant_type=authorization_code&code=" + code + "&redirect_uri=" + s.base + "/")
}

// refresh asks for the next tokens.
func (s site) refresh(token string) reply {
	s.Helper()
	return s.token("grant_type=refresh_token&refresh_token=" + token)
}

// here is the article's text, for the port of this site.
func (s site) here(text string) string {
	return strings.ReplaceAll(text, ":7001", strings.TrimPrefix(s.base, "http://127.0.0.1"))
}

// authenticate asks whose token it is.
func (s site) authenticate(token string) reply {
	s.Helper()
	return s.browser().send("GET", "/user/authenticate", nil, "Authorization", "Bearer "+token)
}

// document is a JSON object, whose members are named in their order.
func document(t *testing.T, text string) (names []string, members map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &members), text)
	decoder := json.NewDecoder(strings.NewReader(text))
	_, err := decoder.Token()
	require.NoError(t, err)
	for decoder.More() {
		name, err := decoder.Token()
		require.NoError(t, err)
		names = append(names, fmt.Sprint(name))
		var value json.RawMessage
		require.NoError(t, decoder.Decode(&value))
	}
	return names, members
}

// tokenOf requires the answer of the token endpoint that the article shows, and
// nothing else.
func tokenOf(t *testing.T, text string) (access, refresh string) {
	t.Helper()
	names, members := document(t, text)
	require.Equal(t, []string{"access_token", "token_type", "expires_in", "refresh_token"}, names)
	require.Equal(t, "Bearer", members["token_type"])
	require.InDelta(t, 3600.0, members["expires_in"], 2)
	return members["access_token"].(string), members["refresh_token"].(string)
}
