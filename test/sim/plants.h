/* plants.h - bugs that the simulation can plant at the borders of the parts it runs, to show that
 * the auditor finds them. Name and what goes wrong; each must be found within some hundred seeds.
 */
#ifndef TALLY_SIM_PLANTS_H
#define TALLY_SIM_PLANTS_H

#define PLANTS(X)                                                                                  \
    X(NONE, "none", "nothing is wrong")                                                            \
    X(STOCK_FIRST, "stock-before-duplicate", "the gate looks at the stock before the order_id")    \
    X(LOST_GIVE_BACK, "lost-give-back", "units that come free do not always reach the gate")       \
    X(EARLY_ANSWER, "answer-before-commit", "the engine hears COMMITTED before it is")             \
    X(REJECT_HIDDEN, "rejected-as-committed", "a batch that was rejected counts as committed")     \
    X(UNKNOWN_FAILED, "unknown-as-failed", "an unknown outcome is taken for a failure")            \
    X(NO_EXPIRY, "swallowed-expiry", "due holds are not seen")                                     \
    X(NO_DUPLICATE, "forgotten-order", "a retry is not recognised as one")                         \
    X(SHORT_RECOVERY, "short-recovery", "recovery misses the newest move")                         \
    X(STOCK_TWICE, "snapshot-twice", "recovery applies moves that the snapshot contains")          \
    X(LATE_EXPIRY, "late-expiry", "new commands are decided before due holds are let go")          \
    X(SHIP_TWICE, "ship-twice", "the record has forgotten what a shipment_id was")                 \
    X(RETURN_TWICE, "returned-counted-twice", "the record has forgotten what came back")           \
    X(CHANGE_LOSES, "change-loses", "a change gives back what the hold has before it looks")       \
    X(RECLAIM_GONE, "reclaim-gone", "a late payment for units that are gone is told to be good")   \
    X(RECLAIM_OF_RECORD, "reclaim-any-end", "a cancelled order is taken for an expired one")       \
    X(FENCE_LOST, "fence-lost", "the record of a fence is not found")                              \
    X(HALF_OF_ALL, "half-of-all", "of orders that are confirmed at once one is not written")       \
    X(USER_OVER, "user-limit-by-one", "a user may have one unit more than the sale allows")        \
    X(SHARE_OVER, "share-by-one", "a sale sells one unit more than its share")                     \
    X(GROUP_OVER, "group-by-one", "a group has one place too many")                                \
    X(GROUP_TORN, "group-half-refunded", "of a group that fails one member is not given back")     \
    X(GROUP_TORN_PAID, "group-keeps-the-paid", "of a group that fails who has paid is forgotten")  \
    X(LIMIT_LOST, "limit-forgotten", "recovery does not count what users have of a sale")          \
    X(LIMIT_KEPT, "limit-not-freed", "what was given back counts towards the limit")               \
    X(LIMIT_TWICE, "limit-counts-undone", "what was undone counts towards the limit")              \
    X(HOLDS_OVER, "holds-by-one", "a user may have one hold more than is allowed")                 \
    X(LOT_USER_OVER, "lot-limit-by-one", "a user may have one unit more than the lot allows")      \
    X(LOT_USER_LOST, "lot-limit-forgotten", "recovery does not count what users have of a lot")    \
    X(BACKORDER_OVER, "backorder-by-one", "a lot sells one unit more than may be owed")            \
    X(OWED_UNTOLD, "owed-untold", "units that have not come are told to be there")                 \
    X(TERMS_LOST, "terms-forgotten", "recovery takes every lot for a plain one")                   \
    X(EXPIRY_KEPT, "expiry-kept", "a last day that is corrected stays as it was")                  \
    X(SET_HALF, "set-half", "of a stock file the last row is not written")                         \
    X(SET_MODE, "set-as-available", "a count of what is on hand is taken for what is available")   \
    X(NO_VERSION_CHECK, "no-version-check", "two nodes: a stale batch is committed")               \
    X(TRUSTED_AS_TRUE, "memory-trusted", "two nodes: what a node knew last counts as the truth")   \
    X(NO_LOCKS, "no-locks", "two nodes: a load locks nothing and its batch is not checked")        \
    X(ORDER_NOT_LOADED, "order-not-loaded", "two nodes: a load overlooks an order of another")     \
    X(DUE_UNLOCKED, "due-holds-unlocked", "two nodes: a look for due holds locks nothing")         \
    X(NO_SEQ_FLOOR, "no-seq-floor", "two nodes: a lot's rows are out of order")                    \
    X(SALE_UNLOCKED, "sale-unlocked", "two nodes: a load does not lock the sale")                  \
    X(USER_UNLOCKED, "user-unlocked", "two nodes: a load does not lock the user")                  \
    X(MEMBER_LEFT_OUT, "member-left-out", "two nodes: a load lacks a member of a group")           \
    X(UNITS_LEFT_OUT, "units-left-out", "two nodes: a load lacks some of what a user has")         \
    X(COUNTS_LEFT_OUT, "sale-uncounted", "two nodes: a sale comes without what it has sold")       \
    X(PLACES_LEFT_OUT, "places-left-out", "two nodes: a load lacks who waits for units")           \
    X(TERMS_LEFT_OUT, "terms-left-out", "two nodes: a lot comes as a plain one")

enum plant {
#define X(name, text, help) PLANT_##name,
    PLANTS(X)
#undef X
        PLANT_COUNT,
    PLANT_SHARED_FIRST = PLANT_NO_VERSION_CHECK, /* from here on: in worlds of two nodes */
};

#endif
