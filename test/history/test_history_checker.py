#!/usr/bin/python3
"""The checker of histories is right itself: histories that no lot could have are refused, each for one
reason, and those that are allowed, if only just, are not."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checker import CHECKER, PATIENCE_S, skip_without_checker  # noqa: E402

MS = 1_000_000
WALL_MS = 1_800_000_000_000  # the wall clock at record time 0


class History:
    """A history of one lot, told in milliseconds."""

    def __init__(self, units):
        self.records = [{"kind": "start", "wall_offset_ns": WALL_MS * MS},
                        {"kind": "lot", "lot": "A#1", "quantity": units}]

    def call(self, op, begin, end, code="OK", **more):
        self.records.append({"kind": "call", "op": op, "lot": "A#1", "call": begin * MS,
                             "return": end * MS, "code": code, **more})

    def answered(self, op, order, begin, end, status="PENDING", units=1, until=10_000, **more):
        """A call about an order that is answered with the order."""
        more.setdefault("reservation_id", "r-" + order)
        self.call(op, begin, end, order=order, status=status, units=units,
                  expires_ms=WALL_MS + until, **more)

    def reserve(self, order, begin, end, quantity=1, **more):
        self.answered("reserve", order, begin, end, quantity=quantity, units=quantity, **more)

    def shows(self, begin, on_hand, reserved, confirmed=0, version=1):
        self.call("show_lot", begin, begin + 1, on_hand=on_hand, reserved=reserved,
                  confirmed=confirmed, available=on_hand - reserved - confirmed, version=version)

    def last_look(self, order, begin, moves, **more):
        """The order as it stands in the end; moves: (kind, at, deadline, reason)."""
        told = [{"kind": kind, "at_ms": WALL_MS + at, "deadline_ms": deadline and WALL_MS + deadline,
                 "reason": reason} for kind, at, deadline, reason in moves]
        self.answered("show_order", order, begin, begin + 1, moves=told, **more)

    def stood_still(self, begin, end):
        self.records.append({"kind": "disturbance", "call": begin * MS, "return": end * MS})

    def verdict(self):
        """The checker's exit code and what it says."""
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            for record in self.records:
                file.write(json.dumps(record) + "\n")
            file.flush()
            done = subprocess.run([CHECKER, file.name], capture_output=True, text=True,
                                  timeout=PATIENCE_S, check=False)
            return done.returncode, done.stdout + done.stderr


class Checker(unittest.TestCase):
    def allowed(self, history):
        code, text = history.verdict()
        self.assertEqual(code, 0, text)

    def refused(self, history, why="not linearizable"):
        code, text = history.verdict()
        self.assertEqual(code, 1, text)
        self.assertIn(why, text)

    # ---- stock ----

    def test_all_units_may_be_sold(self):
        h = History(2)
        h.reserve("a", 0, 10)
        h.reserve("b", 5, 20)
        h.call("reserve", 30, 31, "SOLD_OUT", order="c", quantity=1)
        h.shows(40, 2, 2)
        self.allowed(h)

    def test_an_oversell_is_refused(self):
        h = History(1)
        h.reserve("a", 0, 10)
        h.reserve("b", 5, 20)
        self.refused(h)

    def test_a_sold_out_while_units_are_free_is_refused(self):
        h = History(1)
        h.call("reserve", 0, 1, "SOLD_OUT", order="a", quantity=1)
        self.refused(h)

    def test_a_sold_out_that_says_enough_is_available_is_refused(self):
        h = History(1)
        h.reserve("a", 0, 1)
        h.call("reserve", 2, 3, "SOLD_OUT", order="b", quantity=1, available=1)
        self.refused(h)

    def test_two_at_once_for_the_last_unit_may_come_in_either_order(self):
        h = History(1)
        h.call("reserve", 0, 10, "SOLD_OUT", order="a", quantity=1)
        h.reserve("b", 5, 20)
        self.allowed(h)

    def test_a_retry_at_the_same_time_may_have_had_the_units_for_an_instant(self):
        h = History(2)
        h.reserve("a", 0, 1)
        h.reserve("a", 10, 20, replayed=True)
        h.call("reserve", 12, 15, "SOLD_OUT", order="b", quantity=1)
        self.allowed(h)

    def test_an_order_has_its_units_before_it_is_decided(self):
        h = History(3)
        h.reserve("a", 0, 1)
        h.reserve("b", 10, 50, quantity=2)          # has its units, and is decided last
        h.call("reserve", 20, 21, "SOLD_OUT", order="c", quantity=2)
        h.answered("refund", "a", 15, 30, "REFUNDED", reason="CANCELLED")
        h.shows(31, 3, 0)
        self.allowed(h)

    def test_an_order_that_dies_with_the_server_may_have_had_the_units_for_an_instant(self):
        for begin, code in ((5, 0), (30, 1)):
            h = History(1)
            h.call("reserve", 0, 20, "", order="a", quantity=1, lost=True)
            h.stood_still(15, 25)
            h.call("reserve", begin, begin + 1, "SOLD_OUT", order="b", quantity=1)
            h.call("show_order", 40, 41, "NOT_FOUND", order="a")
            self.assertEqual(h.verdict()[0], code)

    # ---- looks ----

    def test_a_stale_look_is_refused(self):
        h = History(2)
        h.reserve("a", 0, 10)
        h.shows(20, 2, 0)
        self.refused(h)

    def test_a_look_at_the_same_time_may_be_before_or_after(self):
        for reserved in (0, 1):
            h = History(2)
            h.reserve("a", 0, 10)
            h.shows(5, 2, reserved)
            self.allowed(h)

    def test_looks_that_go_back_in_time_are_refused(self):
        h = History(2)
        h.reserve("a", 0, 100)
        h.shows(5, 2, 1)
        h.shows(20, 2, 0)
        self.refused(h)

    def test_a_version_that_goes_back_is_refused(self):
        h = History(2)
        h.shows(0, 2, 0, version=7)
        h.shows(5, 2, 0, version=6)
        self.refused(h, "version 6 was shown after version 7")

    # ---- one outcome ----

    def test_a_retry_has_the_outcome_of_the_first(self):
        h = History(1)
        h.reserve("a", 0, 10)
        h.reserve("a", 20, 30, replayed=True)
        h.shows(40, 1, 1)
        self.allowed(h)

    def test_a_double_outcome_is_refused(self):
        h = History(2)
        h.reserve("a", 0, 10)
        h.reserve("a", 20, 30)
        self.refused(h)

    def test_two_reservations_of_an_order_are_refused(self):
        h = History(2)
        h.reserve("a", 0, 10)
        h.reserve("a", 20, 30, replayed=True, reservation_id="another")
        self.refused(h, "two reservations")

    def test_a_retry_of_the_last_unit_that_is_sold_out_is_refused(self):
        h = History(1)
        h.reserve("a", 0, 10)
        h.call("reserve", 20, 30, "SOLD_OUT", order="a", quantity=1)
        self.refused(h)

    def test_a_lost_acknowledgement_is_refused(self):
        h = History(1)
        h.reserve("a", 0, 10)
        h.call("show_order", 20, 30, "NOT_FOUND", order="a")
        self.refused(h, "was acknowledged and is not there")

    def test_units_of_a_lost_acknowledgement_are_missed(self):
        h = History(1)
        h.reserve("a", 0, 10)
        h.stood_still(11, 15)
        h.reserve("b", 20, 30)
        self.refused(h)

    # ---- unknown outcomes ----

    def test_an_unknown_outcome_may_show_much_later(self):
        h = History(1)
        h.call("reserve", 0, 10, "", order="a", quantity=1)
        h.shows(20, 1, 0)
        h.shows(500, 1, 1)
        h.last_look("a", 600, [("RESERVE", 400, 10_000, "")])
        self.allowed(h)

    def test_an_unknown_outcome_may_never_show(self):
        h = History(1)
        h.call("reserve", 0, 10, "", order="a", quantity=1)
        h.reserve("b", 20, 30)
        h.call("show_order", 40, 41, "NOT_FOUND", order="a")
        self.allowed(h)

    def test_an_unknown_outcome_that_was_seen_cannot_vanish(self):
        h = History(1)
        h.call("reserve", 0, 10, "", order="a", quantity=1)
        h.answered("show_order", "a", 20, 30)
        h.call("show_order", 40, 41, "NOT_FOUND", order="a")
        self.refused(h, "was acknowledged and is not there")

    def test_units_of_an_unknown_outcome_that_happened_cannot_be_sold_again(self):
        h = History(1)
        h.call("reserve", 0, 10, "", order="a", quantity=1)
        h.reserve("b", 20, 30)
        h.last_look("a", 600, [("RESERVE", 5, 10_000, "")])
        self.refused(h)

    def test_a_refusal_without_effect_says_nothing(self):
        h = History(1)
        h.call("reserve", 0, 10, "OVERLOADED", order="a", quantity=1)
        h.reserve("a", 20, 30)
        self.allowed(h)

    def test_a_refusal_without_effect_that_had_one_is_refused(self):
        h = History(1)
        h.call("reserve", 0, 10, "UNAVAILABLE", order="a", quantity=1)
        h.shows(20, 1, 1)
        self.refused(h)

    # ---- holds ----

    def test_a_hold_ends_at_its_deadline(self):
        h = History(1)
        h.reserve("a", 0, 10, until=1000)
        h.call("reserve", 900, 910, "SOLD_OUT", order="b", quantity=1)
        h.reserve("b", 1100, 1110, until=20_000)
        h.last_look("a", 3000, [("RESERVE", 5, 1000, ""), ("REFUND", 1000, 0, "EXPIRED")],
                    status="REFUNDED", reason="EXPIRED", until=1000)
        self.allowed(h)

    def test_units_that_come_free_before_the_deadline_are_refused(self):
        h = History(1)
        h.reserve("a", 0, 10, until=1000)
        h.reserve("b", 800, 810, until=20_000)
        self.refused(h)

    def test_units_that_are_not_free_long_after_the_deadline_are_refused(self):
        h = History(1)
        h.reserve("a", 0, 10, until=1000)
        h.shows(1600, 1, 1)
        self.refused(h)

    def test_a_server_that_stood_still_ends_holds_when_it_goes_on(self):
        for look, code in ((2400, 0), (2600, 1)):
            h = History(1)
            h.reserve("a", 0, 10, until=1000)
            h.stood_still(900, 2000)
            h.shows(look, 1, 1)
            self.assertEqual(h.verdict()[0], code)

    def test_an_end_before_its_millisecond_is_refused(self):
        h = History(1)
        h.reserve("a", 0, 10, until=1000)
        h.last_look("a", 3000, [("RESERVE", 5, 1000, ""), ("REFUND", 999, 0, "EXPIRED")],
                    status="REFUNDED", reason="EXPIRED", until=1000)
        self.refused(h, "expired 1 ms early")

    def test_a_payment_in_the_millisecond_of_the_deadline_is_refused(self):
        h = History(1)
        h.reserve("a", 0, 10, until=1000)
        h.answered("confirm", "a", 980, 1010, "CONFIRMED", quantity=1, until=1000)
        h.last_look("a", 3000, [("RESERVE", 5, 1000, ""), ("CONFIRM", 1000, 0, "")],
                    status="CONFIRMED", until=1000)
        self.refused(h, "CONFIRM 0 ms after the deadline")

    def test_an_extended_hold_ends_at_the_later_deadline(self):
        h = History(1)
        h.reserve("a", 0, 10, until=1000)
        h.answered("extend", "a", 20, 30, until=5000)
        h.shows(3000, 1, 1)
        h.shows(6000, 1, 0)
        h.last_look("a", 7000, [("RESERVE", 5, 1000, ""), ("EXTEND", 25, 5000, ""),
                                ("REFUND", 5000, 0, "EXPIRED")],
                    status="REFUNDED", reason="EXPIRED", until=5000)
        self.allowed(h)

    # ---- moves ----

    def test_a_confirm_of_fewer_units_gives_back_the_rest(self):
        h = History(3)
        h.reserve("a", 0, 10, quantity=3)
        h.answered("confirm", "a", 20, 30, "CONFIRMED", quantity=1)
        h.shows(40, 3, 0, 1)
        self.allowed(h)

    def test_a_rest_that_is_not_given_back_is_refused(self):
        h = History(3)
        h.reserve("a", 0, 10, quantity=3)
        h.answered("confirm", "a", 20, 30, "CONFIRMED", quantity=1)
        h.shows(40, 3, 2, 1)
        self.refused(h)

    def test_a_confirmation_after_a_refund_is_refused(self):
        h = History(1)
        h.reserve("a", 0, 10)
        h.answered("refund", "a", 20, 30, "REFUNDED", reason="CANCELLED")
        h.answered("confirm", "a", 40, 50, "CONFIRMED", quantity=1)
        self.refused(h)

    def test_units_given_back_twice_are_refused(self):
        h = History(2)
        h.reserve("a", 0, 10)
        h.reserve("b", 11, 12)
        h.answered("refund", "a", 20, 30, "REFUNDED", reason="CANCELLED")
        h.answered("refund", "a", 40, 50, "REFUNDED", reason="CANCELLED", replayed=True)
        h.shows(60, 2, 0)
        self.refused(h)

    def paid(self, shipped):
        """Three on hand, of which an order has paid for two, and some have left."""
        h = History(3)
        h.reserve("a", 0, 10, quantity=2)
        h.answered("confirm", "a", 20, 30, "CONFIRMED", quantity=2, units=2)
        h.answered("ship", "a", 40, 50, "CONFIRMED", quantity=shipped, units=2, shipped=shipped)
        return h

    def test_units_that_are_shipped_are_neither_on_hand_nor_confirmed(self):
        for on_hand, confirmed, code in ((2, 1, 0), (3, 1, 1), (2, 2, 1), (3, 2, 1)):
            h = self.paid(shipped=1)
            h.shows(60, on_hand, 0, confirmed)
            self.assertEqual(h.verdict()[0], code, (on_hand, confirmed))

    def test_a_shipment_is_made_once(self):
        for replayed, code in ((True, 0), (False, 1)):
            h = self.paid(shipped=1)
            h.answered("ship", "a", 60, 70, "CONFIRMED", quantity=1, units=2, shipped=1,
                       replayed=replayed)
            self.assertEqual(h.verdict()[0], code)

    def test_a_shipment_of_what_is_not_paid_for_is_refused(self):
        h = History(1)
        h.reserve("a", 0, 10)
        h.answered("ship", "a", 20, 30, quantity=1, shipped=1)
        self.refused(h)

    def test_a_shipment_of_unknown_outcome_may_be_made_after_one_that_was_refused(self):
        h = History(3)
        h.reserve("a", 0, 10, quantity=2)
        h.call("ship", 11, 12, "", order="a", quantity=1)
        h.call("ship", 13, 14, "INVALID_TRANSITION", order="a", quantity=1)
        h.answered("confirm", "a", 20, 30, "CONFIRMED", quantity=2, units=2)
        h.shows(60, 2, 0, 1)
        self.allowed(h)

    def test_what_comes_back_is_on_hand_again_shipped_or_not(self):
        for on_hand, code in ((3, 0), (2, 1)):
            h = self.paid(shipped=1)
            h.answered("refund", "a", 60, 70, "REFUNDED", reason="RETURNED", shipped=1)
            h.shows(80, on_hand, 0)
            self.assertEqual(h.verdict()[0], code)

    def test_an_adjustment_counts_once(self):
        for on_hand, code in ((5, 0), (8, 1)):
            h = History(2)
            h.call("adjust", 0, 10, "", adjustment_id="x", quantity=3)
            h.call("adjust", 20, 30, adjustment_id="x", quantity=3, on_hand=on_hand,
                   available=on_hand)
            h.shows(40, on_hand, 0)
            self.assertEqual(h.verdict()[0], code)

    def test_units_that_are_held_cannot_be_written_off(self):
        h = History(2)
        h.reserve("a", 0, 10)
        h.call("adjust", 20, 30, adjustment_id="x", quantity=-2, on_hand=0, reserved=1, available=-1)
        self.refused(h)

    # ---- the file ----

    def test_a_file_that_is_none_is_told(self):
        h = History(1)
        h.records.append({"kind": "call", "op": "reserve", "lot": "unknown"})
        code, text = h.verdict()
        self.assertEqual(code, 2)
        self.assertIn("record 3: lot", text)


if __name__ == "__main__":
    skip_without_checker()
    unittest.main()
