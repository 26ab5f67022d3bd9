// This file shows pages that tell what went wrong, each with a reference that
// is also in the log.

package main

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// problem is the data of the page problem.
type problem struct {
	Advice            string // a key of the words; the title is there too
	Code, Description string // for the developer of the client; empty if it is not their mistake
	At                time.Time
	Reference         string // to search the log for
}

// refuse is for [oauth2server.Options.ErrorHandler], for errors that cannot be
// redirected to the client. The server has logged the cause.
func (a *app) refuse(w http.ResponseWriter, r *http.Request, err *oauth2server.Error) {
	data := problem{Advice: "problem.client", Code: string(err.Code), Description: err.Description}
	switch {
	case err.Code == oauth2server.ServerError:
		data = problem{Advice: "problem.fault"}
	case err.Status == http.StatusForbidden:
		data = problem{Advice: "problem.origin"}
	}
	data.Reference = err.Reference
	a.steps.page(err.Reference)
	a.showProblem(w, r, err.Status, a.signedInName(r), data)
}

// missing answers requests for unknown pages.
func (a *app) missing(w http.ResponseWriter, r *http.Request) {
	a.problem(w, r, http.StatusNotFound, a.signedInName(r), problem{Advice: "problem.missing"}, nil)
}

// fault answers when a storage fails. The cause goes to the log.
func (p *pages) fault(w http.ResponseWriter, r *http.Request, err error) {
	p.problem(w, r, http.StatusServiceUnavailable, "", problem{Advice: "problem.fault"}, err)
}

// problem shows data and logs it, with the cause, under the same reference.
// user is the signed-in user, for the menu.
func (p *pages) problem(
	w http.ResponseWriter, r *http.Request, status int, user string, data problem, cause error,
) {
	data.Reference = p.log(r, status, data.Advice, cause)
	p.showProblem(w, r, status, user, data)
}

func (p *pages) showProblem(
	w http.ResponseWriter, r *http.Request, status int, user string, data problem,
) {
	data.At = time.Now()
	p.show(w, r, status, page{Name: "problem", Title: data.Advice + ".title", User: user, Data: data})
}

// log logs why a request failed, and returns the reference.
func (p *pages) log(r *http.Request, status int, what string, cause error) (reference string) {
	reference = rand.Text()[:8]
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	slog.Log(r.Context(), level, "a page shows a problem", "reference", reference, "problem", what,
		"status", status,
		"method", r.Method, "path", cutTo(r.URL.Path, 200), "cause", cause)
	return reference
}
