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
// 8707). A token for it opens nothing else, except for what
// [ResourceServer.ForAny] protects, and a token without a resource does not
// open it. A client that names an address above a resource, such as its origin,
// gets a token for the first resource below.
type Resource struct {
	// URL is the identifier of the resource, and where clients call it: https,
	// or http on a loopback host, without query and fragment; or a path on the
	// host of the issuer, such as "/mcp".
	URL string

	// Name is what people call the resource; published as resource_name. Empty:
	// it has no name.
	Name string

	// Scopes are the scope tokens that the resource has. Others are left out,
	// as many clients ask for all that they know; scopes of extensions, such as
	// openid, stay. Empty: whatever is asked for, but offline_access.
	Scopes Scope

	// Default is what a client gets if it asks for no scope of the resource.
	// Clients are told to ask for it, as scopes_supported (RFC 9728, section
	// 2), so it should be the least that is of use. It is a part of Scopes.
	// Empty: nothing.
	Default Scope
}

// resources are those of a server.
type resources []resource

// resource is a Resource with its identifier, and the form in which that is
// compared.
type resource struct {
	Resource
	key string
}

// at returns the resource with an identifier, as tokens have it; nil if there is
// none.
func (all resources) at(identifier string) *resource {
	for i := range all {
		if all[i].URL == identifier {
			return &all[i]
		}
	}
	return nil
}

// offlineAccess is a scope of OpenID Connect that clients ask for out of habit.
const offlineAccess = "offline_access"

// scope returns what a request for this resource asks for: the part of asked
// that exists, and Default if none of it is the resource's. extensions are the
// scopes of extensions. A nil r changes nothing.
func (r *resource) scope(asked, extensions Scope) Scope {
	if r == nil {
		return asked
	}
	kept, own := r.known(asked, extensions)
	if !own {
		kept = append(kept, r.Default...)
	}
	return kept
}

// known returns the part of asked that exists, and reports whether some of it
// is the resource's own.
func (r *resource) known(asked, extensions Scope) (kept Scope, own bool) {
	kept = make(Scope, 0, len(asked)+len(r.Default))
	for _, token := range asked {
		isOwn := token != offlineAccess && (len(r.Scopes) == 0 || slices.Contains(r.Scopes, token))
		switch {
		case slices.Contains(extensions, token):
		case isOwn:
			own = true
		default:
			continue
		}
		kept = append(kept, token)
	}
	return kept, own
}

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

// find returns the identifier of the resource that a client names. An address
// above a resource, such as its origin, means the first resource below.
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
	return all[i].URL, true
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
		if err == nil {
			err = r.checkScopes()
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("option Resources: %q: %w", r.URL, err))
			continue
		}
		r.URL, r.Scopes, r.Default = text, slices.Clone(r.Scopes), slices.Clone(r.Default)
		all = append(all, resource{r, key})
	}
	return all, wrong
}

// checkScopes returns what is wrong with the scopes of a resource.
func (r *Resource) checkScopes() error {
	if err := errors.Join(r.Scopes.check(), r.Default.check()); err != nil {
		return err
	}
	switch {
	case len(r.Scopes) > 0 && !r.Scopes.Contains(r.Default...):
		return errors.New("its Default is no part of its Scopes")
	case slices.Contains(r.Scopes, offlineAccess), slices.Contains(r.Default, offlineAccess):
		return errors.New("offline_access is no scope of a resource")
	}
	return nil
}

// pathOf returns the path of a URL as it is written.
func pathOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}
