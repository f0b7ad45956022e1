/* request_log.h - a log line for an answered request. */
#ifndef TALLY_SERVER_REQUEST_LOG_H
#define TALLY_SERVER_REQUEST_LOG_H

#include "service/service.h"

/* For struct service_host; the context is not used. */
void request_log(void *context, const struct request_summary *summary);

#endif
