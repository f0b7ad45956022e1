package main

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"
)

// The sequential lot. Its state is a text, so that states are compared and copied at little cost:
// the units on hand, a cell for each order and a byte for each adjustment.
type cell struct{ state, units, deadline, reason, shipped byte }

const (
	absent byte = iota
	pending
	confirmed
	refunded
)

const (
	expired byte = iota + 1
	cancelled
	returned
)

var stateNames = []string{"absent", "PENDING", "CONFIRMED", "REFUNDED"}
var reasonNames = []string{"", "EXPIRED", "CANCELLED", "RETURNED"}

const (
	headBytes = 4
	cellBytes = 5
)

// An operation of the model: a call, or the end of a hold.
type operation struct {
	op         string
	order      int // its number in the lot
	adjustment int
	quantity   int
	deadline   byte // number of the deadline that a reserve or an extend gives, or that passes
	deadlines  []int64
	claims     []claim // of others, while a SOLD_OUT was under way
	must       bool    // its outcome is unknown, and it is known to have happened
	answer     *record // nil for the end of a hold
}

// A claim is units that an order may have had for an instant: before it was made, or, if it was not
// made by this call, at any time.
type claim struct {
	order    int
	quantity int
	made     bool
}

type model struct{ orders int }

func (m model) initial(units, adjustments int) string {
	state := make([]byte, headBytes+cellBytes*m.orders+adjustments)
	putUnits(state, units)
	return string(state)
}

func putUnits(state []byte, units int) {
	for i := 0; i < headBytes; i++ {
		state[i] = byte(units >> (8 * i))
	}
}

func onHand(state string) int {
	units := 0
	for i := 0; i < headBytes; i++ {
		units |= int(state[i]) << (8 * i)
	}
	return units
}

func (m model) cell(state string, order int) cell {
	at := headBytes + cellBytes*order
	return cell{state[at], state[at+1], state[at+2], state[at+3], state[at+4]}
}

func (m model) with(state string, order int, c cell) string {
	next := []byte(state)
	copy(next[headBytes+cellBytes*order:], []byte{c.state, c.units, c.deadline, c.reason, c.shipped})
	return string(next)
}

func (m model) held(state string) (reserved, paid int) {
	for i := 0; i < m.orders; i++ {
		switch c := m.cell(state, i); c.state {
		case pending:
			reserved += int(c.units)
		case confirmed:
			paid += int(c.units - c.shipped)
		}
	}
	return
}

// shows tells whether an answer about a reservation is the truth in this state.
func (c cell) shows(o *operation, replayed bool) bool {
	a := o.answer
	return a.Code == "OK" && a.Replayed == replayed && a.Status == stateNames[c.state] &&
		a.Reason == reasonNames[c.reason] && a.Shipped == int(c.shipped) && (c.state == refunded || a.Units == int(c.units)) &&
		(c.state != pending || a.ExpiresMs == o.deadlines[c.deadline])
}

func (m model) showsLot(state string, a *record) bool {
	reserved, paid := m.held(state)
	return a.Code == "OK" && a.OnHand == onHand(state) && a.Reserved == reserved &&
		a.Confirmed == paid && a.Available == onHand(state)-reserved-paid
}

// step tells whether the operation can have had this answer in this state, and the state after it.
func (m model) step(state string, o *operation) (bool, string) {
	switch o.op {
	case "reserve":
		return m.reserve(state, o)
	case "confirm", "refund", "extend", "ship":
		return m.move(state, o)
	case "adjust":
		return m.adjust(state, o)
	case "show_lot":
		return m.showsLot(state, o.answer), state
	case "show_order":
		c := m.cell(state, o.order)
		if c.state == absent {
			return o.answer.Code == "NOT_FOUND", state
		}
		return c.shows(o, false), state
	case "expire":
		c := m.cell(state, o.order)
		if c.state == pending && c.deadline == o.deadline {
			return true, m.with(state, o.order, cell{refunded, c.units, c.deadline, expired, 0})
		}
		return true, state
	}
	return false, state
}

func (m model) claimed(state string, o *operation) int {
	units := 0
	for _, c := range o.claims {
		if !c.made || m.cell(state, c.order).state == absent {
			units += c.quantity
		}
	}
	return units
}

func (m model) reserve(state string, o *operation) (bool, string) {
	c := m.cell(state, o.order)
	if c.state != absent {
		return o.answer.unknown() || c.shows(o, true), state
	}
	reserved, paid := m.held(state)
	available := onHand(state) - reserved - paid
	if o.answer.Code == "SOLD_OUT" {
		available -= m.claimed(state, o)
		return available < o.quantity && o.answer.Available < o.quantity, state
	}
	if available < o.quantity {
		return o.answer.unknown() && !o.must, state
	}
	c = cell{pending, byte(o.quantity), o.deadline, 0, 0}
	return o.answer.unknown() || c.shows(o, false), m.with(state, o.order, c)
}

// move is confirm, refund, extend or ship of a reservation. Units that were shipped are not on hand,
// and are again when they come back; a shipment is made once, and its repetition is answered whatever
// became of the reservation.
func (m model) move(state string, o *operation) (bool, string) {
	c := m.cell(state, o.order)
	next := c
	allowed, replayed, left := true, false, 0
	switch {
	case c.state == absent:
		return o.answer.unknown() || o.answer.Code == "NOT_FOUND", state
	case o.op == "confirm" && c.state == pending:
		next = cell{confirmed, byte(o.quantity), c.deadline, 0, 0}
	case o.op == "confirm" && c.state == confirmed:
		replayed = true
	case o.op == "refund" && c.state == pending:
		next = cell{refunded, c.units, c.deadline, cancelled, 0}
	case o.op == "refund" && c.state == confirmed:
		next = cell{refunded, c.units, c.deadline, returned, c.shipped}
		left = -int(c.shipped)
	case o.op == "ship" && c.shipped != 0:
		replayed = true
	case o.op == "ship" && c.state == confirmed:
		next.shipped = byte(o.quantity)
		left = o.quantity
	case o.op == "refund":
		replayed = true
	case o.op == "extend" && c.state == pending:
		next.deadline = o.deadline
	default:
		allowed = false
	}
	after := []byte(m.with(state, o.order, next))
	putUnits(after, onHand(state)-left)
	if o.answer.unknown() {
		return true, string(after)
	}
	if !allowed {
		return o.answer.Code == "INVALID_TRANSITION", state
	}
	return next.shows(o, replayed), string(after)
}

func (m model) adjust(state string, o *operation) (bool, string) {
	done := headBytes + cellBytes*m.orders + o.adjustment
	if state[done] != 0 {
		return o.answer.unknown() || m.showsLot(state, o.answer), state
	}
	reserved, paid := m.held(state)
	units := onHand(state) + o.quantity
	if units < reserved+paid {
		return o.answer.unknown() || o.answer.Code == "SOLD_OUT", state
	}
	if o.answer.Code == "SOLD_OUT" {
		return units-m.claimed(state, o) < reserved+paid, state
	}
	next := []byte(state)
	putUnits(next, units)
	next[done] = 1
	return o.answer.unknown() || m.showsLot(string(next), o.answer), string(next)
}

// porcupine's view of the model and of a lot's history.
func (h *history) checkable(l *lotHistory) (porcupine.Model, []porcupine.Operation) {
	b := builder{h: h, l: l, orders: map[string]int{}, adjustments: map[string]int{}}
	operations := b.build()
	m := model{len(b.orders)}
	return porcupine.Model{
		Init: func() interface{} { return m.initial(l.units, len(b.adjustments)) },
		Step: func(state, input, _ interface{}) (bool, interface{}) {
			ok, next := m.step(state.(string), input.(*operation))
			return ok, next
		},
		DescribeOperation: func(input, _ interface{}) string { return input.(*operation).String() },
		DescribeState: func(state interface{}) string {
			reserved, paid := m.held(state.(string))
			return fmt.Sprintf("%d on hand, %d reserved, %d confirmed", onHand(state.(string)),
				reserved, paid)
		},
	}, operations
}

func (o *operation) String() string {
	if o.answer == nil {
		return fmt.Sprintf("hold %d ends at deadline %d", o.order, o.deadlines[o.deadline])
	}
	a := o.answer
	text := o.op
	if a.Order != "" {
		text += " " + a.Order
	}
	if o.quantity != 0 {
		text += fmt.Sprintf(" %d", o.quantity)
	}
	switch {
	case a.unknown():
		return text + ": unknown"
	case a.Code != "OK":
		return text + ": " + a.Code
	case a.Status != "":
		return fmt.Sprintf("%s: %s%s %d", text, a.Status, a.Reason, a.Units)
	}
	return fmt.Sprintf("%s: on hand %d, reserved %d, confirmed %d", text, a.OnHand, a.Reserved,
		a.Confirmed)
}

const openEnd = math.MaxInt64
