package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// consentForm is what the consent page shows.
type consentForm struct {
	Client     string
	Host       string // where the answer goes
	Public     bool
	Scope      oauth2server.Scope
	Parameters url.Values
	Address    string // of the request, for who wants to sign in as somebody else first
	Ticket     string
}

// consent asks who is signed in, after signing him in, and is called again with what he decides.
func (a *app) consent(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	user := request.User
	if user == nil {
		redirectToSignIn(w, r, addressOf(request))
		return
	}
	verdict, notice := r.PostForm.Get("verdict"), ""
	if verdict != "" {
		scope, good := a.takeTicket(r, request)
		switch {
		case good && verdict == "allow":
			request.Approve(w, r, oauth2server.Approval{User: user, Scope: scope})
			return
		case good:
			request.Deny(w, r, "")
			return
		}
		notice = "consent.again"
		a.steps.event(r, oauth2server.Event{Endpoint: "consent", Kind: oauth2server.EventRefused, ClientID: request.Client.ID, UserID: user.ID, Reason: "ticket_spent"})
	}
	scope, err := request.ScopeFor(r.Context(), user)
	if err != nil {
		request.Refuse(w, r, err)
		return
	}
	remembered, err := a.remembers(r.Context(), user, request.Client, scope)
	switch {
	case err != nil:
		request.Refuse(w, r, err)
	case remembered && verdict == "":
		a.approveRemembered(w, r, request, scope)
	default:
		a.show(w, r, http.StatusOK, page{Name: "consent", User: a.nameOf(user.Data, user.ID), Notice: notice, Data: consentForm{
			Client: a.nameOf(request.Client.Data, request.Client.ID), Host: hostOf(request.RedirectURI), Public: request.Client.Public,
			Scope: scope, Parameters: request.Parameters(), Address: addressOf(request), Ticket: a.giveTicket(r.Context(), request, scope)}})
	}
}

// addressOf is the request once more, also if it came by POST.
func addressOf(request *oauth2server.AuthorizationRequest) string {
	return "/authorize?" + request.Parameters().Encode()
}

// remembers says that user need not be asked: the client is connected, with all of this scope. So what is remembered
// is what the page of connected apps shows, however it came about, and is forgotten when it is ended there. Anybody can pose as a public client,
// so its users are always asked (RFC 6749, section 10.2).
func (a *app) remembers(ctx context.Context, user *oauth2server.User, client *oauth2server.Client, scope oauth2server.Scope) (bool, error) {
	if client.Public {
		return false, nil
	}
	grants, err := a.model.UserGrants(ctx, user.ID)
	for _, g := range grants {
		if g.ClientID == client.ID && g.Scope.Contains(scope...) {
			return true, err
		}
	}
	return false, err
}

// approveRemembered approves as was decided before, and then looks whether that still stands: otherwise a code that was
// on its way when its application was disconnected would be the way back in.
func (a *app) approveRemembered(w http.ResponseWriter, r *http.Request, request *oauth2server.AuthorizationRequest, scope oauth2server.Scope) {
	request.Approve(w, r, oauth2server.Approval{User: request.User, Scope: scope})
	ctx, cancel := lasting(r)
	defer cancel()
	still, err := a.remembers(ctx, request.User, request.Client, scope)
	if err == nil && !still {
		err = a.model.RevokeUserClient(ctx, request.User.ID, request.Client.ID)
	}
	if err != nil {
		slog.ErrorContext(ctx, "a remembered approval", "client", request.Client.ID, "error", err)
	}
}

// lasting is for what must not end half-way because the browser hung up.
func lasting(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
}

// sessionTickets is where the session has its tickets.
const sessionTickets = "tickets"

// maxTickets is how many consent pages of one browser can be open at once; older ones ask again.
const maxTickets = 8

// giveTicket returns what the form has to send back. The session keeps it with the scope that is shown and the request
// that it is for. So a form decides about what its owner has read, in the browser that showed it, and once, unless it is
// sent twice at the same moment: a session is loaded and saved, and no gate.
func (a *app) giveTicket(ctx context.Context, request *oauth2server.AuthorizationRequest, scope oauth2server.Scope) string {
	ticket := rand.Text()
	tickets, _ := a.sessions.Get(ctx, sessionTickets).([]string)
	tickets = append(tickets, strings.Join([]string{ticket, request.Parameters().Encode(), scope.String()}, "\n"))
	a.sessions.Put(ctx, sessionTickets, tickets[max(0, len(tickets)-maxTickets):])
	return ticket
}

// takeTicket returns the scope that the form was shown with.
func (a *app) takeTicket(r *http.Request, request *oauth2server.AuthorizationRequest) (scope oauth2server.Scope, good bool) {
	tickets, _ := a.sessions.Get(r.Context(), sessionTickets).([]string)
	for i, ticket := range tickets {
		shown, ok := strings.CutPrefix(ticket, r.PostFormValue("ticket")+"\n"+request.Parameters().Encode()+"\n")
		if !ok {
			continue
		}
		a.sessions.Put(r.Context(), sessionTickets, slices.Delete(tickets, i, i+1))
		scope, err := oauth2server.ParseScope(shown)
		return scope, err == nil
	}
	return nil, false
}
