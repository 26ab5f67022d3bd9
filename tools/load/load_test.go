// This file tests the command in memory and with SQLite.

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// table returns the cells of what is printed, by storage and flow.
func table(t *testing.T, args ...string) map[string][]string {
	var out bytes.Buffer
	args = append([]string{"-stored", "1200", "-for", "20ms", "-turn", "10ms", "-clients", "4"}, args...)
	require.NoError(t, run(t.Context(), args, &out, io.Discard))
	require.NotContains(t, out.String(), "The first error")
	cells := map[string][]string{}
	for line := range strings.Lines(out.String()) {
		if c := strings.Split(strings.Trim(line, "| \n"), " | "); len(c) == 10 {
			cells[c[0]+" "+c[1]] = c[2:]
		}
	}
	return cells
}

// Only storages without a server: others may not be installed.
func TestTheTable(t *testing.T) {
	for storage, trips := range map[string][]string{"memory": {"0", "0", "0", "0"}, "sqlite": {"1", "7", "4", "2"}} {
		cells := table(t, "-storage", storage)
		for i, f := range flows {
			got := cells[storage+" "+f.name]
			require.Len(t, got, 8, "%v", cells)
			require.Equal(t, trips[i], got[0])
			require.Equal(t, storage == "memory", got[1] == "–", "a ratio needs bare commands")
			require.NotEqual(t, "0", got[2], "flows per second")
			require.Equal(t, "0", got[7], "errors")
		}
	}
}

func TestBounds(t *testing.T) {
	begin := time.Now()
	cells := table(t, "-storage", "memory", "-flows", "client", "-for", "1h", "-turn", "1h", "-most", "100")
	require.Less(t, time.Since(begin), time.Minute)
	require.Len(t, cells, 2) // with the heading
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{{"-storage", "disk"}, {"-flows", "code,x"}, {"-clients", "0"}, {"-for", "0s"}, {"x"}} {
		require.Error(t, run(t.Context(), args, io.Discard, io.Discard), "%v", args)
	}
}

func TestPercentiles(t *testing.T) {
	var all, half times
	for i := range 1000 {
		all.add(time.Duration(i+1) * time.Microsecond)
	}
	half.merge(&all)
	for p, want := range map[int]time.Duration{1: 10, 50: 500, 99: 990, 100: 1000} {
		require.InEpsilon(t, want*time.Microsecond, half.percentile(p), 0.04, p)
	}
	require.Zero(t, new(times).percentile(99))
}
