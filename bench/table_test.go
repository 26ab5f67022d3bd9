package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		sorted          []float64
		low, half, high float64
	}{
		{[]float64{7}, 7, 7, 7},
		{[]float64{1, 2}, 1.25, 1.5, 1.75},
		{[]float64{1, 2, 3, 8}, 1.75, 2.5, 4.25},
		{[]float64{1, 2, 3, 4, 5}, 2, 3, 4},
	} {
		require.Equal(t, [3]float64{c.low, c.half, c.high},
			[3]float64{quantile(c.sorted, 0.25), middle(c.sorted), quantile(c.sorted, 0.75)}, c.sorted)
	}
}
