package main

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// The page says of the connection what the last answer says, in either
// language, and never "Connected" when that was a refusal.
func TestTheClientSaysWhatItKnowsOfTheConnection(t *testing.T) {
	model := &broken{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model }))
	words, err := parsePages(files)
	require.NoError(t, err)
	standings := []string{"client.story", standingGood, standingRefused, standingDenied, standingUnclear}
	requireStanding := func(notice, want string) {
		t.Helper()
		b.says(notice)
		for i, language := range []string{"en", "zh"} {
			if i > 0 {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+"/client/", nil)
				require.NoError(t, err)
				r.Header.Set("Accept-Language", language)
				if b.last.Request.URL.Path != "/client/" {
					return // it is kept of nobody who was never connected
				}
				b.saw(b.Do(r))
			}
			for _, standing := range standings {
				require.Equal(t, standing == want, strings.Contains(html.UnescapeString(b.last.page),
					words.words[i][standing]), "%s %s", language, standing)
			}
		}
	}
	deny := func() {
		b.open("/apps")
		b.open(strings.Replace(b.authorizeAddress(), "scope=read", "scope=read+write", 1)) // more than was allowed
		b.submit("/authorize", "verdict", "deny")
	}
	deny()
	requireStanding("client.denied", "client.story")
	b.connect()
	requireStanding("client.answered", standingGood)
	deny()
	requireStanding("client.denied", standingDenied)
	b.submit("/client/api")
	requireStanding("client.answered", standingGood)
	model.methods = "AppendGrant"
	b.post("/client/refresh")
	requireStanding("client.failed", standingUnclear)
	model.methods = ""
	b.post("/client/refresh")
	requireStanding("client.refreshed", standingGood)
	model.methods = "UserGrants"
	b.post("/client/connect")
	requireStanding("client.failed", standingUnclear)
	model.methods = ""
	b.post("/client/api")
	requireStanding("client.answered", standingGood)

	b.open("/apps")
	b.submit("/apps") // disconnected elsewhere
	b.open("/client/")
	b.submit("/client/api")
	requireStanding("client.unauthorized", standingRefused)
	b.post("/client/connect")
	b.submit("/authorize", "verdict", "deny")
	requireStanding("client.denied", standingDenied)
	b.submit("/client/refresh")
	requireStanding("client.ended", "client.story")
	b.connect()
	b.submit("/client/disconnect")
	requireStanding("client.disconnected", "client.story")
	b.post("/client/api")
	requireStanding("client.unconnected", "client.story")
}

// authorizeAddress is where the demo client sends the browser.
func (b *browser) authorizeAddress() string {
	b.t.Helper()
	follow := b.CheckRedirect
	defer func() { b.CheckRedirect = follow }()
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.post("/client/connect")
	location, err := b.last.Location()
	require.NoError(b.t, err)
	if b.CheckRedirect = follow; strings.Contains(b.open("/apps").page, `name="password"`) {
		b.signIn()
	}
	return location.String()
}

// Steps have numbers, and the last one is first, whatever they belong to.
func TestStepsAreNumberedAndInOneOrder(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.connect()
	numbers := func() (numbers []string) {
		for _, step := range regexp.MustCompile(`<li class="card mb-3" value="(\d+)"><div class="card-body">\s*<h2 class="h5 card-title">(\d+)\. ([^<]*)</h2>`).FindAllStringSubmatch(b.last.page, -1) {
			require.Equal(t, step[1], step[2])
			numbers = append(numbers, step[1])
		}
		return numbers
	}
	require.Equal(t, []string{"4", "3", "2", "1"}, numbers())
	b.says("client.order")
	require.Contains(t, b.last.page, ">4. The app calls the API<")
	require.Contains(t, b.last.page, ">1. The app sends your browser to the server<")
	b.submit("/client/refresh")
	b.submit("/client/disconnect")
	require.Equal(t, []string{"7", "6", "5", "4", "3", "2", "1"}, numbers())
	require.Contains(t, b.last.page, ">6. The app gives its access back<")
	for range 4 {
		b.connect()
	}
	shown := numbers()
	require.Equal(t, "23", shown[0])
	require.LessOrEqual(t, len(shown), maxSteps)
	require.Greater(t, len(shown), 8)
}

func TestHistoryIsBounded(t *testing.T) {
	var h history
	for range 100 {
		h.add(exchange{Request: "a"})
	}
	require.Len(t, h.Exchanges, maxSteps)
	require.Equal(t, 100, h.Exchanges[0].Number)
	for range 100 {
		h.add(exchange{Request: strings.Repeat("a", maxHistory/3)})
	}
	require.Len(t, h.Exchanges, 3)
	h.add(exchange{Request: strings.Repeat("a", 2*maxHistory)})
	require.Len(t, h.Exchanges, 1, "the last one is shown in any case")
	require.Equal(t, 201, h.Exchanges[0].Number)
}

// Two that asked at once: the answer to the first is not the one that is waited
// for.
func TestTheClientWaitsForTheLastAnswer(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	first := b.authorizeAddress()
	second := b.authorizeAddress()
	b.open(first)
	b.submit("/authorize", "verdict", "allow")
	b.says("client.unasked")
	require.NotContains(t, b.last.page, `action="/client/api"`)
	b.open(second)
	b.submit("/authorize", "verdict", "allow")
	b.says(standingGood)
}
