package main

import "github.com/anishathalye/porcupine"

// A builder makes the model's operations of a lot's history.
type builder struct {
	h           *history
	l           *lotHistory
	orders      map[string]int
	adjustments map[string]int
	operations  []porcupine.Operation
}

func (b *builder) build() []porcupine.Operation {
	for _, r := range b.l.calls {
		b.call(r)
	}
	for name, number := range b.orders {
		b.ends(b.l.orders[name], number)
	}
	return b.operations
}

func number(of map[string]int, name string) int {
	if _, known := of[name]; !known {
		of[name] = len(of)
	}
	return of[name]
}

func (b *builder) add(client int, o *operation, when interval) {
	b.operations = append(b.operations, porcupine.Operation{ClientId: client, Input: o,
		Call: when.from, Return: when.to})
}

// Calls that are known to have had no effect, and looks without an answer, say nothing.
func (b *builder) call(r *record) {
	o := &operation{op: r.Op, quantity: r.Quantity, answer: r}
	if r.withoutEffect() || r.unknown() && (r.Op == "show_lot" || r.Op == "show_order") {
		return
	}
	if r.Order != "" {
		of := b.l.orders[r.Order]
		if r.unknown() && of.neverHappened(r.Op) {
			return
		}
		o.order = number(b.orders, r.Order)
		o.deadlines = of.deadlines()
		o.deadline = of.given(r, o.deadlines)
		o.must = r.unknown() && of.last != nil
	}
	if r.AdjustmentID != "" {
		o.adjustment = number(b.adjustments, r.AdjustmentID)
	}
	if r.Code == "SOLD_OUT" {
		o.claims = b.claims(r)
	}
	when := interval{r.Call, r.Return}
	if r.unknown() {
		if b.repeats(r) {
			return
		}
		when.to = b.open(r)
	}
	b.add(r.Client, o, when)
}

func (r *record) same(other *record) bool {
	return r.Op == other.Op && r.Order == other.Order && r.AdjustmentID == other.AdjustmentID
}

// repeats tells of a call whose earlier try has an unknown outcome too: only one of them can have
// an effect, and the time of the earlier try includes that of the later one.
func (b *builder) repeats(r *record) bool {
	for _, other := range b.l.calls {
		if other != r && other.unknown() && other.same(r) && other.Call < r.Call {
			return true
		}
	}
	return false
}

// open is when a call with an unknown outcome can have its effect at the latest: for ever, or until
// an answer to another try, behind which it has none any more.
func (b *builder) open(r *record) int64 {
	end := int64(openEnd)
	for _, other := range b.l.calls {
		// A shipment that was refused because nobody had paid yet may still be made.
		settles := other.Code == "OK" || other.Code == "INVALID_TRANSITION" && r.Op != "ship"
		if settles && other.same(r) && other.Return > r.Call && other.Return < end {
			end = other.Return
		}
	}
	return end
}

// given is the number of the deadline that the call gave the order: the answer has it, or the
// order's last look.
func (o *orderHistory) given(r *record, deadlines []int64) byte {
	at := r.ExpiresMs
	if r.Code != "OK" {
		if m := o.made(map[string]string{"reserve": "RESERVE", "extend": "EXTEND"}[r.Op]); m != nil {
			at = m.DeadlineMs
		}
	}
	for i, deadline := range deadlines {
		if deadline == at {
			return byte(i)
		}
	}
	return 0
}

// claims lists the units that others may have had while the call was under way, though they are not
// taken in the state: the gate takes units when an order arrives, and it is decided later, behind
// whatever else came meanwhile. And a SOLD_OUT does not wait for the commit that it rests on; that of
// an order which is a retry, is refused further in, or dies with the server, never comes.
func (b *builder) claims(r *record) []claim {
	var all []claim
	for _, other := range b.l.calls {
		overlaps := other.Call <= r.Return && (other.Return >= r.Call || other.goesOn())
		if other == r || !overlaps {
			continue
		}
		if other.Op == "reserve" {
			made := other.Code == "OK" && !other.Replayed
			all = append(all, claim{number(b.orders, other.Order), other.Quantity, made})
		}
		if other.Op == "adjust" && other.Code != "OK" && other.Quantity < 0 {
			all = append(all, claim{quantity: -other.Quantity})
		}
	}
	return all
}

// ends adds the end of the order's hold at the last of its deadlines, unless the order's last look
// shows that it ended before: then the server's times tell whether that was in time.
func (b *builder) ends(o *orderHistory, number int) {
	deadlines := o.deadlines()
	if o.made("CONFIRM") != nil || o.made("REFUND") != nil && o.last.Reason != "EXPIRED" {
		return
	}
	first := 0
	if o.last != nil && len(deadlines) > 0 {
		first = len(deadlines) - 1
	}
	for i := first; i < len(deadlines); i++ {
		b.add(0, &operation{op: "expire", order: number, deadline: byte(i), deadlines: deadlines},
			b.h.expiryWindow(deadlines[i]))
	}
}
