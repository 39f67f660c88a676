"""Tables with a header row."""

from __future__ import annotations

from train.pages.fields import make_title, spoken
from train.pages.page import Page, Run

HEADS = "Name,Item,City,Product,Room,Team,Part,Day,Station,Machine,Person,Class,Country,Sensor,Train,Course,Shop,Animal,Plant,Line".split(",")
NUMERIC = "Price,Score,Units,Stock,Age,Points,Weight,Count,Sales,Hours,Visits,Total,Temp,Speed,Cost,Qty,Rate,Miles,Orders,Defects,Level,Pages".split(",")
OTHER = {"Code": "code", "Date": "date", "Time": "time", "Status": "word", "Owner": "name", "Color": "word", "Place": "name", "ID": "code", "Type": "word", "Shift": "word", "Gate": "code"}
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Column:
    def __init__(self, page: Page, head: str, num_rows: int):
        rng, source = page.rng, page.source
        self.head = head
        self.is_numeric = head in NUMERIC or rng.random() < 0.5 and head not in OTHER
        if self.is_numeric:
            top = rng.choice((9, 20, 100, 100, 1000, 10000))
            decimals = rng.choice((0, 0, 0, 1, 2)) if top <= 100 else 0
            make = lambda: f"{rng.uniform(0.1, top):.{decimals}f}" if decimals else str(rng.randint(0, top))
        else:
            kind = OTHER.get(head, "word")
            make = {"code": source.code, "date": lambda: source.date()[:10].strip(" ,"), "time": source.time, "name": lambda: source.name(8),
                    "word": lambda: source.word(8)}[kind]
        self.cells = [make() for _ in range(num_rows)]


def build(page: Page) -> tuple[str, list[str], list[Column]]:
    """First column's header and texts, and the other columns."""
    rng, source = page.rng, page.source
    num_rows, num_columns = rng.choice((2, 3, 3, 4, 4, 5, 5, 6, 7)), rng.choice((1, 2, 2, 3, 3, 4))
    head = rng.choice(HEADS) if rng.random() < 0.75 else source.word(7).capitalize()
    if head == "Day" and rng.random() < 0.7:
        rows = DAYS[:num_rows]
    else:
        rows = source.distinct(lambda: rng.choice((source.name(9), source.word(8).capitalize(), source.code() if rng.random() < 0.3 else source.word(8))), num_rows)
    heads = source.distinct(lambda: rng.choice((rng.choice(NUMERIC), rng.choice(NUMERIC), rng.choice(list(OTHER)), source.word(7).capitalize())), num_columns)
    heads = [h for h in heads if h.lower() != head.lower()] or ["Value"]
    return head, rows, [Column(page, h, num_rows) for h in heads]


def draw_table(page: Page, grid: str, stub: str = "left") -> None:
    """`grid`: full, rows, zebra, or none."""
    rng = page.rng
    head, rows, columns = build(page)
    size = page.body_size(10, 15)
    table = [[head] + [c.head for c in columns]] + [[r] + [c.cells[i] for c in columns] for i, r in enumerate(rows)]
    while True:
        type_, bold = page.type(size), page.type(size, bold=True)
        widths = [max(max(type_.width(t), bold.width(t)) for t in col) + rng.uniform(7, 10) for col in zip(*table)]
        if sum(widths) < page.width - 8:
            break
        if size <= 10 or len(columns) > 3:
            if len(columns) == 1:
                break
            columns.pop()
            table = [row[:-1] for row in table]
        else:
            size -= 0.5
    spare = page.width - 8 - sum(widths)
    stretch = rng.uniform(0, 1) * max(0, spare) / len(widths)
    widths = [w + stretch for w in widths]
    title = make_title(page) if rng.random() < 0.6 else None
    title_type = page.fit(title, page.type(size * rng.uniform(1.1, 1.6), bold=True, second=True), page.width - 12) if title else None
    title_height = title_type.size * 1.6 if title else 0
    step = min(size * rng.uniform(1.35, 2.1), (page.height - title_height - 8) / len(table))
    y = rng.uniform(3, max(3.5, page.height - title_height - step * len(table) - 4))
    x = rng.uniform(3, max(3.5, page.width - sum(widths) - 4))
    if title:
        page.text(x if rng.random() < 0.5 else max(x, 4), y, title, title_type)
        page.ask_title(title)
        y += title_height
    _paint(page, table, widths, x, y, step, grid)
    first_run = len(page.runs)
    _fill(page, table, columns, widths, x, y, step, type_, bold)
    tell_table(page, columns, page.runs[first_run:])
    ask_table(page, head, rows, columns)


def _paint(page: Page, table, widths, x, y, step, grid) -> None:
    rng = page.rng
    right, bottom = x + sum(widths), y + step * len(table)
    rule = tuple((a + b) // 2 for a, b in zip(page.paper, page.ink)) if rng.random() < 0.5 else page.ink
    tint = tuple(max(0, min(255, c + (-22 if sum(page.paper) > 380 else 28))) for c in page.paper)
    page.head_ink = page.ink
    if rng.random() < 0.35:
        fill = tint if rng.random() < 0.5 else tuple(rng.randint(20, 130) for _ in range(3))
        page.rect(x, y, right, y + step, fill=fill)
        page.head_ink = page.ink_on(fill)
    if grid == "zebra":
        for i in range(2, len(table), 2):
            page.rect(x, y + i * step, right, y + (i + 1) * step, fill=tint)
    if grid in ("full", "rows"):
        for i in range(len(table) + 1):
            page.line([(x, y + i * step), (right, y + i * step)], rule)
    if grid == "full":
        edge = x
        for w in [0, *widths]:
            edge += w
            page.line([(edge, y), (edge, bottom)], rule)
    if grid == "none":
        page.line([(x, y + step), (right, y + step)], rule)


def _fill(page: Page, table, columns, widths, x, y, step, type_, bold) -> None:
    rng = page.rng
    align_right = rng.random() < 0.5
    centre_all = rng.random() < 0.15
    bold_stub = rng.random() < 0.2
    pad = (step - type_.size * 1.2) / 2
    for i, row in enumerate(table):
        edge = x
        for j, (cell, width) in enumerate(zip(row, widths)):
            used = bold if i == 0 or (j == 0 and bold_stub) else type_
            anchor, at = "l", edge + 4
            if centre_all:
                anchor, at = "m", edge + width / 2
            elif j > 0 and align_right and columns[j - 1].is_numeric:
                anchor, at = "r", edge + width - 4
            page.text(at, y + i * step + pad, cell, used, page.head_ink if i == 0 else None, anchor)
            edge += width


def tell_table(page: Page, columns: list[Column], runs: list[Run]) -> None:
    """Facts about the cells, whose `runs` stand row after row, the header first."""
    width = 1 + len(columns)
    rows = [runs[i:i + width] for i in range(0, len(runs), width)]
    page.group("count", [row[0] for row in rows[1:]])
    for row in rows:
        page.tell("count", len(rows) - 1, row[0])
        for number, run in enumerate(row):
            page.tell("column", number, run)
            if row is not rows[0] and number:
                page.link("name", row[0], run)
                page.link("header", rows[0][number], run)
    for number, column in enumerate(columns, 1):
        if column.is_numeric:
            values, cells = [float(cell) for cell in column.cells], [row[number] for row in rows[1:]]
            page.tell_order(values, [(cell,) for cell in cells])
            # A question names the column: at its head the tower has to know where its largest and smallest are.
            page.link("largest", cells[values.index(max(values))], rows[0][number])
            page.link("smallest", cells[values.index(min(values))], rows[0][number])
            for cell, row in zip(column.cells, rows[1:]):
                page.tell_value(cell, row[number])


def ask_table(page: Page, head: str, rows: list[str], columns: list[Column]) -> None:
    rng = page.rng
    cells = [(c, i) for c in columns for i in range(len(rows))]
    for column, i in rng.sample(cells, min(6, len(cells))):
        page.ask("table_cell", column.cells[i], row=rng.choice((rows[i], rows[i], rows[i].lower())), column=spoken(page, column.head))
    unique = [(c, i) for c, i in cells if c.cells.count(c.cells[i]) == 1]
    for column, i in rng.sample(unique, min(2, len(unique))):
        page.ask("table_find", rows[i], head=head.lower(), column=spoken(page, column.head), value=column.cells[i])
    for column in columns:
        if column.is_numeric:
            ranked = sorted(map(float, column.cells), reverse=True)
            if ranked[0] > 1.05 * ranked[1]:
                best = max(range(len(rows)), key=lambda i: float(column.cells[i]))
                page.ask("table_max", rows[best], head=head.lower(), column=spoken(page, column.head))
    page.ask("count_rows", str(len(rows)))
    if not page.heldout:
        for column in columns:
            if column.is_numeric:
                page.ask_order(rows, [float(cell) for cell in column.cells], f" by {spoken(page, column.head)}")
    page.ask_words(1, 1)


def full_grid(page: Page) -> None:
    """Every cell has a frame."""
    draw_table(page, "full")


def ruled(page: Page) -> None:
    """Lines between rows only."""
    draw_table(page, "rows")


def bare(page: Page) -> None:
    """One line below the header."""
    draw_table(page, "none")


def zebra(page: Page) -> None:
    """Every second row is tinted (held-out layout)."""
    draw_table(page, "zebra")


TRAIN = [full_grid, ruled, bare]
HELDOUT = [zebra, full_grid]
