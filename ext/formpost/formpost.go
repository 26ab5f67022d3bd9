// Package formpost sends authorization responses by a form that the browser
// posts to the client (OAuth 2.0 Form Post Response Mode), so that a code shows
// in no URL, no history and no Referer header. A client asks for it by
// response_mode=form_post.
//
//	Extensions: []oauth2server.Extension{formpost.Mode{}},
package formpost

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"

	"github.com/seed-11d18166/oauth2server"
)

// Mode is the extension. The zero value is ready for use.
type Mode struct{}

// ExtensionName implements [oauth2server.Extension].
func (Mode) ExtensionName() string { return "formpost" }

// ResponseModes implements [oauth2server.ResponseMode].
func (Mode) ResponseModes() []string { return []string{"form_post"} }

// script submits the form. The page allows this very script and no other.
const script = `document.forms[0].submit()`

var scriptHash = func() string {
	sum := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// page works without a script, too: the user clicks.
var page = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Continue</title></head>
<body><form method="post" action="{{.Target}}">
{{range $name, $values := .Parameters}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<noscript><button>Continue</button></noscript>
</form><script>` + script + `</script></body></html>
`))

// Respond implements [oauth2server.ResponseMode].
func (Mode) Respond(
	w http.ResponseWriter, _ *http.Request, response *oauth2server.AuthorizationResponse,
) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// No form-action: browsers apply it to redirects of the client's, too.
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; script-src 'sha256-"+scriptHash+"'; frame-ancestors 'none'; base-uri 'none'")
	page.Execute(w, struct { // an error means that the browser hung up
		Target     template.URL
		Parameters url.Values
	}{template.URL(response.RedirectURI), response.Parameters})
}
