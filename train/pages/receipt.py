"""Till receipts and bills."""

from __future__ import annotations

from train.pages.fields import spoken
from train.pages.page import Page, Type

GOODS = ("Coffee,Tea,Milk,Bread,Butter,Cheese,Apples,Bananas,Tomatoes,Rice,Pasta,Juice,Water,Soap,Batteries,Notebook,Pen,Salad,Soup,"
         "Pizza,Burger,Sandwich,Cake,Cookies,Eggs,Yogurt,Honey,Olives,Onions,Potatoes,Carrots,Chicken,Ham,Fish,Salt,Sugar,Flour,Oil,"
         "Shampoo,Towel,Candle,Lamp,Cable,Charger,Mouse,Paper,Stapler,Folder,Tape,Glue,Nails,Screws,Hammer,Paint,Brush,Bucket,Gloves,"
         "Socks,T-shirt,Hat,Scarf,Belt,Umbrella,Magazine,Newspaper,Chocolate,Chips,Beer,Wine,Lemonade,Muffin,Croissant,Bagel,Waffle").split(",")
TOTAL_NAMES = ("Total", "Total", "TOTAL", "TOTAL", "Amount due", "To pay", "Sum", "Total:", "Total due", "TOTAL EUR", "Grand total")
SHOP_ENDINGS = ("Market", "Store", "Shop", "Cafe", "Bakery", "Foods", "Deli", "Books", "Hardware", "& Co", "Pharmacy", "Grocery", "Bistro")
SIGNS = ("", "", "", "", "$", "EUR ", "$")


def item_name(page: Page) -> str:
    rng, source = page.rng, page.source
    roll = rng.random()
    if roll < 0.35:
        name = rng.choice(GOODS)
    elif roll < 0.55:
        name = f"{source.word(7).capitalize()} {rng.choice(GOODS).lower()}"
    elif roll < 0.85:
        name = source.word(9).capitalize()
    else:
        name = f"{source.word(7)} {source.word(7)}".capitalize()
    return name


class Bill:
    """Items with amounts; the total is their sum."""

    def __init__(self, page: Page, count: int):
        rng = page.rng
        names = page.source.distinct(lambda: item_name(page), count)
        upper = rng.random() < 0.25
        self.names = [n.upper() if upper else n for n in names]
        cents: list[int] = []
        while len(cents) < count:
            value = rng.randint(20, rng.choice((999, 2999, 9999)))
            value = value // 5 * 5 if rng.random() < 0.3 else value
            if value not in cents:
                cents.append(value)
        self.cents = cents
        self.prices = [f"{c / 100:.2f}" for c in cents]
        self.quantities = [rng.choice((1, 1, 1, 2, 3, 4)) for _ in range(count)]
        self.total_cents = sum(cents)


def ask_bill(page: Page, bill: Bill, total: str, total_name: str) -> None:
    rng = page.rng
    for name, price in zip(bill.names, bill.prices):
        name = rng.choice((name, name.lower()))
        page.ask("item_price", price, item=name)
    for i in rng.sample(range(len(bill.names)), min(3, len(bill.names))):
        if bill.prices[i] != total:
            page.ask("item_with_price", bill.names[i], price=bill.prices[i])
    page.ask("total", total)
    page.ask("total", total)
    ranked = sorted(bill.cents, reverse=True)
    if len(ranked) > 1 and ranked[0] > 1.08 * ranked[1]:
        page.ask("most_expensive", bill.names[bill.cents.index(ranked[0])])
    page.ask("count_items", str(len(bill.names)))
    if not page.heldout:
        page.ask_order(bill.names, bill.cents)


def till(page: Page, boxed: bool = False, quantity_first: bool | None = None, rows: bool = False) -> None:
    """A shop's name, perhaps an address and fields, lines of items, the total, perhaps a closing line."""
    rng, source = page.rng, page.source
    count = rng.choice((1, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8))
    bill = Bill(page, count)
    size = page.body_size(10, 15)
    margin = rng.uniform(6, 40)
    type_, bold = page.type(size), page.type(size, bold=True)
    left, right = margin, page.width - margin - rng.uniform(0, 20)
    head = page.fit(name := _shop_name(page), page.type(size * rng.uniform(1.1, 1.7), bold=True, second=True), right - left)
    extras = _extras(page)
    num_lines = count + 1 + len(extras) + 1
    step = size * 1.22
    while num_lines * step + head.size * 1.5 > page.height - 14 and extras:
        extras.pop()
        num_lines -= 1
    step = min(size * rng.uniform(1.22, 1.7), (page.height - 20 - head.size * 1.5) / num_lines)
    if step < size * 1.1:
        size = max(10.0, step / 1.12)
        type_, bold = type_.at(round(size * 2) / 2), bold.at(round(size * 2) / 2)
    y = rng.uniform(4, max(5, page.height - num_lines * step - head.size * 1.5 - 12))
    centred = rng.random() < 0.7
    page.text((left + right) / 2 if centred else left, y, name, head, anchor="m" if centred else "l")
    page.ask_title(name)
    y += head.size * 1.45
    for place, text, field in extras:
        if place != "top":
            continue
        line = page.fit(text, type_, right - left)
        page.text((left + right) / 2 if centred and not field else left, y, text, line, anchor="m" if centred and not field else "l")
        if field:
            page.ask("read_field", field[1], field=spoken(page, field[0]))
        y += step
    y = _rule(page, left, right, y)
    y = _items(page, bill, type_, left, right, y, step, quantity_first)
    y = _rule(page, left, right, y)
    total_name = rng.choice(TOTAL_NAMES)
    sign = rng.choice(SIGNS)
    total = f"{bill.total_cents / 100:.2f}"
    total_type = bold if rng.random() < 0.6 else type_
    if boxed:
        page.rect(left - 4, y - 1, right + 4, y + step, fill=tuple(max(0, c - 40) for c in page.paper))
    page.text(left, y, total_name, total_type)
    page.text(right, y, sign + total, total_type, anchor="r")
    y += step + 2
    last = ""
    for place, text, field in extras:
        if place == "bottom" and y + size * 1.2 < page.height:
            page.text((left + right) / 2, y, text, page.fit(text, type_, right - left), anchor="m")
            last = text
            y += step
    if last:
        page.ask("read_last_line", last)
    ask_bill(page, bill, total, total_name)
    page.ask_words(1, 1)


def _shop_name(page: Page) -> str:
    rng, source = page.rng, page.source
    name = rng.choice((f"{source.name(8)} {rng.choice(SHOP_ENDINGS)}", source.name(), f"{source.word(8).capitalize()} {rng.choice(SHOP_ENDINGS)}"))
    return name.upper() if rng.random() < 0.4 else name


def _extras(page: Page) -> list[tuple[str, str, tuple[str, str] | None]]:
    """Lines above and below the items: (place, text, field)."""
    rng, source = page.rng, page.source
    extras = []
    if rng.random() < 0.4:
        extras.append(("top", source.street(), None))
    if rng.random() < 0.25:
        extras.append(("top", source.city(), None))
    for chance, name, make in ((0.45, "Date", source.date), (0.2, "Time", source.time), (0.15, "Table", lambda: source.digits(1, 2)),
                               (0.25, rng.choice(("Receipt no.", "Invoice no.", "Order", "Bill no.", "Ticket")), lambda: source.digits(3, 7)),
                               (0.2, rng.choice(("Cashier", "Served by", "Server", "Clerk")), source.name)):
        if rng.random() < chance:
            value = make()
            colon = rng.choice((":", ":", ""))
            extras.append(("top", f"{name}{colon} {value}", (name, value)))
    if rng.random() < 0.5:
        extras.append(("bottom", rng.choice(("Thank you!", "Thank you for your visit", "Come again", "Have a nice day", "Paid by card",
                                             "Cash", "VISA " + source.digits(4, 4), source.phrase(3, 7).capitalize(), source.phone())), None))
    return extras


def _rule(page: Page, left: float, right: float, y: float) -> float:
    rng = page.rng
    roll = rng.random()
    if roll < 0.4:
        page.line([(left, y + 2), (right, y + 2)])
        return y + 6
    if roll < 0.6:
        x = left
        while x < right:
            page.line([(x, y + 2), (min(x + 4, right), y + 2)])
            x += 7
        return y + 6
    return y + rng.uniform(0, 4)


def _items(page: Page, bill: Bill, type_: Type, left, right, y, step, quantity_first) -> float:
    rng = page.rng
    if quantity_first is None:
        quantity_first = rng.random() < 0.25
    sign = rng.choice(SIGNS)
    dotted = rng.random() < 0.15
    lines = []
    for name, price, quantity in zip(bill.names, bill.prices, bill.quantities):
        amount = sign + price
        room = right - left - type_.width(amount) - 8
        start = left
        if quantity_first:
            page.text(left, y, f"{quantity}x" if dotted else str(quantity), type_)
            start += type_.width("00x")
            room -= type_.width("00x")
        fitted = page.fit(name, type_, room)
        _, _, end, _ = page.text(start, y, name, fitted)
        lines.append(page.runs[-1:])
        if dotted:
            dots = "." * int((right - type_.width(amount) - end - 4) / type_.width("."))
            if dots:
                page.draw_dots(end + 2, y, dots, type_)
        page.text(right, y, amount, type_, anchor="r")
        lines[-1].append(page.runs[-1])
        y += step
    page.tell_order(bill.cents, lines)
    page.group("count", [price for _, price in lines])
    for line, price in zip(lines, bill.prices):
        page.tie(*line)
        page.tell_value(price, *line)
        page.tell("count", len(lines), *line)
    return y


def boxed_bill(page: Page) -> None:
    """A bill whose total stands on a tinted bar (held-out layout)."""
    till(page, boxed=True)


TRAIN = [till]
HELDOUT = [boxed_bill, till]
