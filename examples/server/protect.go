package main

import (
	"net/http"
	"strings"
)

// atBase sends who came by another name of this machine to the one that cookies, issuer and redirection URIs are for.
func atBase(base string, next http.Handler) http.Handler {
	_, host, _ := strings.Cut(base, "://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host && r.Method == http.MethodGet {
			http.Redirect(w, r, base+r.URL.RequestURI(), http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// maxForm bounds the forms of the application's own pages, in bytes.
const maxForm = 64 << 10

// protect keeps out forms that another site sends, as the library does at /authorize, and forms that are broken or too
// large. Of others it fills in r.Form.
func (a *app) protect(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.show(w, r, http.StatusForbidden, page{Name: "problem", Data: problem{Advice: "problem.origin"}})
	}))
	return crossOrigin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			a.show(w, r, http.StatusBadRequest, page{Name: "problem", Data: problem{Advice: "problem.form"}})
			return
		}
		next.ServeHTTP(w, r)
	}))
}
