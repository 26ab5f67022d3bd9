// This file shows users which apps they connected, and disconnects them.

package main

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// connectedApp is a row of the page of connected apps.
type connectedApp struct {
	ClientID, Name string
	Scope          oauth2server.Scope
	UsedAt         time.Time
}

// connected shows which applications the user connected. Each sign-in at an
// application is a separate grant; the page shows them as one.
func (a *app) connected(w http.ResponseWriter, r *http.Request, user *oauth2server.User) {
	grants, err := a.model.UserGrants(r.Context(), user.ID)
	if err != nil {
		a.fault(w, r, err)
		return
	}
	var apps []*connectedApp
	for _, g := range grants { // the one used last first
		i := slices.IndexFunc(apps, func(c *connectedApp) bool { return c.ClientID == g.ClientID })
		if i < 0 {
			client, err := a.model.GetClient(r.Context(), g.ClientID, "")
			if errors.Is(err, oauth2server.ErrNotFound) {
				client, err = &oauth2server.Client{ID: g.ClientID}, nil // deleted since
			}
			if err != nil {
				a.fault(w, r, err)
				return
			}
			app := &connectedApp{
				ClientID: g.ClientID,
				Name:     a.nameOf(client.Data, client.ID),
				UsedAt:   g.UsedAt,
			}
			i, apps = len(apps), append(apps, app)
		}
		for _, value := range g.Scope {
			if !apps[i].Scope.Contains(value) {
				apps[i].Scope = append(apps[i].Scope, value)
			}
		}
	}
	a.show(w, r, http.StatusOK, page{Name: "connected", User: a.nameOf(user.Data, user.ID),
		Notice: a.sessions.PopString(r.Context(), sessionNotice), Data: apps})
}

// disconnect ends what the user granted to an application: when the page
// confirms it, none of its tokens works. It must be behind [app.protect].
func (a *app) disconnect(w http.ResponseWriter, r *http.Request, user *oauth2server.User) {
	clientID := r.PostFormValue("client_id")
	ctx, cancel := lasting(r)
	defer cancel()
	if err := a.model.RevokeUserClient(ctx, user.ID, clientID); err != nil {
		a.fault(w, r, err)
		return
	}
	ended := oauth2server.Event{
		Endpoint: "apps",
		Kind:     oauth2server.EventRevoked,
		ClientID: clientID,
		UserID:   user.ID,
	}
	a.steps.event(r, ended)
	a.sessions.Put(r.Context(), sessionNotice, "connected.ended")
	http.Redirect(w, r, "/apps", http.StatusSeeOther)
}
