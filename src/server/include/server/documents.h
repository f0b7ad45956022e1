/* documents.h - documents that are made from what the server declares. */
#ifndef TALLY_SERVER_DOCUMENTS_H
#define TALLY_SERVER_DOCUMENTS_H

#include <stdio.h>

/* docs/metrics.md */
void metrics_page_print_markdown(FILE *out);

#endif
