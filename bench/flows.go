// This file has the flows that are measured: the requests of one client.

package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// flow is a kind of work: a few requests in a row, the same for each peer.
type flow struct {
	name string
	run  func(s *session) error
}

var flows = []flow{
	{"client credentials", (*session).clientCredentials},
	{"authenticate", (*session).authenticate},
	{"code flow", (*session).codeFlow},
	{"refresh", (*session).refresh},
}

// sender sends a request and keeps its answer until the next one. It allocates
// next to nothing, so that the server is measured.
type sender interface {
	// send returns the status. A body is that of a form.
	send(method, path, authorization string, body []byte) (status int, err error)

	// location and body are those of the last answer.
	location() string
	body() []byte
}

// session is a client at work. The constant parts of its requests are made
// once.
type session struct {
	peer   peers.Peer
	sender sender
	base   string // of redirects within the server

	authorizePath, app, machine    string
	machineForm, codeForm, refForm []byte
	codeAt, refAt                  int // the offsets of the code and the refresh token in their forms
	tokens                         []string
	next                           int
	current                        []byte // the refresh token; empty at first
	refreshes                      int
}

func newSession(p peers.Peer, base string, s sender, tokens []string) *session {
	basic := func(c peers.Client) string {
		return "Basic " +
			base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID)+":"+url.QueryEscape(c.Secret)))
	}
	n := &session{
		peer:          p,
		sender:        s,
		base:          base,
		tokens:        tokens,
		authorizePath: p.Authorize + "?" + authorizeQuery(p, p.App),
		app:           basic(p.App),
		machine:       basic(p.Machine),
	}
	n.machineForm = []byte("grant_type=client_credentials")
	if scope := machineScope(p); scope != "" {
		n.machineForm = append(n.machineForm, "&scope="+scope...)
	}
	n.codeForm = []byte("grant_type=authorization_code&redirect_uri=" +
		url.QueryEscape(peers.Callback) + "&code_verifier=" + verifier)
	if p.Resource != "" {
		n.codeForm = append(n.codeForm, "&resource="+url.QueryEscape(p.Resource)...)
	}
	n.codeForm = append(n.codeForm, "&code="...)
	n.refForm = []byte("grant_type=refresh_token&refresh_token=")
	n.codeAt, n.refAt = len(n.codeForm), len(n.refForm)
	return n
}

func (n *session) post(path, authorization string, form []byte) error {
	status, err := n.sender.send("POST", path, authorization, form)
	if err == nil && (status != 200 || !bytes.Contains(n.sender.body(), []byte(`"access_token"`))) {
		err = fmt.Errorf("%s: %s: status %d: %s", n.peer.Name, form, status, n.sender.body())
	}
	return err
}

func (n *session) clientCredentials() error { return n.post(n.peer.Token, n.machine, n.machineForm) }

func (n *session) authenticate() error {
	n.next++
	status, err := n.sender.send("GET", n.peer.API, n.tokens[n.next%len(n.tokens)], nil)
	if err == nil && status != 200 {
		err = fmt.Errorf("%s: the API: status %d", n.peer.Name, status)
	}
	return err
}

func (n *session) codeFlow() error {
	path := n.authorizePath
	for range 5 {
		if _, err := n.sender.send("GET", path, "", nil); err != nil {
			return err
		}
		location := n.sender.location()
		if code, ok := parameter(location, peers.Callback, "code="); ok {
			n.codeForm = append(n.codeForm[:n.codeAt], code...)
			return n.post(n.peer.Token, n.app, n.codeForm)
		}
		if len(location) > len(n.base) && location[:len(n.base)] == n.base {
			location = location[len(n.base):]
		}
		if location == "" || location[0] != '/' {
			return fmt.Errorf("%s: no code: %q", n.peer.Name, location)
		}
		path = location
	}
	return fmt.Errorf("%s: redirected in a circle", n.peer.Name)
}

// refreshesOfAGrant is below the bound of any server.
const refreshesOfAGrant = 5000

// refresh uses the token of the last refresh; the first one of each grant comes
// from a code.
func (n *session) refresh() error {
	if n.refreshes++; n.refreshes%refreshesOfAGrant == 1 {
		if err := n.codeFlow(); err != nil {
			return err
		}
		n.current = append(n.current[:0], member(n.sender.body(), `"refresh_token":`)...)
	}
	n.refForm = append(n.refForm[:n.refAt], n.current...)
	if err := n.post(n.peer.Token, n.app, n.refForm); err != nil {
		return err
	}
	n.current = append(n.current[:0], member(n.sender.body(), `"refresh_token":`)...)
	return nil
}

// parameter returns a parameter of an address that begins with prefix.
func parameter(address, prefix, name string) (string, bool) {
	if len(address) < len(prefix) || address[:len(prefix)] != prefix {
		return "", false
	}
	for rest := address[len(prefix):]; rest != ""; {
		rest = rest[1:] // ? or &
		end := 0
		for end < len(rest) && rest[end] != '&' {
			end++
		}
		if end > len(name) && rest[:len(name)] == name {
			return rest[len(name):end], true
		}
		rest = rest[end:]
	}
	return "", false
}

// member returns a member of a JSON document that is a string without escapes,
// as tokens are.
func member(document []byte, name string) []byte {
	at := bytes.Index(document, []byte(name))
	if at < 0 {
		return nil
	}
	rest := document[at+len(name):]
	begin := bytes.IndexByte(rest, '"') + 1
	end := bytes.IndexByte(rest[begin:], '"')
	return rest[begin : begin+end]
}

// fill has tokens issued that are not used.
func (n *session) fill(tokens int) error {
	for range tokens {
		if err := n.clientCredentials(); err != nil {
			return err
		}
	}
	return nil
}

// issue has tokens issued, for requests to the API.
func issue(p peers.Peer, base string, s sender, many int) (tokens []string, err error) {
	n := newSession(p, base, s, nil)
	for range many {
		next := n.clientCredentials
		if p.API != "/api" {
			next = n.codeFlow // an API at another path needs the token of a user
		}
		if err := next(); err != nil {
			return nil, err
		}
		tokens = append(tokens, "Bearer "+string(member(s.body(), `"access_token":`)))
	}
	return tokens, nil
}
