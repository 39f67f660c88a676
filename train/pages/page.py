"""A page being drawn: the picture, what stands where (dense labels), and its questions.

Coordinates are final pixels. A page may be drawn on a canvas `scale` times larger and shrunk afterwards, which
gives type without hinting, as a photograph or a scan would show it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from train import fonts
from train.questions import POSITIONS, phrase
from train.text_sources import TextSource

# Dense labels: what covers a point of the picture.
THINGS = ["none", "lamp", "bar", "gauge", "needle", "red_zone", "checked", "unchecked", "signature", "line", "point",
          "circle", "square", "triangle", "star", "diamond", "cross", "heart", "ring", "display", "logo"]
PALETTE = {
    "red": (214, 40, 40), "orange": (243, 134, 34), "yellow": (246, 212, 40), "green": (46, 160, 67),
    "blue": (40, 90, 214), "purple": (128, 60, 180), "pink": (244, 140, 190), "brown": (130, 82, 45),
    "black": (24, 24, 24), "white": (250, 250, 250), "gray": (140, 140, 140),
}
COLOUR_NAMES = list(PALETTE)
# Dense labels: what has to be worked out about a place of the picture before a question about it can be answered, with
# the number of classes.
FACTS = {
    "line": 20,  # which line of text it is, from the top
    "is_last": 2,  # is that line the lowest?
    "cell": 9,  # part of the picture (POSITIONS)
    "column": 6,  # of a table
    "extreme": 3,  # of its kind: neither, the largest, the smallest
    "count": 10,  # how many of its kind there are: bars, points, rows, items, shapes; lamps that are on
    "same_colour": 10,  # how many of its kind have its colour
    "same_shape": 10,
    "state": 15,  # STATES
    "amount": 40,  # share of the scale, in 40 parts
    "scale": 24,  # the scale's end (SCALES, which has room to grow)
    "num_digits": 5,  # of its value, before the point
    "first_digit": 10,
    "second_digit": 11,  # 10 where there is none
    "rank": 10,  # how many of its kind are larger
    "magnitude": 64,  # of its value: the logarithm, MAGNITUDES_A_DECADE to each power of ten from 1 on
}
MAGNITUDES_A_DECADE = 16
STATES = ["off", "red", "orange", "green", "blue", "yellow", "white", "unchecked", "checked", "unsigned", "signed", "below", "in the red", "falling", "rising"]
SCALES = [6, 8, 10, 12, 16, 20, 25, 40, 50, 60, 80, 100, 120, 160, 200, 250, 300, 400, 500, 1000]
# Where one has to look from a place, to know such facts: heads of the tower are told to.
LINKS = ["thing",  # from a name: the bar, point, lamp, box or price that it names
         "name",  # the other way, and from a cell to its row's name
         "header",  # from a cell to its column's header
         "below", "above",  # from a value's place: the numbers of the scale around it
         "largest", "smallest",  # of its kind
         "end",  # from a value's place: the scale's last number
         "start", "next"]  # from a character: the first of its text, the next one
# What is counted by looking at all of its kind at once (`group`).
GROUPS = ["count", "same_colour", "same_shape"]
# Facts and links of a value, told at the first character of its text and of its name only: there they can be read, and to
# bring them to the other characters would take the tower one more layer.
AT_START = {"extreme", "count", "amount", "scale", "num_digits", "first_digit", "second_digit", "rank", "magnitude",
            "below", "above", "largest", "smallest"}
# Of the weights of type on a page of training, so many are slanted though nobody asked: people set whole pages so.
SLANTED_SHARE = 0.1
# Pages whose lines of text are told: the others' text stands here and there.
LINED_PAGES = {"receipt", "form", "label", "letter", "table", "soup"}


@dataclass
class Question:
    kind: str
    question: str
    answer: str
    accept: list[str] = field(default_factory=list)
    tolerance: float | None = None
    # What is not printed but seen: words of the question, and the answer, with the number of their mark on the page.
    seen: dict[str, int] = field(default_factory=dict)
    seen_answer: int | None = None


@dataclass
class Glyph:
    """One character, its centre in pixels. A mark has none: it is the place of something that a question is about."""

    x: float
    y: float
    char: str


@dataclass
class Fact:
    """One class of `name` in FACTS, true at these of the page's glyphs and marks."""

    name: str
    value: int
    glyphs: list[int]
    marks: list[int]


@dataclass
class Link:
    """These of the page's glyphs and marks are to look at another glyph or mark."""

    name: str
    glyphs: list[int]
    marks: list[int]
    to_glyph: int | None
    to_mark: int | None


@dataclass
class Group:
    """These of the page's glyphs and marks are alike in the sense of `name` in GROUPS."""

    name: str
    glyphs: list[int]
    marks: list[int]


@dataclass(frozen=True)
class Type:
    """A font file at a size in final pixels, drawn `scale` times larger (hinting makes widths depend on it)."""

    path: str
    size: float
    scale: float

    @property
    def font(self):
        return fonts.load_font(self.path, self.size * self.scale)

    def advance(self, char: str) -> float:
        return fonts.advance(self.path, self.size * self.scale, char) / self.scale

    def width(self, text: str) -> float:
        return fonts.advance(self.path, self.size * self.scale, text) / self.scale

    def at(self, size: float) -> "Type":
        return Type(self.path, size, self.scale)


@dataclass
class Run:
    """One piece of text set in one go, its box in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    type_: Type
    first_glyph: int  # of the page's glyphs; spaces have none

    @property
    def glyphs(self) -> range:
        return range(self.first_glyph, self.first_glyph + len(self.text.replace(" ", "")))

    def word_boxes(self) -> list[tuple[str, float, float]]:
        """Words with their left and right edges."""
        boxes, end = [], 0
        for word in self.text.split():
            start = self.text.index(word, end)
            end = start + len(word)
            left = self.x0 + self.type_.width(self.text[:start])
            boxes.append((word, left, left + self.type_.width(word)))
        return boxes


def jitter(rng: random.Random, colour: tuple[int, int, int], amount: int = 14) -> tuple[int, int, int]:
    return tuple(max(0, min(255, c + rng.randint(-amount, amount))) for c in colour)


def luminance(colour: tuple[int, int, int]) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


class Page:
    """One picture of `width` x `height` pixels with its labels and questions."""

    def __init__(self, rng: random.Random, heldout: bool = False, kind: str = "letter"):
        self.rng = rng
        self.heldout = heldout
        self.kind = kind
        self.wants_questions = True
        self.source = TextSource(rng, heldout)
        self.width, self.height = self._pick_size()
        self.scale = rng.choice((1, 1, 1, 1.5, 2))
        self.paper, self.ink = self._pick_colours()
        canvas = (round(self.width * self.scale), round(self.height * self.scale))
        self.image = Image.new("RGB", canvas, self.paper)
        self.draw = ImageDraw.Draw(self.image)
        self.things = Image.new("L", (self.width, self.height), 0)
        self.things_draw = ImageDraw.Draw(self.things)
        self.colours = Image.new("L", (self.width, self.height), 0)
        self.colours_draw = ImageDraw.Draw(self.colours)
        self.glyphs: list[Glyph] = []
        self.marks: list[Glyph] = []
        self.facts: list[Fact] = []
        self.links: list[Link] = []
        self.groups: list[Group] = []
        self.runs: list[Run] = []
        self.questions: list[Question] = []
        self.face = rng.choice(fonts.faces(heldout))
        self.second_face = rng.choice(fonts.faces(heldout)) if rng.random() < 0.35 else self.face
        self._types: dict[tuple, str] = {}

    def _pick_size(self) -> tuple[int, int]:
        rng = self.rng
        if rng.random() < 0.75:
            return 256, 256
        short = rng.randint(160, 250)
        return (256, short) if rng.random() < 0.5 else (short, 256)

    def _pick_colours(self):
        rng = self.rng
        roll = rng.random()
        if roll < 0.50:
            paper = jitter(rng, (250, 250, 250), 5)
        elif roll < 0.80:
            paper = tuple(rng.randint(205, 255) for _ in range(3))
        elif roll < 0.90:
            paper = tuple(rng.randint(10, 70) for _ in range(3))
        else:
            paper = tuple(rng.randint(150, 235) for _ in range(3))
        return paper, self.ink_on(paper)

    def ink_on(self, paper: tuple[int, int, int]) -> tuple[int, int, int]:
        """A colour that can be read on `paper`."""
        rng = self.rng
        dark = luminance(paper) > 120
        while True:
            if rng.random() < 0.6:
                ink = tuple(rng.randint(0, 45) for _ in range(3)) if dark else tuple(rng.randint(215, 255) for _ in range(3))
            else:
                ink = tuple(rng.randint(0, 150) for _ in range(3)) if dark else tuple(rng.randint(120, 255) for _ in range(3))
            if abs(luminance(ink) - luminance(paper)) > 85:
                return ink

    # Type.

    def type(self, size: float, bold: bool = False, second: bool = False, slanted: bool = False) -> Type:
        """The page's typeface; the same weight always gives the same file."""
        key = (bold, second, slanted)
        if key not in self._types:
            if not self.heldout and self.rng.random() < SLANTED_SHARE:
                slanted = True
            face = self.second_face if second else self.face
            self._types[key] = face.font_path(self.rng, bold, slanted)
        return Type(self._types[key], round(size * 2) / 2, self.scale)

    def body_size(self, low: float = 10, high: float = 16) -> float:
        """A size for running text; small sizes are common."""
        return low + (high - low) * self.rng.random() ** 1.5

    def text(self, x: float, y: float, text: str, type_: Type, colour=None, anchor: str = "l") -> tuple[float, float, float, float]:
        """Sets one line; `y` is the top of the line. Anchor l, m or r. Returns the box left, top, right, bottom."""
        width = type_.width(text)
        left = x - width * {"l": 0, "m": 0.5, "r": 1}[anchor]
        s = self.scale
        ascent = 0.93 * type_.size  # the baseline is put the same for all faces, so that a line's box is known
        self.draw.text((left * s, (y + ascent) * s), text, font=type_.font, fill=colour or self.ink, anchor="ls")
        steps = [type_.advance(char) for char in text]
        kerning = width / max(sum(steps), 1e-6)  # spread evenly: the true pairs cost more than they give
        cursor, first_glyph = left, len(self.glyphs)
        for char, step in zip(text, steps):
            if char != " ":
                self.glyphs.append(Glyph(cursor + step * kerning / 2, y + ascent - 0.33 * type_.size, char))
            cursor += step * kerning
        self.runs.append(Run(left, y, left + width, y + 1.2 * type_.size, text, type_, first_glyph))
        return left, y, left + width, y + 1.2 * type_.size

    def draw_dots(self, x: float, y: float, dots: str, type_: Type) -> None:
        """A leader of dots; it is no text to read."""
        self.draw.text((x * self.scale, (y + 0.93 * type_.size) * self.scale), dots, font=type_.font, fill=self.ink, anchor="ls")

    # Shapes. `thing` and `colour_name` fill the dense labels.

    def _label(self, method: str, points, thing: str | None, colour_name: str | None, **options) -> None:
        if thing:
            getattr(self.things_draw, method)(points, fill=THINGS.index(thing), **options)
        if colour_name:
            getattr(self.colours_draw, method)(points, fill=1 + COLOUR_NAMES.index(colour_name), **options)

    def _scaled(self, points):
        return [tuple(c * self.scale for c in p) for p in points]

    def rect(self, x0, y0, x1, y1, fill=None, outline=None, line=1.0, radius=0.0, thing=None, colour_name=None) -> None:
        s = self.scale
        x1, y1 = max(x0, x1), max(y0, y1)
        box = [x0 * s, y0 * s, x1 * s, y1 * s]
        width = max(1, round(line * s))
        if radius:
            self.draw.rounded_rectangle(box, radius * s, fill=fill, outline=outline, width=width)
        else:
            self.draw.rectangle(box, fill=fill, outline=outline, width=width)
        self._label("rectangle", [x0, y0, x1, y1], thing, colour_name)

    def ellipse(self, x0, y0, x1, y1, fill=None, outline=None, line=1.0, thing=None, colour_name=None) -> None:
        s = self.scale
        self.draw.ellipse([x0 * s, y0 * s, x1 * s, y1 * s], fill=fill, outline=outline, width=max(1, round(line * s)))
        self._label("ellipse", [x0, y0, x1, y1], thing, colour_name)

    def polygon(self, points, fill=None, outline=None, thing=None, colour_name=None) -> None:
        self.draw.polygon(self._scaled(points), fill=fill, outline=outline)
        self._label("polygon", [tuple(p) for p in points], thing, colour_name)

    def line(self, points, colour=None, line=1.0, thing=None, colour_name=None) -> None:
        self.draw.line(self._scaled(points), fill=colour or self.ink, width=max(1, round(line * self.scale)), joint="curve")
        if thing or colour_name:
            self._label("line", [tuple(p) for p in points], thing, colour_name, width=max(2, round(line)))

    def arc(self, x0, y0, x1, y1, start, end, colour=None, line=1.0) -> None:
        s = self.scale
        self.draw.arc([x0 * s, y0 * s, x1 * s, y1 * s], start, end, fill=colour or self.ink, width=max(1, round(line * s)))

    def fit(self, text: str, type_: Type, max_width: float) -> Type:
        """The type, made smaller (10 pixels at least) until the text fits."""
        width = type_.width(text)
        return type_ if width <= max_width else type_.at(max(10.0, int(type_.size * max_width / width * 2) / 2))

    def lines_of_runs(self) -> list[list[Run]]:
        """All text in reading order: runs on one height form a line."""
        lines: list[list[Run]] = []
        for run in sorted(self.runs, key=lambda r: ((r.y0 + r.y1) / 2, r.x0)):
            middle = (run.y0 + run.y1) / 2
            if lines and middle - (lines[-1][0].y0 + lines[-1][0].y1) / 2 < 0.45 * (run.y1 - run.y0):
                lines[-1].append(run)
            else:
                lines.append([run])
        return [sorted(line, key=lambda r: r.x0) for line in lines]

    def text_lines(self) -> list[str]:
        return [" ".join(run.text for run in line) for line in self.lines_of_runs()]

    def words(self) -> list[tuple[str, tuple[float, float]]]:
        """Plain words of three letters or more, as printed, and their centres."""
        return [(w, ((left + right) / 2, (run.y0 + run.y1) / 2)) for run in self.runs
                for w, left, right in ((t.strip(".,:;!?()"), left, right) for t, left, right in run.word_boxes()) if len(w) >= 3 and w.isalpha()]

    # Facts.

    def tell(self, name: str, value: int, *where: Run | tuple[float, float]) -> None:
        """A fact about texts that were set and about points. A value beyond the classes is left out; so is all where no
        questions are wanted: a tower that sees quarters of the picture could not know it."""
        if self.wants_questions and 0 <= value < FACTS[name]:
            self.facts.append(Fact(name, value, *self._glyphs_and_marks(name, where)))

    def link(self, name: str, target: Run | tuple[float, float], *where: Run | tuple[float, float]) -> None:
        """From texts and points to a point or the first character of a text."""
        if not self.wants_questions:
            return
        is_text = isinstance(target, Run)
        self.links.append(Link(name, *self._glyphs_and_marks(name, where), target.first_glyph if is_text else None, None if is_text else self._mark(target)))

    def _glyphs_and_marks(self, name: str, where: tuple) -> tuple[list[int], list[int]]:
        glyphs = [g for place in where if isinstance(place, Run) for g in (place.glyphs[:1] if name in AT_START else place.glyphs)]
        return glyphs, [self._mark(place) for place in where if not isinstance(place, Run)]

    def group(self, name: str, places: list[Run | tuple[float, float]]) -> None:
        """All that `name` counts together: the first characters of texts, and points."""
        if self.wants_questions:
            glyphs = [place.first_glyph for place in places if isinstance(place, Run)]
            self.groups.append(Group(name, glyphs, [self._mark(place) for place in places if not isinstance(place, Run)]))

    def group_alike(self, name: str, kinds: list[str], places: list[Run | tuple[float, float]]) -> None:
        """A group for each kind that occurs."""
        for wanted in sorted(set(kinds)):
            self.group(name, [place for kind, place in zip(kinds, places) if kind == wanted])

    def tie(self, label: Run, thing: Run | tuple[float, float]) -> None:
        """A name and what it names."""
        self.link("thing", thing, label)
        self.link("name", label, thing)

    def tell_order(self, values: list[float], places: list[tuple]) -> None:
        """The extremes, and how many are larger, of values that are clearly apart or alike."""
        self.tell_extremes(values, places)
        for value, where in zip(values, places):
            self.tell("rank", sum(other > value for other in values), *where)

    def tell_extremes(self, values: list[float], places: list[tuple]) -> None:
        """Which is the largest, which the smallest; the places of each value, where it can be seen last."""
        largest, smallest = (places[values.index(pick(values))][-1] for pick in (max, min))
        for value, where in zip(values, places):
            self.tell("extreme", 1 if value == max(values) else 2 if value == min(values) else 0, *where)
            self.link("largest", largest, *where)
            self.link("smallest", smallest, *where)

    def tell_value(self, shown: str, *where: Run | tuple[float, float]) -> None:
        """A number's size and digits, as it is answered."""
        whole, digits = shown.split(".")[0], shown.replace(".", "")
        self.tell("magnitude", int(MAGNITUDES_A_DECADE * math.log10(max(1.0, float(shown)))), *where)
        self.tell("num_digits", len(whole), *where)
        self.tell("first_digit", int(digits[0]), *where)
        self.tell("second_digit", int(digits[1]) if len(digits) > 1 else 10, *where)

    def tell_share(self, value: float, end: float, *where: Run | tuple[float, float]) -> None:
        """A value's place on a scale from 0 to `end`."""
        self.tell("amount", min(FACTS["amount"] - 1, int(value / end * FACTS["amount"])), *where)
        self.tell("scale", SCALES.index(end), *where)

    def link_to_scale(self, value: float, ticks: list[tuple[float, Run]], *where: Run | tuple[float, float]) -> None:
        """To the printed numbers of a scale that a value lies between, and to the last."""
        self.link("below", max((t for t in ticks if t[0] <= value), default=ticks[0], key=lambda t: t[0])[1], *where)
        self.link("above", min((t for t in ticks if t[0] >= value), default=ticks[-1], key=lambda t: t[0])[1], *where)
        end, run = ticks[-1]
        self.link("end", run, *where)
        self.tell("scale", SCALES.index(end), run)

    def tell_text_places(self) -> None:
        """Line and part of the picture of every text; once the page is drawn."""
        lines = self.lines_of_runs()
        for number, line in enumerate(lines):
            if self.kind in LINED_PAGES:
                self.tell("line", number, *line)
                self.tell("is_last", number == len(lines) - 1, *line)
        for run in self.runs:
            for index in run.glyphs:
                glyph = self.glyphs[index]
                cell = self.cell_of(glyph.x, glyph.y, 0.02)
                if cell:
                    self.facts.append(Fact("cell", POSITIONS.index(cell), [index], []))

    # Questions.

    def ask(self, kind: str, answer: str, accept: list[str] | None = None, tolerance: float | None = None,
            seen: dict[str, tuple[float, float]] | None = None, seen_answer: tuple[float, float] | None = None, **slots) -> None:
        """`seen` tells where the things stand that words of the question name, `seen_answer` where one has to look for the answer."""
        marks = {word: self._mark(place) for word, place in (seen or {}).items()}
        self.questions.append(Question(kind, phrase(kind, self.rng, **slots), answer, accept or [], tolerance, marks,
                                       self._mark(seen_answer) if seen_answer else None))

    def _mark(self, place: tuple[float, float]) -> int:
        self.marks.append(Glyph(*place, ""))
        return len(self.marks) - 1

    def cell_of(self, x: float, y: float, margin: float = 0.045) -> str | None:
        """Name of the grid cell of a point, or None where it is too near a border of cells to be asked about."""
        fx, fy = x / self.width, y / self.height
        for f in (fx, fy):
            if min(abs(f - 1 / 3), abs(f - 2 / 3)) < margin:
                return None
        return POSITIONS[3 * int(min(fy, 0.999) * 3) + int(min(fx, 0.999) * 3)]

    def ask_title(self, title: str) -> None:
        self.ask("title", title)

    def ask_order(self, names: list[str], values: list[float], by: str = "") -> None:
        """Training only: the names from the largest value to the smallest. One answer tells of every pair."""
        if len(set(values)) == len(values) > 1:
            question = self.rng.choice(("Sort them{0}, the highest first.", "List all from high to low{0}.")).format(by)
            ranked = sorted(zip(values, names), reverse=True)
            self.questions.append(Question("order", question, "\n".join(name for _, name in ranked)))

    def ask_words(self, num_present: int = 1, num_absent: int = 1) -> None:
        """Is this word on the page? Absent words are new, or a word of the page with one letter changed."""
        rng, words = self.rng, self.words()
        present = {w.lower() for w, _ in words}
        for word, place in rng.sample(words, min(num_present, len(words))):
            self.ask("has_word", "yes", seen_answer=place, word=rng.choice((word, word, word.lower())))
        for _ in range(num_absent):
            word = self.source.cased(self.source.word())
            if word.lower() not in present:
                self.ask("has_word", "no", word=word)

    def ask_places(self, count: int = 2) -> None:
        """Where is this word? Asked of words that occur once and lie well inside a cell."""
        boxes = [(w.strip(".,:;!?()"), left, right, run) for run in self.runs for w, left, right in run.word_boxes()]
        seen = [w.lower() for w, *_ in boxes]
        self.rng.shuffle(boxes)
        for word, left, right, run in boxes:
            cell = self.cell_of((left + right) / 2, (run.y0 + run.y1) / 2)
            if count > 0 and cell and len(word) >= 3 and seen.count(word.lower()) == 1:
                self.ask("where_text", cell, seen_answer=((left + right) / 2, (run.y0 + run.y1) / 2), word=word)
                count -= 1

    def is_inside(self, x0: float, y0: float, x1: float, y1: float) -> bool:
        return x0 >= 1 and y0 >= 1 and x1 <= self.width - 1 and y1 <= self.height - 1
