/* chart.c - scales, ticks, paths. Nothing is allocated; what the file cannot take, its owner sees
 * in ferror(). */
#include "loadgen/chart.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The drawing's own units; the page stretches it. */
enum { WIDTH = 1000, HEIGHT = 400 };
/* About, in pixels: of a wide chart, and of a character in it. */
enum { WIDTH_ON_A_SCREEN = 900, WIDTH_ON_A_PHONE = 270, NAME_WIDTH = 7, NAME_MARGIN = 8 };

struct scale {
    const struct chart *c;
    double y_min, y_max; /* decimal logarithms if y_log */
};

void html_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        unsigned char b = (unsigned char)*text;
        switch (b) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        case '\'':
            fputs("&#39;", to);
            break;
        default:
            fputc(b < 0x20 || b == 0x7f ? '?' : b, to);
        }
    }
}

void html_json_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        unsigned char b = (unsigned char)*text;
        if (b < 0x20 || b == 0x7f || strchr("\"\\<>&'", b))
            fprintf(to, "\\u%04x", b);
        else
            fputc(b, to);
    }
}

static double x_of(const struct chart *c, double x)
{
    return c->x_max > c->x_min ? (x - c->x_min) / (c->x_max - c->x_min) : 0;
}

/* 0 at the bottom, 1 at the top. */
static double y_of(const struct scale *s, double y)
{
    double value = s->c->y_log ? log10(y) : y;
    double share = (value - s->y_min) / (s->y_max - s->y_min);
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

/* On a logarithmic axis there is no place for 0. */
static bool drawn(const struct chart *c, double y)
{
    return isfinite(y) && (c->y_log ? y > 0 : y >= 0);
}

/* 1, 2 or 5 times a power of ten, so that `range` has at most `steps` of them. */
static double nice_step(double range, int steps)
{
    double raw = range / steps, power = pow(10, floor(log10(raw))), lead = raw / power;
    return power * (lead <= 1.0001 ? 1 : lead <= 2.0001 ? 2 : lead <= 5.0001 ? 5 : 10);
}

static double nice_seconds(double range, int steps)
{
    static const double sizes[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                   600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (range / sizes[i] <= steps && range > 2)
            return sizes[i];
    }
    return nice_step(range, steps);
}

/* The logarithm of the next 1, 2, 5 times a power of ten; also of its inverse. */
static double nice_log(double value)
{
    return log10(nice_step(value, 1));
}

static bool scale_find(struct scale *s, const struct chart *c)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t k = 0; k < c->series_count; k++) {
        for (size_t i = 0; i < c->count; i++) {
            double y = c->series[k].y[i];
            if (!drawn(c, y))
                continue;
            low = y < low ? y : low;
            high = y > high ? y : high;
        }
    }
    *s = (struct scale){.c = c};
    if (!(high >= low))
        return false;
    if (c->y_log) {
        s->y_min = -nice_log(1 / low);
        s->y_max = nice_log(high);
        if (s->y_max - s->y_min < 1)
            s->y_max = s->y_min + 1;
    } else {
        double step = nice_step(high > 0 ? high : 1, 4);
        s->y_max = step * ceil((high > 0 ? high : 1) / step - 1e-9);
    }
    return true;
}

static struct figure with_unit(double number, const char *unit)
{
    struct figure f;
    snprintf(f.text, sizeof(f.text), "%.6g%s", number, unit);
    return f;
}

/* "12 s"; "1:04", "1:04:12" if `clock`. */
static struct figure time_figure(double seconds, bool clock)
{
    struct figure f;
    long s = (long)seconds;
    if (!clock || seconds <= 0)
        snprintf(f.text, sizeof(f.text), seconds > 0 ? "%.6g s" : "%.6g", seconds);
    else if (s >= 3600)
        snprintf(f.text, sizeof(f.text), "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(f.text, sizeof(f.text), "%ld:%02ld", s / 60, s % 60);
    return f;
}

/* Short, for an axis that goes to `most`. */
static struct figure axis_figure(double value, enum chart_unit unit, double most)
{
    switch (unit) {
    case UNIT_MS:
        if (value <= 0)
            return with_unit(0, "");
        return value >= 999.5   ? with_unit(value / 1000, " s")
               : value > 0.0995 ? with_unit(value, " ms")
                                : with_unit(value * 1000, " \xc2\xb5s");
    case UNIT_PERCENT:
        return with_unit(value, " %");
    case UNIT_MIB:
        return value >= 10240 ? with_unit(value / 1024, " GiB") : with_unit(value, " MiB");
    case UNIT_SECONDS:
        return time_figure(value, most >= 120);
    case UNIT_RATE:
        break;
    }
    return value >= 999999.5 ? with_unit(value / 1e6, "M")
           : value >= 999.5  ? with_unit(value / 1e3, "k")
                             : with_unit(value, "");
}

/* Exact, for the pointer. */
static struct figure value_figure(double value, enum chart_unit unit)
{
    static const char *const units[] = {"/s", " ms", " %", " MiB", " s"};
    struct figure f;
    if (!isfinite(value)) {
        snprintf(f.text, sizeof(f.text), "-");
        return f;
    }
    f = unit == UNIT_RATE ? figure_rate(value) : figure_ms(value);
    size_t used = strlen(f.text);
    snprintf(f.text + used, sizeof(f.text) - used, "%s", units[unit]);
    return f;
}

static void grid_line(const struct scale *s, double y, const char *label, FILE *to, bool text)
{
    double at = 1 - y_of(s, y);
    if (text)
        fprintf(to, "<span class=\"y\" style=\"top:%.2f%%\">%s</span>", 100 * at, label);
    else
        fprintf(to, "M0 %.1fH%d", HEIGHT * at, WIDTH);
}

/* The lines of the y axis, or its labels. */
static void y_axis(const struct scale *s, FILE *to, bool text)
{
    enum chart_unit unit = s->c->y_unit;
    if (!s->c->y_log) {
        double step = nice_step(s->y_max, 4);
        for (int i = 0; i * step <= s->y_max * 1.0001; i++)
            grid_line(s, i * step, axis_figure(i * step, unit, s->y_max).text, to, text);
        return;
    }
    static const double parts[] = {1, 2, 5};
    int part_count = s->y_max - s->y_min < 2.5 ? 3 : 1;
    for (int d = (int)floor(s->y_min); d <= (int)ceil(s->y_max); d++) {
        for (int i = 0; i < part_count; i++) {
            double at = pow(10, d) * parts[i];
            if (log10(at) > s->y_min - 1e-6 && log10(at) < s->y_max + 1e-6)
                grid_line(s, at, axis_figure(at, unit, s->y_max).text, to, text);
        }
    }
    if (!text)
        grid_line(s, pow(10, s->y_min), "", to, false);
}

/* Ticks of the x axis; every second one is left out where it is narrow. */
static size_t x_ticks(const struct chart *c, struct chart_tick out[CHART_TICKS_MAX])
{
    if (c->x_tick_count > 0) {
        memcpy(out, c->x_ticks, c->x_tick_count * sizeof(out[0]));
        return c->x_tick_count;
    }
    double range = c->x_max - c->x_min;
    if (!(range > 0))
        return 0;
    double step = c->x_unit == UNIT_SECONDS ? nice_seconds(range, 8) : nice_step(range, 8);
    size_t count = 0;
    for (double at = ceil(c->x_min / step) * step;
         at <= c->x_max + step * 1e-6 && count < CHART_TICKS_MAX; at += step) {
        out[count].at = at;
        out[count++].label = axis_figure(at, c->x_unit, c->x_max);
    }
    return count;
}

/* One line. Of every `each` points the lowest and the highest are kept, in their order. */
static void path_points(const struct scale *s, const double *y, FILE *to, bool area)
{
    const struct chart *c = s->c;
    size_t each = c->count <= CHART_POINTS_MAX ? 1 : (2 * c->count) / CHART_POINTS_MAX + 1;
    bool pen = false;
    double first = 0, last = 0;
    for (size_t i = 0; i < c->count; i += each) {
        size_t low = SIZE_MAX, high = SIZE_MAX;
        for (size_t k = i; k < i + each && k < c->count; k++) {
            if (!drawn(c, y[k]))
                continue;
            low = low == SIZE_MAX || y[k] < y[low] ? k : low;
            high = high == SIZE_MAX || y[k] > y[high] ? k : high;
        }
        if (low == SIZE_MAX) {
            if (pen && area)
                fprintf(to, "L%.1f %dL%.1f %dZ", last, HEIGHT, first, HEIGHT);
            pen = false;
            continue;
        }
        size_t order[2] = {low < high ? low : high, low < high ? high : low};
        for (int k = 0; k < (low == high ? 1 : 2); k++) {
            last = WIDTH * x_of(c, c->x[order[k]]);
            fprintf(to, "%c%.1f %.1f", pen ? 'L' : 'M', last, HEIGHT * (1 - y_of(s, y[order[k]])));
            if (!pen) {
                first = last;
                fputs("h0", to); /* a point alone is a dot */
            }
            pen = true;
        }
    }
    if (pen && area)
        fprintf(to, "L%.1f %dL%.1f %dZ", last, HEIGHT, first, HEIGHT);
}

static void drawing(const struct scale *s, FILE *to)
{
    const struct chart *c = s->c;
    fprintf(to, "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
            WIDTH, HEIGHT);
    for (size_t b = 1; b < c->band_count && c->band_count <= CHART_BANDS_MAX; b += 2)
        fprintf(to, "<rect class=\"band\" x=\"%.1f\" width=\"%.1f\" height=\"%d\"/>",
                WIDTH * x_of(c, c->bands[b].begin),
                WIDTH * (x_of(c, c->bands[b].end) - x_of(c, c->bands[b].begin)), HEIGHT);
    fputs("<path class=\"grid\" d=\"", to);
    y_axis(s, to, false);
    fputs("\"/>", to);
    for (size_t k = 0; k < c->series_count; k++) {
        if (!c->series[k].area)
            continue;
        fprintf(to, "<path class=\"area %s\" d=\"", c->series[k].style);
        path_points(s, c->series[k].y, to, true);
        fputs("\"/>", to);
    }
    for (size_t k = 0; k < c->series_count; k++) {
        fprintf(to, "<path class=\"line %s\" d=\"", c->series[k].style);
        path_points(s, c->series[k].y, to, false);
        fputs("\"/>", to);
    }
    fputs("</svg>", to);
}

static void labels(const struct scale *s, FILE *to)
{
    const struct chart *c = s->c;
    y_axis(s, to, true);
    struct chart_tick ticks[CHART_TICKS_MAX];
    size_t count = x_ticks(c, ticks);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "<span class=\"x%s%s\" style=\"left:%.2f%%\">%s</span>", i % 2 ? " odd" : "",
                x_of(c, ticks[i].at) > 0.96 ? " end" : "", 100 * x_of(c, ticks[i].at),
                ticks[i].label.text);
    for (size_t b = 0; b < c->band_count && c->band_count <= CHART_BANDS_MAX; b++) {
        double begin = x_of(c, c->bands[b].begin), width = x_of(c, c->bands[b].end) - begin;
        /* A name that does not fit is left out, on a narrow page sooner. */
        double needed = NAME_MARGIN + NAME_WIDTH * (double)strlen(c->bands[b].name);
        if (!c->wide || needed > width * WIDTH_ON_A_SCREEN)
            continue;
        fprintf(to, "<span class=\"stage%s\" style=\"left:%.2f%%;width:%.2f%%\">",
                needed > width * WIDTH_ON_A_PHONE ? " narrow" : "", 100 * begin, 100 * width);
        html_text(c->bands[b].name, to);
        fputs("</span>", to);
    }
}

/* {"at":[share of the width, ...],"label":["12 s", ...],"series":[["p99","p99",["3.1 ms"...]]]} */
static void values(const struct chart *c, FILE *to)
{
    size_t each = c->count <= CHART_POINTS_MAX ? 1 : c->count / CHART_POINTS_MAX + 1;
    fputs("<script type=\"application/json\">{\"at\":[", to);
    for (size_t i = 0; i < c->count; i += each)
        fprintf(to, "%s%.4f", i ? "," : "", x_of(c, c->x[i]));
    fputs("],\"label\":[", to);
    for (size_t i = 0; i < c->count; i += each) {
        struct figure f =
            c->label ? c->label(c->owner, i) : axis_figure(c->x[i], c->x_unit, c->x_max);
        fputs(i ? ",\"" : "\"", to);
        html_json_text(f.text, to);
        fputc('"', to);
    }
    fputs("],\"series\":[", to);
    for (size_t k = 0; k < c->series_count; k++) {
        const struct chart_series *s = &c->series[k];
        fprintf(to, "%s[\"%s\",\"%s\",[", k ? "," : "", s->name, s->style);
        for (size_t i = 0; i < c->count; i += each) {
            double highest = NAN;
            for (size_t n = i; n < i + each && n < c->count; n++) {
                if (drawn(c, s->y[n]) && !(s->y[n] <= highest))
                    highest = s->y[n];
            }
            fprintf(to, "%s\"%s\"", i ? "," : "", value_figure(highest, c->y_unit).text);
        }
        fputs("]]", to);
    }
    fputs("]}</script>", to);
}

bool chart_write(const struct chart *c, FILE *to)
{
    struct scale s;
    if (c->count == 0 || !scale_find(&s, c))
        return false;
    fprintf(to, "<figure class=\"chart%s\">\n<figcaption><h2>", c->wide ? " wide" : "");
    html_text(c->title, to);
    fputs("</h2><p>", to);
    html_text(c->about, to);
    fputs("</p></figcaption>\n<ul class=\"legend\">", to);
    for (size_t k = 0; k < c->series_count; k++)
        fprintf(to, "<li class=\"%s\">%s</li>", c->series[k].style, c->series[k].name);
    fputs("</ul>\n<div class=\"plot\">", to);
    drawing(&s, to);
    labels(&s, to);
    fputs("</div>\n", to);
    values(c, to);
    fputs("\n</figure>\n", to);
    return true;
}
