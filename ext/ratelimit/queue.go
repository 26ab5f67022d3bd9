// This file lets attempts in, or makes them wait while the tokens of their
// buckets are in flight.

package ratelimit

import (
	"slices"
	"time"
)

// attempt is an attempt that asks to be let in. The limiter's lock guards it
// until it is answered.
type attempt struct {
	wanted   [3]key        // its buckets
	taken    [3]key        // where it took a token: those, or shared ones
	wait     time.Duration // more than 0 if it is refused
	queue    key           // the bucket at which it waits
	answered chan struct{} // closed when its wait is over; nil if it never waited
	settled  bool
}

// pause is the wait of attempts that are refused though tokens are left.
const pause = time.Second

// enter lets a in, refuses it, or makes it wait.
func (l *Limiter) enter(a *attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.sweep(now)
	if crowded := l.admit(a, key{}, now); crowded.limit != nil {
		a.answered = make(chan struct{})
		l.enqueue(a, crowded)
		l.serve(crowded, now) // a token may have come back while others waited
	}
}

// admit lets a in or refuses it. To let it in, it takes a token from each of
// its buckets: all at once, so that nobody has some and waits for others.
//
// Otherwise it returns the bucket that a has to wait at: one whose last tokens
// are in flight, or one where others wait already. The head of a queue does not
// wait for those behind it.
func (l *Limiter) admit(a *attempt, head key, now time.Time) (crowded key) {
	for i, k := range a.wanted {
		if k.limit == nil {
			continue
		}
		k = l.stored(k)
		a.taken[i] = k
		b := l.buckets[k]
		a.wait = max(a.wait, b.wait(k.limit, 0, now))
		if crowded.limit == nil && (b.crowded(k.limit, now) || k != head && len(b.waiting) > 0) {
			crowded = k
		}
	}
	if a.wait > 0 {
		return key{} // store nothing: refused attempts must not fill the memory
	}
	if crowded.limit != nil {
		return crowded
	}
	for _, k := range a.taken {
		if k.limit != nil {
			b := l.buckets[k]
			b.underWay++
			l.buckets[k] = b
		}
	}
	return key{}
}

// enqueue makes a wait at the bucket k, which has attempts in flight, unless
// too many wait there.
func (l *Limiter) enqueue(a *attempt, k key) {
	b, most := l.buckets[k], l.MaxWaiting
	if most == 0 {
		most = 1000
	}
	if len(b.waiting) >= most {
		a.wait = pause
		close(a.answered)
		return
	}
	a.queue = k
	b.waiting = append(b.waiting, a)
	l.buckets[k] = b
}

// serve answers the attempts that wait at the bucket k, in order, until it is
// crowded again. As long as one waits, another is in flight, and serve is
// called when that ends. After the last one, either there is a token, or the
// bucket is empty and all are refused. So none waits for ever.
func (l *Limiter) serve(k key, now time.Time) {
	for {
		b := l.buckets[k]
		if len(b.waiting) == 0 || b.crowded(k.limit, now) {
			return
		}
		first := b.waiting[0]
		b.waiting[0], b.waiting = nil, b.waiting[1:]
		if len(b.waiting) == 0 {
			b.waiting = nil // frees the memory of a long queue
		}
		l.buckets[k] = b
		if crowded := l.admit(first, k, now); crowded.limit != nil {
			l.enqueue(first, crowded) // at another bucket
		} else {
			close(first.answered)
		}
	}
}

// leave ends the wait of an attempt whose request has ended, unless it was
// answered at the same moment.
func (l *Limiter) leave(a *attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-a.answered:
		return
	default:
	}
	b := l.buckets[a.queue]
	at := slices.Index(b.waiting, a)
	b.waiting = slices.Delete(b.waiting, at, at+1)
	l.buckets[a.queue] = b
	a.wait = pause
}
