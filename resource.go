package oauth2server

// ResourceServer is the half of a server that only checks tokens: for an API apart
// from the authorization server. It is immutable and safe for concurrent use.
type ResourceServer struct {
	reporter
	tokens   AccessTokenModel
	verifier ScopeVerifier
	options  ResourceOptions
}

// NewResourceServer returns a ResourceServer over tokens, which may also be a
// [ScopeVerifier], and is looked at as [New] looks at a model. In examples/resource
// is one that asks [Server.Introspect] in another process. nil options are the
// defaults. The error lists everything that is wrong.
func NewResourceServer(tokens AccessTokenModel, opts *ResourceOptions) (*ResourceServer, error) {
	options, wrong := opts.withDefaults()
	can, faults := inspect(tokens)
	if wrong = append(wrong, faults...); len(wrong) > 0 {
		return nil, mistakes(wrong)
	}
	return newResourceServer(&can, options), nil
}

// newResourceServer returns a ResourceServer with options that have their defaults.
func newResourceServer(can *capabilities, options ResourceOptions) *ResourceServer {
	return &ResourceServer{
		reporter: reporter{logger: options.Logger, onEvent: options.OnEvent},
		tokens:   can.tokens,
		verifier: can.verifier,
		options:  options,
	}
}
