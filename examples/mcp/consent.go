// This file is the page: it signs people in, and asks them about each client,
// as anybody can register one.

package main

import (
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/seed-11d18166/oauth2server"
)

var pages = template.Must(template.New("").Parse(`
{{define "top"}}<!DOCTYPE html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{{.}}</title><h1>{{.}}</h1>{{end}}

{{define "sign in"}}{{template "top" "Sign in"}}{{with .}}<p role="alert">{{.}}</p>{{end}}
<form method="post"><label>Name <input name="username" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Sign in</button></form>{{end}}

{{define "consent"}}{{template "top" "Allow access?"}}
<p>{{if .Stranger}}{{with .Client.Name}}An app that calls itself <strong>{{.}}</strong>{{else}}An app without a
name{{end}}{{with .ClientHost}}, published by <strong>{{.}}</strong>,{{else}}, which nobody vouches for,{{end}}
{{- else}}<strong>{{or .Client.Name .Client.ID}}</strong>{{end}}
asks for access to <strong>{{or .Resource "the API"}}</strong>:</p>
<ul>{{range .May}}<li>{{.}}</li>{{else}}<li>to know who you are</li>{{end}}</ul>
<p>The answer goes to <strong>{{.Host}}</strong>{{if .Local}}, a program on your device. Any program there could
pose as this app: allow this only if you have just started it, and it sent you here{{end}}.</p>
<form method="post"><button name="verdict" value="allow">Allow</button>
<button name="verdict" value="deny">Deny</button></form>{{end}}`))

// words are what a scope means to people.
var words = map[string]string{"read": "see who you are, and read your notes", "write": "keep new notes"}

func show(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	pages.ExecuteTemplate(w, name, data) // an error means that the browser hung up
}

// page shows the sign-in form, then the question. Its forms go to the same URL,
// which keeps the client's request.
func page(users oauth2server.PasswordModel, secure bool) http.Handler {
	sessions := scs.New()
	sessions.Lifetime, sessions.IdleTimeout = 12*time.Hour, time.Hour
	sessions.Cookie.Secure = secure
	return sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		if r.Method == http.MethodPost && r.PostForm.Has("username") {
			user, err := users.GetUser(r.Context(), r.PostForm.Get("username"),
				r.PostForm.Get("password"), request.Client)
			if errors.Is(err, oauth2server.ErrNotFound) {
				show(w, "sign in", "Name or password is wrong.")
				return
			}
			if err == nil { // someone else may have prepared this session
				err = sessions.RenewToken(r.Context())
			}
			if err != nil { // not a wrong password: the storage failed
				request.Fail(w, r, err)
				return
			}
			sessions.Put(r.Context(), "user", user.ID)
		}
		user := &oauth2server.User{ID: sessions.GetString(r.Context(), "user")}
		switch verdict := r.PostForm.Get("verdict"); {
		case user.ID == "":
			show(w, "sign in", "")
		case verdict == "allow":
			request.Approve(w, r, oauth2server.Approval{User: user, All: true})
		case verdict == "deny":
			request.Deny(w, r, "")
		default:
			ask(w, r, request, user)
		}
	}))
}

// ask shows who wants what, and where the answer goes.
func ask(
	w http.ResponseWriter, r *http.Request, request *oauth2server.AuthorizationRequest, user *oauth2server.User,
) {
	scope, err := request.ScopeFor(r.Context(), user)
	if err != nil {
		request.Fail(w, r, err)
		return
	}
	shown := struct {
		*oauth2server.AuthorizationRequest
		Stranger bool
		May      []string
		Host     string
		Local    bool
	}{AuthorizationRequest: request, Stranger: request.Client.SelfAsserted}
	shown.Host, shown.Local = request.RedirectHost()
	for _, name := range scope {
		if words[name] != "" {
			name = words[name]
		}
		shown.May = append(shown.May, name)
	}
	show(w, "consent", shown)
}
