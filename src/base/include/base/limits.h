/* limits.h - the named bounds that more than one folder relies on. Settings may lower some of them;
 * nothing raises them. Each is asserted or checked where it is used. */
#ifndef TALLY_BASE_LIMITS_H
#define TALLY_BASE_LIMITS_H

enum {
    ORDER_ID_MAX = 64,         /* bytes */
    USER_ID_MAX = 64,          /* bytes */
    SKU_MAX = 64,              /* bytes: [A-Za-z0-9._-], first one alphanumeric */
    DIMENSION_MAX = 64,        /* bytes of a flavor, a size or a batch, whatever the rules */
    FLAVOR_MAX = 32,           /* bytes: a lower-case word; of drinks, as the next two */
    SIZE_MAX_BYTES = 32,       /* bytes, normalised */
    BATCH_MAX_BYTES = 16,      /* "BATCH-20261122-A" */
    LOT_KEY_MAX = SKU_MAX + 9, /* sku#hhhhhhhh */
    PAYMENT_ID_MAX = 64,       /* bytes */
    ADJUSTMENT_ID_MAX = 64,    /* bytes */
    MOVE_ID_MAX = 64,          /* bytes of a shipment_id, return_id or change_id */
    ADJUST_REASON_MAX = 128,   /* bytes */
    REQUEST_ID_MAX = 128,      /* bytes of X-Request-Id */
    ORDER_LINES_MAX = 64,      /* lines of one order, as asked for and as allocated */
    ORDER_BATCH_MAX = 8190,    /* orders in one ReserveBatch */
    CONFIRM_ALL_MAX = 1000,    /* reservations in one ConfirmAll */
    SALE_ID_MAX = 64,          /* bytes */
    SALE_TITLE_MAX = 128,      /* bytes */
    SALE_ITEMS_MAX = 256,      /* lots or skus of one sale */
    GROUP_SIZE_MAX = 1000,     /* places of one group */
    PAGE_SIZE_MAX = 1000,      /* lots on a page of ListLots */
};

#define QUANTITY_MAX INT32_MAX /* units in one line, and in one lot */

#endif
