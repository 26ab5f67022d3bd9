package main

import (
	"sync"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
)

// shop stands for a program that existed before: it has customers and partners of its own, and a table of rows.
type shop struct {
	customers map[string]customer // by address
	partners  map[string]partner
	nobody    customer // what an unknown address is compared with

	mu   sync.Mutex
	rows map[string][]byte
}

type customer struct {
	number   string
	password []byte // bcrypt
}

type partner struct {
	secretDigest string
	callback     string
}

func newShop() *shop {
	hash, err := bcrypt.GenerateFromPassword([]byte("123456"), bcrypt.DefaultCost)
	if err != nil {
		panic(err) // the cost is a constant
	}
	return &shop{
		customers: map[string]customer{"andy@example.com": {"K-17", hash}},
		partners:  map[string]partner{"till": {oauth2server.Digest("a-secret-that-nobody-guesses"), "https://till.example/callback"}},
		nobody:    customer{password: hash},
		rows:      map[string][]byte{},
	}
}

func (s *shop) insert(key string, row []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[key] = row
}

func (s *shop) find(key string) (row []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok = s.rows[key]
	return row, ok
}

// delete says whether there was something to delete. Of several callers, one is told so: in SQL, rows affected.
func (s *shop) delete(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.rows[key]
	delete(s.rows, key)
	return ok
}
