// This file checks the host and the origin of requests before the pages see
// them.

package main

import (
	"fmt"
	"net/http"
	"strings"
)

// atBase is for pages. It sends browsers that came by another name of this
// machine to the one that cookies, issuer and redirection URIs are for, and
// takes nothing from there: it may be a name of somebody else's that leads
// here.
func (a *app) atBase(base string, next http.Handler) http.Handler {
	scheme, host, _ := strings.Cut(base, "://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == host || r.Host == host+defaultPorts[scheme]:
			next.ServeHTTP(w, r)
		case (r.Method == http.MethodGet || r.Method == http.MethodHead) && scheme == "http":
			http.Redirect(w, r, base+r.URL.RequestURI(), http.StatusFound)
		default: // behind a proxy that does not pass Host as it came, a redirect would come back here
			a.wrongHost(w, r)
		}
	})
}

// wrongHost answers a request that came by a name which is not this site's.
func (p *pages) wrongHost(w http.ResponseWriter, r *http.Request) {
	p.problem(w, r, http.StatusMisdirectedRequest, "", problem{Advice: "problem.host"},
		fmt.Errorf("the request is for the host %q", cutTo(r.Host, 200)))
}

// defaultPorts are those that a browser leaves out.
var defaultPorts = map[string]string{"https": ":443", "http": ":80"}

// protect keeps out forms that another site sends, as the library does at
// /authorize, and reads the others.
func (a *app) protect(base string, next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	// Host may have the default port, which Origin leaves out
	if err := crossOrigin.AddTrustedOrigin(base); err != nil {
		panic(err) // newApp made a server for it
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

// readForm fills in r.Form, before the session is loaded: a body that takes its
// time must not find an old session at its end. A form that is broken or too
// large is refused. A query without a form is not: what is read of it may do,
// or the server says more.
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

// withSemicolons encodes those in the query. They are data to browsers (WHATWG
// URL, section 5.1), and an error to net/url.
func withSemicolons(r *http.Request) *http.Request {
	if !strings.Contains(r.URL.RawQuery, ";") {
		return r
	}
	copied, address := *r, *r.URL
	address.RawQuery = strings.ReplaceAll(address.RawQuery, ";", "%3B")
	copied.URL = &address
	return &copied
}
