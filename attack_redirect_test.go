package oauth2server_test

import (
	"fmt"
	"math/rand"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// A redirection URI that runs code in the browser (CVE-2020-26938,
// CVE-2026-67333): it cannot be registered. If it was registered all the same,
// no answer goes there, and no page is shown that would send one.
func TestAttack_RedirectThatRunsCode(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		asked := false
		page := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true })
		for i, uri := range []string{
			"javascript:alert(1)", "javascript://client.example/%0aalert(1)", "JavaScript:/alert(1)",
			"\x01javascript://x/", "java\tscript://x/",
			"data:text/html,x", "data:/text/html,x", "vbscript:msgbox(1)", "vbscript:/x",
			"file:///etc/passwd", "blob:/x",
			"blob:https://client.example/x", "about:/blank", "filesystem:/x", "view-source:/x",
		} {
			for _, public := range []bool{false, true} {
				client := oauth2server.Client{ID: fmt.Sprint("evil", i),
					RedirectURIs: []string{callback, uri}, Grants: allGrants, Public: public}
				own := secret
				if public {
					own = ""
				}
				require.ErrorContains(t, addClient(t, model, client, own), "redirection URI", "%q", uri)
			}
			s, asking := newSite(t, careless{model, uri}, nil, nil), newSite(t, careless{model, uri}, nil, page)
			for _, named := range []string{uri, ""} {
				query := "/authorize?" + form(authorization("redirect_uri", named)...)
				requireNoRedirect(t, s.authorize("redirect_uri", named), 400, "invalid_request")
				requireNoRedirect(t, asking.get(query), 400, "invalid_request")
				requireNoRedirect(t, asking.post(query, form("username", "u1", "all", "1")), 400, "invalid_request")
			}
			require.False(t, asked, "%q", uri)
		}
	})
}

// The exception for loopback addresses, stretched (CVE-2020-15233,
// CVE-2020-15234, doorkeeper#1878): only the port may differ, only with http,
// 127.0.0.1, [::1] and names that are localhost or end in .localhost.
func TestAttack_AlmostLoopback(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		require.NoError(t, addClient(t, model,
			oauth2server.Client{ID: "native", Public: true, Grants: publicGrants, RedirectURIs: []string{
				"http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb",
				"http://127.0.0.1:8080/fixed?a=1", "https://127.0.0.1/tls",
				"http://127.0.0.2/cb", "http://app.example/cb"}}, ""))
		require.NoError(t, addClient(t, model,
			oauth2server.Client{ID: "server", Grants: allGrants, RedirectURIs: []string{
				"http://127.0.0.1/cb", "http://localhost/cb"}}, secret))
		// Checks that would refuse some of them for another reason are out of
		// the way.
		s := newConsentSite(t, model, &oauth2server.Options{InsecureAllowHTTPRedirects: true})
		for _, row := range []struct {
			client, uri string
			good        bool
		}{
			{"native", "http://127.0.0.1:51004/cb", true},
			{"native", "http://[::1]:51004/cb", true},
			{"native", "http://localhost:51004/cb", true},
			{"native", "http://127.0.0.1:1/fixed?a=1", true},
			{"native", "http://127.0.0.1/fixed?a=1", true},
			{"server", "http://127.0.0.1/cb", true},
			{"server", "http://127.0.0.1:51004/cb", true},
			{"server", "http://localhost:51004/cb", true},
			{"server", "http://localhost:51004/CB", false},
			{"server", "http://a.localhost:51004/cb", false},
			{"native", "http://user@127.0.0.1:51004/cb", false},
			{"native", "http://user:51004@127.0.0.1/cb", false},
			{"native", "http://127.0.0.1:51004@evil.example/cb", false},
			{"native", "http://127.0.0.1:@evil.example/cb", false},
			{"native", "http://127.0.0.1:51004\\@evil.example/cb", false},
			{"native", "http://127.0.0.1:51004/CB", false},
			{"native", "http://127.0.0.1:51004/CALLBACK", false},
			{"native", "http://127.0.0.1:51004/cb/", false},
			{"native", "http://127.0.0.1:51004//cb", false},
			{"native", "http://127.0.0.1:51004/x/../cb", false},
			{"native", "http://127.0.0.1:51004/%63b", false},
			{"native", "http://127.0.0.1:51004", false},
			{"native", "http://127.0.0.1:51004/cb?x=", false},
			{"native", "http://127.0.0.1:51004/cb?", false},
			{"native", "http://127.0.0.1:51004/fixed", false},
			{"native", "http://127.0.0.1:51004/fixed?a=2", false},
			{"native", "http://127.0.0.1:51004/fixed?a=1&b=2", false},
			{"native", "http://127.0.0.1:51004/cb#", false},
			{"native", "http://127.0.0.1:/cb", false},
			{"native", "http://127.0.0.1:123456/cb", false},
			{"native", "http://127.0.0.1:-1/cb", false},
			{"native", "http://127.0.0.1:80a/cb", false},
			{"native", "HTTP://127.0.0.1:51004/cb", false},
			{"native", "https://127.0.0.1:51004/cb", false},
			{"native", "https://127.0.0.1:51004/tls", false},
			{"native", "http://127.0.0.2:51004/cb", false},
			{"native", "http://127.1:51004/cb", false},
			{"native", "http://0.0.0.0:51004/cb", false},
			{"native", "http://2130706433:51004/cb", false},
			{"native", "http://[::ffff:127.0.0.1]:51004/cb", false},
			{"native", "http://[0:0:0:0:0:0:0:1]:51004/cb", false},
			{"native", "http://[::1%25lo]:51004/cb", false},
			{"native", "http://LOCALHOST:51004/cb", false},
			{"native", "http://localhost.:51004/cb", false},
			{"native", "http://localhost.evil.example:51004/cb", false},
			{"native", "http://localhost.evil.example/cb", false},
			{"native", "http://127.0.0.1.evil.example:51004/cb", false},
			{"native", "http://127.0.0.1.evil.example/cb", false},
			{"native", "http://app.example:51004/cb", false},
		} {
			query := "/authorize?" +
				form(authorization(append(withChallenge(challenge), "client_id", row.client,
					"redirect_uri", row.uri)...)...)
			r := s.post(query, form("username", "u1", "all", "1"))
			if row.good {
				require.True(t, strings.HasPrefix(r.Header.Get("Location"), row.uri), "%s: %s", row.uri, r.text)
				require.NotEmpty(t, r.at("code"))
				continue
			}
			requireNoRedirect(t, r, 400, "invalid_request")
		}
	})
}

// An error is sent to an unproven redirection URI (CVE-2026-44681): whatever a
// request says, Location is empty or a URI registered by the one client that it
// names. FuzzAuthorize searches further.
func TestAttack_ErrorToAnUnprovenURI(t *testing.T) {
	t.Parallel()
	const answer = `[!-~]+$`
	registered := map[string]*regexp.Regexp{
		"web":     regexp.MustCompile(`^https://client\.example/cb[?#]` + answer),
		"limited": regexp.MustCompile(`^https://client\.example/cb[?#]` + answer),
		"other":   regexp.MustCompile(`^https://other\.example/cb[?#]` + answer),
		"two":     regexp.MustCompile(`^https://client\.example/cb2?[?#]` + answer),
		"query":   regexp.MustCompile(`^https://client\.example/cb\?tenant=7[&#]` + answer),
		"app":     regexp.MustCompile(`^(http://127\.0\.0\.1(:[0-9]{1,5})?/cb|com\.example\.app:/cb)[?#]` + answer),
	}
	values := []struct {
		name string
		pool []string // the first one is good
	}{
		{"client_id", []string{"web", "limited", "other", "two", "query", "app", "machine", "nobody", "WEB", ""}},
		{"redirect_uri", []string{callback, callback + "2", callback + "?tenant=7", "https://other.example/cb",
			"http://127.0.0.1:4711/cb", "com.example.app:/cb", "https://evil.example/cb",
			"//evil.example/", "javascript://x/%0aalert(1)", ""}},
		{"response_type", []string{"code", "token", "code token", "none", ""}},
		{"scope", []string{"read", "read write", `"`, "\r\nLocation: https://evil.example", ""}},
		{"state", []string{"xyz", "https://evil.example", "\r\nLocation: https://evil.example", "ж", ""}},
		{"code_challenge", []string{challenge, "short", ""}},
		{"code_challenge_method", []string{"S256", "plain", "S512", ""}},
		{"allowed", []string{"", "true", "false"}},
		{"username", []string{"andy", "nobody"}},
		{"password", []string{"andys-password", "wrong"}},
	}
	hostile := []string{"@evil.example", ".evil.example", "//evil.example", `\evil.example`, "/../",
		"#", "?", "&", "%2f", "%00", "\x00", "\r\n",
		":", ";", " ", "ж"}
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		random := rand.New(rand.NewSource(1))
		pick := func(from []string) string { return from[random.Intn(len(from))] }
		const runs = 500
		redirects, codes := 0, 0
		for range runs {
			var query, body []string
			clients := map[string]bool{}
			for _, parameter := range values {
				for again := true; again; again = random.Intn(20) == 0 {
					value := parameter.pool[0]
					if random.Intn(2) == 0 {
						value = pick(parameter.pool)
					}
					if random.Intn(20) == 0 {
						at := random.Intn(len(value) + 1)
						value = value[:at] + pick(hostile) + value[at:]
					}
					if parameter.name == "client_id" && value != "" {
						clients[value] = true
					}
					if random.Intn(3) == 0 && parameter.name != "username" && parameter.name != "password" {
						query = append(query, parameter.name, value)
					} else {
						body = append(body, parameter.name, value)
					}
				}
			}
			r := s.post("/authorize?"+form(query...), form(body...))
			if random.Intn(4) == 0 {
				r = s.get("/authorize?" + form(append(query, body...)...))
			}
			location := r.Header.Get("Location")
			if location == "" {
				require.GreaterOrEqual(t, r.StatusCode, 400)
				continue
			}
			redirects++
			if r.at("code") != "" || r.at("access_token") != "" {
				codes++
			}
			require.Len(t, clients, 1, "%q %q", query, body)
			for id := range clients {
				require.NotNil(t, registered[id], "%q: %s", id, location)
				require.Regexp(t, registered[id], location, "%q %q", query, body)
			}
		}
		require.Greater(t, redirects, runs/10, "too hostile to get anywhere")
		require.NotZero(t, codes, "too hostile to get anywhere")
	})
}
