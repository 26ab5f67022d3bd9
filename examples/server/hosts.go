// This file finds the application for the host of a request, when the program
// listens on all addresses of the machine.

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

// hosts serves the application at each host by which this machine may be
// reached: any IP address, localhost, or its own name. Each host has its own
// application, with an issuer, redirection URIs and sessions, over the same
// model. Any other name is refused: an attacker may have pointed it here (DNS
// rebinding).
type hosts struct {
	first *app // at http://127.0.0.1
	make  func(base string) (*app, error)

	mu   sync.Mutex
	apps map[string]*app // by host
}

// maxHosts bounds the number of hosts, as each request chooses its host.
const maxHosts = 32

// newHosts returns the hosts for an application at base.
func newHosts(s setup, base string) (*hosts, error) {
	first, err := s.app(base)
	if err != nil {
		return nil, err
	}
	return &hosts{
		first: first,
		make: func(there string) (*app, error) {
			moved := s
			moved.model = movedModel{s.model, base, there}
			return moved.app(there)
		},
		apps: map[string]*app{strings.TrimPrefix(base, "http://"): first},
	}, nil
}

// ServeHTTP implements [http.Handler].
func (h *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	app, err := h.at(strings.TrimSuffix(strings.ToLower(r.Host), defaultPorts["http"]))
	switch {
	case err != nil:
		h.first.fault(w, r, err)
	case app == nil:
		h.first.wrongHost(w, r)
	default:
		app.ServeHTTP(w, r)
	}
}

// at returns the application at a host, or nil.
func (h *hosts) at(host string) (*app, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known, ok := h.apps[host]; ok {
		return known, nil
	}
	if len(h.apps) == maxHosts || !isThisMachine(host) {
		return nil, nil
	}
	made, err := h.make("http://" + host)
	if err == nil {
		h.apps[host] = made
	}
	return made, err
}

// isThisMachine reports whether host is a name that only this machine can have.
func isThisMachine(host string) bool {
	name := host
	if at := strings.LastIndex(host, ":"); at > strings.LastIndex(host, "]") {
		if port, err := strconv.ParseUint(host[at+1:], 10, 16); err != nil || port == 0 {
			return false
		}
		name = host[:at]
	}
	bare, inBrackets := strings.CutPrefix(name, "[")
	bare, closed := strings.CutSuffix(bare, "]")
	if address, err := netip.ParseAddr(bare); err == nil {
		return address.Zone() == "" && inBrackets == closed && inBrackets == address.Is6()
	}
	own, err := os.Hostname()
	own = strings.ToLower(own)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		err == nil && own != "" && (name == own || name == own+".local")
}

// movedModel has the clients of the application at another host: their
// addresses at base are at there. Everything else is unchanged.
type movedModel struct {
	storage
	base, there string
}

// Unwrap gives the server the other interfaces of the model.
func (m movedModel) Unwrap() oauth2server.Model { return m.storage }

// GetClient implements [oauth2server.Model].
func (m movedModel) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	client, err := m.storage.GetClient(ctx, id, secret)
	if err != nil {
		return nil, err
	}
	moved, known := *client, profileIn(client.Data, client.ID)
	known.SignedOutURIs = m.move(known.SignedOutURIs)
	moved.RedirectURIs, moved.Data = m.move(client.RedirectURIs), known
	return &moved, nil
}

func (m movedModel) move(uris []string) (moved []string) {
	for _, uri := range uris {
		if path, ok := strings.CutPrefix(uri, m.base+"/"); ok {
			uri = m.there + "/" + path
		}
		moved = append(moved, uri)
	}
	return moved
}

// inClear reports whether passwords and tokens go over a network unencrypted.
func inClear(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return false
	}
	switch name := u.Hostname(); name {
	case "127.0.0.1", "::1", "localhost":
		return false
	default:
		return !strings.HasSuffix(name, ".localhost")
	}
}

// straightTo returns a transport that sends all requests of the demo client to
// addr, where this program listens. A machine may not resolve the name that
// others use for it.
func straightTo(addr net.Addr) http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, demo.Reachable(addr))
	}
	return transport
}

// elsewhere returns the addresses at which other machines reach this one.
func elsewhere(port int) (bases []string) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, address := range addresses {
		network, ok := address.(*net.IPNet)
		if ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			bases = append(bases, "http://"+net.JoinHostPort(network.IP.String(), fmt.Sprint(port)))
		}
	}
	return bases
}
