#!/usr/bin/env python3
"""Trains tiny tokenizers of every kind with the reference libraries and stores what they make of fuzzed lines.

    small_tokenizers.py OUT.json [--lines N] [--seed S]

The C++ test src/text/tokenizer_parity_test.cc reads the stored file, or the one that SACCADE_TOKENIZER_CASES names.
Needs tokenizers and sentencepiece.
"""

import argparse
import io
import json
import random
import unicodedata

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SPECIALS = ["<|im_start|>", "<|im_end|>", "<|im_end|>x", "<image>"]
USER_DEFINED = ["<tool>", "\t\t"]

WORDS = (
    "the quick brown fox it's WE'LL they'Ve I'm you'RE he'd don'ſ naïve café über Straße ﬁn İstanbul 12345 3.14 ½ ² Ⅷ "
    "١٢٣ ०१२ 東京 日本語テスト 한국어 번역 привет мир Ελληνικά שלום مرحبا العربية हिन्दी नमस्ते தமிழ் ไทย ខ្មែរ 👍 👩‍👩‍👧‍👦 🇩🇪 🏳️‍🌈 ✨ "
    "e\u0301 a\u0308\u0323 q\u0307\u0323 \u1e9b\u0323 \u212b \u2126 \uac00\u11a8 ﷺ ＡＢＣ １２３ foo_bar fooBar() {return x->y[0];} "
    "#include <vector> // comment /* */ $100 €50 50% a+b=c http://example.com/?q=1&r=2 user@mail.org C:\\dir\\file "
    "\\n \"quoted\" ‘curly’ “double” – — … •  ¿qué? ¡sí! \u200b \ufeff \u00ad \u180e ǅ ʰ ª º ٪ ー々〆 ∑ ∞ ≠ ⟨x⟩ 𝔘𝔫𝔦 𐍈 𒀀"
).split(" ")
SPACES = [" ", " ", " ", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n", "\n ", "\u00a0", "\u3000", "\u2003", "\u2028",
          "\u0085", "\v", "\f", "\x1c", "\x1f", "", "", " \t ", "\r", "\u202f"]
RANGES = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00), (0x1E00, 0x2070),
          (0x20A0, 0x2BFF), (0x3000, 0x3100), (0x4E00, 0x4E80), (0xAC00, 0xAC80), (0xFB00, 0xFB50), (0x1D400, 0x1D500),
          (0x1F300, 0x1F650)]


def random_character(rng: random.Random) -> str:
    # Characters that Unicode 13 knows: the libraries differ in the version they carry, and in nothing else.
    while True:
        character = chr(rng.randrange(*rng.choice(RANGES)))
        if unicodedata.category(character) not in ("Cn", "Cs", "Co"):
            return character


def random_line(rng: random.Random, specials: list[str]) -> str:
    line = []
    for _ in range(rng.randrange(1, 12)):
        choice = rng.random()
        if choice < 0.6:
            line.append(rng.choice(WORDS))
        elif choice < 0.85:
            line.append("".join(random_character(rng) for _ in range(rng.randrange(1, 5))))
        elif specials and choice < 0.9:
            line.append(rng.choice(specials))
        else:
            line.append(str(rng.randrange(10 ** rng.randrange(1, 8))))
        line.append(rng.choice(SPACES))
    return "".join(line)


def build_bpe(pre: str, corpus: list[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = {
        "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
        "smollm": pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        "llama-bpe": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level]),
        "qwen2": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), byte_level]),
    }[pre]
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIALS])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in USER_DEFINED])
    return tokenizer


def bpe_case(pre: str, corpus: list[str], rng: random.Random, num_lines: int) -> dict:
    tokenizer = build_bpe(pre, corpus, 700)
    size = tokenizer.get_vocab_size()
    types = [3 if tokenizer.id_to_token(i) in SPECIALS else 4 if tokenizer.id_to_token(i) in USER_DEFINED else 1
             for i in range(size)]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    lines = [random_line(rng, SPECIALS + USER_DEFINED) for _ in range(num_lines)]
    return {
        "metadata": {
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": pre,
            "tokenizer.ggml.tokens": [tokenizer.id_to_token(i) for i in range(size)],
            "tokenizer.ggml.token_type": types,
            "tokenizer.ggml.merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in merges],
        },
        "lines": [{"text": line, "ids": tokenizer.encode(line, add_special_tokens=False).ids} for line in lines],
    }


def sentencepiece_case(rng: random.Random, num_lines: int, byte_fallback: bool) -> dict:
    model = io.BytesIO()
    words = [" ".join(rng.choices(WORDS, k=8)) for _ in range(2000)]  # fewer characters than the random lines have
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words), model_writer=model, vocab_size=800 if byte_fallback else 500,
        model_type="bpe", byte_fallback=byte_fallback, character_coverage=0.98, split_digits=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    size = processor.get_piece_size()
    kinds = [(processor.is_unknown, 2), (processor.is_control, 3), (processor.is_unused, 5), (processor.is_byte, 6)]
    lines = [random_line(rng, []) for _ in range(num_lines)]
    return {
        "metadata": {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.tokens": [processor.id_to_piece(i) for i in range(size)],
            "tokenizer.ggml.token_type": [next((k for is_kind, k in kinds if is_kind(i)), 1) for i in range(size)],
            "tokenizer.ggml.scores": [processor.get_score(i) for i in range(size)],
        },
        "lines": [{"text": line, "ids": processor.encode(line)} for line in lines],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--lines", type=int, default=150, help="for each tokenizer")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    corpus = [random_line(rng, []) for _ in range(3000)]
    cases = {pre: bpe_case(pre, corpus, rng, args.lines) for pre in ("gpt-2", "llama-bpe", "qwen2", "smollm")}
    cases["llama"] = sentencepiece_case(rng, args.lines, byte_fallback=True)
    cases["llama without bytes"] = sentencepiece_case(rng, args.lines, byte_fallback=False)
    with open(args.out, "w") as file:
        json.dump(cases, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
