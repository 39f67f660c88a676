"""A byte-level BPE tokenizer of 512 tokens whose merges spell only the words that questions are made of.

Every merge extends the beginning of such a word ("Ġw", "Ġwh", "Ġwha", "Ġwhat"), so questions are short while
codes, names and numbers in answers stay one token a character, which is what a reader can copy.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from train.questions import COLOURS, KINDS, POSITIONS, SHAPES

SPECIAL = ["<pad>", "<s>", "</s>", "<image>"]
PAD, BOS, EOS, IMAGE = range(4)
VOCAB_SIZE = 512
SPACE = "Ġ"
PREFIX_NEWLINE = "\n"


def byte_alphabet() -> list[str]:
    """The 256 printable stand-ins for bytes, in byte order (GPT-2's table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in printable}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return [table[b] for b in range(256)]


def question_words() -> Counter:
    """Words of the templates, a leading space as Ġ; counts weigh how much a merge saves."""
    counts: Counter = Counter()
    for kind in KINDS.values():
        for template in kind.templates:
            text = re.sub(r"\{\w+\}", "0", template)
            for word in re.findall(r" ?[A-Za-z]+", text):
                counts[word.replace(" ", SPACE)] += 1
    for word in COLOURS + SHAPES + [s + "s" for s in SHAPES] + " ".join(POSITIONS).split():
        counts[SPACE + word] += 2
    return counts


def make_merges(budget: int) -> list[tuple[str, str]]:
    """Chains of merges for the words that save most tokens for each merge they need."""
    counts, known, merges = question_words(), set(), []
    while len(merges) < budget:
        best, best_gain = None, 0.0
        for word, count in counts.items():
            needed = [word[:i] for i in range(2, len(word) + 1) if word[:i] not in known]
            if needed and len(merges) + len(needed) <= budget:
                gain = count * len(needed) / (len(needed) + 0.5)
                if gain > best_gain:
                    best, best_gain = needed, gain
        if best is None:
            break
        for piece in best:
            known.add(piece)
            merges.append((piece[:-1], piece[-1]))
    return merges


@lru_cache(maxsize=1)
def make_tokenizer() -> Tokenizer:
    merges = make_merges(VOCAB_SIZE - len(SPECIAL) - 256)
    tokens = SPECIAL + byte_alphabet() + [a + b for a, b in merges]
    tokens += [f"<unused_{i}>" for i in range(VOCAB_SIZE - len(tokens))]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    return tokenizer


def encode(text: str) -> list[int]:
    return make_tokenizer().encode(text, add_special_tokens=False).ids


def decode(ids: list[int]) -> str:
    return make_tokenizer().decode(ids, skip_special_tokens=True)
