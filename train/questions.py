"""The question kinds: how each is phrased and what its answer looks like.

This file is the only list of kinds. Pages call `phrase(kind, rng, **slots)` to word a question;
`python -m train.questions` prints QUESTIONS.md.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray"]
SHAPES = ["circle", "square", "triangle", "star", "diamond", "cross", "heart", "ring"]
POSITIONS = [
    "top left", "top", "top right",
    "left", "center", "right",
    "bottom left", "bottom", "bottom right",
]
PAGE_NAMES = ["panel", "receipt", "form", "label", "letter", "table", "bar chart", "line chart", "scene"]


@dataclass(frozen=True)
class Kind:
    """One kind of question. `templates` hold {slots}; `answer` describes the answer's format in words."""

    pages: tuple[str, ...]
    templates: tuple[str, ...]
    answer: str


KINDS: dict[str, Kind] = {
    # Text that is printed on the page.
    "read_field": Kind(
        ("form", "label", "receipt", "panel", "letter"),
        ("What is the {field}?", "What {field} is given?", "Read the {field}.", "What does it say for {field}?",
         "Tell me the {field}.", "Which {field} is shown?", "Find the {field}.", "{field}?",
         "What is written next to {field}?"),
        "the value printed beside or below the field's name, exactly as printed (`field` is the printed name, in any case)",
    ),
    "find_code": Kind(
        ("panel", "label", "letter", "form"),
        ("What is the code?", "Which code is shown?", "Read the code.", "What code do you see?", "Find the code.",
         "What error code is shown?", "What is the error code?"),
        "the only code on the page, such as `E-4071` or `KX82-119`, as printed; panels and notices say `error` or `code` near it",
    ),
    "title": Kind(
        ("form", "table", "bar chart", "line chart", "letter", "panel", "receipt", "label"),
        ("What is the title?", "Read the title.", "What is the heading?", "What does the heading say?",
         "What is written at the top?", "Read the heading of the page."),
        "the heading: the first, largest or boldest line (of a receipt: the shop's name)",
    ),
    "read_line": Kind(
        ("letter", "label"),
        ("Read line {n}.", "What does line {n} say?", "Transcribe line {n}.", "What is written on line {n}?",
         "What is line {n}?", "Read the {nth} line."),
        "the whole text line, as printed; every printed line counts, the heading too, from the top, starting at 1",
    ),
    "read_last_line": Kind(
        ("letter", "label", "receipt"),
        ("Read the last line.", "What does the last line say?", "What is written at the bottom?",
         "Transcribe the last line.", "What is the bottom line?"),
        "the lowest text line",
    ),
    "read_all": Kind(
        ("label",),
        ("Read all the text.", "Transcribe the page.", "What is written here?", "What does it say?",
         "Read everything.", "Transcribe all the text."),
        "a page of at most 5 short lines: all lines from the top, joined by one space",
    ),
    "has_word": Kind(
        ("letter", "label", "receipt", "form", "table"),
        ("Does the word {word} appear?", "Is the word {word} on the page?", "Does it say {word}?",
         "Can you see the word {word}?", "Is {word} written here?"),
        "`yes` or `no`",
    ),
    "next_word": Kind(
        ("letter",),
        ("Which word comes after {word}?", "What word follows {word}?", "What is the word after {word}?",
         "Read the word right after {word}.", "What comes after {word}?"),
        "the next word of the same line, without a trailing comma or full stop",
    ),
    "page_type": Kind(
        tuple(PAGE_NAMES),
        ("What kind of page is this?", "What is this?", "What type of document is this?", "What does the picture show?",
         "What kind of picture is this?"),
        "one of " + ", ".join(f"`{p}`" for p in PAGE_NAMES),
    ),
    "where_text": Kind(
        ("label", "panel", "letter", "form"),
        ("Where is {word}?", "Where on the page is {word}?", "In which part of the page is {word}?",
         "Where is {word} written?", "Where do you see {word}?"),
        "the part of the picture, on a 3 by 3 grid: " + ", ".join(f"`{p}`" for p in POSITIONS),
    ),
    # Receipts.
    "item_price": Kind(
        ("receipt",),
        ("How much is the {item}?", "What does the {item} cost?", "What is the price of {item}?", "Price of {item}?",
         "How much was paid for {item}?", "What is the {item} price?"),
        "the amount on the item's line, as printed, without a currency sign",
    ),
    "item_with_price": Kind(
        ("receipt",),
        ("Which item costs {price}?", "What costs {price}?", "What was bought for {price}?",
         "Which item has the price {price}?", "Which product is {price}?"),
        "the item's name as printed",
    ),
    "total": Kind(
        ("receipt",),
        ("What is the total?", "How much is the total?", "What is the total amount?", "Read the total.",
         "How much was paid in total?", "What is the sum to pay?"),
        "the amount on the line `Total` (or `Amount due`, `To pay`, `Sum`), without a currency sign",
    ),
    "most_expensive": Kind(
        ("receipt",),
        ("Which item costs the most?", "What is the most expensive item?", "Which item has the highest price?",
         "Which product is the dearest?", "What was the most expensive thing?"),
        "the item's name as printed",
    ),
    "count_items": Kind(
        ("receipt",),
        ("How many items are on the receipt?", "How many items were bought?", "Count the items.",
         "How many products are listed?", "What is the number of items?"),
        "a number in digits (lines of items, each with a price)",
    ),
    # Tables.
    "table_cell": Kind(
        ("table",),
        ("What is the {column} of {row}?", "What is the {column} for {row}?", "{column} of {row}?",
         "Read the {column} of {row}.", "Which {column} does {row} have?", "In row {row}, what is the {column}?"),
        "the cell as printed; `row` is the text in the first column, `column` the header",
    ),
    "table_find": Kind(
        ("table",),
        ("Which {head} has {column} {value}?", "Which row has {value} as {column}?", "Whose {column} is {value}?",
         "Which {head} has a {column} of {value}?", "Where is the {column} {value}?"),
        "the text in the first column of that row (`head` is the first column's header)",
    ),
    "table_max": Kind(
        ("table",),
        ("Which {head} has the highest {column}?", "Which row has the highest {column}?", "Who has the most {column}?",
         "Which {head} has the largest {column}?", "Where is the {column} the highest?"),
        "the text in the first column",
    ),
    "count_rows": Kind(
        ("table",),
        ("How many rows does the table have?", "How many rows are there?", "Count the rows.",
         "How many entries are in the table?", "How many lines does the table have?"),
        "a number in digits, the header row not counted",
    ),
    # Forms.
    "is_checked": Kind(
        ("form",),
        ("Is {option} checked?", "Is the box {option} ticked?", "Is {option} ticked?", "Is the {option} box checked?",
         "Is {option} marked?", "Has {option} been selected?"),
        "`yes` or `no`",
    ),
    "which_checked": Kind(
        ("form",),
        ("Which box is checked?", "Which box is ticked?", "Which option is checked?", "What is ticked?",
         "Which option is marked?", "Which option has been selected?"),
        "the text beside the only ticked box (asked only where exactly one is ticked)",
    ),
    "is_signed": Kind(
        ("form", "letter"),
        ("Is it signed?", "Is there a signature?", "Is the page signed?", "Has it been signed?",
         "Is the signature present?", "Is the form signed?"),
        "`yes` if a handwriting-like stroke stands on the signature line, else `no`",
    ),
    # Panels.
    "lamp_color": Kind(
        ("panel",),
        ("What color is the {lamp} lamp?", "What colour is the {lamp} light?", "Which color does the {lamp} lamp show?",
         "What is the color of {lamp}?", "What color is {lamp}?", "Color of the {lamp} LED?"),
        "`red`, `orange`, `green`, `blue`, `yellow` or `white`; a lamp that is dark is `off`",
    ),
    "which_lamp": Kind(
        ("panel",),
        ("Which lamp is {color}?", "Which light is {color}?", "What lamp is {color}?", "Which LED is {color}?",
         "Which indicator is {color}?", "Name the {color} lamp."),
        "the lamp's printed label (asked only where exactly one lamp has that colour; `off` is possible too)",
    ),
    "count_lamps": Kind(
        ("panel",),
        ("How many lamps are {color}?", "How many {color} lights are there?", "How many lights are {color}?",
         "How many {color} lamps are there?", "Count the {color} lamps."),
        "a number in digits, 0 is possible (colours, or `on`, `off`)",
    ),
    "gauge_value": Kind(
        ("panel",),
        ("What does the gauge show?", "What is the gauge reading?", "Read the gauge.", "What value does the gauge show?",
         "What is the needle pointing at?", "What does the dial read?"),
        "a number; tolerance is 5 % of the scale; one round gauge with a needle and printed numbers on its scale",
    ),
    "gauge_zone": Kind(
        ("panel",),
        ("Is the gauge in the red zone?", "Is the needle in the red?", "Is the needle in the red zone?",
         "Does the gauge show red?", "Is the gauge in the red?"),
        "`yes` or `no`; the scale has a red arc at its upper end",
    ),
    "display": Kind(
        ("panel",),
        ("What does the display show?", "What does the screen say?", "Read the display.", "What is on the display?",
         "What is shown on the screen?", "What number is on the display?"),
        "the text in the display's box, as printed, with the unit if there is one (`23.5 C`)",
    ),
    # Charts.
    "bar_largest": Kind(
        ("bar chart",),
        ("Which bar is the largest?", "Which bar is the highest?", "What has the highest value?",
         "Which category is the largest?", "Which one is the biggest?", "What is the tallest bar?", "Which bar is the longest?"),
        "the bar's printed label",
    ),
    "bar_smallest": Kind(
        ("bar chart",),
        ("Which bar is the smallest?", "Which bar is the lowest?", "What has the lowest value?",
         "Which category is the smallest?", "What is the shortest bar?"),
        "the bar's printed label",
    ),
    "bar_value": Kind(
        ("bar chart",),
        ("What is the value of {bar}?", "How high is the bar {bar}?", "What value does {bar} have?",
         "Read the value of {bar}.", "How much is {bar}?", "How large is {bar}?"),
        "a number: exact where the value is printed on the bar; else read from the axis, tolerance 6 % of the axis",
    ),
    "bar_compare": Kind(
        ("bar chart",),
        ("Is {a} larger than {b}?", "Is {a} higher than {b}?", "Is {a} more than {b}?", "Is the bar {a} taller than {b}?",
         "Does {a} have a higher value than {b}?"),
        "`yes` or `no`",
    ),
    "count_bars": Kind(
        ("bar chart",),
        ("How many bars are there?", "How many bars does the chart have?", "Count the bars.",
         "How many categories are shown?", "What is the number of bars?"),
        "a number in digits",
    ),
    "line_peak": Kind(
        ("line chart",),
        ("Where is the highest point?", "When is the line the highest?", "Which point is the highest?",
         "Where does the line peak?", "When is the peak?", "At which label is the maximum?"),
        "the label under the highest point",
    ),
    "line_low": Kind(
        ("line chart",),
        ("Where is the lowest point?", "When is the line the lowest?", "Which point is the lowest?",
         "When is the minimum?", "At which label is the minimum?"),
        "the label under the lowest point",
    ),
    "line_trend": Kind(
        ("line chart",),
        ("Is the line rising or falling?", "Does the line go up or down?", "Is the trend rising or falling?",
         "What is the trend?", "Does the chart rise or fall?"),
        "`rising` or `falling`, from the first point to the last",
    ),
    # Scenes of flat shapes.
    "shape_color": Kind(
        ("scene",),
        ("What color is the {shape}?", "What colour is the {shape}?", "Which color does the {shape} have?",
         "What is the color of the {shape}?", "Color of the {shape}?"),
        "a colour word (asked where one such shape is present)",
    ),
    "which_shape": Kind(
        ("scene",),
        ("Which shape is {color}?", "What shape is {color}?", "What is the {color} shape?", "Which object is {color}?",
         "Name the {color} shape.", "What is {color}?"),
        "one of " + ", ".join(f"`{s}`" for s in SHAPES),
    ),
    "count_shapes": Kind(
        ("scene",),
        ("How many {what} are there?", "How many {what} do you see?", "Count the {what}.", "How many {what} are in the picture?",
         "What is the number of {what}?"),
        "a number in digits, 0 to 9; `what` is like `shapes`, `circles`, `red shapes`, `red circles`",
    ),
    "where_shape": Kind(
        ("scene",),
        ("Where is the {what}?", "In which part of the picture is the {what}?", "Where do you see the {what}?",
         "Where is the {what} placed?", "In what corner or side is the {what}?"),
        "the part of the picture, on a 3 by 3 grid: " + ", ".join(f"`{p}`" for p in POSITIONS),
    ),
    "side_of": Kind(
        ("scene",),
        ("Is the {a} {side} the {b}?", "Is the {a} placed {side} the {b}?", "Do you see the {a} {side} the {b}?",
         "Is it true that the {a} is {side} the {b}?", "Can the {a} be found {side} the {b}?"),
        "`yes` or `no`; `side` is `left of`, `right of`, `above` or `below`, and the two are well apart",
    ),
    "is_there": Kind(
        ("scene",),
        ("Is there a {what}?", "Do you see a {what}?", "Does the picture have a {what}?", "Can you see a {what}?",
         "Is a {what} in the picture?"),
        "`yes` or `no`; `what` is like `circle` or `red circle`",
    ),
    "largest_shape": Kind(
        ("scene",),
        ("Which shape is the largest?", "What is the largest shape?", "Which is the biggest shape?",
         "What is the biggest object?", "Name the largest shape."),
        "the shape's word, such as `star` (asked where it is clearly the largest)",
    ),
}


def phrase(kind: str, rng: random.Random, **slots: object) -> str:
    """Words a question of this kind, with light variation in case and punctuation."""
    text = rng.choice(KINDS[kind].templates).format(**slots)
    roll = rng.random()
    if roll < 0.10 and text[-1] in ".?":
        text = text[:-1]
    elif roll < 0.18:
        text = text[0].lower() + text[1:]
    elif roll < 0.24:
        text = rng.choice(["Please answer: ", "Look at the picture. ", "Please tell me: "]) + text
    return text[0].upper() + text[1:] if text.startswith("{") else text


def as_markdown() -> str:
    """The published list of kinds."""
    lines = [
        "# Question kinds",
        "",
        "Printed by `python -m train.questions > train/QUESTIONS.md`; edit `questions.py`, not this file.",
        "",
        "The mini model answers these questions about a picture of about 256 x 256 pixels with type of 11 pixels or",
        "more. Any phrasing close to the listed ones is fair. An answer is short and compared after trimming,",
        "collapsing spaces, lower-casing and dropping one final full stop; numbers may have a tolerance; further",
        "accepted answers are listed with the question.",
        "",
        "Page types: " + ", ".join(PAGE_NAMES) + ".",
        "",
        "Colour words: " + ", ".join(COLOURS) + " (`grey` is accepted for `gray`).",
        "",
        "Shapes: " + ", ".join(SHAPES) + ". Positions: " + ", ".join(POSITIONS) + ".",
        "A position is that of the thing's centre on a 3 by 3 grid of the picture; put things well inside a cell.",
        "",
        "Text is printable ASCII. Dates, amounts, times and codes are answered as they are printed; an amount",
        "without its currency sign. Names of fields, items, rows, bars and lamps are quoted in questions as printed",
        "(case does not matter).",
        "",
    ]
    for name, kind in KINDS.items():
        lines.append(f"## `{name}`")
        lines.append("")
        lines.append("- Pages: " + ", ".join(kind.pages))
        lines.append("- Phrasings: " + " / ".join(f"*{t}*" for t in kind.templates))
        lines.append("- Answer: " + kind.answer)
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown(), end="")
