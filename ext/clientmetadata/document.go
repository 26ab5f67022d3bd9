// This file reads a document, and finds out how long it may be used.

package clientmetadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/clientdata"
)

// parseDocument returns the client that a document describes.
func parseDocument(id, contentType string, text []byte, schemes []string) (*oauth2server.Client, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "application/json" &&
		!(strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")) {
		return nil, fmt.Errorf("it is no JSON, but %.100q", contentType)
	}
	data, err := clientdata.Read(text, schemes)
	switch {
	case err != nil:
		return nil, err
	case data.Text("client_id") != id:
		return nil, errors.New("its client_id is not its address")
	case has(data, "client_secret") || has(data, "client_secret_expires_at"):
		return nil, errors.New("it has a secret, which everybody can read")
	}
	if err := checkMethods(data); err != nil {
		return nil, err
	}
	data.Client.ID, data.Client.Public = id, true
	return data.Client, nil
}

// has reports whether a document has a member; null is as good as nothing.
func has(data *clientdata.Data, name string) bool {
	raw := data.Members[name]
	return raw != nil && string(raw) != "null"
}

// checkMethods refuses a client that cannot be public, and one with a secret,
// as everybody can read its document. A client that names no method is public.
func checkMethods(data *clientdata.Data) error {
	var methods []string
	if raw := data.Members["token_endpoint_auth_methods_supported"]; raw != nil && json.Unmarshal(raw, &methods) != nil {
		return errors.New("its token_endpoint_auth_methods_supported is no list of strings")
	}
	if data.AuthMethod == "" && !slices.Contains(methods, "none") && len(methods) > 0 {
		return errors.New("it must authenticate")
	}
	if method := data.AuthMethod; method != "" && method != "none" && !slices.Contains(methods, "none") {
		return fmt.Errorf("it must authenticate, by %.100q", method)
	}
	for _, method := range append(methods, data.AuthMethod) {
		if strings.HasPrefix(method, "client_secret_") {
			return fmt.Errorf("it authenticates by %.100q", method)
		}
	}
	return nil
}

// lifetime returns how long a publisher lets its document be used (RFC 9111,
// section 4.2): 0 if it does not say, or says that it must not be kept.
func lifetime(header http.Header, now time.Time) time.Duration {
	const most = 365 * 24 * time.Hour
	seconds := func(text string) time.Duration {
		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(text), `"`), 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return most
		case err != nil:
			return 0
		}
		return time.Duration(min(n, uint64(most/time.Second))) * time.Second
	}
	life, told := most, false
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			life, told = min(life, seconds(value)), true
		}
	}
	if !told {
		expires, err := http.ParseTime(header.Get("Expires"))
		if err != nil {
			return 0
		}
		if date, err := http.ParseTime(header.Get("Date")); err == nil {
			now = date
		}
		life = expires.Sub(now)
	}
	return max(0, life-seconds(header.Get("Age")))
}
