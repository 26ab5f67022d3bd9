// Package filled makes test values without zero fields, so that tests cover
// fields that are added later.
package filled

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Struct sets every exported field of the struct that p points to. It panics
// for a field of a type that it does not know: add the type then.
func Struct(p any) {
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		if !field.CanSet() {
			continue
		}
		switch x := field.Addr().Interface().(type) {
		case *string:
			*x = "value of " + name + "."
		case *int:
			*x = 1_000_001 + i
		case *bool:
			*x = true
		case *time.Duration:
			*x = time.Duration(i+1)*time.Hour + time.Nanosecond
		case *[]string:
			*x = []string{"https://" + name + ".example/", "another"}
		case *any:
			*x = map[string]any{"name": name}
		case *[]byte:
			*x = []byte{0, 255, byte(i)}
		case *time.Time:
			*x = time.Date(2131, 2, 3, 4, 5, 6, 789e6, time.UTC)
		case *oauth2server.EntryKind:
			*x = oauth2server.EntryKind("kind of " + name)
		case *oauth2server.Scope:
			*x = oauth2server.Scope{"read", name}
		case **oauth2server.Client:
			*x = &oauth2server.Client{ID: "web"}
		case **oauth2server.User:
			*x = &oauth2server.User{ID: "u1"}
		case **oauth2server.Details:
			*x = details()
		case *map[string]any:
			*x = map[string]any{"tenant": "acme", "level": int64(3)}
		default:
			panic(fmt.Sprintf("filled: field %s has type %T", name, x))
		}
	}
}

func details() *oauth2server.Details {
	d := &oauth2server.Details{Authentication: &oauth2server.Authentication{}}
	Struct(d.Authentication)
	d.Confirmation = map[string]string{"jkt": "a thumbprint", "x5t#S256": "another"}
	d.Online = true
	d.Extensions = map[string]json.RawMessage{"oidc": json.RawMessage(`{"nonce":"n-0S6_WzA2Mj"}`)}
	return d
}
