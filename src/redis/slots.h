/* slots.h - Redis Cluster's map of keys: 16,384 slots by CRC16 (XMODEM) of the key, or of its hash
 * tag, what stands between the first `{` and the next `}` if that is not nothing. */
#ifndef TALLY_REDIS_SLOTS_H
#define TALLY_REDIS_SLOTS_H

#include <stdint.h>

#include "base/str.h"

enum { REDIS_SLOTS = 16384 };

uint16_t slot_crc16(struct str text);
uint16_t slot_of_key(struct str key);

#endif
