// This file finds out, before the first request, which optional interfaces a
// model has, and what is wrong with its methods.

package oauth2server

import (
	"errors"
	"fmt"
	"reflect"
)

// capabilities holds the optional interfaces that the model has. Nil: it does
// not have that one.
type capabilities struct {
	model           Model
	tokens          AccessTokenModel
	revoker         AccessTokenRevoker
	codes           AuthorizationCodeModel
	refresh         RefreshTokenModel
	log             GrantLog
	records         RecordModel
	users           PasswordModel
	clientUsers     ClientCredentialsModel
	checker         UserChecker
	scopes          ScopeValidator
	verifier        ScopeVerifier
	redirectURIs    RedirectURIValidator
	newAccessToken  generator
	newRefreshToken generator
	newCode         generator
}

// maxLayers limits how often inspect calls Unwrap: a model may wrap itself.
const maxLayers = 64

// inspect takes each interface from the outermost layer of model that has it,
// and returns what is wrong with the layers. model is a [Model], or for a
// resource server an [AccessTokenModel].
func inspect(model any) (can capabilities, wrong []error) {
	if isNil(model) {
		return can, []error{errors.New("the model is nil")}
	}
	for layer, depth := model, 0; layer != nil; depth++ {
		if depth == maxLayers {
			return can, append(wrong, fmt.Errorf("model %T: Unwrap does not end", model))
		}
		can.take(layer)
		wrong = append(wrong, faults(layer)...)
		inner, wraps := unwrap(layer)
		if !wraps {
			break
		}
		if isNil(inner) {
			return can, append(wrong, fmt.Errorf("model %T: Unwrap returned nil", layer))
		}
		layer = inner
	}
	return can, wrong
}

// unwrap returns the model that a decorator wraps. wraps reports whether layer
// is a decorator.
func unwrap(layer any) (inner any, wraps bool) {
	switch layer := layer.(type) {
	case interface{ Unwrap() Model }:
		return layer.Unwrap(), true
	case interface{ Unwrap() AccessTokenModel }:
		return layer.Unwrap(), true
	}
	return nil, false
}

// take adds the interfaces of a layer that no outer layer has.
func (can *capabilities) take(layer any) {
	takeIf(&can.model, layer)
	takeIf(&can.tokens, layer)
	takeIf(&can.revoker, layer)
	takeIf(&can.codes, layer)
	takeIf(&can.refresh, layer)
	takeIf(&can.log, layer)
	takeIf(&can.records, layer)
	takeIf(&can.users, layer)
	takeIf(&can.clientUsers, layer)
	takeIf(&can.checker, layer)
	takeIf(&can.scopes, layer)
	takeIf(&can.verifier, layer)
	takeIf(&can.redirectURIs, layer)
	if m, ok := layer.(AccessTokenGenerator); ok && can.newAccessToken == nil {
		can.newAccessToken = m.GenerateAccessToken
	}
	if m, ok := layer.(RefreshTokenGenerator); ok && can.newRefreshToken == nil {
		can.newRefreshToken = m.GenerateRefreshToken
	}
	if m, ok := layer.(AuthorizationCodeGenerator); ok && can.newCode == nil {
		can.newCode = m.GenerateAuthorizationCode
	}
}

func takeIf[T comparable](into *T, layer any) {
	var none T
	if found, ok := layer.(T); ok && *into == none {
		*into = found
	}
}

// names returns the optional interfaces that were found, for the log.
func (can *capabilities) names() (names []string) {
	for _, found := range []struct {
		name string
		has  bool
	}{
		{"AccessTokenModel", can.tokens != nil},
		{"AccessTokenRevoker", can.revoker != nil},
		{"AuthorizationCodeModel", can.codes != nil},
		{"RefreshTokenModel", can.refresh != nil},
		{"GrantLog", can.log != nil},
		{"RecordModel", can.records != nil},
		{"PasswordModel", can.users != nil},
		{"ClientCredentialsModel", can.clientUsers != nil},
		{"UserChecker", can.checker != nil},
		{"ScopeValidator", can.scopes != nil},
		{"ScopeVerifier", can.verifier != nil},
		{"RedirectURIValidator", can.redirectURIs != nil},
		{"AccessTokenGenerator", can.newAccessToken != nil},
		{"RefreshTokenGenerator", can.newRefreshToken != nil},
		{"AuthorizationCodeGenerator", can.newCode != nil},
	} {
		if found.has {
			names = append(names, found.name)
		}
	}
	return names
}

// faults returns everything that is wrong with the methods of a layer: types
// that differ from the contract, incomplete interfaces, misspelt names.
func faults(layer any) (wrong []error) {
	t := reflect.TypeOf(layer)
	has, lacks := map[string][]string{}, map[string][]string{}
	byPointer, contract := methods(reflect.PointerTo(t)), methods(t)
	_, wraps := unwrap(layer)
	for i, m := range contract {
		switch {
		case m.name == "Unwrap" && wraps:
		case m.want == nil && m.got != nil:
			wrong = append(wrong, fmt.Errorf("model %v: %s is called %s here", t, m.name, m.of))
		case m.got == m.want:
			has[m.of] = append(has[m.of], m.name)
		case m.got != nil:
			wrong = append(wrong, fmt.Errorf("model %v: %s has type %v, want %v", t, m.name, m.got, m.want))
		case byPointer[i].got != nil:
			wrong = append(wrong,
				fmt.Errorf("model %v: %s has a pointer receiver; pass a pointer to the model", t, m.name))
		default:
			lacks[m.of] = append(lacks[m.of], m.name)
		}
	}
	for _, of := range []string{"AuthorizationCodeModel", "RefreshTokenModel", "GrantLog", "RecordModel"} {
		if len(has[of]) > 0 && len(lacks[of]) > 0 {
			wrong = append(wrong,
				fmt.Errorf("model %v: %s is incomplete: it has %v, but not %v", t, of, has[of], lacks[of]))
		}
	}
	wrong = append(wrong, misnamed(t, contract)...)
	if !wraps {
		wrong = append(wrong, hiding(t)...)
	}
	return wrong
}

// hiding finds models in the fields of a model that has no Unwrap. The server
// would silently ignore what the inner one can do beyond the methods of the
// outer one, for example ValidateScope. An embedded type hides nothing, unless
// it is an interface.
func hiding(t reflect.Type) (wrong []error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.Type.Implements(reflect.TypeFor[AccessTokenModel]()) &&
			!field.Type.Implements(reflect.TypeFor[Model]()) {
			continue
		}
		if field.Anonymous && field.Type.Kind() != reflect.Interface {
			wrong = append(wrong, hiding(field.Type)...)
			continue
		}
		unwraps := reflect.TypeFor[Model]()
		if !field.Type.Implements(unwraps) {
			unwraps = reflect.TypeFor[AccessTokenModel]()
		}
		wrong = append(wrong,
			fmt.Errorf("model %v: it hides what the %v in its field %s can do; add a method Unwrap() %v",
				t, field.Type, field.Name, unwraps))
	}
	return wrong
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	value := reflect.ValueOf(v)
	return value.Kind() == reflect.Pointer && value.IsNil()
}
