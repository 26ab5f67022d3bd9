package modeltest

// This file has models that lose or change a value of Extra, and models that
// cannot store a refresh token alone.

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// changeExtra changes what a lookup finds in Extra: each value, wherever it is.
// A value that change gives up is lost.
func changeExtra(change func(v any) (changed any, lost bool)) func(*Fixture, *altered) {
	var all func(v any) any
	all = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name := range v {
				changed, lost := change(v[name])
				if v[name] = all(changed); lost {
					delete(v, name)
				}
			}
		case []any:
			for i := range v {
				changed, _ := change(v[i])
				v[i] = all(changed)
			}
		}
		return v
	}
	return func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) { all(t.Extra) })
		}
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetRefreshToken(ctx, text))(func(t *token) { all(t.Extra) })
		}
	}
}

// converted changes values of one type.
func converted[T any](convert func(T) any) func(*Fixture, *altered) {
	return changeExtra(func(v any) (any, bool) {
		if v, ok := v.(T); ok {
			return convert(v), false
		}
		return v, false
	})
}

// isNested reports a container inside a container inside Extra.
func isNested(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			if _, ok := member.(map[string]any); ok {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { _, ok := element.([]any); return ok })
	}
	return false
}

func plainJSON(extra map[string]any) (back map[string]any) {
	text, _ := json.Marshal(extra)
	json.Unmarshal(text, &back)
	return back
}

var extraDefects = []defect{
	{"Extra as plain JSON", "token-extra", func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) { t.Extra = plainJSON(t.Extra) })
		}
	}},
	{"Extra as plain JSON, for refresh tokens", "token-extra", func(f *Fixture, a *altered) {
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetRefreshToken(ctx, text))(func(t *token) { t.Extra = plainJSON(t.Extra) })
		}
	}},
	{"Extra as plain JSON, on the way in", "token-extra", func(f *Fixture, a *altered) {
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			t.Extra = plainJSON(t.Extra)
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	}},
	{"Extra as plain JSON, in another process", "token-extra", func(f *Fixture, a *altered) {
		peer := &altered{Model: a.Model, users: a.users}
		peer.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) { t.Extra = plainJSON(t.Extra) })
		}
		f.Peer = peer
	}},
	{"integers as float64", "token-extra", converted(func(n int64) any { return float64(n) })},
	{"integers as int", "token-extra", converted(func(n int64) any { return int(n) })},
	{"integers through float64", "token-extra", converted(func(n int64) any { return int64(float64(n)) })},
	{"large integers as int64", "token-extra", converted(func(n uint64) any { return int64(n) })},
	{"floats without a fraction as integers", "token-extra", converted(func(f float64) any {
		if f == 3 {
			return int64(f)
		}
		return f
	})},
	{"floats as float32", "token-extra", converted(func(f float64) any { return float64(float32(f)) })},
	{"times as text", "token-extra", converted(func(t time.Time) any { return t.Format(time.RFC3339Nano) })},
	{"times to the millisecond", "token-extra",
		converted(func(t time.Time) any { return t.Truncate(time.Millisecond) })},
	{"times in local time", "token-extra",
		converted(func(t time.Time) any { return t.In(time.FixedZone("here", 3600)) })},
	{"text like a time as a time", "token-extra", converted(func(s string) any {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return t
		}
		return s
	})},
	{"bytes as text", "token-extra", converted(func(b []byte) any { return string(b) })},
	{"no bytes as nil", "token-extra", converted(func(b []byte) any { return append([]byte(nil), b...) })},
	{"an empty list as nil", "token-extra", converted(func(list []any) any {
		if len(list) == 0 {
			return nil
		}
		return list
	})},
	{"an empty map as a nil one", "token-extra", converted(func(m map[string]any) any {
		if len(m) == 0 {
			return map[string]any(nil)
		}
		return m
	})},
	{"nil as nothing", "token-extra", changeExtra(func(v any) (any, bool) { return v, v == nil })},
	{"false as nothing", "token-extra", changeExtra(func(v any) (any, bool) { return v, v == false })},
	{"empty text as nothing", "token-extra", changeExtra(func(v any) (any, bool) { return v, v == "" })},
	{"what is nested as nothing", "token-extra", changeExtra(func(v any) (any, bool) { return v, isNested(v) })},
	{"maps as structs of the driver", "token-extra",
		converted(func(m map[string]any) any { return struct{ M map[string]any }{m} })},
	{"lists one shorter", "token-extra", converted(func(list []any) any { return list[:max(len(list)-1, 0)] })},
	{"an attribute of the model's own", "token-extra", func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) {
				if len(t.Extra) > 10 {
					t.Extra["_id"] = "1"
				}
			})
		}
	}},
	{"Extra of a kilobyte at most", "token-extra", func(f *Fixture, a *altered) {
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			if text, _ := json.Marshal(t.Extra); len(text) > 1<<10 {
				return nil, errFault
			}
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	}},

	{"an access token that is an empty string", "refresh-alone", func(f *Fixture, a *altered) {
		var alone atomic.Pointer[token]
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			if t.AccessToken == "" {
				alone.Store(&token{Client: t.Client, User: t.User})
			}
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			if found := alone.Load(); text == "" && found != nil {
				return found, nil
			}
			return a.Model.GetAccessToken(ctx, text)
		}
	}},
	{"a unique index on an empty access token", "refresh-alone", func(f *Fixture, a *altered) {
		var empty atomic.Int32
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			if t.AccessToken == "" && empty.Add(1) > 1 {
				return nil, errFault
			}
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	}},
	{"a refresh token that is stored with its access token only", "refresh-alone", func(f *Fixture, a *altered) {
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			if t.AccessToken == "" {
				return t, ctx.Err()
			}
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	}},
	{"an access token that the model makes up", "refresh-alone", func(f *Fixture, a *altered) {
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetRefreshToken(ctx, text))(func(t *token) {
				if t.AccessTokenExpiresAt.IsZero() {
					t.AccessToken = oauth2server.Digest("")
				}
			})
		}
	}},
}
