package main

import (
	"testing"

	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
)

func TestEcho(t *testing.T) {
	demotest.Mounted(t, newHandler)
}
