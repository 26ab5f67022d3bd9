package memorymodel

import "time"

const (
	// period is the width of a bucket: how long an entry may stay after its expiry.
	period = 10 * time.Minute

	// dropsPerSave and periodsPerSave bound what one save does for those that expired: more than it adds, so that the
	// sweep keeps up.
	dropsPerSave   = 4
	periodsPerSave = 64
)

// table is a map whose entries expire. Their keys wait in a bucket for the period of their expiry; each put looks into
// the buckets that are due. So nothing is ever searched or sorted, and no goroutine is needed.
type table[T any] struct {
	entries map[digest]*entry[T]
	due     map[int64][]digest // by period
	swept   int64              // earlier periods are done
}

type entry[T any] struct {
	value  T
	period int64 // 0: never expires
}

func newTable[T any]() table[T] {
	return table[T]{entries: make(map[digest]*entry[T]), due: make(map[int64][]digest)}
}

func periodOf(t time.Time) int64 { return t.Unix() / int64(period/time.Second) }

// put stores value until expiresAt, zero for ever, and drops some of what expired before now.
func (t *table[T]) put(key digest, value T, expiresAt, now time.Time) {
	t.sweep(periodOf(now))
	if expiresAt.IsZero() {
		t.entries[key] = &entry[T]{value, 0}
		return
	}
	// Not into a bucket that was swept: nobody would look there again.
	expiry := max(periodOf(expiresAt), t.swept)
	t.entries[key] = &entry[T]{value, expiry}
	t.due[expiry] = append(t.due[expiry], key)
}

func (t *table[T]) sweep(current int64) {
	if len(t.due) == 0 {
		t.swept = current
	}
	for drops, periods := 0, 0; drops < dropsPerSave && periods < periodsPerSave && t.swept < current; {
		bucket := t.due[t.swept]
		if len(bucket) == 0 {
			delete(t.due, t.swept)
			t.swept++
			periods++
			continue
		}
		last := bucket[len(bucket)-1]
		if e := t.entries[last]; e != nil && e.period == t.swept { // not saved again since, for longer
			delete(t.entries, last)
		}
		t.due[t.swept] = bucket[:len(bucket)-1]
		drops++
	}
}
