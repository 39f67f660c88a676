"""Lines of text that tokenizers get wrong: many scripts, emoji, code, odd spaces. Drawn, not downloaded.

`make_lines(seed)` gives the same lines for the same seed, `NUM_LINES` of them.
"""

import random
import unicodedata

NUM_LINES = 5000

WORDS = {
    "english": "the quick brown fox jumps over lazy dog Total amount due invoice number isn't we'll they've I'M O'Neil "
    "picture question answer what's which lamp red gauge value don't CAN'T tokenization internationalization",
    "french": "été naïve cœur garçon où déjà l'été aujourd'hui Noël façade crème brûlée Çà ÀÉÎÕÜ mangé œuvre",
    "german": "Straße Größe übermäßig Fußgängerzone Äpfel ÖL weiß Donaudampfschifffahrtsgesellschaft schön",
    "spanish": "¿Qué? ¡Hola! niño mañana corazón pingüino año ÑANDÚ está acción",
    "polish": "Zażółć gęślą jaźń źdźbło ŁÓDŹ pięć święto cześć",
    "turkish": "İstanbul ığdır şeker çağrı güneş IĞDIR ılık öğretmen",
    "czech": "Příliš žluťoučký kůň úpěl ďábelské ódy řeřicha",
    "vietnamese": "Tiếng Việt đường phố người được không những Hà Nội",
    "icelandic": "Þórður æðardúnn ÆÐI þetta ð",
    "russian": "привет мир съешь ещё этих мягких французских булок да выпей чаю ЁЛКА объявление подъезд",
    "ukrainian": "Київ їжак ґанок є ЇЖА п'ять сім'я",
    "serbian": "љубав њива џак ђак ћирилица",
    "greek": "Καλημέρα κόσμε ελληνικά Ώρα άνθρωπος ΣΊΣΥΦΟΣ σίσυφος ϊΰ",
    "arabic": "مرحبا بالعالم السَّلامُ عليكم كتاب مدرسة ١٢٣ لا إله العربيّة",
    "persian": "سلام می‌خواهم کتاب‌ها گچ پژ ۱۲۳۴",
    "hebrew": "שלום עולם בְּרֵאשִׁית תודה רבה ירושלים",
    "hindi": "नमस्ते दुनिया हिन्दी क्षत्रिय ज्ञान विद्यार्थी १२३ किताब",
    "bengali": "বাংলা ভাষা নমস্কার ক্ষুদ্র ১২৩",
    "tamil": "தமிழ் வணக்கம் உலகம் க்ஷ",
    "thai": "สวัสดีชาวโลก ภาษาไทย น้ำ เก้าอี้ ๑๒๓ กำลัง",
    "lao": "ສະບາຍດີ ພາສາລາວ",
    "khmer": "សួស្តី ភាសាខ្មែរ",
    "burmese": "မင်္ဂလာပါ မြန်မာ",
    "georgian": "გამარჯობა საქართველო",
    "armenian": "Բարեւ աշխարհ ԵՐԵՎԱՆ",
    "amharic": "ሰላም ልዑል",
    "chinese": "你好世界 中文 繁體字 簡体字 今天天气很好 发票号码 总计 人民币 龘靐 北京市朝阳区",
    "japanese": "こんにちは 世界 カタカナ ひらがな 東京都 ラーメン ﾊﾝｶｸ が か\u3099 お茶 々 ー",
    "korean": "안녕하세요 세계 한국어 감사합니다 \u1112\u1161\u11ab\u1100\u1173\u11af 서울특별시",
    "math": "∑ ∫ √ ≤ ≥ ≠ ± × ÷ ∞ α β γ ℝ ℂ x² y₃ ½ ¾ ⅓ Ⅳ ⑩ 𝐀𝐁𝐂 𝒳 𝟘𝟙",
    "symbols": "€ £ ¥ ₹ ₿ © ® ™ § ¶ † ‡ • … – — ‘ ’ “ ” « » ‹ › ° № ← → ⇒ ✓ ✗ ★ ☎ ♥ ♪ ■ □ ▲",
}

EMOJI = (
    "😀 😂 🥲 🤖 👍 👍🏽 👩🏿‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🏴‍☠️ 🇫🇷 🇯🇵🇧🇷 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f ❤️ ❤ ☺️ ✈︎ 1️⃣ #️⃣ 🧑‍💻 🤷🏻‍♀️ 🫠 🪿 🀄 🎉🎉🎉"
).split(" ")

SPACES = [" ", "  ", "   ", "\t", "\t\t", " \t ", "\u00a0", "\u3000", "\u2003", "\u2009", "\u202f", "\u200b", "\u2060",
          "\ufeff", "\u1680", "\u0085", "\u2028", "\u2029", "\r\n", "\n", "\n\n", "\r", "\n \n", " \n", "\n\t", "\x0b",
          "\x0c", "\u200d", "\u00ad", "      ", " " * 17]

CODE = [
    "def area(w: float, h: float) -> float:\n    return w * h  # in mm²\n",
    "for (int i = 0; i < n; ++i) {\n\tsum += a[i] * b[i];\n}",
    "auto x = std::make_unique<Foo<int>>(std::move(y));",
    "#include <vector>\r\n#define MAX(a,b) ((a)>(b)?(a):(b))\r\n",
    "SELECT name, COUNT(*) FROM users WHERE age >= 18 GROUP BY name HAVING COUNT(*) > 1;",
    "<div class=\"a b\" data-x='1'>&nbsp;<br/></div>",
    '{"key": [1, 2.5, -3e10, null, true], "s": "a\\n\\"b\\""}',
    "fn main() { println!(\"{:?}\", vec![1u8; 3]); }",
    "let f = async ({a, ...rest}) => `${a}: ${JSON.stringify(rest)}`;",
    "if [[ -f \"$HOME/.bashrc\" ]]; then source ~/.bashrc; fi",
    "λ x → x + 1  -- Haskell\nmain = mapM_ print [1..10]",
    "var_name camelCase PascalCase kebab-case SCREAMING_SNAKE __init__ x1y2z3",
    "https://example.org/a/b?c=d&e=%20f#g  user.name+tag@mail.example",
    "C:\\Users\\me\\file.txt /usr/local/lib/libfoo.so.1.2.3",
    "0x1F 0b1010 1_000_000 3.14159e-10 .5 5. 1,234,567.89 $12.34 50%",
    "    return self._x if self._x is not None else 0",
    "\tcase 'a': goto *labels[op];;",
    "^(?:[a-z]+)\\d{2,4}\\s*$|[^\\]]",
    "\\begin{equation} E = mc^2 \\end{equation}",
    "- [ ] item\n- [x] **bold** _it_ `code`\n\n| a | b |\n|---|---|\n",
]

CONTRACTIONS = ["I'm", "I'M", "you're", "YOU'RE", "we've", "she'll", "it's", "IT'S", "don't", "he'd", "'s", "'S", "'ll",
                "’s", "I’m", "rock'n'roll", "'tis", "y'all'd've", "can''t", "'", "''", "it 's", "Ù'ſ"]

# What the tokenizers of tools/parity add as special or added tokens, and near misses.
SPECIAL = ["<s>", "</s>", "<unk>", "<image>", "<pad>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>",
           "<|begin_of_text|>", "<|vision_start|>", "<|image_pad|>", "<fake_token_around_image>", "<row_1_col_2>",
           "<end_of_utterance>", "<|start_header_id|>", "<s", "<|im_end", "<IMAGE>", "< s>", "<|im_start|><|im_end|>",
           "<0x41>", "▁", "Ġ", "Ċ"]


def _number(rng: random.Random) -> str:
    kind = rng.randrange(8)
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 15)))
    if kind == 0:
        return f"{rng.randrange(10**9):,}"
    if kind == 1:
        return f"{rng.uniform(-1e4, 1e4):.{rng.randrange(7)}f}"
    if kind == 2:
        return f"{rng.randrange(1, 29):02d}/{rng.randrange(1, 13):02d}/{rng.randrange(1970, 2040)}"
    if kind == 3:
        return f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
    if kind == 4:
        return "".join(rng.choice("٠١٢٣٤٥٦٧٨٩०१२३๑๒๓０１２３²³½Ⅷ") for _ in range(rng.randrange(1, 6)))
    if kind == 5:
        return digits + rng.choice(["kg", "mm", "%", "€", "th", "x", "°C", ".", ",", "-"])
    if kind == 6:
        return rng.choice(["+", "-", "(", "#", "$", "~"]) + digits
    return digits


def _sentence(rng: random.Random, script: str) -> str:
    words = WORDS[script].split(" ")
    chosen = [rng.choice(words) for _ in range(rng.randrange(1, 9))]
    joiner = "" if script in {"chinese", "japanese", "thai", "lao", "khmer", "burmese"} and rng.random() < 0.7 else " "
    end = rng.choice(["", "", ".", "!", "?", "...", "。", "！", "؟", "।", ";", ":", "\n"])
    return joiner.join(chosen) + end


def _mixed_scripts(rng: random.Random) -> str:
    return rng.choice(["", " ", ", ", "-", "/"]).join(
        rng.choice(WORDS[rng.choice(sorted(WORDS))].split(" ")) for _ in range(rng.randrange(2, 7)))


def _emoji(rng: random.Random) -> str:
    parts = [rng.choice(EMOJI) if rng.random() < 0.6 else rng.choice(WORDS["english"].split(" "))
             for _ in range(rng.randrange(1, 8))]
    return rng.choice(["", " "]).join(parts)


def _odd_spaces(rng: random.Random) -> str:
    words = WORDS[rng.choice(["english", "french", "russian", "chinese", "math"])].split(" ")
    text = rng.choice(SPACES) if rng.random() < 0.5 else ""
    for _ in range(rng.randrange(1, 6)):
        text += rng.choice(words) + rng.choice(SPACES)
    return text if rng.random() < 0.5 else text.rstrip(" ")


def _only_spaces(rng: random.Random) -> str:
    return "".join(rng.choice(SPACES) for _ in range(rng.randrange(1, 6)))


def _code(rng: random.Random) -> str:
    text = rng.choice(CODE)
    if rng.random() < 0.5:
        text = text.replace("    ", rng.choice(["\t", "  ", "        "]))
    if rng.random() < 0.3:
        start = rng.randrange(len(text))
        text = text[start:start + rng.randrange(5, 60)]
    return rng.choice(["", "  ", "\n", "\t"]) + text


def _normal_forms(rng: random.Random) -> str:
    script = rng.choice(["french", "german", "vietnamese", "polish", "korean", "japanese", "greek", "hindi", "hebrew",
                         "arabic", "math"])
    return unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKC", "NFKD"]), _sentence(rng, script))


def _combining(rng: random.Random) -> str:
    marks = "\u0300\u0301\u0308\u0323\u0327\u0331\u034f\u0489\u20dd\u093c\u05b0\u064b\u3099"
    return "".join(rng.choice("aeoZñ漢अשk ") + "".join(rng.choice(marks) for _ in range(rng.randrange(4)))
                   for _ in range(rng.randrange(2, 14)))


def _control(rng: random.Random) -> str:
    characters = [chr(code) for code in [*range(1, 32), 127, *range(128, 160)]]
    characters += ["\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\ufffd", "\ufffe", "\U0010ffff", "\ue000", "\x00"]
    return "".join(rng.choice(characters) if rng.random() < 0.5 else rng.choice("ab Z9.") for _ in
                   range(rng.randrange(1, 12)))


def _random_codepoints(rng: random.Random) -> str:
    text = ""
    while len(text) < rng.randrange(1, 16):
        code = rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x3000, 0xD800), rng.randrange(0xE000, 0x10000),
                           rng.randrange(0x10000, 0x30000)])
        # Unassigned code points are left out: their class changes from one Unicode version to the next.
        if unicodedata.category(chr(code)) != "Cn":
            text += chr(code)
    return text


def _punctuation(rng: random.Random) -> str:
    return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \n") for _ in range(rng.randrange(1, 24)))


def _repeats(rng: random.Random) -> str:
    unit = rng.choice(["a", "A", "=", "-", "_", ".", " ", "\n", "ha", "é", "漢", "😀", "0", "ab ", "\t", "''", "#!"])
    return unit * rng.randrange(2, 70) + rng.choice(["", "x", " x", "\n"])


def _long_word(rng: random.Random) -> str:
    letters = rng.choice(["abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмн", "漢字仮名交文", "ACGT", "0123456789abcdef",
                          "éèêëàâ"])
    return "".join(rng.choice(letters) for _ in range(rng.randrange(60, 400)))


def _contraction(rng: random.Random) -> str:
    return rng.choice(["", " ", "\n"]) + " ".join(rng.choice(CONTRACTIONS + WORDS["english"].split(" "))
                                                  for _ in range(rng.randrange(1, 7)))


def _special(rng: random.Random) -> str:
    text = ""
    for _ in range(rng.randrange(1, 6)):
        text += rng.choice(SPECIAL) if rng.random() < 0.5 else rng.choice(["user", " user", "\n", " ", "  What?", "é",
                                                                           "a b", "\nassistant\n", "漢", "12"])
    return text


def _numbers(rng: random.Random) -> str:
    return rng.choice([" ", "", ", ", "-", "x"]).join(_number(rng) for _ in range(rng.randrange(1, 6)))


def _page(rng: random.Random) -> str:
    """Several kinds in one text, so that boundaries between them are met."""
    makers = [_emoji, _odd_spaces, _code, _numbers, _normal_forms, _contraction, _mixed_scripts, _punctuation]
    return rng.choice(["", " ", "\n", "\n\n"]).join(rng.choice(makers)(rng) for _ in range(rng.randrange(2, 5)))


# kind of line -> how many
KINDS = [(_mixed_scripts, 400), (_emoji, 300), (_odd_spaces, 450), (_only_spaces, 150), (_code, 350), (_numbers, 300),
         (_normal_forms, 350), (_combining, 150), (_control, 150), (_random_codepoints, 250), (_punctuation, 200),
         (_repeats, 150), (_long_word, 40), (_contraction, 200), (_special, 250), (_page, 300)]


def make_lines(seed: int = 20260, num_lines: int = NUM_LINES) -> list[str]:
    """Distinct lines, in an order that mixes the kinds."""
    rng = random.Random(seed)
    lines = dict.fromkeys(["", " ", "\n", "\x00", "a", " a", "a ", "é", "e\u0301", "漢", "😀"])
    for make, count in KINDS:
        lines |= dict.fromkeys(make(rng) for _ in range(count))
    scripts = sorted(WORDS)
    while len(lines) < num_lines:
        lines.setdefault(_sentence(rng, scripts[len(lines) % len(scripts)]))
        lines.setdefault(_page(rng))
    mixed = list(lines)
    rng.shuffle(mixed)
    return mixed[:num_lines]


if __name__ == "__main__":
    made = make_lines()
    print(f"{len(made)} lines, {len(set(made))} distinct, {sum(len(line.encode()) for line in made)} bytes")
