// Package oauth2proxy pins oauth2-proxy, which the tests of interop build and
// run. It is a module of its own: what that program needs must not move the
// versions of the clients beside it.
package oauth2proxy
