// This file puts a Server together before the first request: what the model and
// the options allow, and everything that is wrong with them.

package oauth2server

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// New returns a Server over model. A nil opts means the zero [Options]. The
// error, an [InvalidArgument], lists everything that is wrong with model and
// opts. New finds out once which optional interfaces model has: see [Model]. A
// model that decorates another one has a method Unwrap() Model; each interface
// is then taken from the outermost model that has it.
func New(model Model, opts *Options) (*Server, error) {
	options, wrong := opts.withDefaults()
	can, faults := inspect(model)
	wrong = append(wrong, faults...)
	ext := sortExtensions(options.Extensions)
	unfit := ext.check(options.Extensions)
	if len(unfit) > 0 {
		ext = extensions{}
	}
	wrong = append(wrong, unfit...)
	all, faults := readResources(options.Resources, options.Issuer, options.InsecureHTTPIssuer)
	wrong = append(wrong, faults...)
	allowed, faults := readOrigins(options.AllowedOrigins)
	wrong = append(wrong, faults...)
	s := &Server{
		reporter:  reporter{logger: options.Logger, onEvent: options.OnEvent},
		resource:  newResourceServer(&can, options.forResources(), &ext, all, allowed),
		options:   options,
		can:       can,
		ext:       ext,
		resources: all,
		rules: refreshRules{
			window:   cmp.Or(options.RefreshRetryWindow, time.Minute),
			process:  thisProcessText,
			skew:     options.ClockSkew,
			strict:   options.RefreshRotation == RotateStrictly,
			interval: refreshInterval,
			burst:    refreshBurst,
		},
	}
	wrong = append(wrong, s.addGrants()...)
	wrong = append(wrong, s.enable()...)
	wrong = append(wrong, s.checkMetadata()...)
	wrong = append(wrong, s.trustOrigins()...)
	if len(wrong) == 0 && len(s.grants) == 0 && !s.implicit {
		wrong = append(wrong, errors.New("no grant is on: the model has neither AuthorizationCodeModel "+
			"nor RefreshTokenModel nor ClientCredentialsModel, or Options.Grants leaves them out"))
	}
	if len(wrong) == 0 {
		wrong = s.attach()
	}
	if len(wrong) > 0 {
		return nil, mistakes(wrong)
	}
	for _, warning := range options.cutLifetimes() {
		options.Logger.Warn("oauth2server: " + warning)
	}
	options.Logger.Info("oauth2server: ready",
		"grants", s.grantTypes(), "model", fmt.Sprintf("%T", model), "interfaces", can.names())
	return s, nil
}

// addGrants adds the grants of extensions to those of the program.
func (s *Server) addGrants() (wrong []error) {
	for _, e := range s.ext.grants {
		for name, grant := range e.Grants() {
			if s.options.ExtensionGrants[name] != nil {
				wrong = append(wrong, fmt.Errorf("extension %q: the grant %q is there twice", e.ExtensionName(), name))
				continue
			}
			if s.options.ExtensionGrants == nil {
				s.options.ExtensionGrants = map[string]GrantFunc{}
			}
			s.options.ExtensionGrants[name] = grant
		}
	}
	return wrong
}

// attach puts together what extensions ask for, and then tells them their
// server.
func (s *Server) attach() (wrong []error) {
	s.records = s.can.records
	if s.records == nil && s.can.log != nil {
		s.records = LogRecords(s.can.log)
	}
	s.authorizationParameters = authorizationParameters
	s.tokenParameters, s.statusParameters = tokenParameters, statusParameters
	for _, e := range s.ext.authorization {
		s.authorizationParameters = append(slices.Clip(s.authorizationParameters), e.AuthorizationParameters()...)
	}
	for _, e := range s.ext.resolvers {
		s.resolverParameters = append(s.resolverParameters, e.RequestParameters()...)
	}
	if len(s.options.Extensions) > 0 || len(s.options.ExtensionGrants) > 0 {
		s.tokenParameters = append(slices.Clip(s.tokenParameters), extensionParameters...)
		s.statusParameters = append(slices.Clip(s.statusParameters), assertionParameters...)
	}
	for _, e := range s.options.Extensions {
		if attacher, ok := e.(Attacher); ok {
			if err := attacher.Attach(s); err != nil {
				wrong = append(wrong, fmt.Errorf("extension %q: %w", e.ExtensionName(), err))
			}
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	s.admits = len(s.ext.finders) > 0 && len(s.resources) > 0
	for _, e := range s.ext.scopes {
		s.extensionScopes = append(s.extensionScopes, e.Scopes()...)
	}
	if _, err := s.metadataDocument(); err != nil {
		return []error{err}
	}
	return nil
}

// enable turns the grants on that the model and the options allow, and returns
// what is wrong with the others.
func (s *Server) enable() (wrong []error) {
	builtin := []struct {
		name  string
		needs string // what the model lacks; "": nothing
		by    GrantFunc
		ask   bool // off unless Options.Grants names it
	}{
		{"authorization_code", lacks(s.can.codes, "AuthorizationCodeModel"), s.exchangeCode, false},
		{"refresh_token", lacks(s.can.refresh, "RefreshTokenModel"), s.refresh, false},
		{"client_credentials", lacks(s.can.clientUsers, "ClientCredentialsModel"), s.clientCredentials, false},
		{"password", lacks(s.can.users, "PasswordModel"), s.password, true},
		{"implicit", "", nil, true},
	}
	s.grants, s.off = make(map[string]GrantFunc), make(map[string]error)
	known := []string{}
	for _, grant := range builtin {
		known = append(known, grant.name)
		named := slices.Contains(s.options.Grants, grant.name)
		switch {
		case named && grant.needs != "":
			wrong = append(wrong, fmt.Errorf("grant %q: the model is no %s", grant.name, grant.needs))
		case !named && grant.needs != "":
			s.off[grant.name] = fmt.Errorf("the model is no %s", grant.needs)
		case !named && (s.options.Grants != nil || grant.ask):
			s.off[grant.name] = fmt.Errorf("Options.Grants does not name %q", grant.name)
		case grant.by == nil:
			s.implicit = true
		default:
			s.grants[grant.name] = grant.by
		}
	}
	for _, name := range s.options.Grants {
		if !slices.Contains(known, name) {
			hint := "grants of your own go into ExtensionGrants"
			if meant := nearest(name, known); meant != "" {
				hint = fmt.Sprintf("%q was probably meant", meant)
			}
			wrong = append(wrong, fmt.Errorf("grant %q is unknown; %s", name, hint))
		}
	}
	for name, grant := range s.options.ExtensionGrants {
		switch {
		case slices.Contains(known, name):
			wrong = append(wrong,
				fmt.Errorf("extension grant %q: the name is taken by a built-in grant", name))
		case !grammar.IsGrantType(name) || grant == nil:
			wrong = append(wrong,
				fmt.Errorf("extension grant %q: not a grant type (RFC 6749, appendix A.10), or nil", name))
		default:
			s.grants[name] = grant
		}
	}
	return append(wrong, s.checkGrantOptions()...)
}

// checkGrantOptions returns what is wrong with the options that name grants.
func (s *Server) checkGrantOptions() (wrong []error) {
	for _, name := range s.options.PublicClientGrants {
		if name == "client_credentials" {
			wrong = append(wrong, errors.New(`option PublicClientGrants: "client_credentials" `+
				`is for confidential clients (RFC 6749, section 4.4)`))
		} else if s.grants[name] == nil && !slices.Contains(publicByDefault, name) {
			wrong = append(wrong, fmt.Errorf("option PublicClientGrants: grant %q is not on", name))
		}
	}
	for _, name := range s.options.InsecureSkipClientAuthentication {
		if s.options.ExtensionGrants[name] == nil {
			wrong = append(wrong,
				fmt.Errorf("option InsecureSkipClientAuthentication: %q is no extension grant", name))
		}
	}
	return append(wrong, s.checkRotation()...)
}

// checkRotation returns what is wrong with the options about refresh tokens.
func (s *Server) checkRotation() (wrong []error) {
	switch rotation := s.options.RefreshRotation; {
	case rotation < RotateWithRetry || rotation > RotateNever:
		wrong = append(wrong, fmt.Errorf("option RefreshRotation: there is no %d", rotation))
	case rotation != RotateWithRetry && s.grants["refresh_token"] == nil:
		wrong = append(wrong, errors.New("option RefreshRotation: the refresh_token grant is not on"))
	case rotation == RotateStrictly && s.can.log == nil:
		wrong = append(wrong,
			errors.New("option RefreshRotation: RotateStrictly needs a model that is a GrantLog"))
	}
	window := s.options.RefreshRetryWindow
	switch err := checkLifetime(window); {
	case window == 0:
	case err != nil:
		wrong = append(wrong, fmt.Errorf("option RefreshRetryWindow: %w", err))
	case s.can.log == nil:
		wrong = append(wrong, errors.New("option RefreshRetryWindow: the model is no GrantLog"))
	case s.options.RefreshRotation == RotateStrictly:
		wrong = append(wrong, errors.New("option RefreshRetryWindow: RotateStrictly has none"))
	}
	return wrong
}

// lacks returns the name of an interface that the model does not have, and ""
// for one that it has.
func lacks[T comparable](found T, name string) string {
	var none T
	if found == none {
		return name
	}
	return ""
}
