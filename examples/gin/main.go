// Command gin is an authorization server and an API with gin, which has its own
// type of middleware.
package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

func main() {
	gin.SetMode(gin.ReleaseMode) // otherwise its list of routes hides the story
	demo.Main(demo.Story, newHandler)
}

func newHandler(site demo.Site) (http.Handler, error) {
	srv, err := oauth2server.New(site.Model, nil)
	if err != nil {
		return nil, err
	}
	router := gin.New()
	router.Any("/authorize", gin.WrapH(srv.Authorize(demo.Page(site.Model))))
	router.Any("/token", gin.WrapH(srv.Token(nil)))
	router.GET("/api", authenticate(srv, "read"), hello)
	return router, nil
}

// authenticate is [oauth2server.Server.Authenticate] for gin, without the
// headers that name scopes.
func authenticate(api *oauth2server.Server, scope ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		token, err := api.AuthenticateRequest(c.Request, scope...)
		if err != nil {
			c.Abort() // without it the next handler runs all the same
			api.WriteError(c.Writer, c.Request, err)
			return
		}
		c.Request = c.Request.WithContext(oauth2server.ContextWithToken(c.Request.Context(), token))
	}
}

func hello(c *gin.Context) {
	c.String(http.StatusOK, "Hello, user %s!\n", oauth2server.UserFromContext(c.Request.Context()).ID)
}
