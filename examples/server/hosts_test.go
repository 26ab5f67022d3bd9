package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// comingTo is a browser that finds base at an address of this machine, as another
// machine in the network would.
func comingTo(t *testing.T, base, address string) *browser {
	b := newBrowser(t, base)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	t.Cleanup(transport.CloseIdleConnections)
	b.Transport = transport
	return b
}

// fromConnectToDisconnect tells the story of README.md, at a host.
func fromConnectToDisconnect(b *browser) {
	b.t.Helper()
	b.open("/")
	b.connect()
	b.says("client.answered")
	b.submit("/client/refresh")
	b.says("client.refreshed")
	b.open("/apps")
	require.Contains(b.t, b.last.page, "Demo Web App")
	b.open("/client/")
	b.submit("/client/disconnect")
	b.says("client.disconnected")
	b.signInToClient()
	b.submit("/client/signout")
	b.says("client.signedout")
	issuer := b.open("/.well-known/oauth-authorization-server").page
	require.Contains(b.t, issuer, `"issuer":"`+b.base+`"`)
	require.Contains(b.t, issuer, `"token_endpoint":"`+b.base+`/user/token"`)
}

// A telephone in the same network tries the example: no host of this machine
// sends it to another one, and everything works there.
func TestAtEachHostOfThisMachine(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		base := start(t, "-addr", addr)
		address := strings.TrimPrefix(base, "http://")
		port := base[strings.LastIndex(base, ":"):]
		require.Equal(t, "http://127.0.0.1"+port, base)
		name, err := os.Hostname()
		require.NoError(t, err)
		for _, host := range []string{"127.0.0.1" + port, "localhost" + port, "192.168.1.5" + port,
			"[fe80::1]" + port, strings.ToLower(name) + port,
			"app.localhost" + port, "192.168.1.5", "10.0.0.1:9000"} {
			fromConnectToDisconnect(comingTo(t, "http://"+host, address))
		}
	}
}

// What one allows at one host is allowed at all, and guesses are counted together.
func TestHostsAreOneServer(t *testing.T) {
	base := start(t, "-addr", "0.0.0.0:0")
	address := strings.TrimPrefix(base, "http://")
	here, there := newBrowser(t, base), comingTo(t, "http://192.168.1.5:8080", address)
	here.connect()
	there.open("/apps")
	require.Equal(t, "/signin", there.last.Request.URL.Path, "a session is for one host")
	there.signIn()
	there.submit("/apps")
	here.submit("/client/api")
	here.says("client.unauthorized")
	guess := func(b *browser) int {
		return b.post("/signin", "username", "andy", "password", "wrong").StatusCode
	}
	for range 5 {
		require.Equal(t, http.StatusOK, guess(here))
		require.Equal(t, http.StatusOK, guess(there))
	}
	require.Equal(t, http.StatusTooManyRequests, guess(here))
	require.Equal(t, http.StatusTooManyRequests, guess(there))
}

// A name of somebody else's leads here (DNS rebinding), or there is no end of them.
func TestAttack_HostsOfOthers(t *testing.T) {
	base := start(t, "-addr", "0.0.0.0:0")
	address := strings.TrimPrefix(base, "http://")
	for _, host := range []string{"evil.example", "192.168.1.5.evil.example", "localhost.evil.example",
		"evillocalhost", "192.168.1.5:0", "192.168.1.5:99999",
		"192.168.1.5:x", "127.1", "fe80::1%25eth0"} {
		b := comingTo(t, base, address)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, base+"/signin",
				strings.NewReader("username=andy&password=123456"))
			require.NoError(t, err)
			r.Host = host
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			b.saw(b.Do(r))
			require.Equal(t, http.StatusMisdirectedRequest, b.last.StatusCode, host)
			b.says("problem.host")
			require.Empty(t, b.last.Header.Values("Set-Cookie"))
		}
	}
	refused := 0
	for i := range 2 * maxHosts {
		b := comingTo(t, "http://10.0.0."+string(rune('0'+i%10))+":"+strings.Repeat("1", 1+i/10), address)
		if b.open("/").StatusCode == http.StatusMisdirectedRequest {
			refused++
		}
	}
	require.GreaterOrEqual(t, refused, maxHosts)
	require.Equal(t, http.StatusOK, newBrowser(t, base).open("/").StatusCode)
}

// By -url there is one host, be it of plain http, and other names of it lead
// there.
func TestURLOfPlainHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close()) // for the command
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	base := start(t, "-addr", address, "-url", "http://192.168.1.5:"+port)
	require.Equal(t, "http://192.168.1.5:"+port, base)
	fromConnectToDisconnect(comingTo(t, base, address))
	b := comingTo(t, base, address)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	location, err := b.open("http://" + address + "/apps").Location()
	require.NoError(t, err)
	require.Equal(t, base+"/apps", location.String())
}

func TestInClear(t *testing.T) {
	for base, want := range map[string]bool{
		"https://auth.example": false, "http://127.0.0.1:8080": false, "http://[::1]:8080": false,
		"http://localhost":       false,
		"http://app.localhost:1": false, "http://192.168.1.5": true, "http://127.0.0.2": true,
		"http://machine.local:80": true, "http://localhost.example": true,
	} {
		require.Equal(t, want, inClear(base), base)
	}
}

// What is printed tells of the danger, and where a telephone finds it.
func TestWelcome(t *testing.T) {
	var out strings.Builder
	welcome(&out, "http://127.0.0.1:8080", false, 8080)
	require.NotContains(t, out.String(), "plain http")
	out.Reset()
	welcome(&out, "http://192.168.1.5:8080", false, 8080)
	require.Contains(t, out.String(), "plain http")
	out.Reset()
	welcome(&out, "http://127.0.0.1:8080", true, 8080)
	require.Contains(t, out.String(), "plain http")
	for _, there := range elsewhere(8080) {
		require.Contains(t, out.String(), there+"/")
		u, err := url.Parse(there)
		require.NoError(t, err)
		require.NotContains(t, u.Host, "127.0.0.1")
	}
}

// A proxy or an old browser writes the default port, too, which Origin leaves out.
func TestHostWithTheDefaultPort(t *testing.T) {
	for base, host := range map[string]string{"https://auth.example": "auth.example:443",
		"http://192.168.1.5": "192.168.1.5:80"} {
		model, err := openMemory(base)
		require.NoError(t, err)
		a, err := newApp(base, nil, model, files, nil)
		require.NoError(t, err)
		for path, want := range map[string]int{"/signin": http.StatusSeeOther,
			asks("", "prompt", "login"): http.StatusSeeOther} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+path,
				strings.NewReader("username=andy&password=123456"))
			r.Host = host
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", base)
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			require.Equal(t, want, w.Code, "%s %s: %s", host, path, w.Body)
		}
	}
}

func TestIsThisMachine(t *testing.T) {
	name, err := os.Hostname()
	require.NoError(t, err)
	name = strings.ToLower(name)
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:1": true, "192.168.1.5:65535": true, "[::1]": true,
		"[2001:db8::1]:80": true, "localhost": true, "a.localhost:8": true,
		name: true, name + ".local:80": true,
		"": false, ":80": false, "127.0.0.1:": false, "127.0.0.1:0": false, "127.0.0.1:65536": false,
		"127.0.0.1:x": false, "::1": false, "[::1": false, "::1]": false,
		"[127.0.0.1]": false, "[fe80::1%eth0]:80": false, "127.1": false, "2130706433": false,
		"notlocalhost": false, "localhost.example": false,
		name + ".example": false, "evil.example": false,
	} {
		require.Equal(t, want, isThisMachine(host), host)
	}
}
