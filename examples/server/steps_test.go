package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
)

func TestEachStepIsALine(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	base := "http://" + server.Listener.Addr().String()
	model, err := openMemory(base)
	require.NoError(t, err)
	var out bytes.Buffer // a line is written before its request is answered
	server.Config.Handler, err = newApp(base, nil, model, files, &out)
	require.NoError(t, err)
	server.Start()

	config := oauth2.Config{ClientID: clientID, ClientSecret: clientSecret,
		Endpoint: oauth2.Endpoint{TokenURL: base + "/user/token", AuthStyle: oauth2.AuthStyleInHeader}}
	token, err := config.PasswordCredentialsToken(t.Context(), "andy", "123456")
	require.NoError(t, err)
	_, err = config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	require.NoError(t, err)
	_, err = config.Exchange(t.Context(), "guessed")
	require.Error(t, err)
	require.Equal(t, strings.Join([]string{
		"token        issued     grant type password  client 123456  user 1",
		"token        refreshed  grant type refresh_token  client 123456  user 1",
		"token        refused    grant type authorization_code  client 123456  error invalid_grant  reason code_unknown\n",
	}, "\n"), out.String())
	for _, secret := range []string{token.AccessToken, token.RefreshToken, clientSecret, "guessed"} {
		require.NotContains(t, out.String(), secret)
	}
}

// What an ID is made of is somebody else's choice.
func TestAStepIsOneLineWithFieldsOfItsOwn(t *testing.T) {
	for id, want := range map[string]string{"x  user 2": `"x  user 2"`, "x\nuser": `"x\nuser"`, "x": "x"} {
		var out bytes.Buffer
		(&steps{out: &out}).event(nil, oauth2server.Event{Endpoint: "apps", Kind: oauth2server.EventRevoked,
			ClientID: id, UserID: "1"})
		require.Equal(t, "apps         revoked    client "+want+"  user 1\n", out.String())
	}
}

func TestStepsArePrintedIfAsked(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-v", "-addr", "127.0.0.1:0"}, write, files) }()
	lines := bufio.NewScanner(read)
	var base string
	for base == "" && lines.Scan() {
		base = regexp.MustCompile(`http://[0-9.:]+`).FindString(lines.Text())
	}
	go func() {
		if res, err := http.Get(base + "/authorize?client_id=nobody"); err == nil {
			res.Body.Close()
		}
	}()
	for lines.Scan() && !strings.Contains(lines.Text(),
		"authorize    refused    error invalid_client  reason client_unknown") {
	}
	require.Contains(t, lines.Text(), "reason client_unknown")
	require.True(t, lines.Scan())
	require.Regexp(t, `^authorize    page       reference [A-Z2-7]{8}$`, lines.Text(), "as the page says")
	go io.Copy(io.Discard, read)
	stop()
	require.NoError(t, <-ended)
}
