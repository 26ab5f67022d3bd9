package modeltest

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// memory is a fixture on the model in memory. It has one process, so Peer is Model again.
func memory(context.Context) (*Fixture, error) {
	f := Sample()
	m := memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost})
	errs := []error{m.AddClient(f.Public, "")}
	for _, c := range f.Clients {
		errs = append(errs, m.AddClient(c.Client, c.Secret))
	}
	for _, u := range f.Users {
		errs = append(errs, m.AddUser(&oauth2server.User{ID: u.ID}, u.Username, u.Password))
	}
	f.Model, f.Peer = m, m
	f.Dump = func(context.Context) ([]byte, error) { return dumpOf(m), nil }
	return f, errors.Join(errs...)
}

func TestMemoryModelKeepsTheContract(t *testing.T) { Run(t, memory) }
