package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// problem is what the page of that name shows.
type problem struct {
	Advice            string // by its name among the words
	Code, Description string // for the developer of the client; empty: it is not his mistake
	At                time.Time
}

// refuse is for [oauth2server.Options.ErrorHandler]: there is nobody to redirect to.
func (a *app) refuse(w http.ResponseWriter, r *http.Request, err *oauth2server.Error) {
	data := problem{Advice: "problem.client", Code: string(err.Code), Description: err.Description, At: time.Now()}
	switch {
	case err.Code == oauth2server.ServerError:
		data = problem{Advice: "problem.fault"}
	case err.Status == http.StatusForbidden:
		data = problem{Advice: "problem.origin"}
	}
	a.show(w, r, err.Status, page{Name: "problem", User: a.signedInName(r), Data: data})
}

// missing answers where there is no page.
func (a *app) missing(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusNotFound, page{Name: "problem", User: a.signedInName(r), Data: problem{Advice: "problem.missing"}})
}

// fault answers when a storage fails. The cause is for the log.
func (a *app) fault(w http.ResponseWriter, r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "a page failed", "path", r.URL.Path, "error", err)
	a.show(w, r, http.StatusServiceUnavailable, page{Name: "problem", Data: problem{Advice: "problem.fault"}})
}
