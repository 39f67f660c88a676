"""Device panels: lamps, gauges, displays, codes."""

from __future__ import annotations

import math

from train import fonts
from train.pages.fields import ask_fields, make_fields
from train.pages.page import PALETTE, STATES, Page, Run, Type, jitter, luminance

LAMP_COLOURS = ["red", "orange", "green", "blue", "yellow", "white"]
LAMP_NAMES = ("POWER,ALARM,FAULT,READY,RUN,STOP,PUMP,FAN,HEAT,COOL,DOOR,LINK,DATA,NET,WIFI,AUTO,MANUAL,VALVE,MOTOR,FUSE,OIL,FUEL,BATT,CHARGE,ERROR,"
              "STATUS,SYNC,TEST,INPUT,OUTPUT,PRESS,TEMP,LEVEL,FLOW,SENSOR,SERVICE,STANDBY,ONLINE,MODE,SAFETY,CLOCK,RELAY").split(",")
DEVICES = "Controller,Pump,Boiler,Router,Printer,Compressor,Charger,Inverter,Elevator,Furnace,Chiller,Generator,Turbine,Conveyor,Mixer,Scanner,UPS,Heater,Oven,Press".split(",")
OFF = ((70, 72, 74), (45, 46, 48), (96, 96, 98))


class Area:
    def __init__(self, x0: float, y0: float, x1: float, y1: float):
        self.x0, self.y0, self.x1, self.y1 = x0, y0, x1, y1

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0


def set_paper(page: Page) -> None:
    """Panels are metal or dark more often than white."""
    rng = page.rng
    base = rng.choice(((60, 64, 70), (35, 38, 42), (205, 208, 212), (228, 228, 222), (40, 60, 90), (150, 155, 160), (90, 100, 95), (245, 245, 245), (20, 22, 26)))
    page.paper = jitter(rng, base, 12)
    page.ink = page.ink_on(page.paper)
    page.rect(-1, -1, page.width + 1, page.height + 1, fill=page.paper)
    if rng.random() < 0.4:
        page.rect(3, 3, page.width - 4, page.height - 4, outline=page.ink, line=rng.choice((1, 2)), radius=rng.choice((0, 6)))


def lamp(page: Page, x: float, y: float, radius: float, colour: str, shape: str) -> None:
    rng = page.rng
    fill = rng.choice(OFF) if colour == "off" else jitter(rng, PALETTE[colour], 16)
    rim = (20, 20, 20) if luminance(page.paper) > 90 else (150, 150, 150)
    label = {"thing": "lamp", "colour_name": "black" if colour == "off" else colour}
    if shape == "round":
        page.ellipse(x - radius, y - radius, x + radius, y + radius, fill=fill, outline=rim, line=rng.choice((1, 2)), **label)
    else:
        page.rect(x - radius, y - radius * 0.8, x + radius, y + radius * 0.8, fill=fill, outline=rim, line=1, radius=rng.choice((0, 2)), **label)
    if colour != "off" and rng.random() < 0.3:
        page.ellipse(x - radius * 0.5, y - radius * 0.6, x, y - radius * 0.1, fill=tuple(min(255, c + 70) for c in fill))


def lamps(page: Page, area: Area, stacked: bool | None = None) -> None:
    """Lamps with names below them in a row, or beside them in a column."""
    rng = page.rng
    stacked = rng.random() < 0.45 if stacked is None else stacked
    radius = rng.uniform(5, 10)
    size = page.body_size(10, 13)
    type_ = page.type(size, second=True)
    room = int(area.height / (max(radius * 2 + 2, size * 1.3) + 2)) if stacked else max(1, int(area.width / (size * 3.4)))
    rows = 1 if stacked else max(1, min(2, int(area.height / (radius * 2 + size * 1.4 + 6))))
    count = min(rng.randint(2, 6), room * rows)
    names = page.source.distinct(lambda: rng.choice(LAMP_NAMES) if rng.random() < 0.65 else page.source.word(6).upper(), count)
    if rng.random() < 0.3:
        names = [n.capitalize() for n in names]
    weights = rng.choice(((5, 2, 5, 2, 2, 1), (1, 1, 1, 1, 1, 1)))
    states = [rng.choices(LAMP_COLOURS, weights)[0] if rng.random() < 0.75 else "off" for _ in names]
    shape = rng.choice(("round", "round", "round", "square"))
    mirrored, above = rng.random() < 0.25, rng.random() < 0.2
    if stacked and mirrored:
        area = Area(area.x0, area.y0, min(area.x1, area.x0 + rng.uniform(90, 200)), area.y1)
    per_row = count if stacked else math.ceil(count / rows)
    places, labels = [], []
    for i, (name, state) in enumerate(zip(names, states)):
        if stacked and mirrored:
            step = area.height / count
            x, y = area.x1 - radius - 2, area.y0 + (i + 0.5) * step
            lamp(page, x, y, radius, state, shape)
            page.text(area.x0 + 2, y - size * 0.6, name, page.fit(name, type_, area.width - radius * 2 - 8))
        elif stacked:
            step = area.height / count
            x, y = area.x0 + radius + 2, area.y0 + (i + 0.5) * step
            lamp(page, x, y, radius, state, shape)
            page.text(x + radius + 5, y - size * 0.6, name, page.fit(name, type_, area.width - radius * 2 - 8))
        else:
            col, row = i % per_row, i // per_row
            cell, height = area.width / per_row, area.height / rows
            x, y = area.x0 + (col + 0.5) * cell, area.y0 + row * height + radius + 2
            if above:
                y += size * 1.2
            lamp(page, x, y, radius, state, shape)
            page.text(x, y - radius - size * 1.3 if above else y + radius + 2, name, page.fit(name, type_, cell - 3), anchor="m")
        places.append((x, y))
        labels.append(page.runs[-1])
    tell_lamps(page, states, places, labels)
    ask_lamps(page, names, states, places)


def tell_lamps(page: Page, states: list[str], places: list[tuple[float, float]], labels: list[Run]) -> None:
    page.group("count", [place for state, place in zip(states, places) if state != "off"])
    page.group_alike("same_colour", states, places)
    for state, *both in zip(states, places, labels):
        page.tell("state", STATES.index(state), *both)
        page.tell("same_colour", states.count(state), *both)
        page.tell("count", sum(s != "off" for s in states), *both)
        page.tie(both[1], both[0])


def ask_lamps(page: Page, names: list[str], states: list[str], places: list[tuple[float, float]]) -> None:
    rng = page.rng
    for name, state, place in zip(names, states, places):
        page.ask("lamp_color", state, accept=["dark", "black", "gray", "grey"] if state == "off" else None, seen_answer=place,
                 lamp=rng.choice((name, name, name.lower())))
    for state in sorted(set(states)):
        if states.count(state) == 1:
            which = states.index(state)
            page.ask("which_lamp", names[which], seen={state: places[which]}, color=state)
    on = sum(s != "off" for s in states)
    counted = [("on", on), ("off", len(states) - on)] + [(c, states.count(c)) for c in LAMP_COLOURS if c in states or rng.random() < 0.12]
    for colour, number in rng.sample(counted, min(3, len(counted))):
        page.ask("count_lamps", str(number), color=colour)


def band_gauge(page: Page, area: Area) -> None:
    """A half circle of one to three colours, numbers outside it, a needle from the middle of its base."""
    rng = page.rng
    size = 10.5
    type_ = page.type(size, second=True)
    radius = min((area.width - type_.width("1000") * 1.6) / 2, area.height - size * 2.6)
    cx, cy = (area.x0 + area.x1) / 2, area.y0 + (area.height + radius) / 2 - size * 0.4
    high = rng.choice(list(GAUGE_STEPS))
    num_steps = rng.choice((2, GAUGE_STEPS[high])) if high % 2 == 0 else GAUGE_STEPS[high]
    angle = lambda v: 180 + 180 * v / high
    at = lambda v, r: (cx + r * math.cos(math.radians(angle(v))), cy + r * math.sin(math.radians(angle(v))))
    thick = radius * rng.uniform(0.12, 0.3)
    red_from = high * rng.uniform(0.62, 0.88) if rng.random() < 0.75 else None
    page.arc(cx - radius, cy - radius, cx + radius, cy + radius, 180, 360, rng.choice(((60, 160, 80), (150, 155, 160), (70, 120, 200))), line=thick)
    if red_from and rng.random() < 0.5:
        page.arc(cx - radius, cy - radius, cx + radius, cy + radius, angle(high * rng.uniform(0.35, 0.55)), angle(red_from), (240, 190, 40), line=thick)
    if red_from:
        page.arc(cx - radius, cy - radius, cx + radius, cy + radius, angle(red_from), 360, (214, 40, 40), line=thick)
    scale = []
    for i in range(num_steps + 1):
        x, y = at(high * i / num_steps, radius + 3)
        anchor = "r" if x < cx - radius * 0.35 else "l" if x > cx + radius * 0.35 else "m"
        y += -size * 1.15 if anchor == "m" else -size * 0.8 if i not in (0, num_steps) else -size * 0.6
        page.text(x, y, f"{high * i / num_steps:g}", type_, anchor=anchor)
        scale.append((high * i / num_steps, page.runs[-1]))
    value = needle_value(page, high, red_from)
    needle = rng.choice((page.ink, page.ink, (200, 30, 30)))
    tip = at(value, radius * rng.uniform(0.75, 1))
    page.line([(cx, cy), tip], needle, line=rng.choice((2, 2.5, 3)), thing="needle")
    page.ellipse(cx - 4, cy - 4, cx + 4, cy + 4, fill=needle)
    tell_gauge(page, value, high, red_from, scale, tip, (cx, cy))
    ask_gauge(page, value, high, red_from, tip)


GAUGE_STEPS = {6: 6, 8: 4, 10: 5, 12: 6, 16: 4, 20: 4, 40: 4, 50: 5, 60: 6, 80: 4, 100: 5, 120: 6, 160: 4, 200: 4, 300: 6, 400: 4, 500: 5, 1000: 5}


def needle_value(page: Page, high: float, red_from: float | None) -> float:
    """A value that is clearly on one side of the red zone's beginning."""
    rng = page.rng
    while True:
        value = rng.uniform(red_from, high) if red_from and rng.random() < 0.35 else rng.uniform(0, high)
        if not red_from or abs(value - red_from) >= 0.03 * high:
            return value


def shown_value(value: float, high: float) -> str:
    return f"{value:.1f}" if high <= 20 else f"{value:.0f}"


def tell_gauge(page: Page, value: float, high: float, red_from: float | None, scale: list[tuple[float, Run]], *needle: tuple[float, float]) -> None:
    """Facts about the needle, told at its tip and at its hub; `scale` has the printed numbers."""
    tip, hub = needle
    page.link("thing", tip, hub)
    page.link_to_scale(value, scale, *needle)
    page.tell_share(value, high, *needle)
    page.tell_value(shown_value(value, high), *needle)
    if red_from:
        page.tell("state", STATES.index("in the red" if value > red_from else "below"), *needle)


def ask_gauge(page: Page, value: float, high: float, red_from: float | None, tip: tuple[float, float]) -> None:
    for _ in range(3):
        page.ask("gauge_value", shown_value(value, high), tolerance=0.05 * high, seen_answer=tip)
    if red_from:
        for _ in range(2):
            page.ask("gauge_zone", "yes" if value > red_from else "no", seen_answer=tip)


def gauge(page: Page, area: Area) -> None:
    """A dial of either kind."""
    if page.rng.random() < 0.25:
        band_gauge(page, area)
    else:
        round_gauge(page, area)


def round_gauge(page: Page, area: Area) -> None:
    """A round dial: numbers, ticks, a red arc at its upper end, a needle."""
    rng = page.rng
    radius = min(area.width, area.height) / 2 - 2
    cx, cy = (area.x0 + area.x1) / 2, (area.y0 + area.y1) / 2
    low, high = 0, rng.choice((10, 100, 100, *GAUGE_STEPS))
    num_steps = GAUGE_STEPS[high]
    face = rng.choice(((250, 250, 248), (238, 236, 228), (28, 30, 34), (255, 255, 255)))
    ink = (20, 20, 20) if luminance(face) > 120 else (240, 240, 240)
    page.ellipse(cx - radius, cy - radius, cx + radius, cy + radius, fill=face, outline=page.ink, line=rng.choice((1.5, 2.5)), thing="gauge")
    sweep = rng.choice((270, 270, 240, 180))
    start = 90 + (360 - sweep) / 2  # degrees clockwise from the right, as in arc()
    angle = lambda v: start + sweep * (v - low) / (high - low)
    at = lambda v, r: (cx + r * math.cos(math.radians(angle(v))), cy + r * math.sin(math.radians(angle(v))))
    red_from = None
    if rng.random() < 0.75:
        red_from = low + (high - low) * rng.uniform(0.62, 0.88)
        k = radius * 0.93
        page.arc(cx - k, cy - k, cx + k, cy + k, angle(red_from), angle(high), (214, 36, 36), line=max(3, radius * 0.09))
    size = max(10, min(13, radius * 0.2))
    type_ = page.type(size, second=True)
    scale = []
    for i in range(num_steps + 1):
        value = low + (high - low) * i / num_steps
        page.line([at(value, radius * 0.93), at(value, radius * 0.8)], ink, line=1.5)
        x, y = at(value, radius * 0.8 - size * 0.75)
        page.text(x, y - size * 0.6, f"{value:g}", type_, ink, anchor="m")
        scale.append((value, page.runs[-1]))
    num_ticks = num_steps * rng.choice((1, 2, 5))
    for i in range(num_ticks):
        value = low + (high - low) * i / num_ticks
        page.line([at(value, radius * 0.93), at(value, radius * 0.86)], ink)
    value = needle_value(page, high, red_from)
    tip, tail = at(value, radius * rng.uniform(0.68, 0.85)), at(value, -radius * rng.uniform(0, 0.15))
    needle = rng.choice(((200, 30, 30), ink, ink, (230, 110, 20)))
    page.line([tail, tip], needle, line=rng.choice((1.5, 2, 2.5)), thing="needle")
    page.ellipse(cx - radius * 0.08, cy - radius * 0.08, cx + radius * 0.08, cy + radius * 0.08, fill=needle)
    tell_gauge(page, value, high, red_from, scale, tip, (cx, cy))
    ask_gauge(page, value, high, red_from, tip)


def display(page: Page, area: Area) -> None:
    """A box with a number or a short message."""
    rng, source = page.rng, page.source
    fill, ink = rng.choice((((20, 30, 20), (90, 255, 120)), ((15, 20, 40), (120, 200, 255)), ((160, 190, 150), (20, 30, 20)), ((10, 10, 10), (255, 60, 50)),
                            ((240, 245, 240), (10, 10, 10)), ((30, 60, 160), (250, 250, 250)), ((8, 8, 8), (255, 180, 40)), ((200, 210, 190), (10, 20, 10))))
    height = min(area.height, rng.uniform(24, 44))
    y = area.y0 + (area.height - height) / 2
    number = rng.choice((source.digits(1, 4), f"{rng.uniform(0, 999):.1f}", f"{rng.uniform(0, 99):.2f}", f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}", f"-{rng.randint(1, 30)}"))
    if rng.random() < 0.22 and fonts.segment_faces():
        text, path = number, rng.choice(fonts.segment_faces()).font_path(rng)
    else:
        unit = source.measure()
        text = rng.choice((number, unit, unit, source.word(8).upper(), f"{source.word(6).upper()} {source.digits(1, 2)}", source.time(), source.word(9).capitalize(), rng.choice(("READY", "RUNNING", "STOPPED", "DOOR OPEN", "NO PAPER", "LOW INK", "WAIT", "Idle", "Heating"))))
        path = page.type(12, bold=rng.random() < 0.4).path
    type_ = Type(path, max(11, min(28, int(height * rng.uniform(0.5, 0.75)))), page.scale)
    type_ = page.fit(text, type_, area.width - 12)
    if area.height - height > 16 and rng.random() < 0.5:
        caption = page.type(page.body_size(10, 12))
        page.text(area.x0, y - caption.size * 1.3, rng.choice((source.word(8).capitalize(), source.word(7).upper(), "Temperature", "Speed", "Counter", "Level")), caption)
    page.rect(area.x0, y, area.x1, y + height, fill=fill, outline=page.ink, line=rng.choice((1, 2)), thing="display")
    page.text((area.x0 + area.x1) / 2, y + height / 2 - type_.size * 0.6, text, type_, ink, "m")
    page.ask("display", text)
    page.ask("display", text)


def notes(page: Page, area: Area) -> None:
    """An error code or fields in plain type."""
    rng, source = page.rng, page.source
    size = page.body_size(10, 13)
    type_ = page.type(size)
    y = area.y0
    if rng.random() < 0.6:
        code = source.code()
        text = f"{rng.choice(('ERROR', 'Error', 'Error code:', 'Code:', 'CODE', 'Fault', 'ERR', 'Alarm'))} {code}"
        colour = page.ink if rng.random() < 0.7 or luminance(page.paper) < 150 else (190, 20, 20)
        page.text(area.x0, y, text, page.fit(text, page.type(size, bold=rng.random() < 0.5), area.width), colour)
        page.ask("find_code", code)
        page.ask("find_code", code)
        y += size * 1.5
    shown = []
    for name, value in make_fields(page, rng.randint(0, 3)):
        if y + size * 1.2 < area.y1 and type_.width(f"{name}: {value}") < area.width:
            page.text(area.x0, y, f"{name}: {value}", type_)
            shown.append((name, value))
            y += size * 1.45
    ask_fields(page, shown)


def plate(page: Page) -> float:
    """The device's name; returns the y below."""
    rng, source = page.rng, page.source
    if rng.random() < 0.2:
        return 8
    name = rng.choice((f"{source.name(8)} {rng.choice(DEVICES)}", f"{rng.choice(DEVICES)} {source.digits(1, 2)}", f"{source.name(8).upper()} {source.code()[:4].strip('-./_')}", f"{rng.choice(DEVICES)} {source.word(7)}".upper()))
    type_ = page.fit(name, page.type(rng.uniform(12, 19), bold=True), page.width - 20)
    page.text(*((page.width / 2, 7, name, type_, None, "m") if rng.random() < 0.5 else (9, 7, name, type_)))
    page.ask_title(name)
    return 7 + type_.size * 1.5


def grid(page: Page) -> None:
    """Two or three parts below the plate, placed in rows."""
    rng = page.rng
    set_paper(page)
    y, bottom, pad = plate(page), page.height - 8, 9
    parts = rng.sample([lamps, lamps, gauge, gauge, display, notes], rng.choice((1, 2, 2, 3)))
    parts = list(dict.fromkeys(parts))
    if gauge in parts and len(parts) > 1:
        side = min(page.width * rng.uniform(0.45, 0.6), bottom - y)
        left = rng.random() < 0.5
        top = y + rng.uniform(0, max(0, bottom - y - side))
        x = pad if left else page.width - pad - side
        gauge(page, Area(x, top, x + side, top + side))
        rest = Area(pad + side + 8, y, page.width - pad, bottom) if left else Area(pad, y, page.width - pad - side - 8, bottom)
        parts = [p for p in parts if p is not gauge]
        height = rest.height / len(parts)
        for i, part in enumerate(parts):
            area = Area(rest.x0, rest.y0 + i * height + 2, rest.x1, rest.y0 + (i + 1) * height - 4)
            if part is lamps:
                lamps(page, area, stacked=True)
            else:
                part(page, area)
    else:
        height = (bottom - y) / len(parts)
        for i, part in enumerate(parts):
            area = Area(pad + rng.uniform(0, 20), y + i * height + 3, page.width - pad - rng.uniform(0, 20), y + (i + 1) * height - 5)
            part(page, area)
    page.ask_places(1)


def cards(page: Page) -> None:
    """Rounded cards, one part in each."""
    rng = page.rng
    set_paper(page)
    y, pad = plate(page), 8
    parts = rng.sample([lamps, gauge, display, notes], rng.choice((2, 3)))
    weights = [{"gauge": 2.2, "lamps": 1.3}.get(p.__name__, 1.0) for p in parts]
    room = page.height - y - pad - 6 * (len(parts) - 1)
    tint = tuple(max(0, min(255, c + (18 if sum(page.paper) < 380 else -16))) for c in page.paper)
    for part, weight in zip(parts, weights):
        height = room * weight / sum(weights)
        page.rect(pad, y, page.width - pad, y + height, fill=tint, outline=page.ink if rng.random() < 0.4 else None, radius=rng.choice((3, 6)))
        part(page, Area(pad + 6, y + 5, page.width - pad - 6, y + height - 5))
        y += height + 6
    page.ask_places(1)


def column(page: Page) -> None:
    """Framed parts, one under another, the gauge last (held-out layout)."""
    rng = page.rng
    set_paper(page)
    y = plate(page)
    area = Area(14, y + 4, page.width - 14, y + 50)
    rng.choice((lamps, display, notes))(page, area)
    page.line([(8, area.y1 + 4), (page.width - 8, area.y1 + 4)])
    below = Area(14, area.y1 + 9, page.width - 14, page.height - 8)
    if below.height > 100 and rng.random() < 0.7:
        gauge(page, below)
    else:
        lamps(page, below)
    page.ask_places(1)


TRAIN = [grid, grid, cards]
HELDOUT = [column, grid]
