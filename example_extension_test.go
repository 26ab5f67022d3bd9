package oauth2server_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// exampleServer is a server with an extension. Further clients may use the
// grants of the client app.
func exampleServer(ext oauth2server.Extension, clients ...oauth2server.Client) *oauth2server.Server {
	model := exampleModel()
	for _, client := range clients {
		if err := model.AddClient(&client, ""); err != nil {
			panic(err)
		}
	}
	return exampleServerOf(model, ext)
}

func exampleServerOf(model *memorymodel.Model, ext oauth2server.Extension) *oauth2server.Server {
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Issuer:     "https://as.example",
		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
		Extensions: []oauth2server.Extension{ext},
		Logger:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	return srv
}

// exampleAuthorize approves an authorization request of the client app with
// further parameters.
func exampleAuthorize(srv *oauth2server.Server, params url.Values) *httptest.ResponseRecorder {
	page := func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
	}
	query := url.Values{"client_id": {"app"}, "response_type": {"code"}, "state": {"xyz"}}
	for name, values := range params {
		query[name] = values
	}
	w := httptest.NewRecorder()
	srv.Authorize(http.HandlerFunc(page)).ServeHTTP(w,
		httptest.NewRequest("GET", "/authorize?"+query.Encode(), nil))
	return w
}

// codeIn returns the code of an authorization response.
func codeIn(w *httptest.ResponseRecorder) string {
	location, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		return ""
	}
	return location.Query().Get("code")
}

// members returns members of a JSON answer, in order.
func members(w *httptest.ResponseRecorder, names ...string) (values []any) {
	answer := map[string]any{}
	json.Unmarshal(w.Body.Bytes(), &answer)
	for _, name := range names {
		values = append(values, answer[name])
	}
	return values
}

// badge authenticates clients by a badge number, which each may show once.
type badge struct{ server *oauth2server.Server }

func (b *badge) ExtensionName() string { return "badge" }
func (b *badge) AuthMethod() string    { return "badge" }

func (b *badge) Attach(s *oauth2server.Server) error {
	if b.server = s; s.Records() == nil {
		return errors.New("the model keeps no records")
	}
	return nil
}

func (b *badge) ClaimedClient(r *oauth2server.ClientRequest) (string, error) {
	id, _, _ := strings.Cut(r.Param("badge"), "/")
	return id, nil
}

func (b *badge) ProveClient(
	ctx context.Context, r *oauth2server.ClientRequest, client *oauth2server.Client,
) error {
	if !strings.HasPrefix(r.Param("badge"), "door/badge-of-") { // a signature in real life
		return oauth2server.ErrNotFound
	}
	shown := "badge:" + client.ID + ":" + oauth2server.Digest(r.Param("badge"))
	err := b.server.Records().SaveRecord(ctx, shown, nil, time.Now().Add(time.Hour))
	if errors.Is(err, oauth2server.ErrExists) {
		return &oauth2server.Error{Code: oauth2server.InvalidClient, Reason: "badge_shown_twice"}
	}
	return err
}

// Clients prove themselves by something else than a secret. Records remember
// what was used.
func ExampleClientAuthenticator() {
	srv := exampleServer(&badge{},
		oauth2server.Client{ID: "door", AuthMethod: "badge", Grants: []string{"client_credentials"}})
	for _, shown := range []string{"door/badge-of-1", "door/badge-of-1", "door/a-copy"} {
		form := url.Values{"grant_type": {"client_credentials"}, "badge": {shown}}
		r := httptest.NewRequest("POST", "/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		srv.Token(nil).ServeHTTP(w, r)
		fmt.Println(w.Code, members(w, "error")[0])
	}
	// Output:
	// 200 <nil>
	// 400 invalid_client
	// 400 invalid_client
}

// guests finds clients whose ID says all that there is to know.
type guests struct{}

func (guests) ExtensionName() string { return "guests" }

func (guests) FindClient(_ context.Context, id, secret string) (*oauth2server.Client, error) {
	name, found := strings.CutPrefix(id, "guest:")
	if !found || secret != "" {
		return nil, oauth2server.ErrNotFound
	}
	return &oauth2server.Client{
		ID:           id,
		RedirectURIs: []string{"https://" + name + ".example/callback"},
		Grants:       []string{"authorization_code"},
		Public:       true,
	}, nil
}

// Some clients are in no model.
func ExampleClientFinder() {
	srv := exampleServer(guests{})
	client, err := srv.Client(context.Background(), "guest:fern")
	fmt.Println(client.RedirectURIs, err)
	_, err = srv.Client(context.Background(), "nobody")
	fmt.Println(err)
	// Output:
	// [https://fern.example/callback] <nil>
	// oauth2server: not found
}

// voucher is a grant: a voucher is worth a token.
type voucher struct{}

func (voucher) ExtensionName() string { return "voucher" }

func (voucher) Grants() map[string]oauth2server.GrantFunc {
	return map[string]oauth2server.GrantFunc{"urn:example:voucher": redeemVoucher}
}

func redeemVoucher(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
	if g.Param("voucher") != "summer" {
		return nil, oauth2server.ErrNotFound
	}
	token, err := g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"}})
	if err == nil {
		token.Answer("thanks_to", "summer")
	}
	return token, err
}

// An extension brings a grant, and a member of the answer.
func ExampleGrantExtender() {
	model := exampleModel()
	shop := &oauth2server.Client{ID: "shop", Grants: []string{"urn:example:voucher"}}
	if err := model.AddClient(shop, "a-secret-that-nobody-guesses"); err != nil {
		panic(err)
	}
	srv := exampleServerOf(model, voucher{})
	for _, voucher := range []string{"summer", "winter"} {
		w := postToken(srv.Token(nil), "shop", url.Values{"grant_type": {"urn:example:voucher"}, "voucher": {voucher}})
		fmt.Println(w.Code, members(w, "thanks_to", "error"))
	}
	// Output:
	// 200 [summer <nil>]
	// 400 [<nil> invalid_grant]
}

// handshake binds tokens to a word that the client says each time.
type handshake struct{}

func (handshake) ExtensionName() string { return "handshake" }
func (handshake) TokenType() string     { return "Handshake" }
func (handshake) Confirms() string      { return "word" }
func (handshake) Challenge() string     { return `words="secret"` }

func (handshake) BindToken(r *http.Request) (string, error) {
	word := r.Header.Get("Word")
	if word == "" {
		return "", nil
	}
	return oauth2server.Digest(word), nil
}

func (handshake) VerifyToken(r *http.Request, token *oauth2server.Token) error {
	if oauth2server.Digest(r.Header.Get("Word")) != token.Details.Confirmation["word"] {
		return oauth2server.ErrNotFound
	}
	return nil
}

// A stolen token is of no use without the key that it is bound to.
func ExampleTokenBinder() {
	srv := exampleServer(handshake{})
	r := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("app", "a-secret-that-nobody-guesses")
	r.Header.Set("Word", "open sesame")
	w := httptest.NewRecorder()
	srv.Token(nil).ServeHTTP(w, r)
	answer := members(w, "token_type", "access_token")
	fmt.Println(answer[0])
	for _, word := range []string{"open sesame", "open wheat"} {
		r := httptest.NewRequest("GET", "/api", nil)
		r.Header.Set("Authorization", "Handshake "+answer[1].(string))
		r.Header.Set("Word", word)
		_, err := srv.AuthenticateRequest(r)
		fmt.Println(err)
	}
	// Output:
	// Handshake
	// <nil>
	// invalid_token: Invalid token: access token is invalid
}

// shelf keeps authorization requests, and gives each out by a name.
type shelf map[string]url.Values

func (shelf) ExtensionName() string       { return "shelf" }
func (shelf) RequestParameters() []string { return []string{"request_uri"} }

func (s shelf) ResolveRequest(
	_ context.Context, _ *oauth2server.Client, sent func(string) string,
) (*oauth2server.ResolvedRequest, error) {
	name := sent("request_uri")
	switch {
	case name == "":
		return nil, nil // an ordinary request
	case s[name] == nil:
		return nil, oauth2server.ErrNotFound
	}
	return &oauth2server.ResolvedRequest{Parameters: s[name]}, nil
}

// The parameters of a request come from elsewhere. What was sent beside its name
// does not count.
func ExampleRequestResolver() {
	srv := exampleServer(shelf{"urn:1": {"client_id": {"app"}, "response_type": {"code"}, "state": {"kept"}}})
	w := exampleAuthorize(srv, url.Values{"request_uri": {"urn:1"}, "state": {"sent"}})
	location, _ := url.Parse(w.Header().Get("Location"))
	fmt.Println(location.Query().Get("state"))
	fmt.Println(exampleAuthorize(srv, url.Values{"request_uri": {"urn:2"}}).Code)
	// Output:
	// kept
	// 400
}

// greeting keeps a parameter of the authorization request, and repeats it in
// the token response.
type greeting struct{}

func (greeting) ExtensionName() string             { return "greeting" }
func (greeting) AuthorizationParameters() []string { return []string{"greet"} }

func (greeting) CheckAuthorization(_ context.Context, q *oauth2server.AuthorizationRequest) error {
	if len(q.Param("greet")) > 20 {
		return &oauth2server.Error{Code: oauth2server.InvalidRequest, Description: "`greet` is too long"}
	}
	return nil
}

func (greeting) ApproveAuthorization(
	_ context.Context, q *oauth2server.AuthorizationRequest,
	_ *oauth2server.Approval, details *oauth2server.Details,
) error {
	return details.Set("greeting", q.Param("greet"))
}

func (greeting) ExtendToken(
	_ context.Context, _ *oauth2server.Client, token *oauth2server.Token,
) (map[string]any, error) {
	var greet string
	if found, err := token.Details.Get("greeting", &greet); !found || err != nil {
		return nil, err
	}
	return map[string]any{"greeting": "hello " + greet}, nil
}

// What the client said when it asked is still known when the code is redeemed.
func ExampleAuthorizationExtender() {
	srv := exampleServer(greeting{})
	code := codeIn(exampleAuthorize(srv, url.Values{"greet": {"Fern"}}))
	w := postToken(srv.Token(nil), "app", url.Values{"grant_type": {"authorization_code"}, "code": {code}})
	fmt.Println(members(w, "greeting")...)
	w = exampleAuthorize(srv, url.Values{"greet": {strings.Repeat("long ", 10)}})
	fmt.Println(strings.Contains(w.Header().Get("Location"), "error=invalid_request"))
	// Output:
	// hello Fern
	// true
}

// Members of the token response; see [ExampleAuthorizationExtender].
func ExampleTokenExtender() {
	srv := exampleServer(greeting{})
	code := codeIn(exampleAuthorize(srv, url.Values{"greet": {"Ivy"}}))
	w := postToken(srv.Token(nil), "app", url.Values{"grant_type": {"authorization_code"}, "code": {code}})
	fmt.Println(members(w, "greeting", "token_type")...)
	// Output: hello Ivy Bearer
}

// posted sends the answer by a form that submits itself.
type posted struct{}

var postedForm = template.Must(template.New("").Parse(`<form method="post" action="{{.RedirectURI}}">` +
	`{{range $name, $values := .Parameters}}<input type="hidden" name="{{$name}}" value="{{index $values 0}}">{{end}}` +
	"</form>\n"))

func (posted) ExtensionName() string   { return "posted" }
func (posted) ResponseModes() []string { return []string{"form_post"} }

func (posted) Respond(w http.ResponseWriter, _ *http.Request, response *oauth2server.AuthorizationResponse) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	postedForm.Execute(w, response)
}

// The answer does not show in a URL.
func ExampleResponseMode() {
	srv := exampleServer(posted{})
	w := exampleAuthorize(srv, url.Values{"response_mode": {"form_post"}})
	fmt.Println(w.Code, strings.Contains(w.Body.String(), `action="https://app.example/callback"`),
		strings.Contains(w.Body.String(), `name="state" value="xyz"`))
	// Output: 200 true true
}

// telling makes access tokens that tell whose they are.
type telling struct{}

func (telling) ExtensionName() string { return "telling" }

func (telling) FormatToken(
	_ context.Context, client *oauth2server.Client, token *oauth2server.Token,
) (string, error) {
	return client.ID + "." + rand.Text(), nil // a signature in real life
}

// An access token that says something.
func ExampleTokenFormatter() {
	srv := exampleServer(telling{})
	w := postToken(srv.Token(nil), "app", url.Values{"grant_type": {"client_credentials"}})
	fmt.Println(members(w, "access_token")[0].(string)[:4])
	// Output: app.
}

// plan tells APIs which plan the user has, and clients that there is such a
// thing.
type plan struct{}

func (plan) ExtensionName() string { return "plan" }

func (plan) ExtendIntrospection(
	_ context.Context, _ *oauth2server.Client, token *oauth2server.Token,
) (map[string]any, error) {
	return map[string]any{"plan": "gold", "active": false}, nil // active is the server's own
}

func (plan) ExtendMetadata(members map[string]any) {
	members["plans_supported"] = []string{"gold", "free"}
}

// An API that asks about a token is told more.
func ExampleIntrospectionExtender() {
	srv := exampleServer(plan{})
	token := exampleToken(srv)
	w := postToken(srv.Introspect(), "app", url.Values{"token": {token}})
	fmt.Println(members(w, "active", "plan")...)
	// Output: true gold
}

// Clients find what an extension offers.
func ExampleMetadataExtender() {
	srv := exampleServer(plan{})
	w := httptest.NewRecorder()
	srv.Metadata().ServeHTTP(w, httptest.NewRequest("GET", srv.MetadataPath(), nil))
	fmt.Println(members(w, "issuer", "plans_supported")...)
	// Output: https://as.example [gold free]
}

// pinpad is an endpoint of its own. Guesses of its PIN are limited like those of
// passwords.
type pinpad struct{ server *oauth2server.Server }

func (p *pinpad) ExtensionName() string { return "pinpad" }

func (p *pinpad) Attach(s *oauth2server.Server) error { p.server = s; return nil }

func (p *pinpad) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := p.server.AuthenticateClient(r, false, "pin")
	if err != nil {
		p.server.WriteClientError(w, r, "pinpad", nil, err)
		return
	}
	err = p.server.Try(r, oauth2server.Attempt{ClientID: request.Client.ID, Username: "pin"}, func() error {
		if request.Param("pin") != "0451" {
			return oauth2server.ErrNotFound
		}
		return nil
	})
	if err != nil {
		p.server.WriteClientError(w, r, "pinpad", request.Client, err)
		return
	}
	p.server.Report(r, oauth2server.Event{Kind: "opened", Endpoint: "pinpad", ClientID: request.Client.ID})
	fmt.Fprintf(w, "%s may enter\n", request.Client.ID)
}

// An endpoint of an extension authenticates clients, and answers and reports as
// the server's own do.
func ExampleAttacher() {
	pad := &pinpad{}
	exampleServer(pad) // attaches it
	for _, pin := range []string{"0451", "1234"} {
		w := postToken(pad, "app", url.Values{"pin": {pin}})
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 app may enter
	// 400 {"error":"invalid_grant","error_description":"Invalid grant: the grant is invalid"}
}

// What was pushed by a client is checked before anybody is asked.
func ExampleServer_CheckAuthorization() {
	srv := exampleServer(shelf{})
	client, err := srv.Client(context.Background(), "app")
	if err != nil {
		panic(err)
	}
	for _, uri := range []string{"https://app.example/callback", "https://elsewhere.example/"} {
		err := srv.CheckAuthorization(context.Background(), client,
			url.Values{"response_type": {"code"}, "state": {"1"}, "redirect_uri": {uri}})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// invalid_request: Invalid request: `redirect_uri` is not one that is registered
}

// Records remember what was used, in any model that is a GrantLog.
func ExampleLogRecords() {
	records, ctx := oauth2server.LogRecords(exampleModel()), context.Background()
	until := time.Now().Add(time.Minute)
	fmt.Println(records.SaveRecord(ctx, "ticket:7", []byte("used by u1"), until))
	fmt.Println(records.SaveRecord(ctx, "ticket:7", []byte("used by u2"), until))
	record, err := records.GetRecord(ctx, "ticket:7")
	fmt.Println(string(record), err)
	// Output:
	// <nil>
	// oauth2server: exists already
	// used by u1 <nil>
}

// A part of the program has access tokens of its own.
func ExampleServer_For() {
	srv, err := oauth2server.New(exampleModel(), &oauth2server.Options{
		Issuer:    "https://as.example",
		Resources: []oauth2server.Resource{{URL: "/mcp"}},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := postToken(srv.Token(nil), "app",
		url.Values{"grant_type": {"client_credentials"}, "resource": {"https://as.example/mcp"}})
	r := httptest.NewRequest("GET", "/mcp", nil)
	r.Header.Set("Authorization", "Bearer "+members(w, "access_token")[0].(string))
	_, err = srv.For("/mcp").AuthenticateRequest(r)
	fmt.Println(err)
	_, err = srv.AuthenticateRequest(r)
	fmt.Println(err)
	// Output:
	// <nil>
	// invalid_token: Invalid token: access token is invalid
}
