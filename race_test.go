//go:build race

package oauth2server_test

// underRace says that the race detector runs.
const underRace = true
