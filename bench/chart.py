"""The two charts of the side-by-side run, as SVG made by hand: both axes logarithmic, a line for each
row with its name at the line's end. A family has one colour (Okabe and Ito's, which the colour-blind
can tell apart) and its members differ in dashes and marks, so no line is known by colour alone. The
panel brings its own background and follows the reader's dark mode, text and all.
"""
import math

WIDTH, HEIGHT = 1000, 580
LEFT, RIGHT, TOP, BOTTOM = 88, 318, 62, 58
LABEL_STEP, MARGIN = 17, 20

# family: light, dark
COLOURS = {"tally": ("#0072b2", "#56b4e9"), "wire": ("#6b7280", "#9ca3af"),
           "redis": ("#d55e00", "#e69f00"), "mariadb": ("#00795a", "#2fc79a")}
SOLID, DASHED, DOTTED, MIXED = "", "7 4", "2 4", "9 3 2 3"
# row: family, dashes, mark, label
LINES = {
    "tally-grpc-shared": ("tally", SOLID, "disc", "Tallystick, gRPC, shared connections"),
    "tally-grpc": ("tally", DASHED, "square", "Tallystick, gRPC, a connection each"),
    "tally-http": ("tally", DOTTED, "triangle", "Tallystick, HTTP/1.1"),
    "nghttpd-shared": ("wire", SOLID, "disc", "nghttpd, shared: the wire alone"),
    "nginx": ("wire", DOTTED, "triangle", "nginx, return 200: the wire alone"),
    "redis": ("redis", DOTTED, "triangle", "Redis, not durable"),
    "redis-always": ("redis", MIXED, "diamond", "Redis, fsync always"),
    "redis-always-pipelined": ("redis", SOLID, "disc", "Redis, fsync always, pipelined"),
    "redis-order": ("redis", DASHED, "square", "Redis, fsync always, order_id"),
    "mariadb-condition": ("mariadb", SOLID, "disc", "MariaDB, conditional update"),
    "mariadb-recorded": ("mariadb", DASHED, "square", "MariaDB, order row and update"),
    "mariadb-version": ("mariadb", DOTTED, "triangle", "MariaDB, version check"),
}


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def style():
    def rules(index, panel, ink, faint, grid):
        lines = "".join(f".{family}{{stroke:{pair[index]};color:{pair[index]}}}"
                        f".t-{family}{{fill:{pair[index]}}}" for family, pair in COLOURS.items())
        return (f".panel{{fill:{panel}}}.ink{{fill:{ink}}}.faint{{fill:{faint}}}"
                f".grid{{stroke:{grid}}}{lines}")
    return ("<style>text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;"
            "font-size:13px}.title{font-size:17px;font-weight:600}.strong{font-weight:600}"
            ".line{fill:none;stroke-width:2}.tally.line{stroke-width:3}"
            ".mark{stroke:none;fill:currentColor}.lead{fill:none;stroke-width:1;opacity:.55}"
            + rules(0, "#ffffff", "#1a202c", "#56606d", "#e3e8ee")
            + "@media (prefers-color-scheme:dark){"
            + rules(1, "#0d1117", "#e6edf3", "#a0aab5", "#262d36") + "}</style>")


def mark(kind, x, y):
    if kind == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    if kind == "triangle":
        return f'<path d="M{x - 5:.1f} {y + 4:.1f}h10l-5 -9z"/>'
    if kind == "diamond":
        return f'<path d="M{x - 5.5:.1f} {y:.1f}l5.5 -5.5l5.5 5.5l-5.5 5.5z"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


class Scale:
    """Where a value stands on a logarithmic axis."""

    def __init__(self, low, high, begin, end):
        self.low, self.high = math.log10(low), math.log10(high)
        self.begin, self.end = begin, end

    def __call__(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def decades(values):
    """The powers of ten that hold all values, and at least one decade."""
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))
    return [10.0 ** e for e in range(low, high + 1)]


def spread(wanted, step, low, high):
    """Places near the wanted ones, in their order, at least a step apart and within the bounds."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    last = low - step
    for i in order:
        places[i] = last = max(wanted[i], last + step)
    last = high + step
    for i in reversed(order):
        places[i] = last = min(places[i], last - step)
    return places


def number(value):
    if value >= 1:
        return f"{value:,.0f}"
    return f"{value:g}"


def drawing(results, title, unit, value_of, tick):
    levels = results["levels"]
    series = []
    for row in results["rows"]:
        points = [(n, value_of(row["cells"][str(n)])) for n in levels
                  if "per_s" in row["cells"][str(n)]]
        points = [(n, v) for n, v in points if v > 0]
        if row["row"] in LINES and points:
            series.append((LINES[row["row"]], points))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" role="img">',
           f"<title>{escaped(title)}</title>", style(),
           f'<rect class="panel" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
           f'<text class="title ink" x="{MARGIN}" y="30">{escaped(title)}</text>',
           f'<text class="faint" x="{MARGIN}" y="50">{escaped(unit)}</text>']
    if series:
        out += axes_and_lines(levels, series, tick)
    out.append("</svg>")
    return "\n".join(out) + "\n"


def axes_and_lines(levels, series, tick):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    ticks = decades([v for _, points in series for _, v in points])
    x_of = Scale(min(levels), max(max(levels), min(levels) * 10), LEFT + 14, right - 14)
    y_of = Scale(ticks[0], ticks[-1], bottom, TOP + 8)
    out = []
    for value in ticks:
        y = y_of(value)
        out.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        out.append(f'<text class="faint" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                   f"{escaped(tick(value))}</text>")
    for n in levels:
        out.append(f'<path class="grid" d="M{x_of(n):.1f} {TOP + 8}V{bottom}"/>')
        out.append(f'<text class="faint" x="{x_of(n):.1f}" y="{bottom + 20}" '
                   f'text-anchor="middle">{n:,}</text>')
    out.append(f'<text class="ink" x="{(LEFT + right) / 2:.0f}" y="{bottom + 42}" '
               'text-anchor="middle">clients at once, each with one order on its way</text>')
    # A line that ends early has its name where the others have theirs, and a thin line there.
    places = spread([y_of(points[-1][1]) for _, points in series], LABEL_STEP, TOP + 8, bottom)
    order = sorted(range(len(series)), key=lambda i: series[i][0][0] == "tally")  # ours on top
    for i in order:
        (family, dashes, kind, label), points = series[i]
        at = [(x_of(n), y_of(v)) for n, v in points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        out.append(f'<path class="lead {family}" d="M{at[-1][0] + 7:.1f} {at[-1][1]:.1f}'
                   f'L{right + 12} {places[i]:.1f}"/>')
        out.append(f'<path class="line {family}"{dash} d="{path}"/>')
        out.append(f'<g class="mark {family}">' + "".join(mark(kind, x, y) for x, y in at) + "</g>")
        weight = " strong" if family == "tally" else ""
        out.append(f'<g class="mark {family}">{mark(kind, right + 19, places[i])}</g>'
                   f'<text class="t-{family}{weight}" x="{right + 29}" y="{places[i] + 4:.1f}">'
                   f"{escaped(label)}</text>")
    return out


def throughput(results):
    return drawing(results, "Orders a second against clients at once",
                   "orders a second, both axes logarithmic; one hot lot, client and server on the "
                   "same machine", lambda cell: cell["per_s"], number)


def latency(results):
    return drawing(results, "99th percentile of the latency against clients at once",
                   "milliseconds, both axes logarithmic; lower is better",
                   lambda cell: cell["p99_ms"],
                   lambda ms: f"{number(ms / 1000)} s" if ms >= 1000 else f"{number(ms)} ms")
