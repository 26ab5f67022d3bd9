package demo_test

import (
	"testing"

	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
)

func TestFaultIsNoWrongPassword(t *testing.T) {
	demotest.FaultIsNoWrongPassword(t, demo.Page)
}
