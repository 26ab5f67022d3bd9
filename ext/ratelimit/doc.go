// Package ratelimit limits failed attempts at client secrets and passwords (RFC
// 6749, sections 2.3.1 and 4.3.2): it stops attackers who guess, and nobody
// else.
//
// # Quick start
//
//	limiter := ratelimit.New()
//	srv, err := oauth2server.New(model, &oauth2server.Options{
//		LimitAttempts: limiter.LimitAttempts,
//	})
//
// A sign-in page of your own asks the same limiter: see the example of
// [Limiter.LimitAttempts].
//
// # What is limited
//
// Failures are counted by client and address, by user and address, by address
// and by user: see [Limiter] for the five limits. Each is a bucket that holds
// some failures and forgets one from time to time, so nobody is locked out for
// good. Successful attempts are never counted, however many come at once.
//
// # Behind a proxy
//
// All requests come from the proxy's address, so a stranger's failures would
// lock everybody out. Name the proxies, and the header in which they write
// where a request comes from:
//
//	limiter.Address = ratelimit.ForwardedIn("X-Forwarded-For", proxies)
//
// Use [Forwarded] if you do not know which header that is.
package ratelimit
