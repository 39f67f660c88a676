"""Letters, notes and notices: running text."""

from __future__ import annotations

import math

from train.pages.fields import make_fields, make_title, spoken
from train.pages.page import Page, Type


def signature(page: Page, x: float, y: float, width: float) -> None:
    """A handwriting-like stroke on a line that begins at (x, y)."""
    rng = page.rng
    colour = rng.choice(((20, 30, 120), (15, 15, 15), (30, 60, 160)))
    height, phase, freq = rng.uniform(6, 12), rng.uniform(0, 6), rng.uniform(0.25, 0.5)
    points, cursor, wander = [], 0.0, 0.0
    while cursor < width:
        wander = 0.8 * wander + rng.uniform(-2, 2)
        lean = 3 * math.sin(cursor * freq * 2 + phase)
        points.append((x + cursor + lean, y - height * 0.45 + height * 0.5 * math.sin(cursor * freq + phase) + wander))
        cursor += rng.uniform(1.2, 3.0)
    page.line(points, colour, line=rng.choice((1, 1.5, 2)), thing="signature")


def body_text(page: Page, type_: Type, width: float, num_lines: int) -> list[str]:
    """Lines of words that fit `width`; sentences with commas and full stops."""
    rng, source, lines = page.rng, page.source, []
    starts = True
    while len(lines) < num_lines:
        line = ""
        while True:
            word = rng.choice(("the", "of", "and", "to", "in", "is", "for", "on", "we", "your", "with")) if rng.random() < 0.25 else source.word(9)
            if rng.random() < 0.06:
                word = rng.choice((source.digits(1, 3), source.name(8)))
            if starts:
                word = word[0].upper() + word[1:]
            starts = rng.random() < 0.1
            word += "." if starts else "," if rng.random() < 0.06 else ""
            if type_.width(f"{line} {word}") > width:
                break
            line = f"{line} {word}".strip()
        lines.append(line)
    return lines


def ask_reading(page: Page) -> None:
    """Questions on lines and words of a page whose lines are all of one column."""
    rng, lines = page.rng, page.text_lines()
    for n in rng.sample(range(1, len(lines) + 1), min(4, len(lines))):
        if n <= 10 and lines[n - 1].isascii():
            nth = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"][n - 1]
            page.ask("read_line", lines[n - 1], n=n, nth=nth)
    page.ask("read_last_line", lines[-1])
    page.ask_words(2, 2)
    ask_next_word(page, lines)


def ask_next_word(page: Page, lines: list[str], count: int = 3) -> None:
    rng = page.rng
    pairs = [(a, b) for line in lines for a, b in zip(line.split(), line.split()[1:])]
    counts: dict[str, int] = {}
    for line in lines:
        for word in line.split():
            counts[word.strip(".,").lower()] = counts.get(word.strip(".,").lower(), 0) + 1
    pairs = [(a.strip(".,:"), b.strip(".,:")) for a, b in pairs if counts.get(a.strip(".,").lower()) == 1]
    for first, second in rng.sample(pairs, min(count, len(pairs))):
        if first and second:
            page.ask("next_word", second, word=first)


def plain_letter(page: Page) -> None:
    """Letterhead, a date or reference, greeting, text, closing."""
    rng, source = page.rng, page.source
    size = page.body_size(10, 15)
    type_, head = page.type(size), page.type(size * rng.uniform(1.15, 1.7), bold=True, second=True)
    margin, step = rng.uniform(6, 22), size * rng.uniform(1.2, 1.6)
    y = rng.uniform(4, 24)
    right = page.width - margin
    title = rng.choice((make_title(page), f"{source.name()} {source.word(8).title()}", source.name()))
    head = page.fit(title, head, right - margin)
    centred = rng.random() < 0.4
    page.text(page.width / 2 if centred else margin, y, title, head, page.ink_on(page.paper) if rng.random() < 0.3 else None, "m" if centred else "l")
    page.ask_title(title)
    y += head.size * rng.uniform(1.4, 2)
    for name, value in make_fields(page, rng.randint(0, 2)):
        text = f"{name}: {value}"
        if type_.width(text) < right - margin:
            page.text(margin, y, text, type_)
            page.ask("read_field", value, field=spoken(page, name))
            y += step
    if rng.random() < 0.35:
        code = source.code()
        lead = rng.choice(("Your code is", "Code:", "Error code", "Error", "The code is", "Access code:"))
        page.text(margin, y, f"{lead} {code}", type_)
        page.ask("find_code", code)
        y += step
    y += rng.choice((0, step * 0.5, step))
    if rng.random() < 0.6 and y < page.height - 2 * step:
        page.text(margin, y, rng.choice((f"Dear {source.name()},", f"Hello {source.name()},", f"Dear {rng.choice(('Mr', 'Ms'))} {source.name(8)},")), type_)
        y += step * rng.choice((1, 1.5))
    room = int((page.height - y - 2) / step)
    closing = rng.random() < 0.5 and room >= 4
    num_lines = rng.randint(1, max(1, room - 3)) if closing else rng.randint(1, max(1, room))
    if y + step < page.height:
        for line in body_text(page, type_, right - margin, num_lines):
            page.text(margin, y, line, type_)
            y += step
    signed = False
    if closing:
        if rng.random() < 0.5:
            page.text(margin, y + 2, rng.choice(("Sincerely,", "Kind regards,", "Yours,", "Best wishes,", "Thank you,")), type_)
            y += step + 2
        if y + 2 * step + 4 < page.height and rng.random() < 0.7:
            signed = rng.random() < 0.6
            if signed:
                signature(page, margin + rng.uniform(0, 20), y + step * 0.9, rng.uniform(40, 90))
            page.text(margin, y + step + 3, source.person(), type_)
    page.ask("is_signed", "yes" if signed else "no")
    ask_reading(page)


def notice(page: Page) -> None:
    """A few large centred lines."""
    rng, source = page.rng, page.source
    num_lines = rng.randint(2, 6)
    sizes = [page.body_size(12, 22) for _ in range(num_lines)]
    sizes[0] = max(sizes) * 1.1
    y = rng.uniform(8, max(10, page.height - sum(sizes) * 1.6))
    margin = 8
    anchor = rng.choice("mml")
    for i, size in enumerate(sizes):
        type_ = page.type(size, bold=i == 0)
        text = make_title(page) if i == 0 else rng.choice((source.phrase(2, 8), source.phrase(3, 7), source.date(), source.time(), source.phrase(1), source.person()))
        text = text if i == 0 or rng.random() < 0.6 else source.cased(text)
        type_ = page.fit(text, type_, page.width - 2 * margin)
        if y + type_.size * 1.25 > page.height:
            break
        page.text(page.width / 2 if anchor == "m" else margin, y, text, type_, anchor=anchor)
        if i == 0:
            page.ask_title(text)
        y += type_.size * rng.uniform(1.25, 1.7)
    page.ask_places(2)
    ask_reading(page)


def memo(page: Page) -> None:
    """A ruled memo: boxed heading, then text (held-out layout)."""
    rng, source = page.rng, page.source
    size = page.body_size(10.5, 14)
    type_, step = page.type(size), size * 1.45
    title = rng.choice(("Memo", "Notice", make_title(page)))
    head = page.fit(title, page.type(size * 1.5, bold=True), page.width - 30)
    page.rect(6, 6, page.width - 6, 12 + head.size * 1.5, outline=page.ink)
    page.text(page.width / 2, 9, title, head, anchor="m")
    page.ask_title(title)
    y = 22 + head.size * 1.5
    for name, value in make_fields(page, rng.randint(1, 2)):
        page.text(12, y, f"{name}: {value}", page.fit(f"{name}: {value}", type_, page.width - 24))
        page.ask("read_field", value, field=spoken(page, name))
        y += step
    page.line([(8, y + 2), (page.width - 8, y + 2)])
    y += 8
    for line in body_text(page, type_, page.width - 24, max(1, min(8, int((page.height - y - 6) / step)))):
        page.text(12, y, line, type_)
        y += step
    ask_reading(page)


TRAIN = [plain_letter, plain_letter, notice]
HELDOUT = [memo, plain_letter]
