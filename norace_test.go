//go:build !race

package oauth2server_test

const underRace = false
