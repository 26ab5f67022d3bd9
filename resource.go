// This file builds the part of a server that an API uses: it checks tokens and
// issues none.

package oauth2server

import "strings"

// ResourceServer is the part of a server that checks access tokens, for an API
// in another program than the authorization server. It is immutable and safe
// for concurrent use.
type ResourceServer struct {
	reporter
	tokens   AccessTokenModel
	verifier ScopeVerifier
	options  ResourceOptions
	binders  []TokenBinder
	all      resources
	origins  *origins
	about    *resource // the one that it protects; nil: none of them
	resource string    // its identifier
	any      bool      // it lets in tokens for all of them
}

// NewResourceServer returns a ResourceServer over tokens, which may also be a
// [ScopeVerifier]; it is checked as [New] checks a model. Nil opts mean the
// zero [ResourceOptions]. The error, an [InvalidArgument], lists everything
// that is wrong. examples/resource has one that asks [Server.Introspect] in
// another process.
func NewResourceServer(tokens AccessTokenModel, opts *ResourceOptions) (*ResourceServer, error) {
	options, wrong := opts.withDefaults()
	can, faults := inspect(tokens)
	wrong = append(wrong, faults...)
	all, faults := readResources(options.Resources, options.Issuer, true)
	wrong = append(wrong, faults...)
	allowed, faults := readOrigins(options.AllowedOrigins)
	wrong = append(wrong, faults...)
	ext := sortExtensions(options.Extensions)
	if wrong = append(wrong, ext.check(options.Extensions)...); len(wrong) > 0 {
		return nil, mistakes(wrong)
	}
	return newResourceServer(&can, options, &ext, all, allowed), nil
}

// newResourceServer returns a ResourceServer. The options have their defaults
// already.
func newResourceServer(
	can *capabilities, options ResourceOptions, ext *extensions, all resources, allowed *origins,
) *ResourceServer {
	return &ResourceServer{
		reporter: reporter{logger: options.Logger, onEvent: options.OnEvent},
		tokens:   can.tokens,
		verifier: can.verifier,
		options:  options,
		binders:  ext.binders,
		all:      all,
		origins:  allowed,
	}
}

// For returns the part of the server that protects one of the resources, named
// as in Resources: it lets in only tokens for that resource, while s itself
// lets in only tokens without one. It panics if there is no such resource.
func (s *ResourceServer) For(resource string) *ResourceServer {
	if strings.HasPrefix(resource, "/") {
		resource = resolve(s.options.Issuer, resource)
	}
	key, _ := targetOf(resource)
	for i := range s.all {
		if s.all[i].key == key {
			own := *s
			own.about = &s.all[i]
			own.resource = own.about.URL
			return &own
		}
	}
	panic(cannotWork("For", misuse("there is no resource %q", resource)))
}

// ForAny returns the part of the server that lets in tokens whatever resource
// they are for. It is for what belongs to the authorization server itself and is
// guarded by a scope of its own, as the UserInfo endpoint is by openid. An API
// must not use it: a token for one API would open the other.
func (s *ResourceServer) ForAny() *ResourceServer {
	own := *s
	own.any = true
	return &own
}

// Issuer returns the option Issuer.
func (s *ResourceServer) Issuer() string { return s.options.Issuer }

// URL returns the URL of an endpoint that is given as in [Endpoints]: a path is
// completed by the host of the issuer.
func (s *ResourceServer) URL(endpoint string) string { return resolve(s.options.Issuer, endpoint) }
