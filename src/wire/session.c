/* session.c - tells HTTP/2 (prior knowledge) from HTTP/1 by the client's preface. */
#include "wire/session.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum sniff session_sniff(const uint8_t *data, size_t size)
{
    size_t whole = sizeof(preface) - 1;
    if (memcmp(data, preface, size < whole ? size : whole) != 0)
        return SNIFF_HTTP1;
    return size < whole ? SNIFF_MORE : SNIFF_HTTP2;
}
