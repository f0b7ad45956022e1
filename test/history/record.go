package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// What a record tells.
const (
	kindStart       = "start"       // the first line: how wall clock and record times relate
	kindLot         = "lot"         // a lot and its first units
	kindCall        = "call"        // a call and what came of it
	kindDisturbance = "disturbance" // the server was down or stood still
)

// A record is a line of a history. Times are nanoseconds of one monotonic clock; those that end in
// _ms are the server's, milliseconds since 1970.
type record struct {
	Kind         string `json:"kind"`
	WallOffset   int64  `json:"wall_offset_ns"` // start: wall clock minus record time
	Client       int    `json:"client"`
	Call         int64  `json:"call"`
	Return       int64  `json:"return"`
	Op           string `json:"op"`
	Lot          string `json:"lot"`
	Order        string `json:"order"`
	Quantity     int    `json:"quantity"` // wanted; of a lot, its first units
	AdjustmentID string `json:"adjustment_id"`

	// The answer. Code is OK, a problem's code, or empty: whether it happened is not known.
	Code        string `json:"code"`
	Lost        bool   `json:"lost"` // the connection ended, with the server or for another reason
	Replayed    bool   `json:"replayed"`
	Reservation string `json:"reservation_id"`
	Status      string `json:"status"`
	Reason      string `json:"reason"`
	Units       int    `json:"units"`
	Shipped     int    `json:"shipped"`
	ExpiresMs   int64  `json:"expires_ms"`
	OnHand      int    `json:"on_hand"`
	Reserved    int    `json:"reserved"`
	Confirmed   int    `json:"confirmed"`
	Available   int    `json:"available"`
	Version     int64  `json:"version"`
	Moves       []move `json:"moves"`
}

// A move of a reservation's history, as GetReservation shows it.
type move struct {
	Kind       string `json:"kind"`
	AtMs       int64  `json:"at_ms"`
	DeadlineMs int64  `json:"deadline_ms"`
	Reason     string `json:"reason"`
}

func (r *record) unknown() bool { return r.Code == "" }

// A call whose outcome the server itself did not know may be under way after its answer.
func (r *record) goesOn() bool { return r.unknown() && !r.Lost }

// Refusals that say of themselves that nothing happened, whatever the lot's state.
func (r *record) withoutEffect() bool {
	switch r.Code {
	case "OVERLOADED", "UNAVAILABLE", "DEADLINE_EXCEEDED":
		return true
	}
	return false
}

// readHistory reads a file of records, one JSON object a line.
func readHistory(path string) ([]*record, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var records []*record
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for number := 1; lines.Scan(); number++ {
		r := new(record)
		if err := json.Unmarshal(lines.Bytes(), r); err != nil {
			return nil, fmt.Errorf("%s:%d: %v", path, number, err)
		}
		records = append(records, r)
	}
	return records, lines.Err()
}
