package main

import (
	"fmt"
	"sort"
	"time"
)

// How far the server's clock may be from ours when a hold ends, and how much later than its end a
// request may be decided by a reading of the clock that is older than the request.
const (
	clockTolerance = 50 * time.Millisecond
	lateTolerance  = 500 * time.Millisecond
)

type interval struct{ from, to int64 }

// A history, sorted by what it is about.
type history struct {
	wallOffset   int64
	disturbances []interval
	lots         map[string]*lotHistory
	names        []string // of the lots, in order of creation
}

type lotHistory struct {
	name   string
	units  int
	calls  []*record
	orders map[string]*orderHistory
}

type orderHistory struct {
	name  string
	calls []*record
	last  *record // the last answer to a look-up of the order; nil if there was none
}

func newHistory(records []*record) (*history, error) {
	h := &history{lots: map[string]*lotHistory{}}
	for i, r := range records {
		switch r.Kind {
		case kindStart:
			h.wallOffset = r.WallOffset
		case kindDisturbance:
			h.disturbances = append(h.disturbances, interval{r.Call, r.Return})
		case kindLot:
			h.lots[r.Lot] = &lotHistory{name: r.Lot, units: r.Quantity,
				orders: map[string]*orderHistory{}}
			h.names = append(h.names, r.Lot)
		case kindCall:
			lot := h.lots[r.Lot]
			if lot == nil {
				return nil, fmt.Errorf("record %d: lot %q was not told", i+1, r.Lot)
			}
			lot.add(r)
		default:
			return nil, fmt.Errorf("record %d: unknown kind %q", i+1, r.Kind)
		}
	}
	return h, nil
}

func (l *lotHistory) add(r *record) {
	l.calls = append(l.calls, r)
	if r.Order == "" {
		return
	}
	o := l.orders[r.Order]
	if o == nil {
		o = &orderHistory{name: r.Order}
		l.orders[r.Order] = o
	}
	o.calls = append(o.calls, r)
	if r.Op == "show_order" && (r.Code == "OK" || r.Code == "NOT_FOUND") &&
		(o.last == nil || r.Call > o.last.Call) {
		o.last = r
	}
}

// made tells whether the order's last look shows a move of that kind, and the move.
func (o *orderHistory) made(kind string) *move {
	if o.last == nil {
		return nil
	}
	for i := range o.last.Moves {
		if o.last.Moves[i].Kind == kind {
			return &o.last.Moves[i]
		}
	}
	return nil
}

// neverHappened tells of a call with an unknown outcome that, as the last look shows, had no effect.
func (o *orderHistory) neverHappened(op string) bool {
	if o.last == nil {
		return false
	}
	switch op {
	case "reserve":
		return o.last.Code == "NOT_FOUND"
	case "confirm":
		return o.made("CONFIRM") == nil
	case "extend":
		return o.made("EXTEND") == nil
	case "ship":
		return o.made("SHIP") == nil
	case "refund":
		return o.made("RETURN") == nil && o.made("RESTOCK") == nil && (o.made("REFUND") == nil || o.last.Reason == "EXPIRED")
	}
	return true // a look changes nothing
}

// deadlines returns all that the order is known to have had, in the order in which it had them.
func (o *orderHistory) deadlines() []int64 {
	seen := map[int64]bool{}
	for _, r := range o.calls {
		if r.Code == "OK" && r.ExpiresMs != 0 {
			seen[r.ExpiresMs] = true
		}
		for _, m := range r.Moves {
			if m.DeadlineMs != 0 {
				seen[m.DeadlineMs] = true
			}
		}
	}
	var all []int64
	for deadline := range seen {
		all = append(all, deadline)
	}
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	return all
}

// expiryWindow is when the end of a hold must be seen: not before its deadline, and at once after
// it, or after the server stood still or was away.
func (h *history) expiryWindow(deadlineMs int64) interval {
	at := deadlineMs*int64(time.Millisecond) - h.wallOffset
	w := interval{at - int64(clockTolerance), at + int64(lateTolerance)}
	for changed := true; changed; {
		changed = false
		for _, d := range h.disturbances {
			to := d.to + int64(lateTolerance)
			if d.from <= w.to && d.to >= w.from && to > w.to {
				w.to = to
				changed = true
			}
		}
	}
	return w
}
