/* progress.c - one line on stderr, drawn over itself. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_WIDTH = 30 };

void progress_begin(struct progress *p, const char *what)
{
    const char *term = getenv("TERM");
    *p = (struct progress){.what = what, .started_ns = clock_monotonic_ns()};
    p->shown = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

void progress_say(struct progress *p, const char *text)
{
    if (!p->shown)
        return;
    p->drawn_ns = clock_monotonic_ns();
    fprintf(stderr, "\r%s\x1b[K", text);
    fflush(stderr);
}

void progress_set(struct progress *p, int64_t done, int64_t total)
{
    uint64_t now = clock_monotonic_ns();
    if (!p->counted_ns)
        p->counted_ns = now;
    if (!p->shown || total <= 0 || now - p->drawn_ns < 100000000)
        return;
    p->drawn_ns = now;
    done = done > total ? total : done;
    double seconds = (double)(now - p->counted_ns) / 1e9;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    int full = (int)(done * BAR_WIDTH / total);
    char bar[BAR_WIDTH + 1];
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)full);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %3d %%  %" PRId64 " of %" PRId64 " %s", bar, (int)(done * 100 / total),
            done, total, p->what);
    if (rate > 0)
        fprintf(stderr, ", %.0f/s, %.0f s left", rate, (double)(total - done) / rate);
    fputs("\x1b[K", stderr);
    fflush(stderr);
}

double progress_end(struct progress *p)
{
    if (p->shown && p->drawn_ns)
        fputs("\r\x1b[K", stderr);
    return (double)(clock_monotonic_ns() - p->started_ns) / 1e9;
}
