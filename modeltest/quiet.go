package modeltest

import (
	"log/slog"

	"github.com/seed-11d18166/oauth2server"
)

// quiet are options for a server that is only tried out.
func quiet() *oauth2server.Options {
	return &oauth2server.Options{Logger: slog.New(slog.DiscardHandler)}
}
