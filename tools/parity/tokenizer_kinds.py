"""Small tokenizers of every kind that the engine knows, built with the `tokenizers` library as the hub's files are.

Each is trained on lines of text_lines.py: the algorithm, the regular expressions and the added tokens are those of the
real models, only the vocabulary is small.
"""

import dataclasses
import io
import json
import pathlib
import unicodedata

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.convert_slow_tokenizer import generate_merges

LLAMA3_REGEX = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
                r"|\s+(?!\S)|\s+")
QWEN2_REGEX = LLAMA3_REGEX.replace(r"\p{N}{1,3}", r"\p{N}")


@dataclasses.dataclass
class Kind:
    """How one family's tokenizer differs from the others."""
    name: str
    bos: str | None
    eos: str
    added: list[str]         # control tokens, in the order of their ids behind the trained vocabulary
    tokenizer_class: str     # as the hub's tokenizer_config.json names it
    adds_bos: bool = False


KINDS = {
    "spm": Kind("spm", "<s>", "</s>", ["<image>", "<pad>"], "LlamaTokenizer", adds_bos=True),
    "gpt2": Kind("gpt2", "<|endoftext|>", "<|endoftext|>", ["<|endoftext|>"], "GPT2Tokenizer"),
    "llama_bpe": Kind("llama_bpe", "<|begin_of_text|>", "<|eot_id|>",
                      ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
                      "PreTrainedTokenizerFast", adds_bos=True),
    "qwen2": Kind("qwen2", None, "<|im_end|>",
                  ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
                   "<|image_pad|>", "<|video_pad|>"], "Qwen2Tokenizer"),
    "smollm": Kind("smollm", "<|im_start|>", "<end_of_utterance>",
                   ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<global-img>", "<image>",
                    "<end_of_utterance>"] + [f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)],
                   "GPT2Tokenizer"),
}


def is_trainable(line: str) -> bool:
    return bool(line) and not any(unicodedata.category(c) in {"Cc", "Cn", "Co"} and c not in "\t\r\n" for c in line)


def _train_sentencepiece(lines: list[str], vocab_size: int) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in lines if is_trainable(line)), model_writer=model, model_type="bpe",
        vocab_size=vocab_size, character_coverage=0.98, byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True, num_threads=1,
        max_sentence_length=1 << 16, hard_vocab_limit=False, minloglevel=2)
    return model.getvalue()


def _sentencepiece_tokenizer(model: bytes) -> Tokenizer:
    """As the hub's Llama 2 tokenizer.json: the dummy prefix is a normaliser, so every run between control tokens gets it."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    vocab = {piece: i for i, (piece, _) in enumerate(pieces)}
    normal = {piece: score for i, (piece, score) in enumerate(pieces) if i > 2 and not processor.is_byte(i)}
    merges = generate_merges(vocab, normal, skip_tokens={"<unk>", "<s>", "</s>"})
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in ("<unk>", "<s>", "</s>")])
    return tokenizer


def _byte_level_parts(kind: str):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind in {"gpt2", "smollm"})
    if kind == "gpt2":
        return None, byte_level
    if kind == "smollm":
        return None, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    regex = LLAMA3_REGEX if kind == "llama_bpe" else QWEN2_REGEX
    splits = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), byte_level])
    return (normalizers.NFC() if kind == "qwen2" else None), splits


def _byte_level_tokenizer(kind: str, lines: list[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    normalizer, tokenizer.pre_tokenizer = _byte_level_parts(kind)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator((line for line in lines if is_trainable(line)), trainer)
    if kind == "llama_bpe":
        _add_unreachable_words(tokenizer, lines)
    return tokenizer


def _add_unreachable_words(tokenizer: Tokenizer, lines: list[str]) -> None:
    """Llama 3's vocabulary has words that no sequence of merges makes; `ignore_merges` finds them all the same."""
    state = json.loads(tokenizer.to_str())["model"]
    vocab, merges = state["vocab"], [tuple(merge) for merge in state["merges"]]
    words = (word for line in lines[::7] for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(line))
    unreachable = [word for word in words if 6 <= len(word) <= 16 and word not in vocab][:40]
    for word in unreachable:
        vocab.setdefault(word, len(vocab))
    tokenizer.model = models.BPE(vocab=vocab, merges=merges, ignore_merges=True)


def build(kind_name: str, lines: list[str], vocab_size: int, extra: list[str] | None = None,
          added: list[str] | None = None):
    """The tokenizer, and the bytes of a tokenizer.model for the SentencePiece kind (None for the others). `added` stands
    for the kind's own control tokens."""
    kind = KINDS[kind_name]
    model = None
    if kind_name == "spm":
        model = _train_sentencepiece(lines, vocab_size)
        tokenizer = _sentencepiece_tokenizer(model)
    else:
        tokenizer = _byte_level_tokenizer(kind_name, lines, vocab_size)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in (kind.added if added is None else added) + (extra or [])])
    if kind.adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{kind.bos} $A", pair=f"{kind.bos} $A {kind.bos} $B",
            special_tokens=[(kind.bos, tokenizer.token_to_id(kind.bos))])
    return tokenizer, model


def save(kind_name: str, tokenizer: Tokenizer, model: bytes | None, folder: pathlib.Path, chat_template: str | None,
         with_json: bool = True) -> None:
    """The tokenizer's files of a checkpoint. A SentencePiece one may go without its tokenizer.json, as old ones do."""
    kind = KINDS[kind_name]
    added = {str(i): {"content": token.content, "lstrip": False, "normalized": False, "rstrip": False,
                      "single_word": False, "special": True}
             for i, token in sorted(tokenizer.get_added_tokens_decoder().items())}
    config = {"tokenizer_class": kind.tokenizer_class, "bos_token": kind.bos, "eos_token": kind.eos,
              "add_bos_token": kind.adds_bos, "add_eos_token": False, "clean_up_tokenization_spaces": False,
              "model_max_length": 4096, "added_tokens_decoder": added}
    if kind_name == "spm":
        config |= {"unk_token": "<unk>", "legacy": True}
    if chat_template is not None:
        config["chat_template"] = chat_template
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    if with_json or model is None:
        # One line: the indented form that `tokenizers` saves is four times as long.
        (folder / "tokenizer.json").write_text(
            json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")))
    if model is not None:
        (folder / "tokenizer.model").write_bytes(model)
