/* notify.h - tells a service manager how things stand (sd_notify(3)): one datagram to the socket
 * that $NOTIFY_SOCKET names. Without it, nothing happens. Failures are ignored: there is nobody to
 * tell them to. */
#ifndef TALLY_SERVER_NOTIFY_H
#define TALLY_SERVER_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "RELOADING=1", "WATCHDOG=1", ... */
void notify_send(const char *state);
/* RELOADING=1 with the time that systemd wants beside it. */
void notify_reloading(void);
/* How often WATCHDOG=1 is expected (half of $WATCHDOG_USEC), or 0: never. */
int64_t notify_watchdog_ms(void);

#endif
