// These tests attack as strangers do who name documents, publish them, or pose
// as their publishers.

package clientmetadata

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/fetch"
)

// typed answers with a text of a media type.
func typed(mediaType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{mediaType}
		io.WriteString(w, text)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// publisherOfAll is asked for every ID, as if it were all hosts. It returns a
// count of the requests.
func (s *site) publisherOfAll() func() int {
	var mu sync.Mutex
	n := 0
	s.clients.get = func(_ context.Context, id, _ string) ([]byte, http.Header, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return []byte(documentOf(id, nil)), http.Header{"Content-Type": {"application/json"}}, nil
	}
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// No spelling of an address is an ID: the page says that there is no such client,
// and nothing is fetched.
func TestAttack_IDsThatAreAddresses(t *testing.T) {
	s := newSite(t, Options{})
	asked := s.publisherOfAll()
	s.clients.options.AllowLoopback = false
	for _, host := range []string{
		"169.254.169.254", "10.0.0.1", "100.64.0.1", "172.16.0.1", "192.168.1.1", "0.0.0.0", "127.0.0.1", "198.18.0.1",
		"224.0.0.1", "255.255.255.255", "1.1.1.1",
		"[::1]", "[fd00::1]", "[fe80::1]", "[fe80::1%25eth0]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]",
		"2130706433", "0x7f000001", "017700000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1", "0x7f.0.0.0x1", "1.1.1.0x1",
		"localhost", "localhost:8080", "intranet", "169.254.169.254.", "127.0.0.1:443",
	} {
		s.refuses("https://" + host + "/client.json")
		if host != "" {
			require.Contains(t, s.log.take(), "an ID cannot be the address of a document", host)
		}
	}
	require.Zero(t, asked())
	s.opens("https://fern.example/client.json")
	require.Equal(t, 1, asked(), "or the list means nothing")
}

// An ID has one spelling, which every parser reads as the same address.
func TestAttack_SpellingsOfAnID(t *testing.T) {
	s := newSite(t, Options{})
	asked := s.publisherOfAll()
	s.clients.options.AllowLoopback = false
	for _, id := range []string{
		"http://fern.example/client.json", "HTTPS://fern.example/client.json", "https:fern.example/client.json",
		"https:/fern.example/client.json", "https:///client.json", "https:////fern.example/client.json",
		`https:\\fern.example\client.json`, "ftp://fern.example/client.json", "file:///etc/passwd",
		"https://fern.example", "https://fern.example/", "https://", "https://Fern.example/client.json",
		"https://fern.example./client.json", "https://.fern.example/client.json", "https://fern..example/client.json",
		"https://fern.example:443/client.json", "https://fern.example:8443/client.json", "https://fern.example:/client.json",
		"https://user@fern.example/client.json", "https://user:pass@fern.example/client.json",
		`https://evil.example\@fern.example/client.json`, `https://fern.example/\evil.example/client.json`,
		"https://fern.example/client.json#", "https://fern.example/client.json#x", "https://fern.example/client.json?",
		"https://fern.example/client.json?a=b", "https://fern.example/a/../client.json", "https://fern.example/./client.json",
		"https://fern.example/a/..", "https://fern.example/.", "https://fern.example/%2e%2e/client.json",
		"https://fern.example/%2E%2E/client.json", "https://fern.example//client.json", "https://fern.example/a//b",
		"https://fern.example/a%2Fb", "https://fern.example/a%5Cb", "https://fern.example/a%00b",
		"https://fern.example/a%0Ab",
		"https://fern.example/a%252e", "https://fern.example/%63lient.json", "https://fern.example/a%c3%a9",
		"https://fern.example/a%", "https://fern.example/a%2", "https://fern.example/a%zz",
		"https://fern.example/client .json", " https://fern.example/client.json", "https://fern.example/client.json ",
		"https://fern.example/a\"b", "https://fern.example/<script>", "https://fern.example/a|b", "https://fern.example/[a]",
		"https://fern_.example/client.json", "https://-fern.example/client.json", "https://fern-.example/client.json",
		"https://fern.exam%70le/client.json", "https://fern.example%2f.evil.example/client.json",
		"https://*.example/client.json",
		"https://" + strings.Repeat("a", 64) + ".example/client.json",
		"https://" + strings.Repeat("a.", 126) + "example/client.json",
		"https://fern.example/" + strings.Repeat("a", maxID),
	} {
		s.refuses(id)
	}
	for _, id := range []string{ // these are no IDs by RFC 6749, appendix A.1
		"https://fern.example/client\n.json", "https://fern.example/\x00", "https://f\u0435rn.example/client.json",
		"https://fern.example/caf\u00e9", "https://fern\u3002example/client.json",
	} {
		w := s.authorize(id)
		require.Equal(t, 400, w.Code, id)
		require.Contains(t, w.Body.String(), "client_id")
	}
	require.Zero(t, asked())
	for _, id := range []string{
		"https://fern.example/client.json", "https://fern.example/client", "https://a.b.fern.example/x/y/",
		"https://xn--frn-vla.xn--p1ai/c",
		"https://fern.example/a%C3%A9", "https://fern.example/~fern/a:b@c;d=e,f!$&+", "https://1.fern.example/c",
		"https://fern.example/" + strings.Repeat("a", maxID-len("https://fern.example/")),
	} {
		s.opens(id)
	}
}

// Package fetch refuses names that resolve to private addresses, and tests it.
// This tests that documents are read by that package.
func TestAttack_NothingInsideIsReached(t *testing.T) {
	s := newSite(t, Options{})
	s.publisher.publish("/client.json", nil)
	c := New(&Options{RootCAs: s.clients.options.RootCAs})
	_, _, err := c.get(t.Context(), s.publisher.URL+"/client.json", "*/*")
	require.ErrorContains(t, err, "not public")
	_, _, err = c.get(t.Context(), strings.Replace(s.publisher.URL, "https", "http", 1)+"/client.json", "*/*")
	require.ErrorContains(t, err, "not https")
	require.Zero(t, s.publisher.total())
}

// Without AllowLoopback nothing on this machine is a publisher. With it, http is
// for this machine alone.
func TestAttack_HTTPIsForTestsAlone(t *testing.T) {
	for _, row := range []struct {
		id            string
		strict, loose bool
	}{
		{"http://127.0.0.1:8080/client.json", false, true},
		{"http://localhost:8080/client.json", false, true},
		{"http://127.0.0.1/client.json", false, true},
		{"https://127.0.0.1:8443/client.json", false, true},
		{"https://fern.example/client.json", true, true},
		{"http://fern.example/client.json", false, false},
		{"http://fern.example:8080/client.json", false, false},
		{"https://fern.example:8443/client.json", false, false},
		{"http://127.0.0.1.fern.example/client.json", false, false},
		{"http://localhost.fern.example:80/client.json", false, false},
		{"http://127.0.0.2:8080/client.json", false, false},
		{"http://127.0.0.1:0/client.json", false, false},
		{"http://127.0.0.1:08/client.json", false, false},
		{"http://127.0.0.1:99999/client.json", false, false},
		{"http://127.0.0.1:/client.json", false, false},
		{"http://127.0.0.1:8080/", false, false},
		{"ftp://127.0.0.1:8080/client.json", false, false},
	} {
		for loopback, want := range map[bool]bool{false: row.strict, true: row.loose} {
			c, asked := offline(&Options{AllowLoopback: loopback})
			client, err := c.FindClient(t.Context(), row.id, "")
			if !want {
				require.ErrorIs(t, err, oauth2server.ErrNotFound, "%v %v", row, loopback)
				require.Zero(t, asked(""))
				continue
			}
			require.NoError(t, err, "%v %v", row, loopback)
			require.True(t, client.SelfAsserted)
		}
	}
}

// A document is where its ID says. No redirect is followed, not even to a good
// document.
func TestAttack_Redirects(t *testing.T) {
	s := newSite(t, Options{})
	target := s.publisher.publish("/good.json", members{"client_id": s.publisher.URL + "/client.json"})
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{target, "http://169.254.169.254/latest/meta-data/", "//127.0.0.1/", "/client.json"} {
			s.publisher.answer("/client.json", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", to)
				typed("application/json", documentOf(s.publisher.URL+"/client.json", nil))(coded{w, code}, r)
			})
			s.clients.hosts.full = [len(s.clients.hosts.full)]time.Time{}
			s.refuses(s.publisher.URL + "/client.json")
		}
	}
	require.Equal(t, 20, s.publisher.total())
	require.Zero(t, s.publisher.asked("/good.json"))
	require.Contains(t, s.log.take(), "302 Found")
}

// coded answers with another status.
type coded struct {
	http.ResponseWriter
	code int
}

func (w coded) Write(text []byte) (int, error) {
	w.WriteHeader(w.code)
	return w.ResponseWriter.Write(text)
}

// Little is read, for a short time, and nothing is decoded. Others are served
// meanwhile.
func TestAttack_LargeAndSlowDocuments(t *testing.T) {
	s := newSite(t, Options{Timeout: 300 * time.Millisecond})
	good := s.publisher.publish("/good.json", nil)
	_, tokens := s.post("/token", redeeming(good, s.agree(good)))
	id := s.publisher.URL + "/client.json"
	padded := func(size int) string {
		text := documentOf(id, nil)
		return text + strings.Repeat(" ", size-len(text))
	}
	entered := make(chan bool, 1)
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		cause  string
	}{
		"large": {typed("application/json", padded(5<<10+1)), "more than 5120 bytes"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			typed("application/json", documentOf(id, nil))(w, r)
			for r.Context().Err() == nil {
				io.WriteString(w, strings.Repeat(" ", 1<<16))
			}
		}, "more than 5120 bytes"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) {
			entered <- true
			<-r.Context().Done()
		}, "deadline exceeded|timeout"},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			typed("application/json", documentOf(id, nil))(w, r)
			w.(http.Flusher).Flush()
			entered <- true
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // a return would end the document
		}, "deadline exceeded"},
		"encoded": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			typed("application/json", documentOf(id, nil))(w, r)
		}, "it is encoded"},
		"headers": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 17<<10))
			typed("application/json", documentOf(id, nil))(w, r)
		}, "header"},
	} {
		s.publisher.answer("/client.json", row.answer)
		var slow sync.WaitGroup
		slow.Go(func() { s.refuses(id) })
		if name == "silent" || name == "slow" {
			<-entered
			require.Equal(t, 200, s.call("/mcp", tokens["access_token"]), name)
			s.opens(good)
		}
		slow.Wait()
		require.Regexp(t, row.cause, s.log.take(), name)
	}
	s.publisher.answer("/client.json", typed("application/json", padded(5<<10)))
	s.opens(id)
}

// Sixteen slow hosts take up all requests that may be under way. Documents that
// are kept are served meanwhile. Others wait; if that takes too long, the
// client is told to try again, not that it is unknown.
func TestAttack_SlowHosts(t *testing.T) {
	s := newSite(t, Options{Timeout: time.Minute})
	good := s.publisher.publish("/good.json", nil)
	_, tokens := s.post("/token", redeeming(good, s.agree(good)))
	entered, release := make(chan bool, 20), make(chan bool)
	var all sync.WaitGroup
	for i := range 20 {
		id := s.publisher.publish(fmt.Sprintf("/slow%d.json", i), nil)
		page := s.publisher.pages[fmt.Sprintf("/slow%d.json", i)]
		s.publisher.answer(fmt.Sprintf("/slow%d.json", i), func(w http.ResponseWriter, r *http.Request) {
			entered <- true
			<-release
			page(w, r)
		})
		all.Go(func() { s.opens(id) })
	}
	for range 16 {
		<-entered
	}
	require.Equal(t, 200, s.call("/mcp", tokens["access_token"]))
	s.opens(good)
	require.Empty(t, entered, "there is room for 16")
	close(release)
	all.Wait()
	require.Equal(t, 21, s.publisher.total())

	s.clients.get = func(context.Context, string, string) ([]byte, http.Header, error) { return nil, nil, fetch.ErrBusy }
	s.busy(s.publisher.URL + "/other.json")
	w, answer := s.post("/token", redeeming(s.publisher.URL+"/other.json", "x"))
	require.Equal(t, 503, w.Code, "401 would make a client register again")
	require.Equal(t, "temporarily_unavailable", answer["error"])
	s.wait(6 * time.Minute)
	s.opens(good)
	w, _ = s.post("/token", refreshing(good, tokens["refresh_token"]))
	require.Equal(t, 200, w.Code, "%s", w.Body)
}

// busy checks that the owner is told to come again.
func (s *site) busy(id string) {
	s.t.Helper()
	w := s.authorize(id)
	require.Equal(s.t, 503, w.Code, "%s", w.Body)
	require.NotEmpty(s.t, w.Header().Get("Retry-After"))
	require.Contains(s.t, w.Body.String(), "We cannot answer at the moment")
}

// A host is asked for few documents a minute, whoever names them. Those that are
// kept do not count, so nobody keeps an old one in use by naming others; those
// that had to make room are read again.
func TestAttack_ManyPathsOfAHost(t *testing.T) {
	s := newSite(t, Options{PerHost: 5, MaxDocuments: 2})
	first := s.publisher.publish("/first.json", nil)
	s.opens(first)
	for i := range 50 {
		id := fmt.Sprintf("%s/%d.json", s.publisher.URL, i)
		if i < 4 {
			s.refuses(id)
			continue
		}
		s.busy(id)
	}
	require.Equal(t, 5, s.publisher.total())
	s.opens(first)
	s.wait(5 * time.Minute) // the host may be asked again
	for i := range 5 {
		s.refuses(fmt.Sprintf("%s/%d.json", s.publisher.URL, i))
	}
	s.busy(s.publisher.URL + "/5.json")
	s.publisher.answer("/first.json", status(404))
	s.refuses(first)

	// Documents of a stranger push out others, which are read again.
	s.wait(time.Minute)
	s.publisher.publish("/first.json", nil)
	s.opens(first)
	for i := range 3 {
		s.wait(time.Second)
		s.opens(s.publisher.publish(fmt.Sprintf("/flood%d.json", i), nil))
	}
	require.Len(t, s.clients.known, 2)
	asked := s.publisher.asked("/first.json")
	s.opens(first)
	require.Equal(t, asked+1, s.publisher.asked("/first.json"))
}

// When its document is too old to be used, a publisher that is down has the
// limit of an unknown one.
func TestAttack_APublisherThatIsDown(t *testing.T) {
	s := newSite(t, Options{PerHost: 2})
	id := s.publisher.publish("/client.json", nil)
	s.opens(id)
	s.publisher.answer("/client.json", status(500))
	s.wait(8 * 24 * time.Hour)
	for range 3 {
		s.refuses(id) // the first by the document that was kept
	}
	for range 10 {
		s.busy(id)
	}
	require.Equal(t, 4, s.publisher.total())
}

// Only a good document is remembered.
func TestAttack_CachePoisoning(t *testing.T) {
	s := newSite(t, Options{})
	id := s.publisher.URL + "/client.json"
	good := documentOf(id, nil)
	for _, bad := range []http.HandlerFunc{
		status(404), status(500), typed("application/json", "{"), typed("application/json", ""), typed("text/html", good),
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=86400")
			typed("application/json", good)(coded{w, 201}, r)
		},
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		typed("application/json", documentOf(s.publisher.URL+"/other.json", nil)),
	} {
		s.publisher.answer("/client.json", bad)
		s.refuses(id)
		require.Empty(t, s.clients.known)
		require.Empty(t, s.clients.flights)
	}
	require.Equal(t, 8, s.publisher.total())
	s.publisher.publish("/client.json", nil)
	s.opens(id)
	s.refuses(s.publisher.URL + "/other.json")
}

// A publisher may change its document. The owner sees where the answer goes
// each time, and the new redirection URI gets nothing that was granted before.
func TestAttack_ADocumentTurnsEvil(t *testing.T) {
	s := newSite(t, Options{})
	id := s.publisher.publish("/client.json", nil)
	code := s.agree(id)
	_, tokens := s.post("/token", redeeming(id, s.agree(id)))
	s.publisher.publish("/client.json", members{"redirect_uris": []string{"https://evil.example/callback"}})
	evil := []string{"redirect_uri", "https://evil.example/callback"}
	require.Equal(t, 400, s.authorize(id, evil...).Code, "the document is still used")
	s.wait(24 * time.Hour)
	require.Contains(t, s.opens(id, evil...), "to evil.example")
	require.Equal(t, 400, s.authorize(id).Code, "the old URI is gone")
	form := redeeming(id, code)
	form.Set("redirect_uri", "https://evil.example/callback")
	w, _ := s.post("/token", form)
	require.Equal(t, 400, w.Code)
	w, _ = s.post("/token", refreshing(id, tokens["refresh_token"]))
	require.Equal(t, 200, w.Code, "%s", w.Body)
}

// What is no document, or is another client's, is refused.
func TestAttack_WhatIsNoDocument(t *testing.T) {
	s := newSite(t, Options{PerHost: 1000})
	id := s.publisher.URL + "/client.json"
	good := documentOf(id, nil)
	for _, row := range [][2]string{
		{"text/html", good}, {"text/plain", good}, {"text/json", good}, {"text/x+json", good},
		{"application/jsonp", good}, {"", good},
		{"application/json+x", good}, {"application/json, text/html", good}, {"application/javascript", good},
		{"application/json", "[" + good + "]"}, {"application/json", good + good}, {"application/json", good + "x"},
		{"application/json", `"` + id + `"`}, {"application/json", "null"}, {"application/json", "{}"},
		{"application/json", strings.Replace(good, "{", `{"client_id":"https://evil.example/",`, 1)},
		{"application/json", strings.TrimSuffix(good, "}") + `,"client_id":"https://evil.example/"}`},
		{"application/json", strings.TrimSuffix(good, "}") + fmt.Sprintf(`,"client_id":%q}`, id)},
		{"application/json", documentOf(id+"/", nil)}, {"application/json", documentOf(strings.ToUpper(id), nil)},
		{"application/json", documentOf("", members{"client_id": nil})},
		{"application/json", documentOf("", members{"client_id": []string{id}})},
		{"application/json", documentOf("", members{"client_id": nil, "Client_ID": id})},
		{"application/json", documentOf(id, members{"redirect_uris": nil})},
		{"application/json", documentOf(id, members{"redirect_uris": []string{"javascript:alert(1)"}})},
		{"application/json", documentOf(id, members{"redirect_uris": []string{"http://fern.example/callback"}})},
		{"application/json", documentOf(id, members{"grant_types": []string{"client_credentials"}})},
		{"application/json", documentOf(id, members{"token_endpoint_auth_methods_supported": "none"})},
	} {
		s.publisher.answer("/client.json", typed(row[0], row[1]))
		s.refuses(id)
		require.Contains(t, s.log.take(), "a document cannot be used", "%v", row)
	}
	for _, mediaType := range []string{"application/json", "Application/JSON; charset=utf-8", "application/cimd+json"} {
		s.publisher.answer("/client.json", typed(mediaType, good))
		s.opens(id)
		s.wait(25 * time.Hour)
	}
}

// A document with a secret is refused, and no secret authenticates a public
// client.
func TestAttack_SecretsOfADocument(t *testing.T) {
	s := newSite(t, Options{})
	id := s.publisher.URL + "/client.json"
	for _, changes := range []members{
		{"client_secret": "s3cret"}, {"client_secret": ""}, {"client_secret_expires_at": 0},
		{"token_endpoint_auth_method": "client_secret_post"}, {"token_endpoint_auth_method": "client_secret_basic"},
		{"token_endpoint_auth_method": "client_secret_jwt"},
		{"token_endpoint_auth_methods_supported": []string{"none", "client_secret_post"}},
		{"token_endpoint_auth_method": nil, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"}},
	} {
		s.publisher.publish("/client.json", changes)
		s.refuses(id)
	}
	s.publisher.publish("/client.json", nil)
	for _, guess := range []string{"s3cret", " ", "none"} {
		form := redeeming(id, s.agree(id))
		form.Set("client_secret", guess)
		w, answer := s.post("/token", form)
		require.Equal(t, 401, w.Code, "%s", w.Body)
		require.Equal(t, "invalid_client", answer["error"])
	}
	form := redeeming(id, s.agree(id))
	form.Del("client_id")
	r := httptest.NewRequest("POST", "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(id), "s3cret")
	require.Equal(t, 401, s.serve(r).Code)
}

// A client that must authenticate is refused, unless its document allows none
// too. Nobody can redeem a code that it got before by its ID alone.
func TestAttack_WhoMustAuthenticate(t *testing.T) {
	s := newSite(t, Options{PerHost: 1000})
	id := s.publisher.URL + "/client.json"
	const one, list = "token_endpoint_auth_method", "token_endpoint_auth_methods_supported"
	for _, row := range []struct {
		changes members
		opens   bool
	}{
		{members{one: "private_key_jwt"}, false},
		{members{one: "private_key_jwt", list: []string{"private_key_jwt"}}, false},
		{members{one: "tls_client_auth"}, false},
		{members{one: nil, list: []string{"private_key_jwt"}}, false},
		{members{one: "private_key_jwt", list: []string{"none", "private_key_jwt"}}, true},
		{members{one: "none", list: []string{"private_key_jwt"}}, true},
		{members{one: nil, list: []string{"none", "private_key_jwt"}}, true},
		{members{one: nil, list: []string{}}, true},
		{members{one: nil}, true},
		{members{one: "none"}, true},
	} {
		s.publisher.publish("/client.json", row.changes)
		if s.wait(25 * time.Hour); row.opens {
			s.opens(id)
			continue
		}
		s.refuses(id)
		require.Contains(t, s.log.take(), "it must authenticate", "%v", row)
	}
	code := s.agree(id)
	s.publisher.publish("/client.json", members{one: "private_key_jwt", "jwks_uri": "https://fern.example/jwks"})
	s.wait(6 * time.Minute)
	w, answer := s.post("/token", redeeming(id, code))
	require.Equal(t, 401, w.Code)
	require.Equal(t, "invalid_client", answer["error"])
}

// The client is told the same whatever the cause, so nobody can scan a network
// through this server. The log has the cause.
func TestAttack_OneTextForAllCauses(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "https://" + closed.Addr().String()
	closed.Close()
	plain := httptest.NewServer(status(200))
	defer plain.Close()
	s := newSite(t, Options{Timeout: 300 * time.Millisecond, Allow: func(_ context.Context, id *url.URL) error {
		if id.Path == "/barred.json" {
			return oauth2server.ErrNotFound
		}
		return nil
	}})
	s.publisher.answer("/silent.json", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.publisher.answer("/html", typed("text/html", "<html>"))
	s.publisher.publish("/secret.json", members{"client_secret": "x"})
	s.publisher.publish("/barred.json", nil)
	reference := regexp.MustCompile(`Reference: <code>\w+`)
	var page, answer string
	for _, row := range [][2]string{
		{nobody + "/client.json", "refused"},
		{"https" + strings.TrimPrefix(plain.URL, "http") + "/client.json", "HTTPS"},
		{"https://name.invalid/client.json", "lookup"},
		{"https://10.0.0.1/client.json", "no domain name"},
		{s.publisher.URL + "/a/../b", "dot segment"},
		{s.publisher.URL + "/missing.json", "404"},
		{s.publisher.URL + "/silent.json", "silent.json"},
		{s.publisher.URL + "/html", "text/html"},
		{s.publisher.URL + "/secret.json", "secret"},
		{s.publisher.URL + "/barred.json", "Allow refuses"},
	} {
		s.refuses(row[0])
		w := s.authorize(row[0])
		page = either(page, reference.ReplaceAllString(w.Body.String(), ""))
		require.Equal(t, page, reference.ReplaceAllString(w.Body.String(), ""), row[0])
		require.Contains(t, s.log.take(), row[1], row[0])
		w, _ = s.post("/token", redeeming(row[0], "x"))
		require.Equal(t, 401, w.Code, row[0])
		answer = either(answer, w.Body.String())
		require.Equal(t, answer, w.Body.String(), row[0])
	}
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// An answer goes where the document says. Only the port of a loopback address is
// free.
func TestAttack_OtherRedirectURIs(t *testing.T) {
	s := newSite(t, Options{})
	id := s.publisher.publish("/client.json", nil)
	for _, uri := range []string{
		"https://fern.example:8443/callback", "https://fern.example/other", "https://fern.example/callback/",
		"https://fern.example/callback?a=b", "https://fern.example/Callback", "https://evil.example/callback",
		"https://fern.example.evil.example/callback", "https://fern.example@evil.example/callback",
		"http://fern.example/callback",
		"https://sub.fern.example/callback", "http://127.0.0.1:8080/other", "http://127.0.0.1:8080/callback?a=b",
		"http://localhost:8080/callback", "http://[::1]:8080/callback", "http://127.0.0.2/callback",
		"https://127.0.0.1/callback",
		"http://127.0.0.1.evil.example/callback", "http://127.0.0.1:8080@evil.example/callback", "cursor://callback",
	} {
		w := s.authorize(id, "redirect_uri", uri)
		require.Equal(t, 400, w.Code, uri)
		require.Empty(t, w.Header().Get("Location"), uri)
	}
	for _, uri := range []string{"https://fern.example/callback", "http://127.0.0.1/callback",
		"http://127.0.0.1:49152/callback"} {
		s.opens(id, "redirect_uri", uri)
	}
}

// A name is one line of visible characters, and a host is in ASCII, so the page
// shows what it is.
func TestAttack_NamesAndHostsOfOthers(t *testing.T) {
	s := newSite(t, Options{})
	s.publisherOfAll()
	answer := s.clients.get
	for _, row := range [][2]string{
		{"Claude \u202egpj.exe", "Claude gpj.exe"}, {"Cl\u200baude", "Claude"},
		{"Claude\n\nApproved by your bank", "Claude Approved by your bank"},
		{"Claude\u00a0", "Claude"}, {"<b>Claude</b>", "<b>Claude</b>"}, {strings.Repeat("x", 3000), strings.Repeat("x", 64)},
		{"\u0421laude", "\u0421laude"}, // Cyrillic: names are not unique, so the host is beside it
	} {
		s.clients.known = map[string]*document{}
		s.clients.get = func(_ context.Context, id, _ string) ([]byte, http.Header, error) {
			return []byte(documentOf(id, members{"client_name": row[0]})), http.Header{"Content-Type": {"application/json"}}, nil
		}
		page := s.opens("https://xn--80ak6aa92e.com/client.json")
		require.True(t, strings.HasPrefix(page, row[1]+" of xn--80ak6aa92e.com, to fern.example,"), page)
	}
	s.clients.get = answer
}

// A program on the owner's device may pose as another by its document: nobody can
// tell. So the page says that the answer stays on the device, and there is a page
// each time, whoever is signed in and whatever is asked.
func TestAttack_PosingAsAClient(t *testing.T) {
	s := newSite(t, Options{})
	id := s.publisher.publish("/client.json", nil)
	s.agree(id)
	for _, changes := range [][]string{
		{"redirect_uri", "http://127.0.0.1:50000/callback"},
		{"redirect_uri", "http://127.0.0.1:50001/callback", "prompt", "none"},
		{"redirect_uri", "http://127.0.0.1:50001/callback", "approved", "true"},
	} {
		require.Contains(t, s.opens(id, changes...), "to 127.0.0.1, local true")
	}
	require.Contains(t, s.opens(id, "prompt", "none"), "to fern.example, local false")
}
