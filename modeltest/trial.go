// This file is what each rule works with: the handles on the model, and the
// answers expected of it.

package modeltest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/seed-11d18166/oauth2server"
)

// trial is the run of one rule on one fixture.
type trial struct {
	*Fixture
	on, peer *handle // peer is on if there is no Peer
}

// handle is a model and its interfaces. Those that it lacks are nil.
type handle struct {
	name        string
	given       oauth2server.Model // with all its layers
	model       oauth2server.Model
	tokens      oauth2server.AccessTokenModel
	revoker     oauth2server.AccessTokenRevoker
	codes       oauth2server.AuthorizationCodeModel
	refresh     oauth2server.RefreshTokenModel
	log         oauth2server.GrantLog
	records     oauth2server.RecordModel
	users       oauth2server.PasswordModel
	clientUsers oauth2server.ClientCredentialsModel
}

func newTrial(f *Fixture) *trial {
	t := &trial{Fixture: f, on: newHandle("Model", f.Model)}
	t.peer = t.on
	if f.Peer != nil {
		t.peer = newHandle("Peer", f.Peer)
	}
	return t
}

func newHandle(name string, model oauth2server.Model) *handle {
	return &handle{name, model, outermost[oauth2server.Model](model),
		outermost[oauth2server.AccessTokenModel](model),
		outermost[oauth2server.AccessTokenRevoker](model),
		outermost[oauth2server.AuthorizationCodeModel](model),
		outermost[oauth2server.RefreshTokenModel](model), outermost[oauth2server.GrantLog](model),
		outermost[oauth2server.RecordModel](model),
		outermost[oauth2server.PasswordModel](model),
		outermost[oauth2server.ClientCredentialsModel](model)}
}

// abilities reports for each interface whether the model has it.
func (h *handle) abilities() []bool {
	generators := h.generators()
	return []bool{h.tokens != nil, h.revoker != nil, h.codes != nil, h.refresh != nil, h.log != nil,
		h.records != nil, h.users != nil, h.clientUsers != nil,
		generators["GenerateAccessToken"] != nil, generators["GenerateRefreshToken"] != nil,
		generators["GenerateAuthorizationCode"] != nil}
}

// outermost returns the interface of the outermost layer that has it, as the
// server does.
func outermost[T any](model oauth2server.Model) (found T) {
	layer := any(model)
	for range 64 {
		if has, ok := layer.(T); ok {
			return has
		}
		switch outer := layer.(type) {
		case interface{ Unwrap() oauth2server.Model }:
			layer = outer.Unwrap()
		case interface {
			Unwrap() oauth2server.AccessTokenModel
		}:
			layer = outer.Unwrap()
		default:
			return found
		}
	}
	return found
}

// both returns the handles, once each.
func (t *trial) both() []*handle {
	if t.peer == t.on {
		return []*handle{t.on}
	}
	return []*handle{t.on, t.peer}
}

// crowd is how many callers a storm has: more than the connection pool of a
// database, so that some wait.
const crowd = 64

// storm calls f from many goroutines at once, half of them at each handle, and
// returns their errors.
func (t *trial) storm(f func(h *handle, caller int) error) []error {
	var (
		errs  = make([]error, crowd)
		start = make(chan struct{})
		wg    sync.WaitGroup
	)
	for i := range errs {
		h := t.on
		if i%2 == 1 {
			h = t.peer
		}
		wg.Go(func() {
			<-start
			errs[i] = f(h, i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// absent returns an error unless a model answered ErrNotFound. Use it as
// absent("GetUser of %q", name)(model.GetUser(...)). The format is that of
// [fmt.Sprintf], so vet checks the arguments; it begins a sentence, and the
// answer of the model follows after a colon.
func absent(format string, args ...any) func(v any, err error) error {
	call := fmt.Sprintf(format, args...)
	return func(v any, err error) error {
		switch {
		case errors.Is(err, oauth2server.ErrNotFound):
			return nil
		case err != nil:
			return fmt.Errorf("%s: the error is %q, want ErrNotFound", call, err)
		case v != nil && !reflect.ValueOf(v).IsNil():
			return fmt.Errorf("%s: it was found, want ErrNotFound", call)
		}
		return nil
	}
}

// gone is absent for a call that returns only an error.
func gone(err error, format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	if err == nil {
		return fmt.Errorf("%s: it succeeded, want ErrNotFound", call)
	}
	return absent("%s", call)(nil, err)
}

// present returns an error unless a model returned a value.
func present(format string, args ...any) func(v any, err error) error {
	call := fmt.Sprintf(format, args...)
	return func(v any, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", call, err)
		}
		if v == nil || reflect.ValueOf(v).IsNil() {
			return fmt.Errorf("%s: nothing was found", call)
		}
		return nil
	}
}
