#!/usr/bin/env python3
"""Check the browser-rendered evaluation set against its own pages.

Every line of set.jsonl is checked for its form, every picture for its size,
and every answer against the HTML page that the picture was rendered from:
printed answers must stand in the page's text, and what charts, gauges, lamps,
boxes and scenes show is recomputed from the page's data-* attributes. With
--measures (written by render.py) type sizes, clipping and positions of words
are checked too. Standard library only.
"""

import argparse
import collections
import json
import re
import struct
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLORS = "red orange yellow green blue purple pink brown black white gray".split()
LAMP_COLORS = "red orange green blue yellow white off".split()
SHAPES = "circle square triangle star diamond cross heart ring".split()
PAGE_TYPES = ["panel", "receipt", "form", "label", "letter", "table", "bar chart", "line chart", "scene"]
PLACES = [["top left", "top", "top right"], ["left", "center", "right"],
          ["bottom left", "bottom", "bottom right"]]
ORDINALS = "first second third fourth fifth sixth seventh eighth".split()
YES_NO = {"has_word", "is_checked", "is_signed", "gauge_zone", "bar_compare", "side_of", "is_there"}
COUNTS = {"count_items", "count_rows", "count_lamps", "count_bars", "count_shapes"}
PRINTED = {
    "read_field", "find_code", "title", "read_line", "read_last_line", "read_all", "next_word",
    "item_price", "item_with_price", "total", "most_expensive", "table_cell", "table_find",
    "table_max", "which_checked", "which_lamp", "display", "bar_largest", "bar_smallest",
    "line_peak", "line_low",
}
# What is left of a has_word question without these words is the word asked for.
HAS_WORD_FRAME = set("does the word appear is on page it say can you see written here contain "
                     "printed be read this occur".split())
AMOUNT = r"\d+\.\d\d"


class Page(HTMLParser):
    """The visible text, the table rows and the data-* attributes of one page."""

    def __init__(self, path):
        super().__init__()
        self.words, self.lines, self.rows, self.data = [], [], [], []
        self.name = path.stem.split("_", 1)[1]
        self.signed = False
        self.quiet = 0
        self.feed(path.read_text(encoding="ascii"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag in ("style", "title"):
            self.quiet += 1
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        elif tag == "input" and a.get("type") == "text":
            self.words.append(a.get("value", ""))
        if "signature" in a.get("class", "").split():
            self.signed = True
        found = {k[5:]: v for k, v in a.items() if k.startswith("data-")}
        if found:
            self.data.append(found)

    def handle_endtag(self, tag):
        if tag in ("style", "title"):
            self.quiet -= 1

    def handle_data(self, data):
        if self.quiet or not data.strip():
            return
        self.words.append(data)
        self.lines += [line.strip() for line in data.splitlines() if line.strip()]
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    def table(self):
        head = self.rows[0]
        return head, {row[0]: dict(zip(head, row)) for row in self.rows[1:]}

    def named(self, key, value):
        return {d[key]: d[value] for d in self.data if key in d}

    def shapes(self):
        return [d for d in self.data if "shape" in d]


def number(text):
    return float(re.match(r"-?[\d.]+", text)[0])


def mentioned(names, question):
    """The names that the question holds, longest match first, in the question's order."""
    low, spans = question.lower(), []
    for name in sorted(names, key=len, reverse=True):
        for m in re.finditer(r"(?<!\w)" + re.escape(name.lower()) + r"(?!\w)", low):
            if all(m.end() <= s or m.start() >= e for s, e, _ in spans):
                spans.append((m.start(), m.end(), name))
    return [name for _, _, name in sorted(spans)]


def place(x, y, size=256):
    return PLACES[min(2, int(3 * y / size))][min(2, int(3 * x / size))]


def margin(x, y, size=256):
    """Distance from the nearest border between two cells of the 3 by 3 grid."""
    return min(abs(v - size * k / 3) for v in (x, y) for k in (1, 2))


def wanted_shapes(shapes, phrase):
    words = re.findall(r"[a-z]+", phrase.lower())
    color = [c for c in COLORS if c in words]
    kind = [s for s in SHAPES if s in words or s + "s" in words or s + "es" in words]
    return [s for s in shapes
            if (not color or s["color"] in color) and (not kind or s["shape"] in kind)]


def expected(kind, question, answer, page):
    """The answers that the page itself gives: a list of one, or None where it cannot tell."""
    amounts = [float(a) for a in re.findall(AMOUNT, page.text)]

    def after(name):
        return re.findall(r"(?<![\w-])" + re.escape(name) + r"\s+\$?(" + AMOUNT + r")(?!\d)", page.text, re.I)

    if kind == "item_price":
        return next(after(t) for t in tails(question) if after(t))
    if kind == "item_with_price":
        price = re.search(AMOUNT, question)[0]
        return [answer] if after(answer) == [price] and page.text.count(price) == 1 else []
    if kind == "total":
        return re.findall(r"(?:Total|TOTAL|Amount due|To pay|Sum|SUM)\s+\$?(" + AMOUNT + ")", page.text)
    if kind == "most_expensive":
        return [answer] if [float(a) for a in after(answer)] == [max(amounts[:-1])] else []
    if kind == "count_items":
        return [str(len(amounts) - 1)]
    if kind.startswith("table_") or kind == "count_rows":
        head, rows = page.table()
        columns = mentioned(head, question)
        if kind == "count_rows":
            return [str(len(rows))]
        if kind == "table_cell":
            row = mentioned(rows, question)[0]
            return [rows[row][columns[-1] if columns[-1] != head[0] else columns[0]]]
        column = [c for c in columns if c != head[0]][0]
        if kind == "table_max":
            return [max(rows, key=lambda r: number(rows[r][column]))]
        values = {rows[r][column] for r in rows}
        value = mentioned(values, question)[0]
        return [r for r in rows if rows[r][column] == value]
    if kind in ("is_checked", "which_checked"):
        boxes = page.named("option", "checked")
        if kind == "which_checked":
            return [o for o, v in boxes.items() if v == "yes"]
        return [boxes[mentioned(boxes, question)[0]]]
    if kind == "is_signed":
        return ["yes" if page.signed else "no"]
    if "lamp" in kind:
        lamps = page.named("lamp", "color")
        if kind == "lamp_color":
            return [lamps[mentioned(lamps, question)[0]]]
        color = mentioned(LAMP_COLORS + ["on"], question)[-1]
        lit = [k for k, v in lamps.items() if v == color or color == "on" and v != "off"]
        return lit if kind == "which_lamp" else [str(len(lit))]
    if kind.startswith("gauge_"):
        gauge = [d for d in page.data if "gauge" in d][0]
        if kind == "gauge_value":
            return [gauge["gauge"]]
        return ["yes" if float(gauge["gauge"]) >= float(gauge["red"]) else "no"]
    if kind == "display":
        return [d["display"] for d in page.data if "display" in d]
    if kind.startswith(("bar_", "line_")) or kind == "count_bars":
        values = {k: float(v) for k, v in page.named("label", "value").items()}
        labels = list(values)
        if kind in ("bar_largest", "line_peak"):
            return [max(values, key=values.get)]
        if kind in ("bar_smallest", "line_low"):
            return [min(values, key=values.get)]
        if kind == "count_bars":
            return [str(len(values))]
        if kind == "bar_value":
            return [f"{values[mentioned(values, question)[-1]]:g}"]
        if kind == "line_trend":
            return ["rising" if values[labels[-1]] > values[labels[0]] else "falling"]
        a, b = mentioned(values, question)
        return ["yes" if values[a] > values[b] else "no"]
    shapes = page.shapes()
    if kind == "side_of":
        a, side, b = re.search(r"the (\w[\w ]*?) (?:is |lie |stand |placed |somewhere |be found )*"
                               r"(left of|right of|above|below) the ([\w ]+)", question).groups()
        (one,), (two,) = wanted_shapes(shapes, a), wanted_shapes(shapes, b)
        axis, sign = {"left of": ("x", 1), "right of": ("x", -1), "above": ("y", 1), "below": ("y", -1)}[side]
        gap = sign * (float(two[axis]) - float(one[axis]))
        return ["yes" if gap > 0 else "no"] if abs(gap) > 50 else []
    if kind == "largest_shape":
        order = sorted(shapes, key=lambda s: -float(s["r"]))
        return [order[0]["shape"]] if float(order[0]["r"]) > 1.5 * float(order[1]["r"]) else []
    if kind in ("shape_color", "which_shape", "where_shape", "count_shapes", "is_there"):
        found = wanted_shapes(shapes, question)
        if kind == "count_shapes":
            return [str(len(found))]
        if kind == "is_there":
            return ["yes" if found else "no"]
        if kind == "where_shape":
            return [place(float(s["x"]), float(s["y"])) for s in found
                    if margin(float(s["x"]), float(s["y"])) > 12]
        return [s["color" if kind == "shape_color" else "shape"] for s in found]
    if kind == "has_word":
        left = [w for w in re.findall(r"\w+", question) if w.lower() not in HAS_WORD_FRAME]
        if len(left) != 1:
            return []
        return ["yes" if left[0].lower() in re.findall(r"\w+", page.text.lower()) else "no"]
    if kind == "next_word":
        words = [w.strip(".,:;!?") for w in page.text.split()]
        asked = [w.strip(".,:;!?") for w in question.split()][-1]
        return [words[i + 1] for i, w in enumerate(words) if w.lower() == asked.lower()]
    if kind == "read_all":
        return [page.text]
    if kind == "title":
        return page.lines[:1]
    if kind == "read_line":
        n = re.search(r"\d|" + "|".join(ORDINALS), question)[0]
        return [page.lines[(int(n) if n.isdigit() else 1 + ORDINALS.index(n)) - 1]]
    if kind == "read_last_line":
        return page.lines[-1:]
    if kind == "read_field":
        near = [t for t in tails(question)
                if re.search(r"\b" + re.escape(t) + r":?\s+" + re.escape(answer), page.text, re.I)]
        return [answer] if near else []
    if kind == "find_code":
        codes = re.findall(r"(?<![\w-])(?=[A-Z])[A-Z0-9]+-[A-Z0-9]+(?![\w-])", page.text)
        return sorted(set(codes))
    if kind == "page_type":
        return [{"bars": "bar chart", "line": "line chart"}.get(page.name, page.name)]
    return None


def tails(question):
    """Every run of words of the question, longest first: one of them is the name asked for."""
    words = re.sub(r"[?.]$", "", question).split()
    runs = [" ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
    return sorted(runs, key=len, reverse=True)


def check_line(entry, kinds, folder, pages):
    """What is wrong with one line of the set."""
    known = {"image", "question", "answer", "kind", "accept", "tolerance"}
    if not {"image", "question", "answer", "kind"} <= set(entry) or set(entry) - known:
        return ["has missing or unknown fields"]
    kind, question, answer = entry["kind"], entry["question"], entry["answer"]
    faults = []
    if kind not in kinds:
        return [f"unknown kind {kind}"]
    texts = [question, answer, *entry.get("accept", [])]
    if not all(isinstance(t, str) and t.strip() == t != "" and t.isascii() and t.isprintable() for t in texts):
        faults.append("text is empty, padded or not printable ASCII")
    if not question.endswith(("?", ".")):
        faults.append("question has no final mark")
    stem = Path(entry["image"]).stem
    if stem not in pages:
        return faults + [f"no page for {entry['image']}"]
    page = pages[stem]
    if kind in YES_NO and answer not in ("yes", "no"):
        faults.append("answer is not yes or no")
    if kind in COUNTS and not answer.isdigit():
        faults.append("answer is not a number")
    if kind == "page_type" and answer not in PAGE_TYPES:
        faults.append("answer is not a page type")
    if kind in ("where_text", "where_shape") and answer not in sum(PLACES, []):
        faults.append("answer is not a place")
    if kind == "gauge_value" and "tolerance" not in entry:
        faults.append("no tolerance")
    if "tolerance" in entry and not (kind in ("gauge_value", "bar_value") and entry["tolerance"] > 0):
        faults.append("tolerance out of place")
    if kind in PRINTED and answer not in page.text:
        faults.append(f"answer {answer!r} is not printed on the page")
    try:
        truth = expected(kind, question, answer, page)
    except (IndexError, KeyError, ValueError, AttributeError, TypeError, StopIteration) as error:
        truth = [f"({type(error).__name__}: {error})"]
    if truth is not None and truth != [answer]:
        faults.append(f"page gives {truth}, set says {answer!r}")
    return faults


def check_measures(measures, entries):
    faults = []
    for stem, m in measures.items():
        for run in m["runs"]:
            word = run["word"]
            if run["px"] < 11:
                faults.append(f"{stem}: {word!r} is set in {run['px']} px")
            if run["x"] < 0 or run["y"] < -2 or run["x"] + run["w"] > 256 or run["y"] + run["h"] > 258:
                faults.append(f"{stem}: {word!r} leaves the picture")
            if run.get("clipped"):
                faults.append(f"{stem}: {word!r} is clipped")
    for entry in entries:
        if entry["kind"] != "where_text":
            continue
        runs = measures[Path(entry["image"]).stem]["runs"]
        asked = re.findall(r"[\w-]+", entry["question"])
        runs = [r for r in runs if r["word"].strip(".,:") in asked]
        centres = [(r["x"] + r["w"] / 2, r["y"] + r["h"] / 2) for r in runs]
        if [place(*c) for c in centres] != [entry["answer"]] or margin(*centres[0]) < 8:
            faults.append(f"{entry['image']}: {entry['question']} measured {centres}")
    return faults


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", type=Path, default=ROOT / "samples/browser", metavar="FOLDER",
                        help="folder with set.jsonl, the pictures and html/")
    parser.add_argument("--questions", type=Path, default=ROOT / "train/QUESTIONS.md",
                        help="the list of question kinds")
    parser.add_argument("--measures", type=Path, help="word boxes written by render.py --measures")
    parser.add_argument("--counts", action="store_true", help="also print counts per kind")
    args = parser.parse_args()

    listing = args.questions.read_text()
    kinds = re.findall(r"^## `(\w+)`", listing, re.M)
    phrasings = {
        kind: [re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(p)) + "$", re.I)
               for p in re.findall(r"\*(.+?)\*(?: / |$)", row) if not p.startswith("{field}")]
        for kind, row in re.findall(r"^## `(\w+)`\n.*?^- Phrasings: (.*?)$", listing, re.M | re.S)
    }
    pages = {p.stem: Page(p) for p in sorted((args.set / "html").glob("*.html"))}
    entries = [json.loads(line) for line in (args.set / "set.jsonl").read_text().splitlines()]
    faults, size = [], 0

    pictures = {p.stem: p.read_bytes() for p in args.set.glob("*.png")}
    for stem in sorted(set(pages) ^ set(pictures)):
        faults.append(f"{stem}: page and picture do not pair up")
    for stem, data in pictures.items():
        size += len(data)
        if data[:8] != b"\x89PNG\r\n\x1a\n" or struct.unpack(">II", data[16:24]) != (256, 256):
            faults.append(f"{stem}.png: not a PNG of 256 x 256")
    for n, entry in enumerate(entries, 1):
        faults += [f"set.jsonl:{n}: {entry.get('question')!r}: {f}"
                   for f in check_line(entry, kinds, args.set, pages)]
    asked = collections.Counter(Path(e["image"]).stem for e in entries)
    faults += [f"{s}: {asked[s]} questions" for s in pages if asked[s] not in (1, 2)]
    if len({(e["image"], e["question"]) for e in entries}) != len(entries):
        faults.append("a question stands twice")
    for stem, path in ((p.stem, p) for p in (args.set / "html").glob("*.html")):
        if re.search(r"(?:src|href)=|url\((?!#)|@import|https?:", path.read_text()):
            faults.append(f"{stem}: page is not self-contained")
    if args.measures:
        faults += check_measures(json.loads(args.measures.read_text()), entries)

    listed = sum(any(p.match(e["question"]) for p in phrasings[e["kind"]]) for e in entries)
    print(f"{len(pages)} pages, {len(entries)} questions, {listed} of them in listed phrasings, "
          f"{size / 1e6:.2f} MB of pictures")
    if args.counts:
        count = collections.Counter(e["kind"] for e in entries)
        for kind in kinds:
            answers = collections.Counter(e["answer"] for e in entries if e["kind"] == kind)
            extra = f"  yes {answers['yes']}, no {answers['no']}" if kind in YES_NO else ""
            print(f"  {kind:16} {count[kind]:3}{extra}")
    for fault in faults:
        print(fault)
    sys.exit(f"{len(faults)} faults" if faults else 0)


if __name__ == "__main__":
    main()
