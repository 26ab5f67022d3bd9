// This file records what the demo client sends and gets, for its page.

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// exchange is a request of the demo client and its answer, as the page shows
// them.
type exchange struct {
	Number          int    // of the step
	Title           string // a key of the words
	Request, Answer string
}

// history has the exchanges, numbered, the last one first. The oldest are left
// out.
type history struct {
	Steps     int // how many there were
	Exchanges []exchange
}

// Bounds of a history: in steps, and in bytes of all texts.
const (
	maxSteps   = 16
	maxHistory = 24 << 10
)

// add adds a step.
func (h *history) add(step exchange) {
	h.Steps++
	step.Number = h.Steps
	h.Exchanges = append([]exchange{step}, h.Exchanges...)
	size := 0
	for i, known := range h.Exchanges {
		size += len(known.Request) + len(known.Answer)
		if i == maxSteps || size > maxHistory && i > 0 {
			h.Exchanges = h.Exchanges[:i]
			return
		}
	}
}

// watcher reports each request that it sends, and the answer.
type watcher struct {
	next  http.RoundTripper
	title string
	tell  func(exchange)
}

// watched returns an [http.Client] that reports its requests to tell, under
// title.
func watched(transport http.RoundTripper, title string, tell func(exchange)) *http.Client {
	return &http.Client{Transport: &watcher{transport, title, tell}, Timeout: 10 * time.Second}
}

func (t *watcher) RoundTrip(r *http.Request) (response *http.Response, err error) {
	shown := exchange{Title: t.title, Request: r.Method + " " + r.URL.RequestURI() + "\n"}
	defer func() {
		if err != nil {
			shown.Answer = err.Error()
		}
		shown.Request, shown.Answer = cut(strings.TrimSpace(shown.Request)),
			cut(strings.TrimSpace(shown.Answer))
		t.tell(shown)
	}()
	if value := r.Header.Get("Authorization"); strings.HasPrefix(value, "Basic ") {
		shown.Request += "Authorization: Basic …\n" // the client's secret
	} else if value != "" {
		shown.Request += "Authorization: " + value + "\n"
	}
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		form, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		shown.Request += "Content-Type: " + r.Header.Get("Content-Type") + "\n\n" +
			breakQuery(string(form))
	}
	if response, err = t.next.RoundTrip(r); err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	shown.Answer = response.Status + "\n"
	if challenge := response.Header.Get("WWW-Authenticate"); challenge != "" {
		shown.Answer += "WWW-Authenticate: " + challenge + "\n"
	}
	shown.Answer += "\n" + indent(body)
	return response, nil
}

// cut bounds a text from others, and makes invisible characters visible.
func cut(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.In(r, unicode.C) {
			return '\uFFFD' // a control, or a mark that turns the direction of what follows
		}
		return r
	}, cutTo(text, 4<<10))
}

// cutTo returns at most most bytes of text.
func cutTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// breakQuery puts each parameter on its own line.
func breakQuery(text string) string {
	return strings.NewReplacer("?", "\n?", "&", "\n&").Replace(text)
}

// indent indents JSON, and returns other bodies unchanged.
func indent(body []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return string(body)
	}
	return out.String()
}
