/* bench_live.c - one line, drawn over itself; cut to the terminal's width so that it
 * never wraps. */
#include "cli/bench_live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/table.h"

enum { WIDTH_DEFAULT = 80, LINE_SIZE = 256 };

void bench_live_begin(struct bench_live *l)
{
    const char *term = getenv("TERM");
    *l = (struct bench_live){
        .shown = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0),
    };
}

static size_t terminal_width(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20)
        return w.ws_col;
    return WIDTH_DEFAULT;
}

/* "12.8k", "950": four characters or so. */
static void short_number(char *out, size_t size, double n)
{
    if (n >= 999500)
        snprintf(out, size, "%.2fM", n / 1e6);
    else if (n >= 9995)
        snprintf(out, size, "%.1fk", n / 1e3);
    else
        snprintf(out, size, "%.0f", n);
}

static void running_line(char *line, size_t size, const struct load_progress *p)
{
    char offered[16], achieved[16], refused[16], errors[16];
    short_number(offered, sizeof offered, p->offered_per_s);
    short_number(achieved, sizeof achieved, p->achieved_per_s);
    short_number(refused, sizeof refused, p->refused_per_s);
    short_number(errors, sizeof errors, p->errors_per_s);
    char opens[32] = "";
    if (p->opens_in_s > 0)
        snprintf(opens, sizeof opens, ", opens in %.1f s", p->opens_in_s);
    snprintf(line, size,
             "%s %u/%u, %.0f/%.0f s%s: %s of %s/s  p99 %.3g ms  refused %s/s  errors %s/s",
             p->stage, p->stage_number, p->stage_count, p->at_s, p->duration_s, opens, achieved,
             offered, p->p99_ms, refused, errors);
}

void bench_live_show(struct bench_live *l, const struct load_progress *p)
{
    char line[LINE_SIZE];
    if (!l->shown)
        return;
    if (p->stage)
        running_line(line, sizeof line, p);
    else if (p->of > 0)
        snprintf(line, sizeof line, "%s: %" PRIu64 " of %" PRIu64, p->step, p->done, p->of);
    else
        snprintf(line, sizeof line, "%s", p->step);
    size_t width = terminal_width() - 1;
    if (width < sizeof line)
        line[width] = '\0';
    fprintf(stderr, "\r%s%s%s\x1b[K", p->errors_per_s > 0 ? style_on(stderr, STYLE_BAD) : "", line,
            p->errors_per_s > 0 ? style_off(stderr) : "");
    fflush(stderr);
    l->drawn = true;
}

void bench_live_end(struct bench_live *l)
{
    if (l->drawn)
        fputs("\r\x1b[K", stderr);
    l->drawn = false;
}
