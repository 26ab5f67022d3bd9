// This file asks users what a client may do, and answers the authorization
// request.

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
	"github.com/seed-11d18166/oauth2server/ext/oidc"
)

// consentForm is the data of the consent page.
type consentForm struct {
	Client     string
	Host       string // where the answer goes
	Public     bool
	Scope      oauth2server.Scope
	Parameters url.Values
	Address    string // of the request, to sign in as someone else first
	Ticket     string
}

// selectForm is the data of the page where people choose an account.
type selectForm struct {
	Client  string
	Address string // of the request, to go on with
}

// consent signs people in, asks what the client may do, and is called again
// with their decision. A client may ask for more pages than necessary, or for
// none.
func (a *app) consent(w http.ResponseWriter, r *http.Request) {
	request, err := a.read(r)
	if err != nil {
		request.Fail(w, r, err)
		return
	}
	asked, prompts := request.asked, promptsOf(request.asked)
	quiet, again := slices.Contains(prompts, "none"), request.again()
	switch {
	case len(addressOf(asked)) > maxAddress:
		refuse(w, r, request, oauth2server.InvalidRequest, "Invalid request: it is too long")
	case quiet && len(prompts) > 1:
		refuse(w, r, request, oauth2server.InvalidRequest, "Invalid request: `prompt` is none and more")
	case quiet && request.now == nil:
		refuse(w, r, request, oidc.LoginRequired, "Login required: nobody is signed in")
	case quiet && again != "":
		refuse(w, r, request, oidc.LoginRequired, "Login required: the user must sign in again")
	case request.now == nil, again != "":
		redirectToSignIn(w, r, addressOf(asked), again)
	case request.otherExpected(): // they signed in for this request, as somebody else
		refuse(w, r, request, oidc.LoginRequired, "Login required: another user signed in")
	case slices.Contains(prompts, "select_account") && !request.fresh(): // who signs in chooses, too
		a.show(w, r, http.StatusOK, page{
			Name: "select",
			User: a.nameOf(request.User.Data, request.User.ID),
			Data: selectForm{
				Client:  a.nameOf(request.Client.Data, request.Client.ID),
				Address: addressOf(withoutPrompt(asked, "select_account")),
			},
		})
	case r.PostForm.Has("verdict"):
		a.decide(w, r, request)
	default:
		a.ask(w, r, request, "")
	}
}

// read returns the client's request and who is signed in. With an error, it
// can only fail.
func (a *app) read(r *http.Request) (clientRequest, error) {
	request := clientRequest{AuthorizationRequest: oauth2server.AuthorizationRequestFromContext(r.Context())}
	request.asked = askedBy(r, request.AuthorizationRequest)
	var err error
	if request.wants, err = a.provider.Request(r.Context(), request.AuthorizationRequest); err != nil {
		return request, err
	}
	now, err := a.signIns.of(a.keyOf(r))
	if err == nil && now != nil && request.User != nil && now.UserID == request.User.ID {
		request.now = now // else they are gone, or sign out or in at this moment
	}
	return request, err
}

// refuse sends an error to the client.
func refuse(
	w http.ResponseWriter, r *http.Request, request clientRequest, code oauth2server.ErrorCode, why string,
) {
	request.Fail(w, r, &oauth2server.Error{Code: code, Description: why})
}

// decide carries out the decision of the user, if it is about the request that
// they were shown.
func (a *app) decide(w http.ResponseWriter, r *http.Request, request clientRequest) {
	scope, good := a.takeTicket(r, request.asked)
	switch {
	case !good:
		a.steps.event(r, oauth2server.Event{
			Endpoint: "consent",
			Kind:     oauth2server.EventRefused,
			ClientID: request.Client.ID,
			UserID:   request.User.ID,
			Reason:   "ticket_spent",
		})
		a.ask(w, r, request, "consent.again")
	case r.PostForm.Get("verdict") == "allow":
		request.approve(w, r, scope)
	default:
		request.Deny(w, r, "")
	}
}

// approve approves a scope.
func (q clientRequest) approve(w http.ResponseWriter, r *http.Request, scope oauth2server.Scope) {
	q.Approve(w, r, oauth2server.Approval{User: q.User, Scope: scope, Authentication: q.authentication()})
}

// ask asks for consent, unless it was given before. The notice, a key of the
// words, tells why it asks again.
func (a *app) ask(w http.ResponseWriter, r *http.Request, request clientRequest, notice string) {
	user, prompts := request.User, promptsOf(request.asked)
	scope, err := request.ScopeFor(r.Context(), user)
	if err != nil {
		request.Fail(w, r, err)
		return
	}
	remembered, err := a.remembers(r.Context(), request, scope)
	switch {
	case err != nil:
		request.Fail(w, r, err)
	case remembered && notice == "" && !slices.Contains(prompts, "consent"):
		a.approveRemembered(w, r, request, scope)
	case slices.Contains(prompts, "none"):
		refuse(w, r, request, oidc.ConsentRequired,
			"Consent required: the user has not allowed this before")
	default:
		form := consentForm{
			Client:     a.nameOf(request.Client.Data, request.Client.ID),
			Host:       hostOf(request.RedirectURI),
			Public:     request.Client.Public,
			Scope:      scope,
			Parameters: request.asked,
			Address:    addressOf(request.asked),
			Ticket:     a.giveTicket(r.Context(), request.asked, scope),
		}
		a.show(w, r, http.StatusOK, page{
			Name:   "consent",
			User:   a.nameOf(user.Data, user.ID),
			Notice: notice,
			Data:   form,
		})
	}
}

// remembers reports whether consent was given before: the client is connected
// with all of this scope. So consent lasts as long as the page of connected
// apps shows the client. Anybody can pose as a public client, so its users are
// always asked (RFC 6749, section 10.2).
func (a *app) remembers(
	ctx context.Context, request clientRequest, scope oauth2server.Scope,
) (bool, error) {
	if request.Client.Public {
		return false, nil
	}
	grants, err := a.model.UserGrants(ctx, request.User.ID)
	for _, g := range grants {
		if g.ClientID == request.Client.ID && g.Scope.Contains(scope...) {
			return true, err
		}
	}
	return false, err
}

// approveRemembered approves by the earlier decision, and then checks that it
// still stands: otherwise a code in flight while the application is
// disconnected would connect it again.
func (a *app) approveRemembered(w http.ResponseWriter, r *http.Request, request clientRequest,
	scope oauth2server.Scope) {
	request.approve(w, r, scope)
	ctx, cancel := lasting(r)
	defer cancel()
	still, err := a.remembers(ctx, request, scope)
	if err == nil && !still {
		err = a.model.RevokeUserClient(ctx, request.User.ID, request.Client.ID)
	}
	if err != nil {
		slog.ErrorContext(ctx, "a remembered approval", "client", request.Client.ID, "error", err)
	}
}

// lasting returns a context for work that must not stop half-way when the
// browser hangs up.
func lasting(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
}

// sessionTickets is the key of the tickets in a session.
const sessionTickets = "tickets"

// maxTickets is how many consent pages of one browser can be open at once;
// older ones ask again.
const maxTickets = 8

// giveTicket returns a ticket that the form sends back, with the scope and the
// request that it is for. The session keeps a digest of all three, as a request
// may be long. So a form decides only about the request that it shows, in the
// browser that shows it, and once. Two submissions at the same moment may both
// count, as a session is loaded and saved without a lock.
func (a *app) giveTicket(ctx context.Context, asked url.Values, scope oauth2server.Scope) string {
	ticket := rand.Text()
	tickets, _ := a.sessions.Get(ctx, sessionTickets).([]string)
	tickets = append(tickets, boundTo(asked, scope.String(), ticket))
	a.sessions.Put(ctx, sessionTickets, tickets[max(0, len(tickets)-maxTickets):])
	return ticket
}

// takeTicket removes a ticket from the session and returns the scope of its
// form.
func (a *app) takeTicket(r *http.Request, asked url.Values) (scope oauth2server.Scope, good bool) {
	tickets, _ := a.sessions.Get(r.Context(), sessionTickets).([]string)
	shown := r.PostForm.Get("shown")
	i := slices.Index(tickets, boundTo(asked, shown, r.PostForm.Get("ticket")))
	if i < 0 {
		return nil, false
	}
	a.sessions.Put(r.Context(), sessionTickets, slices.Delete(tickets, i, i+1))
	scope, err := oauth2server.ParseScope(shown)
	return scope, err == nil
}

// boundTo returns a digest of the ticket, the request and the scope. None of
// the three can contain a line break.
func boundTo(asked url.Values, shown, ticket string) string {
	return oauth2server.Digest(strings.Join([]string{ticket, shown, asked.Encode()}, "\n"))
}
