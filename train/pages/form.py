"""Forms: fields, tick boxes, a signature line."""

from __future__ import annotations

from train.pages.fields import ask_fields, make_fields, make_title
from train.pages.letter import signature
from train.pages.page import STATES, Page

OPTIONS = ("Yes,No,Urgent,Standard,Express,Paid,Unpaid,Repair,Replace,Return,Refund,New,Used,Male,Female,Single,Married,Monthly,Yearly,Cash,"
           "Card,Email,Phone,Post,Fragile,Gift,Insured,Open,Closed,Approved,Rejected,Pending,Breakfast,Lunch,Dinner,Window,Aisle,Small,"
           "Medium,Large,Remote,On site,Full time,Part time,Smoking,Parking,Newsletter,I agree,Warranty,Training,Delivery,Pickup").split(",")


def option_name(page: Page) -> str:
    rng = page.rng
    return rng.choice(OPTIONS) if rng.random() < 0.6 else page.source.word(8).capitalize()


def tick_box(page: Page, x: float, y: float, size: float, is_checked: bool, style: str) -> None:
    """A box (or circle) of `size` pixels with its corner at (x, y)."""
    rng = page.rng
    thing = "checked" if is_checked else "unchecked"
    paper = tuple(min(255, c + 8) for c in page.paper)
    if style == "radio":
        page.ellipse(x, y, x + size, y + size, fill=paper, outline=page.ink, thing=thing)
        if is_checked:
            k = size * 0.26
            page.ellipse(x + k, y + k, x + size - k, y + size - k, fill=page.ink)
        return
    if style == "filled" and is_checked:
        fill = rng.choice(((30, 100, 200), (40, 130, 60), page.ink))
        page.rect(x, y, x + size, y + size, fill=fill, outline=fill, radius=rng.choice((0, 2)), thing=thing)
        colour = (255, 255, 255) if sum(fill) < 420 else (0, 0, 0)
    else:
        page.rect(x, y, x + size, y + size, fill=paper, outline=page.ink, thing=thing)
        colour = rng.choice((page.ink, page.ink, (20, 40, 150)))
    if is_checked:
        if style == "cross":
            page.line([(x + 2, y + 2), (x + size - 2, y + size - 2)], colour, line=1.6)
            page.line([(x + size - 2, y + 2), (x + 2, y + size - 2)], colour, line=1.6)
        else:
            page.line([(x + size * 0.2, y + size * 0.5), (x + size * 0.42, y + size * 0.75), (x + size * 0.82, y + size * 0.22)], colour, line=1.8)


def tick_boxes(page: Page, x: float, y: float, right: float, step: float, type_, stacked: bool) -> float:
    """A list of options with boxes; asks about them. Returns the y below."""
    rng = page.rng
    count = rng.randint(2, 5)
    options = page.source.distinct(lambda: option_name(page), count)
    style = rng.choice(("tick", "tick", "cross", "radio", "filled"))
    one = style == "radio" or rng.random() < 0.55
    chosen = {rng.randrange(count)} if one else {i for i in range(count) if rng.random() < 0.45}
    size = max(8.0, type_.size * rng.uniform(0.75, 0.95))
    behind = not stacked and rng.random() < 0.1
    drawn, cursor = [], x
    for i, option in enumerate(options):
        width = size + 5 + type_.width(option) + 12
        if not stacked and cursor + width > right + 8:
            cursor, y = x, y + step
        if y + step > page.height:
            break
        if behind:
            _, _, end, _ = page.text(cursor, y, option, type_)
            tick_box(page, end + 4, y + type_.size * 0.6 - size / 2 + 1, size, i in chosen, style)
        else:
            tick_box(page, cursor, y + type_.size * 0.6 - size / 2 + 1, size, i in chosen, style)
            page.text(cursor + size + 5, y, option, type_)
        box_x = end + 4 if behind else cursor
        drawn.append((option, i in chosen, (box_x + size / 2, y + type_.size * 0.6 + 1)))
        page.tell("state", STATES.index("checked" if i in chosen else "unchecked"), page.runs[-1], drawn[-1][2])
        page.tie(page.runs[-1], drawn[-1][2])
        if stacked:
            y += step
        else:
            cursor += width
    for option, is_checked, place in drawn:
        page.ask("is_checked", "yes" if is_checked else "no", seen_answer=place, option=rng.choice((option, option, option.lower())))
    checked = [o for o, c, _ in drawn if c]
    if len(checked) == 1:
        page.ask("which_checked", checked[0])
        page.ask("which_checked", checked[0])
    return y if stacked else y + step


def heading(page: Page, size: float) -> float:
    """Sets and asks the title; returns the y below."""
    rng = page.rng
    title = make_title(page)
    head = page.fit(title, page.type(size * rng.uniform(1.2, 1.8), bold=True, second=True), page.width - 20)
    y = rng.uniform(3, 12)
    roll = rng.random()
    if roll < 0.2:
        fill = tuple(rng.randint(20, 150) for _ in range(3))
        page.rect(0, 0, page.width, y + head.size * 1.4, fill=fill)
        page.text(8, y, title, head, page.ink_on(fill))
    else:
        page.text(*((page.width / 2, y, title, head, None, "m") if roll < 0.55 else (8, y, title, head)))
    page.ask_title(title)
    y += head.size * 1.5
    if rng.random() < 0.4:
        page.line([(6, y), (page.width - 6, y)])
        y += 4
    return y + rng.uniform(0, 8)


def ending(page: Page, y: float, size: float, type_) -> None:
    """A signature line where there is room."""
    rng = page.rng
    if y + 32 > page.height or rng.random() < 0.35:
        return
    base = min(page.height - size * 1.4, y + rng.uniform(20, 40))
    x = rng.choice((10, page.width * 0.45))
    page.line([(x, base), (x + 100, base)])
    page.text(x, base + 1, rng.choice(("Signature", "Signed", "Customer signature", "Sign here")), type_.at(max(10, type_.size - 1)))
    signed = rng.random() < 0.55
    if signed:
        signature(page, x + rng.uniform(2, 20), base - 2, rng.uniform(45, 80))
    page.tell("state", STATES.index("signed" if signed else "unsigned"), (x + 25, base - 6))
    for _ in range(2):
        page.ask("is_signed", "yes" if signed else "no", seen_answer=(x + 25, base - 6))


def inline(page: Page) -> None:
    """`Name: value`, one under another; values may be aligned in a column."""
    rng = page.rng
    size = page.body_size(10, 14.5)
    type_, bold = page.type(size), page.type(size, bold=True)
    y, step, x = heading(page, size), size * rng.uniform(1.3, 1.9), rng.uniform(5, 24)
    fields = make_fields(page, rng.randint(2, 7))
    colon = rng.choice((":", ":", ""))
    aligned, bold_name, bold_value, underlined = rng.random() < 0.5 or not colon, rng.random() < 0.3, rng.random() < 0.2, rng.random() < 0.25
    name_type, value_type = bold if bold_name else type_, bold if bold_value else type_
    column = x + max(name_type.width(n + colon) for n, _ in fields) + 8
    shown = []
    for name, value in fields:
        start = column if aligned else x + name_type.width(name + colon) + 5
        if y + step > page.height:
            break
        if start + value_type.width(value) > page.width - 3:
            continue
        page.text(x, y, name + colon, name_type)
        page.text(start, y, value, value_type)
        if underlined:
            page.line([(start - 2, y + size * 1.2), (page.width - 8, y + size * 1.2)])
        shown.append((name, value))
        y += step
    if rng.random() < 0.6 and y + step < page.height:
        y = tick_boxes(page, x, y + 4, page.width - 6, step, type_, rng.random() < 0.5)
    ending(page, y, size, type_)
    ask_fields(page, shown)
    page.ask_words(1, 1)
    page.ask_places(1)


def boxed(page: Page, columns: int | None = None) -> None:
    """Small names above framed values, in one or two columns."""
    rng = page.rng
    size = page.body_size(10, 13.5)
    type_, small = page.type(size, bold=rng.random() < 0.2), page.type(max(10, size - rng.choice((0, 1, 2))), second=True)
    y, columns = heading(page, size), columns or rng.choice((1, 2, 2))
    gap = 8
    width = (page.width - 12 - gap * (columns - 1)) / columns
    height = size * 1.35 + small.size * 1.3
    framed, whole, tint = rng.random() < 0.6, rng.random() < 0.35, rng.random() < 0.4
    fill = tuple(max(0, min(255, c + (-14 if sum(page.paper) > 380 else 22))) for c in page.paper) if tint else None
    shown, col = [], 0
    for name, value in make_fields(page, rng.randint(2, 8)):
        x = 6 + col * (width + gap)
        if y + height > page.height - 2:
            break
        if max(type_.width(value), small.width(name)) > width - 8:
            continue
        if whole:
            page.rect(x, y - 1, x + width, y + height - 1, fill=fill, outline=page.ink)
        elif framed:
            page.rect(x, y + small.size * 1.2, x + width, y + height - 1, fill=fill, outline=page.ink)
        page.text(x + 3, y, name, small)
        page.text(x + 4, y + small.size * 1.25, value, type_)
        shown.append((name, value))
        col = (col + 1) % columns
        if col == 0:
            y += height + (0 if whole else rng.choice((2, 4)))
    if col:
        y += height + 4
    if rng.random() < 0.5 and y + size * 1.6 < page.height:
        y = tick_boxes(page, 8, y + 3, page.width - 6, size * 1.5, type_, False)
    ending(page, y, size, type_)
    ask_fields(page, shown)
    page.ask_words(1, 1)


def checklist(page: Page) -> None:
    """Mostly tick boxes, with a field or two."""
    rng = page.rng
    size = page.body_size(10.5, 15)
    type_ = page.type(size)
    y, step, x = heading(page, size), size * rng.uniform(1.35, 1.9), rng.uniform(6, 40)
    shown = []
    for name, value in make_fields(page, rng.randint(0, 2)):
        if x + type_.width(f"{name}: {value}") < page.width - 4:
            page.text(x, y, f"{name}: {value}", type_)
            shown.append((name, value))
            y += step
    y = tick_boxes(page, x, y + 4, page.width - 6, step, type_, rng.random() < 0.75)
    if rng.random() < 0.4 and y + step < page.height - 20:
        page.text(x, y + 4, f"Code: {(code := page.source.code())}", type_)
        page.ask("find_code", code)
        y += step + 4
    ending(page, y, size, type_)
    ask_fields(page, shown)


def ruled_rows(page: Page) -> None:
    """Names and values in a grid of two columns, like a data sheet."""
    rng = page.rng
    size = page.body_size(10, 13.5)
    type_, bold = page.type(size), page.type(size, bold=rng.random() < 0.5)
    y, step = heading(page, size) + 2, size * rng.uniform(1.4, 2)
    fields = make_fields(page, rng.randint(3, 8))
    x, right = rng.uniform(4, 16), page.width - rng.uniform(4, 16)
    middle = min(x + max(bold.width(n) for n, _ in fields) + 10, x + (right - x) * 0.55)
    tint = tuple(max(0, min(255, c + (-18 if sum(page.paper) > 380 else 24))) for c in page.paper)
    has_tint, framed, to_right = rng.random() < 0.5, rng.random() < 0.7, rng.random() < 0.15
    shown = []
    for name, value in fields:
        if y + step > page.height - 3:
            break
        if bold.width(name) > middle - x - 6 or middle + 5 + type_.width(value) > right - 2:
            continue
        if has_tint:
            page.rect(x, y, middle, y + step, fill=tint)
        if framed:
            page.rect(x, y, right, y + step, outline=page.ink)
            page.line([(middle, y), (middle, y + step)])
        else:
            page.line([(x, y + step), (right, y + step)])
        pad = (step - size * 1.2) / 2
        page.text(x + 4, y + pad, name, bold)
        page.text(right - 4 if to_right else middle + 5, y + pad, value, type_, anchor="r" if to_right else "l")
        shown.append((name, value))
        y += step
    if rng.random() < 0.35 and y + step + 6 < page.height:
        y = tick_boxes(page, x, y + 6, page.width - 6, step, type_, False)
    ending(page, y, size, type_)
    ask_fields(page, shown)
    page.ask_words(1, 1)
    page.ask_places(1)


def two_sided(page: Page) -> None:
    """Names right-aligned against values (held-out layout)."""
    rng = page.rng
    size = page.body_size(10.5, 13.5)
    type_, bold = page.type(size), page.type(size, bold=True)
    y, step, middle = heading(page, size), size * rng.uniform(1.4, 1.8), page.width * rng.uniform(0.36, 0.44)
    shown = []
    for name, value in make_fields(page, rng.randint(3, 7)):
        if y + step > page.height - 4:
            break
        if bold.width(name) > middle - 8 or middle + 8 + type_.width(value) > page.width - 4:
            continue
        page.text(middle, y, name, bold, anchor="r")
        page.text(middle + 8, y, value, type_)
        shown.append((name, value))
        y += step
    if rng.random() < 0.6 and y + step < page.height:
        y = tick_boxes(page, 10, y + 4, page.width - 6, step, type_, False)
    ending(page, y, size, type_)
    ask_fields(page, shown)
    page.ask_places(1)


TRAIN = [inline, inline, boxed, checklist, ruled_rows]
HELDOUT = [two_sided, boxed, checklist]
