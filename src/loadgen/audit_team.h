/* audit_team.h - the part of an audit that is about a sale of groups: what is judged (pure), and
 * who asks the server. */
#ifndef TALLY_LOADGEN_AUDIT_TEAM_H
#define TALLY_LOADGEN_AUDIT_TEAM_H

#include "loadgen/audit_internal.h"

/* What the server shows of an order. */
struct order_fact {
    uint8_t status;               /* enum hold_status; HOLD_NONE: it is not there */
    uint8_t lines, reserve_moves; /* 255: or more */
    bool expired, group_failed;
    bool lot_matches, in_sale;
    bool in_group; /* the one that it was for; for an order outside groups: none */
    bool same_reservation;
    uint32_t quantity;
};

/* What the server shows of a group. */
struct group_fact {
    bool known;               /* its id */
    enum group_status status; /* GROUP_NONE: it is not there */
    int64_t places, paid;
};

/* ---- judging: audit_judge_team.c ---- */

/* A team: its orders' entries and facts, by their places. */
struct team_case {
    const struct order_mix *mix;
    uint64_t first;
    const struct order_entry *entries;
    const struct order_fact *facts;
    struct group_fact group;
    bool may_have_expired; /* holds of members may have reached their own deadlines */
    bool may_be_open;      /* the end of its window is not waited for */
};

/* The order at a place of the team. */
void audit_judge_member(const struct team_case *c, uint32_t place, struct order_verdict *out);

struct group_verdict {
    bool wrong;
    char text[VERDICT_TEXT_SIZE];
    int64_t over_limit; /* units */
    uint32_t limit_place;
    char limit_text[VERDICT_TEXT_SIZE];
};

void audit_judge_group(const struct team_case *c, struct group_verdict *out);

/* What the run's orders and groups come to. */
struct sale_account {
    int64_t held;        /* units, PENDING and CONFIRMED */
    int64_t total_limit; /* 0: none */
    int64_t available;   /* units of all its lots */
    uint64_t open, succeeded, failed;
};

struct sale_verdict {
    int64_t over_limit, undersold, groups;
    char limit_text[VERDICT_TEXT_SIZE], text[VERDICT_TEXT_SIZE], groups_text[VERDICT_TEXT_SIZE];
};

/* `shown`: a GetSale's answer. */
void audit_judge_sale(const struct sale_account *s, const struct answer *shown,
                      struct sale_verdict *out);

/* ---- asking; false: given up ---- */

/* audit_teams.c: all groups and orders, when the groups' windows are over. `out` is completed but
 * for `available`. */
bool audit_teams(struct audit *a, struct sale_account *out);
/* audit_sale.c: the sale's own figures, and whether it sells what it shows. After the lots. */
bool audit_sale(struct audit *a, struct sale_account *account);

#endif
