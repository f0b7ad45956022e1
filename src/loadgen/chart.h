/* chart.h - a line chart as a piece of HTML: static SVG for the lines, text for the labels, so that
 * it is legible at any width, on paper and without a script.
 *
 * Beside it stand the values as JSON, which page/page.js shows under the pointer. Long series are
 * thinned so that every maximum and minimum stays.
 */
#ifndef TALLY_LOADGEN_CHART_H
#define TALLY_LOADGEN_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "loadgen/figures.h"

enum { CHART_SERIES_MAX = 4, CHART_POINTS_MAX = 600, CHART_BANDS_MAX = 12, CHART_TICKS_MAX = 16 };

struct chart_series {
    const char *name;  /* for the legend */
    const char *style; /* class in page/page.css */
    const double *y;   /* `count` of them; NAN: nothing there */
    bool area;         /* filled down to the axis */
};

/* How numbers on an axis read. */
enum chart_unit { UNIT_RATE, UNIT_MS, UNIT_PERCENT, UNIT_MIB, UNIT_SECONDS };

struct chart_tick {
    double at;
    struct figure label;
};

struct chart {
    const char *title, *about;
    const double *x; /* rising; `count` of them */
    size_t count;
    double x_min, x_max;
    enum chart_unit x_unit, y_unit;
    bool y_log;
    bool wide; /* as wide as the page; else two stand side by side where there is room */
    /* Instead of those that x_unit gives; 0: none. */
    struct chart_tick x_ticks[CHART_TICKS_MAX];
    size_t x_tick_count;
    /* What the pointer is told of point `i`; NULL: its x. */
    struct figure (*label)(const void *owner, size_t i);
    const void *owner;
    struct chart_series series[CHART_SERIES_MAX];
    size_t series_count;
    /* Named stretches of the x axis; more than CHART_BANDS_MAX are not drawn. */
    const struct chart_band {
        double begin, end;
        const char *name;
    } * bands;
    size_t band_count;
};

/* False: there is nothing to draw (no point, or no number in any series), and nothing was. */
bool chart_write(const struct chart *c, FILE *to);

/* `text` as HTML text or the value of an attribute. */
void html_text(const char *text, FILE *to);
/* `text` inside a JSON string inside a <script>. */
void html_json_text(const char *text, FILE *to);

#endif
