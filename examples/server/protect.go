// This file checks the host and the origin of requests before the pages see
// them.

package main

import (
	"fmt"
	"net/http"
	"strings"
)

// atBase wraps pages. It redirects browsers that use another name of this
// machine to base, which cookies, issuer and redirection URIs are for. It
// accepts no forms at another name, which an attacker may have pointed here.
func (a *app) atBase(base string, next http.Handler) http.Handler {
	scheme, host, _ := strings.Cut(base, "://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == host || r.Host == host+defaultPorts[scheme]:
			next.ServeHTTP(w, r)
		case (r.Method == http.MethodGet || r.Method == http.MethodHead) && scheme == "http":
			http.Redirect(w, r, base+r.URL.RequestURI(), http.StatusFound)
		default: // Behind a proxy that changes Host, a redirect would come back here.
			a.wrongHost(w, r)
		}
	})
}

// wrongHost answers a request for a host that is not this site.
func (p *pages) wrongHost(w http.ResponseWriter, r *http.Request) {
	p.problem(w, r, http.StatusMisdirectedRequest, "", problem{Advice: "problem.host"},
		fmt.Errorf("the request is for the host %q", cutTo(r.Host, 200)))
}

// defaultPorts are the ports that browsers leave out.
var defaultPorts = map[string]string{"https": ":443", "http": ":80"}

// protect refuses forms from other sites, as the library does at /authorize,
// and reads the others.
func (a *app) protect(base string, next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	// Host may have the default port, which Origin leaves out.
	if err := crossOrigin.AddTrustedOrigin(base); err != nil {
		panic(err) // cannot happen: newApp made a server for base
	}
	next = a.readForm(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := crossOrigin.Check(r); err != nil {
			a.problem(w, r, http.StatusForbidden, "", problem{Advice: "problem.origin"}, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// maxForm bounds the forms, in bytes.
const maxForm = 64 << 10

// readForm parses the form before the session is loaded, as the session may
// change while a slow body arrives. It refuses a form that is broken or too
// large. It accepts a broken query without a form: the readable part may be
// enough, or the server returns a better error.
func (a *app) readForm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = withSemicolons(r)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil && r.Method == http.MethodPost {
			a.problem(w, r, http.StatusBadRequest, "", problem{Advice: "problem.form"}, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withSemicolons encodes the semicolons in the query, which are data to
// browsers (WHATWG URL, section 5.1) and an error to net/url.
func withSemicolons(r *http.Request) *http.Request {
	if !strings.Contains(r.URL.RawQuery, ";") {
		return r
	}
	copied, address := *r, *r.URL
	address.RawQuery = strings.ReplaceAll(address.RawQuery, ";", "%3B")
	copied.URL = &address
	return &copied
}
