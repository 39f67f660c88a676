"""Random words, names, numbers, dates and codes. Words are split by hash, so held-out pages have words never trained on."""

from __future__ import annotations

import random
import re
import string
import zlib
from functools import lru_cache
from pathlib import Path

DICTIONARIES = ("/usr/share/dict/american-english", "/usr/share/dict/british-english")
CONSONANTS = "b c d f g h j k l m n p r s t v w z br cr dr fl gr kl pl pr sh sl st th tr".split()
VOWELS = "a e i o u a e i o ai ea oo ou".split()
ENDINGS = ["", "", "n", "r", "s", "l", "t", "x", "m", "nd", "rt", "ck"]
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
LONG_MONTHS = ("January February March April May June July August September October November December").split()
DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
UNITS = ["C", "F", "bar", "kPa", "psi", "V", "A", "kW", "rpm", "Hz", "mm", "kg", "L", "%", "ms", "MB", "m/s"]


# Stems that must not appear on a picture that people are shown.
UNWANTED = re.compile(
    r"fuck|shit|cunt|nigg|fag|whore|slut|bitch|bastard|cock|dick|penis|vagin|rape|rapist|porn|sex|tit(s|ty)|wank|piss|crap|cum|"
    r"kike|spic|chink|gook|dyke|tranny|nazi|hitler|negro|lynch|jizz|twat|bugger|boob|anus|anal|tard|murder|kill|suicid|whor|homo|ass(es)?$|arse|"
    r"jew|gyp|coon|darky|darkie|squaw|molest|pedo|incest|orgas|erect|genital|testic|clit|dildo|masturb|heroin|cocaine", re.I)


def is_heldout_word(word: str) -> bool:
    """One word in six belongs to the held-out half of the world."""
    return zlib.crc32(word.lower().encode()) % 6 == 0


@lru_cache(maxsize=None)
def dictionary(heldout: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Plain words and proper names of 3 to 10 letters."""
    words, names = set(), set()
    for path in DICTIONARIES:
        if Path(path).exists():
            for word in Path(path).read_text(encoding="utf-8").split():
                if re.fullmatch(r"[A-Za-z][a-z]{2,9}", word) and is_heldout_word(word) == heldout and not UNWANTED.search(word):
                    (names if word[0].isupper() else words).add(word)
    if not words:
        rng = random.Random(heldout)
        words = {w for w in (_pseudo(rng) for _ in range(20000)) if is_heldout_word(w) == heldout}
        names = {w.capitalize() for w in words}
    return tuple(sorted(words)), tuple(sorted(names))


def _pseudo(rng: random.Random) -> str:
    word = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.choice((1, 2, 2, 3))))
    word = (word + rng.choice(ENDINGS))[:10]
    return _pseudo(rng) if UNWANTED.search(word) else word


class TextSource:
    """Draws text for one page. All randomness comes from `rng`."""

    def __init__(self, rng: random.Random, heldout: bool = False):
        self.rng = rng
        self.heldout = heldout
        self.words, self.names = dictionary(heldout)

    def word(self, max_chars: int = 10) -> str:
        rng = self.rng
        while True:
            word = _pseudo(rng) if rng.random() < 0.25 else rng.choice(self.words)
            if 3 <= len(word) <= max_chars:
                return word

    def name(self, max_chars: int = 10) -> str:
        rng = self.rng
        while True:
            name = _pseudo(rng).capitalize() if rng.random() < 0.2 else rng.choice(self.names)
            if 3 <= len(name) <= max_chars:
                return name

    def cased(self, text: str) -> str:
        return self.rng.choice((text, text.capitalize(), text.capitalize(), text.title(), text.upper()))

    def phrase(self, num_words: int, max_chars: int = 9) -> str:
        return " ".join(self.word(max_chars) for _ in range(num_words))

    def distinct(self, make, count: int) -> list[str]:
        """`count` texts from `make`, no two equal when case is ignored."""
        found: dict[str, str] = {}
        while len(found) < count:
            text = make()
            found.setdefault(text.lower(), text)
        return list(found.values())

    def person(self) -> str:
        rng = self.rng
        first, last = self.name(8), self.name(9)
        return rng.choice((f"{first} {last}", f"{first} {last}", f"{first[0]}. {last}", f"{last}, {first}", f"{first} {rng.choice(string.ascii_uppercase)}. {last}"))

    def code(self) -> str:
        """A code such as E-4071, KX82-119 or 7F3A."""
        rng = self.rng
        upper = string.ascii_uppercase
        shape = rng.choice(("A-9999", "A999", "AA99-999", "AA-9999", "AAA-999", "A99", "99-AAA-9", "9A9A", "AA9999", "999-999",
                            "A9-9A9", "AAA99", "A-99", "AA.99.99", "A99-A", "9999-A", "AA/999", "A_99", "AAAA-9"))
        return "".join(rng.choice(upper) if c == "A" else rng.choice(string.digits) if c == "9" else c for c in shape)

    def digits(self, low: int, high: int) -> str:
        return "".join(self.rng.choice(string.digits) for _ in range(self.rng.randint(low, high)))

    def amount(self, high: float = 100.0) -> str:
        rng = self.rng
        top = rng.choice((10.0, high, high, high * 10))
        value = rng.uniform(0.2, top)
        return f"{value:.2f}"

    def date(self) -> str:
        rng = self.rng
        d, m, y = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1990, 2039)
        return rng.choice((f"{d:02d}.{m:02d}.{y}", f"{y}-{m:02d}-{d:02d}", f"{d:02d}/{m:02d}/{y}", f"{d} {MONTHS[m - 1]} {y}",
                           f"{LONG_MONTHS[m - 1]} {d}, {y}", f"{MONTHS[m - 1]} {d}, {y}", f"{m}/{d}/{y % 100:02d}", f"{d} {LONG_MONTHS[m - 1]} {y}"))

    def time(self) -> str:
        rng = self.rng
        h, m = rng.randint(0, 23), rng.randint(0, 59)
        return rng.choice((f"{h:02d}:{m:02d}", f"{h:02d}:{m:02d}", f"{h % 12 + 1}:{m:02d} {rng.choice(('AM', 'PM'))}", f"{h:02d}:{m:02d}:{rng.randint(0, 59):02d}"))

    def phone(self) -> str:
        d = self.digits
        return self.rng.choice((f"{d(3, 3)}-{d(4, 4)}", f"+{d(2, 2)} {d(3, 3)} {d(4, 5)}", f"({d(3, 3)}) {d(3, 3)}-{d(4, 4)}", f"0{d(3, 3)} {d(5, 6)}"))

    def email(self) -> str:
        rng = self.rng
        return f"{self.word(7)}{rng.choice(('', '.', '_'))}{rng.choice(('', rng.choice('abcdef')))}@{self.word(7)}.{rng.choice(('com', 'org', 'net', 'de', 'io'))}".replace(".@", "@").replace("_@", "@")

    def measure(self) -> str:
        rng = self.rng
        number = rng.choice((f"{rng.randint(0, 999)}", f"{rng.uniform(0, 100):.1f}", f"{rng.uniform(0, 20):.2f}", f"{rng.randint(0, 9999)}"))
        unit = rng.choice(UNITS)
        return f"{number}%" if unit == "%" else f"{number} {unit}"

    def street(self) -> str:
        rng = self.rng
        kind = rng.choice(("Street", "St", "Road", "Rd", "Lane", "Ave", "Way", "Drive", "Court"))
        return f"{rng.randint(1, 399)} {self.name()} {kind}"

    def city(self) -> str:
        return self.rng.choice((f"{self.digits(5, 5)} {self.name()}", f"{self.name()} {self.digits(4, 5)}", f"{self.name()}, {self.rng.choice('ACDFGIKLMNOPTUVW')}{self.rng.choice('ACDEHIKLNORSTVXYZ')}"))

    def soup_token(self) -> str:
        """Any printable text, for reading practice."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.40:
            return self.cased(self.word())
        if roll < 0.48:
            return self.name()
        if roll < 0.58:
            return self.code()
        if roll < 0.70:
            return self.amount()
        if roll < 0.78:
            return self.digits(1, 7)
        if roll < 0.83:
            return self.date()
        if roll < 0.86:
            return self.time()
        if roll < 0.89:
            return self.measure()
        if roll < 0.92:
            return "".join(rng.choice(string.ascii_letters) for _ in range(rng.randint(1, 6)))
        if roll < 0.94:
            return self.email()
        if roll < 0.96:
            return self.phone()
        token = self.word(8)
        return rng.choice((f"({token})", f"{token}:", f"{token},", f"{token}.", f"\"{token}\"", f"#{self.digits(1, 4)}", f"${self.amount()}",
                           f"{token}!", f"{token}?", f"{token};", f"&", f"{token}/{self.word(5)}", f"{rng.randint(1, 99)}%", f"*{token}*", f"[{token}]", f"{token}'s", f"{token}-{self.word(6)}", f"{self.digits(1, 2)} x", f"= {self.digits(1, 3)}", f"+{self.digits(1, 3)}", f"<{token}>", f"No. {self.digits(1, 3)}", f"{token}_{self.digits(1, 2)}"))
