"""Bar charts and line charts."""

from __future__ import annotations

from train.pages.fields import make_title
from train.pages.page import PALETTE, STATES, Page, Run, Type, jitter
from train.text_sources import DAYS, MONTHS

TOPS = (10, 10, 20, 25, 40, 50, 50, 80, 100, 100, 200, 250, 400, 500, 1000)
STEPS = {10: 2, 20: 5, 25: 5, 40: 10, 50: 10, 80: 20, 100: 20, 200: 50, 250: 50, 400: 100, 500: 100, 1000: 200}


class Axis:
    """Values 0..top along pixels from `start` to `end`."""

    def __init__(self, start: float, end: float, top: float):
        self.start, self.end, self.top = start, end, top

    def at(self, value: float) -> float:
        return self.start + (self.end - self.start) * value / self.top


def bar_names(page: Page, count: int, max_chars: int) -> list[str]:
    rng, source = page.rng, page.source
    roll = rng.random()
    if roll < 0.12:
        return DAYS[:count] if count <= 7 else MONTHS[:count]
    if roll < 0.24:
        first = rng.randint(0, 12 - count)
        return MONTHS[first:first + count]
    if roll < 0.32:
        return [chr(ord("A") + i) for i in range(count)]
    if roll < 0.40:
        first = rng.randint(1995, 2030)
        return [str(first + i) for i in range(count)]
    if roll < 0.46:
        return [f"Q{i + 1}" for i in range(count)] if count <= 4 else [f"W{i + 1}" for i in range(count)]
    return source.distinct(lambda: rng.choice((source.name(max_chars), source.word(max_chars).capitalize(), source.word(max_chars))), count)


def bar_values(page: Page, count: int, top: float) -> list[int]:
    """Whole numbers up to `top`, no two too close to be told apart."""
    rng = page.rng
    while True:
        values = [rng.randint(max(1, round(top * 0.06)), round(top * 0.98)) for _ in range(count)]
        ordered = sorted(values)
        if all(b - a >= 0.035 * top for a, b in zip(ordered, ordered[1:])):
            return values


def chart_title(page: Page, size: float) -> float:
    rng = page.rng
    if rng.random() < 0.25:
        return 8
    title = make_title(page)
    type_ = page.fit(title, page.type(size * rng.uniform(1.15, 1.6), bold=True, second=True), page.width - 16)
    page.text(*((page.width / 2, 4, title, type_, None, "m") if rng.random() < 0.6 else (8, 4, title, type_)))
    page.ask_title(title)
    return 4 + type_.size * 1.6


def bar_colours(page: Page, count: int) -> list[tuple[str, tuple[int, int, int]]]:
    rng = page.rng
    usable = [c for c in PALETTE if sum(abs(a - b) for a, b in zip(PALETTE[c], page.paper)) > 140]
    if rng.random() < 0.5:
        name = rng.choice(usable)
        return [(name, jitter(rng, PALETTE[name], 20))] * count
    return [(name, jitter(rng, PALETTE[name], 20)) for name in (rng.choice(usable) for _ in range(count))]


def tell_values(page: Page, values: list[float], top: float, scale: list[tuple[float, Run]], labels: list[Run], places: list[tuple[float, float]]) -> None:
    """Facts about bars or points: their names' runs, and where their values are to be read; the numbers of the axis if any."""
    where = list(zip(labels, places))
    page.tell_order(values, where)
    page.group("count", places)
    for value, both in zip(values, where):
        page.tie(*both)
        page.tell("count", len(values), *both)
        if scale:
            page.tell_share(value, top, *both)
            page.link_to_scale(value, scale, both[1])


def tell_bars(page: Page, values: list[int], top: float, scale: list[tuple[float, Run]], labels: list[Run], places: list[tuple[float, float]]) -> None:
    tell_values(page, values, top, scale, labels, places)
    for value, *both in zip(values, labels, places):
        page.tell_value(str(value), *both)


def ask_bars(page: Page, names: list[str], values: list[int], top: float, is_printed: bool, places: list[tuple[float, float]]) -> None:
    """`places` are where the values are to be read: printed numbers, or the ends of the bars."""
    rng = page.rng
    ranked = sorted(range(len(names)), key=lambda i: values[i])
    for _ in range(2):
        page.ask("bar_largest", names[ranked[-1]])
    page.ask("bar_smallest", names[ranked[0]])
    for i in rng.sample(range(len(names)), min(4, len(names))):
        page.ask("bar_value", str(values[i]), tolerance=None if is_printed else 0.06 * top, seen_answer=places[i], bar=rng.choice((names[i], names[i], names[i].lower())))
    ask_pairs(page, names, values, top, 2)
    page.ask("count_bars", str(len(names)))
    if not page.heldout:
        page.ask_order(names, values)
        ask_pairs(page, names, values, top, 3)  # they take the most examples


def ask_pairs(page: Page, names: list[str], values: list[int], top: float, count: int) -> None:
    for _ in range(count):
        a, b = page.rng.sample(range(len(names)), 2)
        if abs(values[a] - values[b]) > 0.06 * top:
            page.ask("bar_compare", "yes" if values[a] > values[b] else "no", a=names[a], b=names[b])


def ticks(page: Page, axis: Axis, type_: Type, vertical: bool, across: tuple[float, float], has_grid: bool) -> list[tuple[float, Run]]:
    """Numbers along the value axis, with faint lines across the plot. Returns the numbers."""
    numbers = []
    faint = tuple((3 * a + b) // 4 for a, b in zip(page.paper, page.ink))
    value = 0
    while value <= axis.top:
        at = axis.at(value)
        if vertical:
            if has_grid:
                page.line([(across[0], at), (across[1], at)], faint)
            page.line([(across[0] - 3, at), (across[0], at)])
            page.text(across[0] - 5, at - type_.size * 0.6, str(value), type_, anchor="r")
        else:
            if has_grid:
                page.line([(at, across[0]), (at, across[1])], faint)
            page.line([(at, across[1]), (at, across[1] + 3)])
            page.text(at, across[1] + 4, str(value), type_, anchor="m")
        numbers.append((value, page.runs[-1]))
        value += STEPS[axis.top]
    return numbers


def first_digit(box: tuple[float, float, float, float]) -> tuple[float, float]:
    """About the centre of the first character of a text that was set."""
    left, top, _, bottom = box
    return left + 0.25 * (bottom - top), (top + bottom) / 2


def upright_bars(page: Page, outlined: bool = False) -> None:
    """Bars that stand side by side."""
    rng = page.rng
    size = page.body_size(10, 13)
    type_ = page.type(size)
    count = rng.randint(2, 7)
    is_printed = rng.random() < 0.5
    has_axis = not is_printed or rng.random() < 0.4
    top = rng.choice(TOPS)
    y0 = chart_title(page, size) + size * 1.5
    x0 = 8 + (type_.width(str(top)) + 6 if has_axis else 0)
    x1, y1 = page.width - 8, page.height - size * 1.6 - rng.uniform(2, 14)
    slot = (x1 - x0) / count
    names = bar_names(page, count, max(3, min(9, int(slot / (size * 0.56)))))
    while max(type_.width(n) for n in names) > slot - 2 and size > 10:
        size -= 0.5
        type_ = page.type(size)
    names = [n if type_.width(n) <= slot - 2 else n[:max(1, int(slot / type_.width("m")))] for n in names]
    if len({n.lower() for n in names}) < count:
        names = [chr(ord("A") + i) for i in range(count)]
    values = bar_values(page, count, top)
    axis = Axis(y1, y0, top)
    scale = []
    if has_axis:
        scale = ticks(page, axis, type_, True, (x0, x1), rng.random() < 0.6)
        page.line([(x0, y0), (x0, y1)])
    width = slot * rng.uniform(0.45, 0.85)
    radius = rng.choice((0, 0, 0, 2, 4))
    places, labels = [], []
    for i, ((name_of, fill), name, value) in enumerate(zip(bar_colours(page, count), names, values)):
        x = x0 + (i + 0.5) * slot
        page.rect(x - width / 2, axis.at(value), x + width / 2, y1, fill=fill, outline=page.ink if outlined else None, radius=min(radius, (y1 - axis.at(value)) / 2.5), thing="bar", colour_name=name_of)
        page.text(x, y1 + 3, name, type_, anchor="m")
        labels.append(page.runs[-1])
        places.append((x, axis.at(value)))
        if is_printed:
            places[-1] = first_digit(page.text(x, axis.at(value) - size * 1.25, str(value), type_, anchor="m"))
    page.line([(x0, y1), (x1, y1)])
    tell_bars(page, values, top, scale, labels, places)
    ask_bars(page, names, values, top, is_printed, places)


def lying_bars(page: Page) -> None:
    """Bars that run from left to right."""
    rng = page.rng
    size = page.body_size(10, 13.5)
    type_ = page.type(size)
    count = rng.randint(2, 7)
    is_printed = rng.random() < 0.5
    has_axis = not is_printed or rng.random() < 0.4
    top = rng.choice(TOPS)
    names = bar_names(page, count, 9)
    values = bar_values(page, count, top)
    y0 = chart_title(page, size) + 2
    x0 = 8 + max(type_.width(n) for n in names) + 5
    x1 = page.width - 10 - (type_.width(str(top)) + 4 if is_printed else type_.width(str(top)) / 2)
    y1 = page.height - (size * 1.6 + 4 if has_axis else 8)
    axis, slot = Axis(x0, x1, top), (y1 - y0) / count
    scale = []
    if has_axis:
        scale = ticks(page, axis, type_, False, (y0, y1), rng.random() < 0.6)
        page.line([(x0, y1), (x1, y1)])
    width = min(slot * rng.uniform(0.45, 0.8), 40)
    places, labels = [], []
    for i, ((name_of, fill), name, value) in enumerate(zip(bar_colours(page, count), names, values)):
        y = y0 + (i + 0.5) * slot
        page.rect(x0, y - width / 2, axis.at(value), y + width / 2, fill=fill, thing="bar", colour_name=name_of)
        page.text(x0 - 5, y - size * 0.6, name, type_, anchor="r")
        labels.append(page.runs[-1])
        places.append((axis.at(value), y))
        if is_printed:
            places[-1] = first_digit(page.text(axis.at(value) + 4, y - size * 0.6, str(value), type_))
    page.line([(x0, y0), (x0, y1)])
    tell_bars(page, values, top, scale, labels, places)
    ask_bars(page, names, values, top, is_printed, places)


def outlined_bars(page: Page) -> None:
    """Upright bars with dark outlines (held-out layout)."""
    upright_bars(page, outlined=True)


def line_values(page: Page, count: int, top: float) -> list[float]:
    """A walk with a clear peak, a clear low and a clear trend."""
    rng = page.rng
    while True:
        slope = rng.uniform(-1, 1) * top * 0.6 / count
        level, values = rng.uniform(0.2, 0.8) * top, []
        for _ in range(count):
            values.append(level)
            level += slope + rng.uniform(-0.28, 0.28) * top
        ranked = sorted(values)
        if min(values) > 0.03 * top and max(values) < top and ranked[-1] - ranked[-2] > 0.05 * top and ranked[1] - ranked[0] > 0.05 * top \
                and abs(values[-1] - values[0]) > 0.15 * top:
            return values


def line_chart(page: Page, dots: bool | None = None, filled: bool = False) -> None:
    """One line over named points."""
    rng = page.rng
    size = page.body_size(10, 13)
    type_ = page.type(size)
    count = rng.randint(3, 7)
    top = rng.choice(TOPS)
    y0 = chart_title(page, size) + 6
    has_axis = rng.random() < 0.75
    x0 = 10 + (type_.width(str(top)) + 6 if has_axis else 0)
    x1, y1 = page.width - 10, page.height - size * 1.6 - rng.uniform(2, 10)
    slot = (x1 - x0) / count
    names = bar_names(page, count, max(3, min(8, int(slot / (size * 0.56)))))
    if max(type_.width(n) for n in names) > slot - 2:
        names = rng.choice(([f"{i + 1}" for i in range(count)], [chr(ord("A") + i) for i in range(count)]))
    values = line_values(page, count, top)
    axis = Axis(y1, y0, top)
    scale = []
    if has_axis:
        scale = ticks(page, axis, type_, True, (x0, x1), rng.random() < 0.6)
    page.line([(x0, y0), (x0, y1), (x1, y1)])
    usable = [c for c in PALETTE if sum(abs(a - b) for a, b in zip(PALETTE[c], page.paper)) > 200] or ["black"]
    name_of = rng.choice(usable)
    colour = jitter(rng, PALETTE[name_of], 15)
    has_dots = rng.random() < 0.65 if dots is None else dots
    points = [(x0 + (i + 0.5) * slot, axis.at(v)) for i, v in enumerate(values)]
    if filled:
        page.polygon([(points[0][0], y1), *points, (points[-1][0], y1)], fill=tuple((c + 2 * p) // 3 for c, p in zip(colour, page.paper)))
    page.line(points, colour, line=rng.choice((1.5, 2, 2.5, 3)), thing="line", colour_name=name_of)
    labels = []
    for (x, y), name in zip(points, names):
        if has_dots:
            page.ellipse(x - 3, y - 3, x + 3, y + 3, fill=colour, thing="point")
        page.text(x, y1 + 3, name, type_, anchor="m")
        labels.append(page.runs[-1])
    tell_values(page, values, top, scale, labels, points)
    page.tell("state", STATES.index("rising" if values[-1] > values[0] else "falling"), *points, *labels)
    highest, lowest = values.index(max(values)), values.index(min(values))
    for _ in range(2):
        page.ask("line_peak", names[highest])
        page.ask("line_low", names[lowest])
    rising = values[-1] > values[0]
    page.ask("line_trend", "rising" if rising else "falling", accept=["up", "rise"] if rising else ["down", "fall"], seen_answer=points[-1])


def area_chart(page: Page) -> None:
    """A line with a tinted area below it (held-out layout)."""
    line_chart(page, filled=True)


BAR_TRAIN, BAR_HELDOUT = [upright_bars, lying_bars], [outlined_bars, lying_bars]
LINE_TRAIN, LINE_HELDOUT = [line_chart], [area_chart, line_chart]
