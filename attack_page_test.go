package oauth2server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// hostile texts break out of their context unless they are escaped.
var hostile = []string{
	`"><script>alert(1)</script>`,
	`'><img src=x onerror=alert(1)>`,
	"\r\nInjected: yes\r\n\r\n<script>alert(1)</script>",
	"\nlevel=ERROR msg=forged",
	`", error="none`,
	`\", scope="admin`,
	"\u2028<script>alert(1)</script>\u00a0",
}

var (
	inURI      = regexp.MustCompile(`^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*$`)
	challenged = regexp.MustCompile(`^(Basic|Bearer) realm="[^"\\]*"(, [a-z_]+="[ -!#-\[\]-~]*")*$`)
)

// requireInert checks that a text from a request is nothing but text in the
// answer.
func requireInert(t testing.TB, r reply) {
	t.Helper()
	require.NotContains(t, r.Header, "Injected")
	require.Regexp(t, inURI, r.Header.Get("Location"))
	if challenge := r.Header.Get("WWW-Authenticate"); challenge != "" {
		require.Regexp(t, challenged, challenge)
		require.NotContains(t, challenge, `error="none"`)
	}
	switch r.Header.Get("Content-Type") {
	case "application/json", "text/plain; charset=utf-8":
		require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
	case "text/html; charset=utf-8":
		require.NotContains(t, r.text, "<script")
		require.NotContains(t, r.text, "<img")
	default:
		require.Empty(t, r.text)
	}
}

// The consent page runs a script in a client's name, or shows its secret
// (CVE-2018-1000088, CVE-2020-10187).
func TestAttack_HostileClientNames(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		var logs bytes.Buffer
		const uri = "https://client.example/'onclick=alert(1)//"
		options := &oauth2server.Options{Logger: slog.New(slog.NewTextHandler(&logs,
			&slog.HandlerOptions{Level: slog.LevelDebug})),
			AuthenticateUser: func(r *http.Request) (*oauth2server.User, error) {
				return nil, &oauth2server.Error{Code: oauth2server.AccessDenied,
					Description: "nobody may use " + r.FormValue("client_id") + " at " + uri}
			}}
		page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request := oauth2server.AuthorizationRequestFromContext(r.Context())
			document, err := json.Marshal(request.Client)
			require.NoError(t, err)
			options.Logger.Info("a page", "client", request.Client, "request", request)
			fmt.Fprintf(w, "%s %+v %#v %+v", document, request.Client, *request.Client, request)
		})
		denied, shown := newSite(t, model, options, nil),
			newSite(t, model, &oauth2server.Options{Logger: options.Logger}, page)
		for _, id := range []string{`"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`,
			`</code></p><script>alert(1)</script>`} {
			require.NoError(t, addClient(t, model,
				oauth2server.Client{ID: id, RedirectURIs: []string{uri}, Grants: allGrants}, secret+"hostile"))
			query := "/authorize?" + form(authorization("client_id", id, "redirect_uri", uri)...)
			for _, r := range []reply{denied.get(query, "Accept", "text/html"), denied.get(query),
				denied.get(query+"&redirect_uri=x", "Accept", "text/html"),
				shown.get(query+"&scope=%22", "Accept", "text/html")} {
				requireInert(t, r)
			}
			r := shown.get(query)
			require.Contains(t, r.text, "RedirectURIs", "a page that shows everything")
			for _, hidden := range []string{secret + "hostile", oauth2server.Digest(secret + "hostile")} {
				require.NotContains(t, r.text, hidden)
				require.NotContains(t, logs.String(), hidden)
			}
		}
		r := denied.get("/authorize?"+
			form(authorization("client_id", `"><script>alert(1)</script>`, "redirect_uri", uri)...),
			"Accept", "text/html")
		require.Contains(t, r.text, "&lt;script&gt;", "the page has the name, as text")
	})
}

// An echoed parameter runs as a script, adds a header, or forges a line of the
// log (CVE-2019-8400, CVE-2026-50629, CVE-2026-50630).
func TestAttack_EchoedParameters(t *testing.T) {
	t.Parallel()
	onEachModel(t, func(t *testing.T, model target) {
		var logs bytes.Buffer
		require.NoError(t, addClient(t, model, oauth2server.Client{ID: "ext", RedirectURIs: []string{callback},
			Grants: append([]string{"echo"}, allGrants...)}, secret+"ext"))
		var told oauth2server.Error // the program's own error about the request
		options := oauth2server.Options{Grants: allGrants,
			Logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
			ExtensionGrants: map[string]oauth2server.GrantFunc{
				"echo": func(context.Context, *oauth2server.GrantRequest) (*oauth2server.Token, error) {
					return nil, &told
				}}}
		plain := newSite(t, model, &options, nil)
		echoing := options
		echoing.AuthenticateUser = func(*http.Request) (*oauth2server.User, error) { return nil, &told }
		own := newSite(t, model, &echoing, nil)
		page := newSite(t, model, &options, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			oauth2server.AuthorizationRequestFromContext(r.Context()).Deny(w, r, told.Description)
		}))
		spent := plain.signIn("web").str("refresh_token")
		sharedRecorder.notSecret(hostile...)
		for _, text := range hostile {
			for _, name := range []string{"response_type", "client_id", "redirect_uri", "scope",
				"state", "code_challenge",
				"code_challenge_method", "allowed", "username", "unknown"} {
				request := form(authorization("username", "andy", "password", "andys-password", name, text)...)
				for _, r := range []reply{plain.post("/authorize", request, "Accept", "text/html"),
					plain.get("/authorize?" + request)} {
					requireInert(t, r)
					require.Contains(t, []string{"", "xyz", text}, r.at("state"), "a state comes back as it went")
					require.NotContains(t, r.at("error_description"), "alert")
				}
			}
			for _, name := range []string{"grant_type", "scope", "client_id", "client_secret", "code",
				"redirect_uri", "code_verifier",
				"refresh_token", "username", "unknown"} {
				requireInert(t, plain.post("/token",
					form(authorization("grant_type", "refresh_token", "refresh_token", spent,
						"client_id", "web", "client_secret", secret+"other", name, text)...)))
			}
			requireInert(t, plain.token("web", "grant_type", "refresh_token", "refresh_token", spent, "scope", text))
			requireInert(t, plain.post("/api", form("access_token", text)))
			requireInert(t, plain.get("/api/write?"+form("access_token", text)))
			if !strings.ContainsAny(text, "\r\n") { // the client would not send it
				requireInert(t, plain.get("/api", "Authorization", "Bearer "+text))
				requireInert(t, plain.post("/token", "grant_type=refresh_token", "Authorization", "Basic "+text))
			}

			told = oauth2server.Error{Code: oauth2server.AccessDenied, Description: "not " + text,
				Err: fmt.Errorf("not %s", text)}
			query := "/authorize?" + form(authorization()...)
			requireInert(t, own.get(query, "Accept", "text/html"))
			requireInert(t, own.get(query))
			requireInert(t, page.get(query))
			requireInert(t, own.token("ext", "grant_type", "echo"))
			told.Code = oauth2server.InvalidToken
			r := own.get(query)
			require.NotEmpty(t, r.Header.Get("WWW-Authenticate"))
			requireInert(t, r)
		}
		for line := range strings.Lines(logs.String()) {
			require.Regexp(t, `^time=\S+ level=[A-Z]+ msg="oauth2server: (ready|refused)" (endpoint|grants)=`, line)
		}
		require.Contains(t, logs.String(), "forged", "the log has it, as a value")
	})
}

// The owner's browser is made to send an attacker's form (CVE-2014-8144,
// CVE-2026-27124).
func TestAttack_CrossOriginPost(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		signedIn := &oauth2server.Options{AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
			return &oauth2server.User{ID: "u1"}, nil
		}}
		for name, s := range map[string]*site{
			"signs in":     newSite(t, model, nil, nil),
			"is signed in": newSite(t, model, signedIn, nil),
			"page":         newConsentSite(t, model, nil),
		} {
			t.Run(name, func(t *testing.T) {
				body := form(authorization("username", "andy", "password", "andys-password")...)
				for _, headers := range [][]string{
					{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
					{"Origin", "https://evil.example"}, {"Origin", "null"},
					{"Origin", strings.Replace(s.URL, "127.0.0.1", "127.0.0.2", 1)},
					{"Sec-Fetch-Site", "cross-site", "Origin", s.URL},
				} {
					requireNoRedirect(t, s.post("/authorize", body, headers...), 403, "access_denied")
					requireNoRedirect(t, s.post("/authorize?"+form(authorization()...),
						"username=andy&password=andys-password", headers...), 403, "access_denied")
				}
				require.NotEmpty(t, s.post("/authorize", body, "Sec-Fetch-Site", "same-origin",
					"Origin", s.URL).at("code"))
			})
		}
	})
}

// A link on another site gets a code for an attacker who poses as a public
// client, from an owner who is signed in (CVE-2026-27124).
func TestAttack_CrossSiteLinkOfAPublicClient(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		signedIn := &oauth2server.Options{AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
			return &oauth2server.User{ID: "u1"}, nil
		}}
		remembers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request := oauth2server.AuthorizationRequestFromContext(r.Context())
			request.Approve(w, r, oauth2server.Approval{User: request.User, All: true})
		})
		query := "/authorize?" + form(authorization("client_id", "app", "redirect_uri", "com.example.app:/cb",
			"code_challenge", challenge, "code_challenge_method", "S256")...)
		for _, s := range []*site{newSite(t, model, signedIn, nil), newSite(t, model, signedIn, remembers)} {
			for _, headers := range [][]string{nil, {"Sec-Fetch-Site", "cross-site"},
				{"Sec-Fetch-Site", "none"}, {"Referer", "https://evil.example/"}} {
				r := s.get(query, headers...)
				require.Equal(t, "access_denied", r.at("error"), r.Header.Get("Location"))
				require.Empty(t, r.at("code"))
			}
		}
	})
}

// The server redirects the browser wherever a link points (RFC 9700, section
// 4.1).
func TestAttack_OpenRedirector(t *testing.T) {
	const evil = "https://evil.example/cb"
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		for _, row := range []struct {
			name   string
			params []string
			code   string
		}{
			{"unknown client", []string{"client_id", "nobody", "redirect_uri", evil}, "invalid_client"},
			{"no client", []string{"client_id", "", "redirect_uri", evil}, "invalid_request"},
			{"client without URIs", []string{"client_id", "machine", "redirect_uri", evil}, "invalid_client"},
			{"another client's URI", []string{"redirect_uri", "https://other.example/cb"}, "invalid_request"},
			{"foreign URI", []string{"redirect_uri", evil}, "invalid_request"},
			{"host behind the registered one", []string{"redirect_uri", callback + ".evil.example"}, "invalid_request"},
			{"user information", []string{"redirect_uri", "https://client.example@evil.example/cb"}, "invalid_request"},
			{"backslash", []string{"redirect_uri", `https://evil.example\@client.example/cb`}, "invalid_request"},
			{"no scheme", []string{"redirect_uri", "//evil.example/cb"}, "invalid_request"},
			{"script", []string{"redirect_uri", "javascript:location='https://evil.example'"}, "invalid_request"},
			{"implicit", []string{"redirect_uri", evil, "response_type", "token"}, "invalid_request"},
			{"every other error too",
				[]string{"redirect_uri", evil, "response_type", "nope", "scope", `"`, "state", ""}, "invalid_request"},
		} {
			t.Run(row.name, func(t *testing.T) {
				query := form(authorization(append([]string{"username", "andy", "password", "andys-password"},
					row.params...)...)...)
				for _, r := range []reply{s.get("/authorize?" + query), s.post("/authorize", query)} {
					requireNoRedirect(t, r, 400, row.code)
				}
				r := s.get("/authorize?"+query, "Accept", "text/html")
				require.Equal(t, 400, r.StatusCode)
				require.Empty(t, r.Header.Get("Location")+r.Header.Get("Refresh"))
				require.NotContains(t, r.text, "evil")
			})
		}
	})
}

// A 307 makes the browser repeat the POST, password included, at the client
// (RFC 9700, section 4.12).
func TestAttack_RedirectThatRepeatsThePassword(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		signedIn := &oauth2server.Options{Grants: allGrants,
			AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
				return &oauth2server.User{ID: "u1"}, nil
			}}
		signs, is := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil), newSite(t, model, signedIn, nil)
		page := newConsentSite(t, model, nil)
		query := "/authorize?" + form(authorization()...)
		for _, row := range []struct {
			name   string
			r      reply
			status int
		}{
			{"code by POST", signs.authorize(), 303},
			{"token by POST", signs.authorize("response_type", "token"), 303},
			{"error by POST", signs.authorize("response_type", "nope"), 303},
			{"denied by POST", signs.authorize("allowed", "false"), 303},
			{"approved by POST", page.post(query, form("username", "u1", "all", "1")), 303},
			{"denied on the page", page.post(query, form("deny", "no")), 303},
			{"code by GET", is.get(query), 302},
			{"error by GET", is.get("/authorize?" + form(authorization("scope", `"`)...)), 302},
		} {
			require.NotEmpty(t, row.r.Header.Get("Location"), row.name)
			require.Equal(t, row.status, row.r.StatusCode, row.name)
			require.NotContains(t, row.r.Header.Get("Location"), "andys-password", row.name)
		}
	})
}

// requireUnframed checks that no other site can frame the page (RFC 9700,
// section 4.16).
func requireUnframed(t testing.TB, r reply) {
	t.Helper()
	require.Equal(t, []string{"frame-ancestors 'none'"}, r.Header.Values("Content-Security-Policy"),
		"%d %s", r.StatusCode, r.text)
	require.Equal(t, []string{"DENY"}, r.Header.Values("X-Frame-Options"))
}

// The owner clicks on a page that they do not see (RFC 9700, section 4.16).
func TestAttack_Clickjacking(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		own := newSite(t, model,
			&oauth2server.Options{ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err *oauth2server.Error) {
				w.WriteHeader(err.Status)
			}}, nil)
		page, query := newConsentSite(t, model, nil), "/authorize?"+form(authorization()...)
		for _, r := range []reply{
			page.get(query),
			page.get("/authorize?client_id=nobody", "Accept", "text/html"), page.get("/authorize?client_id=nobody"),
			page.post(query, "username=u1", "Sec-Fetch-Site", "cross-site"), page.do(page.request("PUT", query, "")),
			own.get(query),
		} {
			requireUnframed(t, r)
		}
	})
}

// Every box of the consent form is unticked, and the server reads no scope as
// the whole scope (empty consent).
func TestAttack_EmptyConsent(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newConsentSite(t, model, nil)
		query := "/authorize?" + form(authorization("scope", "read write")...)
		for name, fields := range map[string]string{
			"no box": "username=u1", "an empty box": "username=u1&box=",
			"a box that was not offered": "username=u1&box=admin",
			"the client's own parameter": "username=u1&scope=read+write", "the URL's": "username=u1&granted=read",
		} {
			r := s.post(query+"&box=read&verdict=allow", fields)
			requireRedirect(t, r, "access_denied", "xyz")
			require.Empty(t, r.at("code"), name)
		}
		require.Equal(t, "read", s.redeem("web", s.post(query, "username=u1&box=read").at("code")).str("scope"))
	})
}
