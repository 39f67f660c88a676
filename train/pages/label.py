"""Labels, tags, badges and short signs."""

from __future__ import annotations

from train.pages.fields import ask_fields, make_fields, make_title
from train.pages.letter import ask_reading
from train.pages.page import Page


def barcode(page: Page, x: float, y: float, width: float, height: float) -> None:
    cursor = x
    while cursor < x + width:
        bar = page.rng.choice((1, 1, 2, 3))
        page.rect(cursor, y, cursor + bar - 1, y + height, fill=(15, 15, 15))
        cursor += bar + page.rng.choice((1, 2, 2, 3))


def square_code(page: Page, x: float, y: float, side: float) -> None:
    """A block of random modules, as a QR code looks."""
    num = page.rng.choice((13, 17, 21))
    step = side / num
    page.rect(x - 3, y - 3, x + side + 3, y + side + 3, fill=(252, 252, 252))
    for i in range(num):
        for j in range(num):
            if page.rng.random() < 0.48:
                page.rect(x + i * step, y + j * step, x + (i + 1) * step - 0.5, y + (j + 1) * step - 0.5, fill=(10, 10, 10))


def sign(page: Page) -> None:
    """One to five short lines, some framed, anywhere on an empty page."""
    rng, source = page.rng, page.source
    num_lines = rng.choice((1, 2, 2, 3, 3, 4, 5))
    size = page.body_size(11, 26)
    type_ = page.type(size, bold=rng.random() < 0.4)
    makers = (lambda: source.cased(source.word()), lambda: source.phrase(2, 7).capitalize(), source.code, source.name, source.date, source.measure,
              source.street, source.city, source.person, source.amount, lambda: source.cased(source.phrase(2, 8)), source.time)
    lines = [rng.choice(makers)() for _ in range(num_lines)]
    widest = max(type_.width(t) for t in lines)
    if widest > page.width - 16:
        type_ = type_.at(max(10, int(type_.size * (page.width - 16) / widest * 2) / 2))
        widest = max(type_.width(t) for t in lines)
    step = min(type_.size * rng.uniform(1.25, 1.8), (page.height - 14) / num_lines)
    x, y = rng.uniform(7, max(7.5, page.width - widest - 8)), rng.uniform(6, max(6.5, page.height - num_lines * step - 6))
    if rng.random() < 0.35:
        fill = tuple(rng.randint(20, 255) for _ in range(3)) if rng.random() < 0.6 else page.paper
        page.rect(x - 6, y - 5, x + widest + 6, y + num_lines * step + 4, fill=fill, outline=page.ink, line=rng.choice((1, 2, 3)), radius=rng.choice((0, 5)))
        page.ink = page.ink_on(fill)
    anchor = rng.choice("llm")
    for i, text in enumerate(lines):
        page.text(x + widest / 2 if anchor == "m" else x, y + i * step, text, type_, anchor=anchor)
    page.ask("read_all", " ".join(lines))
    page.ask("read_all", " ".join(lines))
    page.ask_places(2)
    if num_lines > 1:
        ask_reading(page)


def parcel(page: Page, framed: bool = False) -> None:
    """A parcel's label: sender, receiver, a code, a barcode."""
    rng, source = page.rng, page.source
    size = page.body_size(10, 14)
    type_, bold = page.type(size), page.type(size, bold=True)
    step, x, y = size * rng.uniform(1.2, 1.5), rng.uniform(6, 20), rng.uniform(4, 14)
    right = page.width - 8
    shown = []
    if rng.random() < 0.5:
        title = rng.choice((f"{source.name(8)} Express", "PRIORITY", "FRAGILE", f"{source.word(8).upper()} POST", source.name(9).upper(), "Shipping Label"))
        head = page.fit(title, page.type(size * rng.uniform(1.2, 1.9), bold=True, second=True), right - x)
        page.text(x, y, title, head)
        page.ask_title(title)
        y += head.size * 1.5
    for lead in (("From", "To"), ("To",), ("Ship to",), ("Sender", "Recipient"))[rng.randrange(4)]:
        person = source.person()
        same = rng.random() < 0.5
        page.text(x, y, f"{lead}:", bold)
        at = x + bold.width(f"{lead}:") + 5 if same else x + 2
        if not same:
            y += step
        for text in (person, source.street(), source.city()):
            page.text(at, y, text, page.fit(text, type_, right - at))
            y += step
        shown.append((lead, person))
        if framed:
            page.line([(0, y + 2), (page.width, y + 2)], line=1.5)
        y += rng.uniform(2, 8)
    for name, value in make_fields(page, rng.randint(0, 3)):
        if y + step < page.height - 4 and x + type_.width(f"{name}: {value}") < right:
            page.text(x, y, f"{name}: {value}", type_)
            shown.append((name, value))
            y += step
    room = page.height - y - size * 1.5 - 8
    if room > 18:
        height = rng.uniform(18, min(50, room))
        if rng.random() < 0.75:
            barcode(page, x, y + 3, rng.uniform(90, right - x), height)
        else:
            square_code(page, x + 4, y + 4, height)
        y += height + 5
        if rng.random() < 0.6 and y + size * 1.2 < page.height:
            code = source.code()
            page.text(x + 4, y, code, page.fit(code, page.type(size * 1.1), right - x))
            page.ask("find_code", code)
    if framed:
        page.rect(1, 1, page.width - 2, page.height - 2, outline=page.ink, line=2)
    ask_fields(page, shown)
    page.ask_words(1, 1)
    page.ask_places(2)


def product(page: Page) -> None:
    """A product's tag: a big name, fields, a price or code."""
    rng, source = page.rng, page.source
    size = page.body_size(10.5, 15)
    type_ = page.type(size)
    x, y = rng.uniform(6, 30), rng.uniform(5, 30)
    right = page.width - 6
    name = rng.choice((source.word().capitalize(), f"{source.name(8)} {source.word(8)}", source.name().upper(), make_title(page)))
    head = page.fit(name, page.type(size * rng.uniform(1.3, 2.2), bold=True, second=True), right - x)
    page.text(x, y, name, head)
    page.ask_title(name)
    y += head.size * 1.5
    step, shown = size * rng.uniform(1.25, 1.7), []
    colon = rng.choice((":", ":", ""))
    fields = make_fields(page, rng.randint(1, 5))
    column = x + max(type_.width(n + colon) for n, _ in fields) + 8 if rng.random() < 0.5 or not colon else None
    for field, value in fields:
        at = column or x + type_.width(field + colon) + 5
        if y + step < page.height - 2 and at + type_.width(value) < right:
            page.text(x, y, field + colon, type_)
            page.text(at, y, value, type_)
            shown.append((field, value))
            y += step
    if rng.random() < 0.5 and y + size * 2.2 < page.height:
        code = source.code()
        big = page.fit(code, page.type(size * rng.uniform(1.2, 2), bold=True), right - x)
        page.text(x, y + 4, code, big)
        page.ask("find_code", code)
        y += big.size * 1.4 + 4
    if rng.random() < 0.4 and y + 26 < page.height:
        barcode(page, x, y + 4, rng.uniform(80, 160), 20)
    ask_fields(page, shown)
    page.ask_words(1, 1)
    page.ask_places(2)


def cells(page: Page) -> None:
    """A ruled label: small captions in the corners of cells, the values below them."""
    rng, source = page.rng, page.source
    size = page.body_size(11, 15)
    type_, small = page.type(size, bold=rng.random() < 0.5), page.type(10)
    fields = make_fields(page, 6)
    x0, y, x1 = rng.uniform(3, 14), rng.uniform(3, 14), page.width - rng.uniform(3, 14)
    height, shown = size * 1.3 + 16, []
    top = y
    while fields and y + height < page.height - 4:
        columns = rng.choice((1, 2, 2))
        width = (x1 - x0) / columns
        for i in range(columns):
            if not fields:
                break
            name, value = fields.pop()
            if type_.width(value) > width - 8 or small.width(name) > width - 8:
                continue
            page.text(x0 + i * width + 4, y + 1, name, small)
            page.text(x0 + i * width + 5, y + 13, value, type_)
            shown.append((name, value))
            if i:
                page.line([(x0 + i * width, y), (x0 + i * width, y + height)])
        y += height
        page.line([(x0, y), (x1, y)])
    if y + 34 < page.height and rng.random() < 0.7:
        barcode(page, x0 + 8, y + 6, rng.uniform(80, 150), 22)
        y += 34
    page.rect(x0, top, x1, y, outline=page.ink, line=rng.choice((1, 2)))
    ask_fields(page, shown)
    page.ask_words(1, 1)
    page.ask_places(2)


def framed_parcel(page: Page) -> None:
    """A parcel's label with rules between its parts (held-out layout)."""
    parcel(page, framed=True)


TRAIN = [sign, sign, parcel, product, cells]
HELDOUT = [framed_parcel, sign, product]
