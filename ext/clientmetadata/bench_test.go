package clientmetadata

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkKeptDocument(b *testing.B) {
	c, _ := offline(nil)
	const id = "https://fern.example/client.json"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.FindClient(b.Context(), id, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeptDocumentInParallel(b *testing.B) {
	c, _ := offline(nil)
	const id = "https://fern.example/client.json"
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.FindClient(b.Context(), id, ""); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkCopyOf(b *testing.B) {
	c, _ := offline(nil)
	client, err := c.FindClient(b.Context(), "https://fern.example/client.json", "")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		copyOf(client)
	}
}
