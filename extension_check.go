// This file finds what is wrong with extensions before the first request.

package oauth2server

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// check returns what is wrong with extensions: each must be of use, and it must
// be clear which one answers.
func (found *extensions) check(all []Extension) (wrong []error) {
	names := map[string]bool{}
	for i, e := range all {
		if isNil(e) {
			return []error{fmt.Errorf("option Extensions: number %d is nil", i)}
		}
		name := e.ExtensionName()
		switch {
		case !grammar.ConsistsOf(name, isNameCharacter):
			wrong = append(wrong, fmt.Errorf(
				"extension %q: the name must consist of letters, digits, '-' and '_'", name))
		case names[name]:
			wrong = append(wrong, fmt.Errorf("extension %q: another extension has that name", name))
		}
		names[name] = true
		wrong = append(wrong, extensionFaults(e)...)
	}
	server := func(names ...string) taken {
		taken := taken{"": "nobody: it is empty"}
		for _, name := range names {
			taken[name] = "the server"
		}
		return taken
	}
	methods := server("client_secret_basic", "client_secret_post", "none")
	for _, a := range found.authenticators {
		wrong = methods.by(wrong, a, "the client authentication method", a.AuthMethod())
		if !grammar.IsNQSCHAR(a.AuthMethod()) {
			wrong = append(wrong, fmt.Errorf("extension %q: AuthMethod is %q", a.ExtensionName(), a.AuthMethod()))
		}
	}
	confirms := server()
	for _, b := range found.binders {
		wrong = confirms.by(wrong, b, "the confirmation", b.Confirms())
		if !grammar.ConsistsOf(b.TokenType(), isNameCharacter) {
			wrong = append(wrong, fmt.Errorf("extension %q: TokenType is %q", b.ExtensionName(), b.TokenType()))
		}
	}
	modes := server("query", "fragment")
	for _, m := range found.modes {
		for _, mode := range m.ResponseModes() {
			wrong = modes.by(wrong, m, "the response mode", mode)
		}
	}
	reads := server(append([]string{"resource", "username", "password"}, authorizationParameters...)...)
	for _, x := range found.authorization {
		for _, name := range x.AuthorizationParameters() {
			wrong = reads.by(wrong, x, "the parameter", name)
		}
	}
	for _, x := range found.resolvers {
		for _, name := range x.RequestParameters() {
			wrong = reads.by(wrong, x, "the parameter", name)
		}
	}
	if len(found.formatters) > 1 {
		wrong = append(wrong, fmt.Errorf("extensions %q and %q are both a TokenFormatter",
			found.formatters[0].ExtensionName(), found.formatters[1].ExtensionName()))
	}
	return wrong
}

func isNameCharacter(c byte) bool { return grammar.IsUnreserved(c) && c != '.' && c != '~' }

// taken are names that an extension cannot have, with those who have them.
type taken map[string]string

func (t taken) by(wrong []error, e Extension, what, name string) []error {
	if owner, known := t[name]; known {
		return append(wrong,
			fmt.Errorf("extension %q: %s %q belongs to %s", e.ExtensionName(), what, name, owner))
	}
	t[name] = fmt.Sprintf("the extension %q", e.ExtensionName())
	return wrong
}

// extensionInterfaces are those that an extension may have. Attacher is left out,
// as it needs a Server, which needs this list.
var extensionInterfaces = []reflect.Type{
	reflect.TypeFor[GrantExtender](),
	reflect.TypeFor[ClientAuthenticator](),
	reflect.TypeFor[ClientFinder](),
	reflect.TypeFor[TokenBinder](),
	reflect.TypeFor[RequestResolver](),
	reflect.TypeFor[AuthorizationExtender](),
	reflect.TypeFor[ResponseMode](),
	reflect.TypeFor[TokenFormatter](),
	reflect.TypeFor[TokenExtender](),
	reflect.TypeFor[IntrospectionExtender](),
	reflect.TypeFor[MetadataExtender](),
	reflect.TypeFor[ScopeExtender](),
	reflect.TypeFor[EndpointExtender](),
}

// extensionFaults returns what is wrong with the methods of an extension: an
// interface that is incomplete or has other types would never be asked, and
// what it should refuse would pass.
func extensionFaults(e Extension) (wrong []error) {
	t, useful := reflect.TypeOf(e), false
	for _, of := range extensionInterfaces {
		if t.Implements(of) {
			useful = true
			continue
		}
		if err := incomplete(t, of); err != nil {
			useful = true
			wrong = append(wrong, fmt.Errorf("extension %q: %w", e.ExtensionName(), err))
		}
	}
	if _, attaches := t.MethodByName("Attach"); !useful && !attaches {
		wrong = append(wrong, fmt.Errorf("extension %q: %v has none of the interfaces of an extension%s",
			e.ExtensionName(), t, misspelt(t)))
	}
	return wrong
}

// incomplete returns why a type that has methods of an interface does not have
// the interface; nil if it has none of them.
func incomplete(t, of reflect.Type) error {
	var has, lacks []string
	for i := range of.NumMethod() {
		want := of.Method(i)
		if want.Name == "ExtensionName" {
			continue
		}
		got, found := t.MethodByName(want.Name)
		switch {
		case !found:
			lacks = append(lacks, want.Name)
		case signature(got, true) != want.Type:
			return fmt.Errorf("%v: %s has type %v, want %v", t, want.Name, signature(got, true), want.Type)
		default:
			has = append(has, want.Name)
		}
	}
	if len(has) == 0 {
		return nil
	}
	return fmt.Errorf("%v: %s is incomplete: it has %v, but not %v", t, of.Name(), has, lacks)
}

// misspelt names the method that was probably meant.
func misspelt(t reflect.Type) string {
	var known []string
	for _, of := range extensionInterfaces {
		for i := range of.NumMethod() {
			known = append(known, of.Method(i).Name)
		}
	}
	for i := range t.NumMethod() {
		name := t.Method(i).Name
		if meant := nearest(name, known); meant != "" && !slices.Contains(known, name) {
			return ": is " + name + " meant to be " + meant + "?"
		}
	}
	return ""
}
