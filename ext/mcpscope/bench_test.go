// This file measures what it costs to find out which tools a request calls.

package mcpscope_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-11d18166/oauth2server/ext/mcpscope"
)

func BenchmarkTools(b *testing.B) {
	arguments := func(n int) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"note","arguments":{"text":"` +
			strings.Repeat("All work and no play. ", n/22) + `"}}}`
	}
	for _, row := range []struct{ name, body string }{
		{"no body", ""},
		{"small call", call("note")},
		{"2 KiB of text", arguments(2 << 10)},
		{"1 MiB of text", arguments(1 << 20)},
		{"4 MiB of names", "[" + strings.Repeat(`{"params":{"name":"note"}},`, 4<<20/28) + "1]"},
		{"4 MiB of brackets", "[" + strings.Repeat(`[],`, (4<<20)/3-2) + "1]"},
	} {
		b.Run(row.name, func(b *testing.B) {
			tools := mcpscope.Tools("read", byTool)
			b.ReportAllocs()
			b.SetBytes(int64(len(row.body)))
			r := httptest.NewRequest("POST", "/mcp", nil)
			body := strings.NewReader(row.body)
			for b.Loop() {
				body.Reset(row.body)
				r.Body = reader{body}
				tools(r)
			}
		})
	}
}

type reader struct{ *strings.Reader }

func (reader) Close() error { return nil }
