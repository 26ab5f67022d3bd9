// This file builds the part of a server that an API uses: it checks tokens and
// issues none.

package oauth2server

// ResourceServer is the part of a server that checks access tokens, for an API
// in another program than the authorization server. It is immutable and safe
// for concurrent use.
type ResourceServer struct {
	reporter
	tokens   AccessTokenModel
	verifier ScopeVerifier
	options  ResourceOptions
}

// NewResourceServer returns a ResourceServer over tokens, which may also be a
// [ScopeVerifier]; it is checked as [New] checks a model. Nil opts mean the
// zero [ResourceOptions]. The error, an [InvalidArgument], lists everything
// that is wrong. examples/resource has one that asks [Server.Introspect] in
// another process.
func NewResourceServer(tokens AccessTokenModel, opts *ResourceOptions) (*ResourceServer, error) {
	options, wrong := opts.withDefaults()
	can, faults := inspect(tokens)
	if wrong = append(wrong, faults...); len(wrong) > 0 {
		return nil, mistakes(wrong)
	}
	return newResourceServer(&can, options), nil
}

// newResourceServer returns a ResourceServer. The options have their defaults
// already.
func newResourceServer(can *capabilities, options ResourceOptions) *ResourceServer {
	return &ResourceServer{
		reporter: reporter{logger: options.Logger, onEvent: options.OnEvent},
		tokens:   can.tokens,
		verifier: can.verifier,
		options:  options,
	}
}
