// Package clientdata reads what a client says of itself, in a registration or in
// a document of its own (RFC 7591, section 2). Nobody vouches for any of it.
package clientdata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/seed-11d18166/oauth2server"
)

// The error codes of RFC 7591, section 3.2.2.
const (
	InvalidRedirectURI    oauth2server.ErrorCode = "invalid_redirect_uri"
	InvalidClientMetadata oauth2server.ErrorCode = "invalid_client_metadata"
)

// Data are the metadata of a client, as [Read] returns them.
type Data struct {
	// Client has what the library keeps: RedirectURIs, of which there is one at
	// least, Grants, Name and URI. It is SelfAsserted, and Public if AuthMethod
	// is not one with a secret, or if a redirection URI is for public clients
	// only. It has no ID.
	Client *oauth2server.Client

	// AuthMethod is token_endpoint_auth_method. Empty: it is absent, which
	// means client_secret_basic.
	AuthMethod string

	// Members are all members, as they were written, by their name.
	Members map[string]json.RawMessage
}

// Text returns a member that is a string; empty if it is absent or something
// else.
func (d *Data) Text(name string) (text string) {
	if raw := d.Members[name]; raw == nil || json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// Read reads client metadata in JSON. Redirection URIs may have the private-use
// schemes that schemes names, beside those with a dot; nil means
// [DefaultSchemes]. An error is an [oauth2server.Error] with one of the two
// codes above, and tells the author of the metadata what is wrong.
func Read(body []byte, schemes []string) (*Data, error) {
	members, err := object(body)
	if err != nil {
		return nil, malformed("the body must be one JSON object: %w", err)
	}
	d := &Data{Members: members}
	var uris, grants []string
	var name, uri string
	for _, member := range []struct {
		name string
		into any
		kind string
	}{
		{"redirect_uris", &uris, "a list of strings"},
		{"grant_types", &grants, "a list of strings"},
		{"token_endpoint_auth_method", &d.AuthMethod, "a string"},
		{"client_name", &name, "a string"},
		{"client_uri", &uri, "a string"},
	} {
		raw := members[member.name]
		if raw == nil || json.Unmarshal(raw, member.into) == nil { // null is as good as nothing
			continue
		}
		err := malformed("`%s` must be %s", member.name, member.kind)
		if member.name == "redirect_uris" {
			err.Code = InvalidRedirectURI
		}
		return nil, err
	}
	if grants, err = usableGrants(grants); err != nil {
		return nil, err
	}
	d.Client = &oauth2server.Client{RedirectURIs: uris, Grants: grants, Name: name, URI: uri, SelfAsserted: true}
	if err = Clean(d.Client, schemes); err != nil {
		return nil, err
	}
	d.Client.Public = !slices.Contains([]string{"", "client_secret_basic", "client_secret_post"}, d.AuthMethod) ||
		slices.ContainsFunc(d.Client.RedirectURIs, isRootless)
	return d, nil
}

// Clean applies the rules for redirection URIs and texts to a client, as they
// may have changed since it was read. The error is that of [Read].
func Clean(c *oauth2server.Client, schemes []string) (err error) {
	c.Name, c.URI = cleanName(c.Name), cleanURI(c.URI)
	c.RedirectURIs, err = redirectURIs(c.RedirectURIs, schemes)
	return err
}

// object returns the members of a JSON object with nothing behind it. None may
// be there twice, as parsers differ in which one they take (RFC 8259, section
// 4).
func object(body []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it does not begin with a brace")
	}
	members := map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errors.New("it is malformed")
		}
		key := name.(string) // the decoder has made sure
		if members[key] != nil {
			return nil, errors.New("it has a member twice")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errors.New("it is malformed")
		}
		members[key] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("it does not end")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind it")
	}
	return members, nil
}

// usableGrants returns the grants that the client may have. Others are left
// out, as clients name all that they know, not only those that they need here.
func usableGrants(asked []string) ([]string, error) {
	if len(asked) == 0 {
		return []string{"authorization_code"}, nil // RFC 7591, section 2
	}
	if !slices.Contains(asked, "authorization_code") {
		return nil, malformed("`grant_types` must have authorization_code")
	}
	if slices.Contains(asked, "refresh_token") {
		return []string{"authorization_code", "refresh_token"}, nil
	}
	return []string{"authorization_code"}, nil
}

func malformed(format string, args ...any) *oauth2server.Error {
	return refused(InvalidClientMetadata, "client_metadata", format, args...)
}

func refused(code oauth2server.ErrorCode, reason, format string, args ...any) *oauth2server.Error {
	return &oauth2server.Error{
		Code:        code,
		Description: "Invalid client metadata: " + fmt.Errorf(format, args...).Error(),
		Reason:      reason,
	}
}
