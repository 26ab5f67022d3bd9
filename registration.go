// This file checks clients and users before they are stored, with the rules
// that the endpoints apply to requests.

package oauth2server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// CheckClient returns everything that is wrong with a client to be registered,
// as one [InvalidArgument]; nil if nothing is. A client that passes can use
// each grant that it names, if the server has it on, with its redirection URIs,
// scope and lifetimes.
//
// A grant is one of the five that are built in, an absolute URI (RFC 6749,
// section 4.5), or one of extensionGrants: the names in
// [Options.ExtensionGrants] that are no URIs. A client without any grant can
// only introspect and revoke.
//
// Call it when a client is registered or changed, and [CheckClientSecret] too.
// A model need not call it for what is stored: the server checks what it uses.
// A nil client is an error. It is safe for concurrent use.
func CheckClient(client *Client, extensionGrants ...string) error {
	if client == nil {
		return unfit("client", errors.New("it is nil"))
	}
	wrong := []error{checkClientID(client.ID), client.checkAuthMethod()}
	wrong = append(wrong, client.checkGrants(extensionGrants)...)
	wrong = append(wrong, client.checkRedirectURIs()...)
	wrong = append(wrong, client.Scope.checkElements()...)
	wrong = append(wrong, client.checkLifetimes()...)
	return unfit(fmt.Sprintf("client %q", client.ID), wrong...)
}

// CheckClientSecret returns why secret cannot be the client's, as an
// [InvalidArgument]; nil if it can. A public client has no secret, nor has one
// with an AuthMethod. The secret of a confidential client is printable ASCII
// (RFC 6749, appendix A.2) of 22 characters or more; if it is only too short,
// the error wraps [ErrShortSecret], so that a program can allow it. The error
// does not contain the secret.
func CheckClientSecret(client *Client, secret string) error {
	if client == nil {
		return unfit("client", errors.New("it is nil"))
	}
	return unfit(fmt.Sprintf("client %q", client.ID), checkSecret(client, secret))
}

// CheckUser returns everything that is wrong with a user to be registered under
// a username, as one [InvalidArgument]; nil if nothing is. The ID must be UTF-8
// without control characters, and the username one that the password grant
// accepts (RFC 6749, appendix A.15). A nil user is an error.
func CheckUser(user *User, username string) error {
	if user == nil {
		return unfit("user", errors.New("it is nil"))
	}
	return unfit(fmt.Sprintf("user %q", username),
		checkUserID(user.ID), checkUserText("username", username, maxRegistered))
}

// CheckUserPassword returns why password cannot be a user's, as an
// [InvalidArgument]; nil if it can. It must be one that the password grant
// accepts (RFC 6749, appendix A.16). The program decides how strong it must be.
// The error does not contain the password.
func CheckUserPassword(password string) error {
	return unfit("password", checkUserText("password", password, maxPasswordBytes))
}

// NamedUser is a user in a model's list, with the name that they sign in with.
type NamedUser struct {
	User
	Username string
}

// unfit returns one error for everything that is wrong with a registration; nil
// if nothing is.
func unfit(what string, wrong ...error) error {
	wrong = slices.DeleteFunc(wrong, func(err error) bool { return err == nil })
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		return &Error{Code: InvalidArgument, Err: fmt.Errorf("oauth2server: %s: %w", what, wrong[0])}
	}
	return &Error{
		Code: InvalidArgument,
		Err:  fmt.Errorf("oauth2server: %s: %d mistakes:%w", what, len(wrong), lines(wrong)),
	}
}

// checkRedirectURIs returns what is wrong with each URI of the client.
func (c *Client) checkRedirectURIs() (wrong []error) {
	for i, uri := range c.RedirectURIs {
		err := CheckRedirectURI(uri)
		switch {
		case err != nil:
			wrong = append(wrong, errors.New(strings.TrimPrefix(err.Error(), "oauth2server: ")))
			continue
		case slices.Contains(c.RedirectURIs[:i], uri):
			// Only a client with a single URI may leave it out of its requests,
			// so a second copy would change what it must send.
			err = errors.New("it is there twice")
		case isRootless(uri) && !c.Public:
			err = errors.New("without a slash behind its scheme it is for public clients only")
		default:
			err = checkLength("it", uri, maxRegistered)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("redirection URI %q: %w", uri, err))
		}
	}
	return wrong
}

// checkElements returns what is wrong with each element of a scope, or, if all
// are good, with the whole.
func (s Scope) checkElements() (wrong []error) {
	for _, token := range s {
		switch {
		case grammar.IsScopeToken(token):
		case len(strings.Fields(token)) > 1:
			several := strings.Fields(token)
			wrong = append(wrong, fmt.Errorf("scope %q: make each an element of its own: %q", token, several))
		default:
			wrong = append(wrong, fmt.Errorf("scope %q: not a scope token (RFC 6749, appendix A.4)", token))
		}
	}
	if len(wrong) == 0 {
		if err := s.check(); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

func (c *Client) checkLifetimes() (wrong []error) {
	for _, lifetime := range []struct {
		name  string
		value time.Duration
	}{
		{"AccessTokenLifetime", c.AccessTokenLifetime},
		{"RefreshTokenLifetime", c.RefreshTokenLifetime},
	} {
		if err := checkLifetime(lifetime.value); err != nil {
			wrong = append(wrong,
				fmt.Errorf("%s: %w; a number of seconds is n * time.Second", lifetime.name, err))
		}
	}
	refreshes := c.RefreshTokenLifetime > 0 && slices.Contains(c.Grants, "refresh_token")
	if refreshes && c.AccessTokenLifetime > c.RefreshTokenLifetime {
		wrong = append(wrong, fmt.Errorf("a refresh token would expire after %v, "+
			"before the access token that it is to renew, which lives for %v",
			c.RefreshTokenLifetime, c.AccessTokenLifetime))
	}
	return wrong
}

// checkAuthMethod returns why the client could not authenticate by its method.
func (c *Client) checkAuthMethod() error {
	switch c.AuthMethod {
	case "":
		return nil
	case "client_secret_basic", "client_secret_post", "none":
		return fmt.Errorf("AuthMethod %q: leave it empty, and Public tells whether there is a secret", c.AuthMethod)
	}
	switch {
	case c.Public:
		return errors.New("it is Public and has an AuthMethod")
	case !grammar.IsNQSCHAR(c.AuthMethod):
		return errors.New("AuthMethod: a character that is not printable ASCII")
	}
	return nil
}
