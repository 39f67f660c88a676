"""Scenes of flat coloured shapes."""

from __future__ import annotations

from train.pages.page import COLOUR_NAMES, PALETTE, Page, jitter, luminance
from train.pages.shapes import draw_shape
from train.questions import POSITIONS, SHAPES

PLURALS = {"cross": "crosses"}


def plural(shape: str) -> str:
    return PLURALS.get(shape, shape + "s")


class Item:
    def __init__(self, shape: str, colour: str, x: float, y: float, size: float):
        self.shape, self.colour, self.x, self.y, self.size = shape, colour, x, y, size

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def place(self) -> tuple[float, float]:
        """A point that the shape covers."""
        return self.x, self.y - (0.42 * self.size if self.shape == "ring" else 0)


def place_items(page: Page, count: int, low: float, high: float) -> list[Item]:
    """Shapes that do not touch, in colours that stand out from the paper."""
    rng = page.rng
    colours = [c for c in COLOUR_NAMES if sum(abs(a - b) for a, b in zip(PALETTE[c], page.paper)) > 130]
    if rng.random() < 0.5:
        colours = rng.sample(colours, min(len(colours), rng.randint(2, 5)))
    shapes = rng.sample(SHAPES, rng.randint(2, 6))
    items: list[Item] = []
    for _ in range(count * 30):
        if len(items) == count:
            break
        size = rng.uniform(low, high)
        x, y = rng.uniform(size * 0.6, page.width - size * 0.6), rng.uniform(size * 0.6, page.height - size * 0.6)
        if all(abs(x - i.x) > (size + i.size) * 0.6 or abs(y - i.y) > (size + i.size) * 0.6 for i in items):
            items.append(Item(rng.choice(shapes), rng.choice(colours), x, y, size))
    return items


def draw_items(page: Page, items: list[Item]) -> None:
    outlined = page.rng.random() < 0.25
    for item in items:
        fill = jitter(page.rng, PALETTE[item.colour], 12)
        draw_shape(page, item.shape, item.x, item.y, item.size, fill, item.colour, page.ink if outlined and item.shape != "ring" else None)


def ask_scene(page: Page, items: list[Item]) -> None:
    rng = page.rng
    by_shape = {s: [i for i in items if i.shape == s] for s in SHAPES}
    by_colour = {c: [i for i in items if i.colour == c] for c in COLOUR_NAMES}
    grey = ["grey"]
    for shape, found in by_shape.items():
        if len(found) == 1:
            page.ask("shape_color", found[0].colour, accept=grey if found[0].colour == "gray" else None,
                     seen={shape: found[0].place}, seen_answer=found[0].place, shape=shape)
    for colour, found in by_colour.items():
        if len(found) == 1:
            page.ask("which_shape", found[0].shape, seen={colour: found[0].place}, seen_answer=found[0].place, color=colour)
    page.ask("count_shapes", str(len(items)), what="shapes")
    counted = [(plural(s), len(f)) for s, f in by_shape.items() if f or rng.random() < 0.1]
    counted += [(f"{c} shapes", len(f)) for c, f in by_colour.items() if f or rng.random() < 0.1]
    item = rng.choice(items)
    counted.append((f"{item.colour} {plural(item.shape)}", sum(i.name == item.name for i in items)))
    for what, number in rng.sample(counted, min(3, len(counted))):
        page.ask("count_shapes", str(number), what=what)
    ask_places(page, items, by_shape, by_colour)
    ask_presence(page, items, by_shape)
    tell_scene(page, items)
    ranked = sorted(items, key=lambda i: -i.size)
    if len(ranked) > 1 and ranked[0].size > 1.3 * ranked[1].size:
        page.ask("largest_shape", ranked[0].shape, accept=[ranked[0].name], seen_answer=ranked[0].place)
    if not page.heldout:
        ask_sides(page, items, 3)  # they take the most examples


def tell_scene(page: Page, items: list[Item]) -> None:
    page.tell_extremes([i.size for i in items], [(i.place,) for i in items])
    places = [i.place for i in items]
    page.group("count", places)
    page.group_alike("same_colour", [i.colour for i in items], places)
    page.group_alike("same_shape", [i.shape for i in items], places)
    for item in items:
        page.tell("count", len(items), item.place)
        page.tell("same_shape", sum(i.shape == item.shape for i in items), item.place)
        page.tell("same_colour", sum(i.colour == item.colour for i in items), item.place)
        cell = page.cell_of(item.x, item.y, 0.02)
        if cell:
            page.tell("cell", POSITIONS.index(cell), item.place)


def ask_places(page: Page, items, by_shape, by_colour) -> None:
    rng = page.rng
    for item in items:
        cell = page.cell_of(item.x, item.y)
        names = [item.name] if sum(i.name == item.name for i in items) == 1 else []
        if len(by_shape[item.shape]) == 1:
            names.append(item.shape)
        if len(by_colour[item.colour]) == 1:
            names.append(f"{item.colour} shape")
        if cell and names and rng.random() < 0.6:
            what = rng.choice(names)
            page.ask("where_shape", cell, seen={what: item.place}, seen_answer=item.place, what=what)
    ask_sides(page, items, 2)


def ask_sides(page: Page, items: list[Item], count: int) -> None:
    rng = page.rng
    single = [i for i in items if sum(j.name == i.name for j in items) == 1]
    for _ in range(count):
        if len(single) < 2:
            return
        a, b = rng.sample(single, 2)
        across = rng.random() < 0.5
        gap = (b.x - a.x) if across else (b.y - a.y)
        if abs(gap) < 30:
            continue
        first, second = ("left of", "right of") if across else ("above", "below")
        side = rng.choice((first, second))
        page.ask("side_of", "yes" if (gap > 0) == (side == first) else "no",
                 seen={a.name: a.place, b.name: b.place}, a=a.name, b=b.name, side=side)


def ask_presence(page: Page, items, by_shape) -> None:
    rng = page.rng
    item = rng.choice(items)
    what = rng.choice((item.shape, item.name))
    page.ask("is_there", "yes", seen={what: item.place}, seen_answer=item.place, what=what)
    names = {i.name for i in items}
    other = f"{rng.choice([i.colour for i in items])} {rng.choice([i.shape for i in items])}"
    if other not in names:
        page.ask("is_there", "no", what=other)
    shape, colour = rng.choice(SHAPES), rng.choice(COLOUR_NAMES)
    if not by_shape[shape]:
        page.ask("is_there", "no", what=shape)
    elif f"{colour} {shape}" not in names:
        page.ask("is_there", "no", what=f"{colour} {shape}")


def scattered(page: Page) -> None:
    """Few or many shapes anywhere."""
    count = page.rng.choice((1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9))
    items = place_items(page, count, *((22, 60) if count > 4 else (24, 84)))
    draw_items(page, items)
    ask_scene(page, items)


def horizon(page: Page) -> None:
    """A sky and a ground behind the shapes."""
    rng = page.rng
    sky, ground = [tuple(rng.randint(185, 250) for _ in range(3)) for _ in range(2)]
    page.paper = sky
    y = page.height * rng.uniform(0.4, 0.75)
    page.rect(0, 0, page.width, y, fill=sky)
    page.rect(0, y, page.width, page.height, fill=ground)
    items = place_items(page, rng.randint(2, 6), 24, 66)
    draw_items(page, items)
    ask_scene(page, items)


def framed(page: Page) -> None:
    """A picture with a frame and one large shape (held-out layout)."""
    rng = page.rng
    page.rect(3, 3, page.width - 4, page.height - 4, outline=page.ink, line=rng.choice((2, 3, 4)))
    items = place_items(page, rng.randint(2, 7), 26, 56)
    if rng.random() < 0.5:
        items[0].size *= 1.15
    draw_items(page, items)
    ask_scene(page, items)


TRAIN = [scattered, scattered, horizon]
HELDOUT = [framed, scattered]
