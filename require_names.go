// This file finds methods of a model whose names or signatures are probably
// mistakes.

package oauth2server

import (
	"fmt"
	"reflect"
	"slices"
)

// misnamed finds methods of a layer that were probably meant for the contract:
// the server would never call a ValidateScopes, and nobody would notice. It
// looks up methods by reflection, so the linker keeps the exported methods of
// every type in the program.
func misnamed(t reflect.Type, contract []method) (wrong []error) {
	for i := range t.NumMethod() {
		own := t.Method(i)
		if slices.ContainsFunc(contract, func(m method) bool { return m.name == own.Name }) {
			continue
		}
		looks := signature(own, true)
		for _, m := range contract {
			if m.want == nil || m.got != nil {
				continue
			}
			switch {
			case isNear(own.Name, m.name) && !isList(looks):
				wrong = append(wrong,
					fmt.Errorf("model %v: is %s meant to be %s (%s)? Rename it", t, own.Name, m.name, m.of))
			case looks == m.want && isHook(m, contract):
				wrong = append(wrong,
					fmt.Errorf("model %v: %s has the signature of %s (%s), and is never called: "+
						"rename it, or change it", t, own.Name, m.name, m.of))
			default:
				continue
			}
			break
		}
	}
	return wrong
}

// isHook reports whether a method is the only one of its interface, has a
// client, user, token or scope in its signature, and does not share this
// signature with another method of the contract that the layer has.
func isHook(m method, contract []method) bool {
	speaks, here := false, reflect.TypeFor[Client]().PkgPath()
	for i := range m.want.NumIn() {
		in := m.want.In(i)
		if in.Kind() == reflect.Pointer {
			in = in.Elem()
		}
		speaks = speaks || in.PkgPath() == here
	}
	alone := !slices.ContainsFunc(contract, func(other method) bool {
		return other.name != m.name && (other.of == m.of || other.got != nil && other.want == m.want)
	})
	return speaks && alone
}

// isList reports whether a method returns several things, as GetUsers does,
// which is no misspelt GetUser.
func isList(signature reflect.Type) bool {
	if signature.NumOut() == 0 {
		return false
	}
	kind := signature.Out(0).Kind()
	return kind == reflect.Slice && signature.Out(0) != reflect.TypeFor[Scope]() ||
		kind == reflect.Func || kind == reflect.Map
}

// isNear reports whether two names differ by one letter, or by two if they are
// long.
func isNear(a, b string) bool {
	most := 2
	if len(b) < 8 {
		most = 1
	}
	return max(len(a)-len(b), len(b)-len(a)) <= most && distance(a, b) <= most
}

// distance returns how many letters have to be inserted, deleted or changed to
// turn a into b (the Levenshtein distance).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
