"""Reading practice without meaning: lines of any text anywhere, and shapes among them. Questions of reading only."""

from __future__ import annotations

from train.pages.letter import ask_next_word, ask_reading
from train.pages.page import COLOUR_NAMES, PALETTE, Page, jitter
from train.pages.shapes import draw_shape
from train.questions import SHAPES


def dense_soup(page: Page) -> None:
    """A page full of small type: the most characters to learn from for each patch."""
    rng, y = page.rng, page.rng.uniform(0, 6)
    size = page.body_size(10, 17)
    while True:
        if rng.random() < 0.25:
            size = page.body_size(10, 20)
        if y + size * 1.2 > page.height:
            break
        type_ = page.type(size, bold=rng.random() < 0.25, second=rng.random() < 0.4, slanted=rng.random() < 0.05)
        x, room = rng.uniform(1, 10), True
        colour = page.ink if rng.random() < 0.8 else page.ink_on(page.paper)
        while room:
            token = page.source.soup_token()
            if x + type_.width(token) > page.width - 1:
                token, room = page.source.word(4), False
                if x + type_.width(token) > page.width - 1:
                    break
            _, _, x, _ = page.text(x, y, token, type_, colour)
            x += type_.width(" ") if rng.random() < 0.9 else rng.uniform(6, 14)
        y += size * rng.uniform(1.08, 1.3)
    if page.wants_questions:
        ask_reading(page)
        ask_next_word(page, page.text_lines(), 4)
        page.ask_places(2)


def soup(page: Page) -> None:
    """Columns of lines with changing type, some on boxes of another colour."""
    rng = page.rng
    y = rng.uniform(2, 24)
    while y < page.height - 14:
        size = rng.choice((page.body_size(10, 15), page.body_size(10, 15), page.body_size(11, 28)))
        type_ = page.type(size, bold=rng.random() < 0.3, second=rng.random() < 0.4, slanted=rng.random() < 0.08)
        height = size * 1.2
        if y + height > page.height:
            break
        if rng.random() < 0.06:
            y += rng.uniform(10, 60)
            continue
        x = rng.choice((rng.uniform(3, 14), rng.uniform(3, page.width * 0.6)))
        colour = page.ink if rng.random() < 0.8 else page.ink_on(page.paper)
        box = None
        if rng.random() < 0.15:
            box = tuple(rng.randint(0, 255) for _ in range(3))
            page.rect(max(0, x - 4), y - 1, page.width, y + height + 1, fill=box)
            colour = page.ink_on(box)
        while True:
            token = page.source.soup_token()
            if x + type_.width(token) > page.width - 2:
                break
            _, _, x, _ = page.text(x, y, token, type_, colour)
            x += type_.width(" ") if rng.random() < 0.8 else rng.uniform(8, 60)
        y += height * rng.uniform(0.93, 1.6) + (3 if box else 0)
        if rng.random() < 0.06:
            page.line([(4, y), (page.width - 4, y)], line=rng.choice((1, 1, 2)))
            y += rng.uniform(2, 5)
        if rng.random() < 0.10 and y < page.height - 40:
            y = strip_of_shapes(page, y + 2)


    if page.runs and page.wants_questions:
        ask_reading(page)
        ask_next_word(page, page.text_lines(), 4)
        page.ask_places(2)


def strip_of_shapes(page: Page, y: float) -> float:
    """A row of small shapes; returns the y below it."""
    rng = page.rng
    size = rng.uniform(12, 36)
    if y + size > page.height:
        return y
    x = rng.uniform(2, 30)
    while x + size < page.width - 2:
        colour = rng.choice(COLOUR_NAMES)
        draw_shape(page, rng.choice(SHAPES), x + size / 2, y + size / 2, size, jitter(rng, PALETTE[colour]), colour)
        x += size * rng.uniform(1.1, 2.5)
    return y + size + 4
