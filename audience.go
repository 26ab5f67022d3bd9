// This file finds out which resource a token is for.

package oauth2server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// Resource is a part of the program that has access tokens of its own (RFC
// 8707). A token for it opens nothing else but what [ResourceServer.ForAny]
// protects, and a token for nothing in particular does not open it. A client
// that asks for what is above a resource, such as its origin, gets a token for
// the first resource below.
type Resource struct {
	// URL is the identifier of the resource, and where clients call it: https,
	// or http on a loopback host, without query and fragment; or a path on the
	// host of the issuer, such as "/mcp".
	URL string
}

// resources are those of a server, by the identifiers that tokens have.
type resources []resource

type resource struct{ url, key string }

// targetOf returns the form in which identifiers are compared: scheme and host
// in lower case, without the default port, the query and one slash at the end
// (RFC 3986, section 6.2). It reports whether the identifier could be one of a
// resource.
func targetOf(identifier string) (key string, ok bool) {
	u, err := url.Parse(identifier)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || strings.Contains(identifier, "#") {
		return "", false
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	host = strings.TrimSuffix(host, map[string]string{"https": ":443", "http": ":80"}[scheme])
	return scheme + "://" + host + strings.TrimSuffix(u.EscapedPath(), "/"), true
}

// find returns the identifier of the resource that a client names. A client may
// also name what is above a resource, such as its origin: that means the first
// resource below.
func (all resources) find(named string) (identifier string, ok bool) {
	key, ok := targetOf(named)
	if !ok {
		return "", false
	}
	i := slices.IndexFunc(all, func(r resource) bool { return r.key == key })
	if i < 0 {
		i = slices.IndexFunc(all, func(r resource) bool { return strings.HasPrefix(r.key, key+"/") })
	}
	if i < 0 {
		return "", false
	}
	return all[i].url, true
}

// named returns the resource that a request names; empty if it names none, or
// if the server has no resources, as the parameter is ignored then. Several
// values must mean the same resource: a token is for one.
func (all resources) named(values []string) (identifier string, refused *Error) {
	if len(all) == 0 {
		return "", nil
	}
	for _, value := range values {
		if value == "" {
			continue
		}
		found, ok := all.find(value)
		if !ok || identifier != "" && found != identifier {
			return "", invalidTarget(value)
		}
		identifier = found
	}
	return identifier, nil
}

// renamed refuses a request that names another resource than the one that was
// granted.
func (all resources) renamed(values []string, granted string) *Error {
	named, refused := all.named(values)
	if refused == nil && named != "" && named != granted {
		refused = invalidTarget(named)
	}
	return refused
}

func invalidTarget(named string) *Error {
	return &Error{
		Code:        InvalidTarget,
		Description: "Invalid target: `resource` names nothing that the token could be for",
		reason:      "resource_unknown",
		sent:        []slog.Attr{sentText("resource", named)},
	}
}

// readResources returns the resources of a server, and what is wrong with them.
func readResources(list []Resource, issuer string, allowHTTP bool) (all resources, wrong []error) {
	for _, r := range list {
		text := r.URL
		if strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") {
			text = resolve(issuer, text)
		}
		key, ok := targetOf(text)
		err := checkPublicURL(text, allowHTTP)
		switch {
		case strings.HasPrefix(r.URL, "/") && issuer == "":
			err = errors.New("a path needs the option Issuer")
		case err != nil:
		case !ok || strings.Contains(text, "?"):
			err = errors.New("it has a query or a user")
		case !isCleanPath("/" + strings.TrimPrefix(strings.TrimSuffix(pathOf(text), "/"), "/")):
			err = errors.New("its path has empty or dot segments")
		case slices.ContainsFunc(all, func(r resource) bool { return r.key == key }):
			err = errors.New("it is there twice")
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("option Resources: %q: %w", r.URL, err))
			continue
		}
		all = append(all, resource{text, key})
	}
	return all, wrong
}

// pathOf returns the path of a URL as it is written.
func pathOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}
