package main

import "fmt"

// checkOrders looks at each order by itself, by the server's own times: one order_id has one
// reservation, its moves come in the order of time, and its deadline is kept to the millisecond.
func (l *lotHistory) checkOrders() []string {
	var wrong []string
	for _, o := range l.orders {
		for _, text := range o.check() {
			wrong = append(wrong, fmt.Sprintf("order %s: %s", o.name, text))
		}
	}
	return append(wrong, l.checkVersions()...)
}

func (o *orderHistory) check() []string {
	var wrong []string
	reservation := ""
	for _, r := range o.calls {
		if r.Code != "OK" || r.Reservation == "" {
			continue
		}
		if reservation != "" && r.Reservation != reservation {
			wrong = append(wrong, fmt.Sprintf("two reservations, %s and %s", reservation,
				r.Reservation))
		}
		reservation = r.Reservation
	}
	if o.last == nil {
		return wrong
	}
	if reservation != "" && o.last.Code == "NOT_FOUND" {
		return append(wrong, "was acknowledged and is not there")
	}
	var at, deadline int64
	for _, m := range o.last.Moves {
		if m.AtMs < at {
			wrong = append(wrong, m.Kind+" is older than the move before it")
		}
		at = m.AtMs
		expired := m.Kind == "REFUND" && m.Reason == "EXPIRED"
		if expired && m.AtMs < deadline {
			wrong = append(wrong, fmt.Sprintf("expired %d ms early", deadline-m.AtMs))
		}
		ofPending := m.Kind == "CONFIRM" || m.Kind == "EXTEND" || m.Kind == "REFUND"
		if ofPending && !expired && m.AtMs >= deadline {
			wrong = append(wrong, fmt.Sprintf("%s %d ms after the deadline", m.Kind,
				m.AtMs-deadline))
		}
		if m.DeadlineMs != 0 {
			deadline = m.DeadlineMs
		}
	}
	return wrong
}

// checkVersions looks for a lot that was shown with an older version than before.
func (l *lotHistory) checkVersions() []string {
	var looks []*record
	for _, r := range l.calls {
		if r.Op == "show_lot" && r.Code == "OK" {
			looks = append(looks, r)
		}
	}
	var wrong []string
	for _, a := range looks {
		for _, b := range looks {
			if a.Return < b.Call && a.Version > b.Version {
				wrong = append(wrong, fmt.Sprintf("version %d was shown after version %d",
					b.Version, a.Version))
			}
		}
	}
	return wrong
}
