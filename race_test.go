//go:build race

package oauth2server_test

// underRace reports whether the race detector runs.
const underRace = true
