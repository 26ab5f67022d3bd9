// This file writes clients as documents, and reads documents that this package
// or people wrote.

package mongomodel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// Fields that a client has only at times.
const (
	formerDigest = "former_secret_digest"
	formerUntil  = "former_secret_until"
	deletedAt    = "deleted_at"
)

// clientFields is a client as it is written.
type clientFields struct {
	ID           string `bson:"_id"`
	Public       bool   `bson:"public"`
	SecretDigest string `bson:"secret_digest,omitempty"` // empty for a public client

	Settings clientSettings `bson:",inline"`
}

// clientSettings has the fields that UpdateClient replaces.
type clientSettings struct {
	RedirectURIs         []string      `bson:"redirect_uris"`
	Grants               []string      `bson:"grants"`
	Scope                []string      `bson:"scope"`
	AuthMethod           string        `bson:"auth_method"`
	AccessTokenLifetime  string        `bson:"access_token_lifetime"`
	RefreshTokenLifetime string        `bson:"refresh_token_lifetime"`
	Name                 string        `bson:"name"`
	URI                  string        `bson:"uri"`
	SelfAsserted         bool          `bson:"self_asserted"`
	Data                 bson.RawValue `bson:"data"`
}

func settingsOf(c *oauth2server.Client) (clientSettings, error) {
	data, err := encodeData(c.Data)
	if err != nil {
		return clientSettings{}, fmt.Errorf("mongomodel: client %q: Data: %w", c.ID, err)
	}
	return clientSettings{
		RedirectURIs:         c.RedirectURIs,
		Grants:               c.Grants,
		Scope:                c.Scope,
		AuthMethod:           c.AuthMethod,
		AccessTokenLifetime:  c.AccessTokenLifetime.String(),
		RefreshTokenLifetime: c.RefreshTokenLifetime.String(),
		Name:                 c.Name,
		URI:                  c.URI,
		SelfAsserted:         c.SelfAsserted,
		Data:                 data,
	}, nil
}

// encodeData writes an application's own record as a document.
func encodeData(data any) (bson.RawValue, error) {
	if data == nil {
		return bson.RawValue{Type: bson.TypeNull}, nil
	}
	document, err := bson.Marshal(data)
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: document}, err
}

// decodeData returns the record as it was written, or nil.
func decodeData(value bson.RawValue) any {
	if document, ok := value.DocumentOK(); ok {
		return slices.Clone(document)
	}
	return nil
}

// clientDocument is a client as it is read.
type clientDocument struct {
	client  oauth2server.Client
	secrets credential.Secrets
	digest  string // of the current secret, as it is written
	deleted bool
}

// UnmarshalBSON reads a document. Other spellings are accepted if they are
// unambiguous. The error names each field that cannot be used.
func (d *clientDocument) UnmarshalBSON(data []byte) error {
	fields, err := bson.Raw(data).Elements()
	if err != nil {
		return err
	}
	var wrong []string
	for _, field := range fields {
		if err := d.read(field.Key(), field.Value()); err != nil {
			wrong = append(wrong, fmt.Sprintf("field %q %v", field.Key(), err))
		}
	}
	wrong = append(wrong, misnamed(fields)...)
	if !d.deleted && !d.client.Public && d.client.AuthMethod == "" && d.digest == "" && len(wrong) == 0 {
		wrong = append(wrong,
			`field "secret_digest" is missing: a client that has no secret is "public": true`)
	}
	if d.client.Public {
		d.secrets = credential.Secrets{}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// read takes the value of a field.
func (d *clientDocument) read(name string, value bson.RawValue) (err error) {
	switch name {
	case "_id":
		d.client.ID, err = readText(value)
	case "public":
		d.client.Public, err = readBool(value)
	case "redirect_uris":
		d.client.RedirectURIs, err = readList(value)
	case "grants":
		d.client.Grants, err = readList(value)
	case "scope":
		d.client.Scope, err = readList(value)
	case "auth_method":
		d.client.AuthMethod, err = readAuthMethod(value)
	case "access_token_lifetime":
		d.client.AccessTokenLifetime, err = readLifetime(value)
	case "refresh_token_lifetime":
		d.client.RefreshTokenLifetime, err = readLifetime(value)
	case "name":
		d.client.Name, err = readOptionalText(value)
	case "uri":
		d.client.URI, err = readOptionalText(value)
	case "self_asserted":
		d.client.SelfAsserted, err = readBool(value)
	case "data":
		d.client.Data = decodeData(value)
	case "secret_digest":
		if d.digest, err = readText(value); err == nil {
			d.secrets.Current, err = readDigest(value)
		}
	case formerDigest:
		d.secrets.Former, err = readDigest(value)
	case formerUntil:
		d.secrets.FormerUntil, err = readTime(value)
	case deletedAt:
		_, err = readTime(value)
		d.deleted = value.Type != bson.TypeNull
	}
	return err
}

// names maps names of fields, in lower case and without separators, to ours. It
// also has the names that other packages use.
var names = map[string]string{
	"redirecturis": "redirect_uris", "redirecturi": "redirect_uris", "grants": "grants",
	"scopes":              "scope",
	"accesstokenlifetime": "access_token_lifetime", "refreshtokenlifetime": "refresh_token_lifetime",
	"secretdigest": "secret_digest", "clientsecret": "secret_digest", "secret": "secret_digest",
	"public": "public", "ispublic": "public",
	"authmethod": "auth_method", "selfasserted": "self_asserted",
}

// misnamed returns the fields that have the names of another package, such as
// egg-oauth2-server or node-oauth2-server: ignoring them would change what the
// client may do. They are allowed beside ours.
func misnamed(fields []bson.RawElement) (wrong []string) {
	has := map[string]bool{}
	for _, field := range fields {
		has[field.Key()] = true
	}
	for _, field := range fields {
		name := field.Key()
		want := names[strings.ToLower(strings.ReplaceAll(name, "_", ""))]
		switch {
		case want == "" || has[want]:
		case want == "secret_digest":
			wrong = append(wrong, fmt.Sprintf("field %q is not read: write %q, which is "+
				"oauth2server.Digest(secret)", name, want))
		default:
			wrong = append(wrong, fmt.Sprintf("field %q is not read: write %q", name, want))
		}
	}
	return wrong
}
