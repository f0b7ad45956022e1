// history - checks a recorded history of calls for linearizability.
//
//	history [-html DIR] FILE
//
// Each lot is an object of its own, with a sequential model (model.go); Porcupine looks for an order
// of the calls, within their times, in which every answer is the model's. A call whose outcome is
// not known may have happened at any later time, or never. Exit code 0: there is one for every lot;
// 1: there is none, or an order broke its promise (orders.go); 2: the history cannot be read; 3: no
// answer in time.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"
)

const timeLimit = 5 * time.Minute // for one lot

func main() {
	html := flag.String("html", "", "a folder for pages that show what is wrong")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: history [-html DIR] FILE")
		os.Exit(2)
	}
	records, err := readHistory(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	h, err := newHistory(records)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(h.check(*html))
}

func (h *history) check(html string) int {
	code, operations := 0, 0
	for _, name := range h.names {
		lot := h.lots[name]
		for _, wrong := range lot.checkOrders() {
			fmt.Printf("%s: %s\n", name, wrong)
			code = 1
		}
		m, ops := h.checkable(lot)
		operations += len(ops)
		result, info := porcupine.CheckOperationsVerbose(m, ops, timeLimit)
		switch result {
		case porcupine.Illegal:
			fmt.Printf("%s: not linearizable (%d operations)\n", name, len(ops))
			code = 1
		case porcupine.Unknown:
			fmt.Printf("%s: no answer in %v (%d operations)\n", name, timeLimit, len(ops))
			if code == 0 {
				code = 3
			}
		}
		if result != porcupine.Ok && html != "" {
			page := filepath.Join(html, fmt.Sprintf("lot-%d.html", len(ops)))
			if err := porcupine.VisualizePath(m, info, page); err == nil {
				fmt.Printf("%s: see %s\n", name, page)
			}
		}
	}
	if code == 0 {
		fmt.Printf("%d lots, %d operations: linearizable\n", len(h.names), operations)
	}
	return code
}
