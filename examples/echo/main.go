// Command echo is an authorization server and an API with echo, which wraps
// handlers and middleware.
package main

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

func main() {
	demo.Main(demo.Story, newHandler)
}

func newHandler(site demo.Site) (http.Handler, error) {
	srv, err := oauth2server.New(site.Model, nil)
	if err != nil {
		return nil, err
	}
	router := echo.New()
	router.Any("/authorize", echo.WrapHandler(srv.Authorize(demo.Page(site.Model))))
	router.Any("/token", echo.WrapHandler(srv.Token(nil)))
	router.GET("/api", hello, echo.WrapMiddleware(srv.Authenticate("read")))
	return router, nil
}

func hello(c *echo.Context) error {
	user := oauth2server.UserFromContext(c.Request().Context())
	return c.String(http.StatusOK, "Hello, user "+user.ID+"!\n")
}
