#!/usr/bin/env python3
"""Writes tests/parity/data: tiny checkpoints of every family with what Transformers makes of them, and tokenizations.

    python tools/parity/make_golden.py [--only FAMILY ...] [--out tests/parity/data]
"""

import argparse
import json
import pathlib
import random
import shutil
import sys

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

import checkpoint
import reference
import text_lines
import tiny_models
import tokenizer_kinds
from checkpoint import Layout
from reference import Case

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENIZER_VOCAB_SIZE = 2500

# How each family's checkpoint is laid out on disk, so that the converter meets them all.
STORED = {
    "llava": dict(layout=Layout.HUB, template_in="processor"),
    "llava_next": dict(layout=Layout.CURRENT, num_shards=3, template_in="jinja", with_tokenizer_json=False),
    "smolvlm": dict(layout=Layout.CURRENT, template_in="jinja"),
    "idefics3": dict(layout=Layout.HUB, template_in="processor"),
    "qwen2_vl": dict(layout=Layout.HUB, template_in="tokenizer"),
    "qwen2_5_vl": dict(layout=Layout.PREFIXED, template_in="jinja"),
    "text_llama3": dict(layout=Layout.HUB, template_in="tokenizer"),
    "text_linear": dict(layout=Layout.CURRENT, template_in="tokenizer"),
    "text_qwen2": dict(layout=Layout.HUB, template_in="jinja"),
}
# Cases stored without the large tensors of the vision part, which the others already prove.
SLIM = {"conversation"}
STORAGE = {"llava_next": torch.float16, "text_linear": torch.float16}


def cases_of(family: str) -> list[Case]:
    rng = random.Random(family)
    text = Case("text", [reference.said("system", "You answer in few words."),
                         reference.user("What is the total amount due?"), reference.said("assistant", "It is 12.50 EUR."),
                         reference.user("And which lamp\nis red? Isn't it 3?")], [])
    if family == "llava_next":  # its template has no place for a system message
        text.messages = text.messages[1:]
    if family.startswith("text_"):
        long_text = Case("long", [reference.user(" ".join(reference.draw_text(rng) for _ in range(24)))], [])
        return [text, long_text]
    sizes = {"llava_next": [(131, 67), (50, 93)], "qwen2_vl": [(171, 90), (61, 99)],
             "qwen2_5_vl": [(190, 143), (61, 99)]}.get(family, [(93, 61), (47, 120)])
    pictures = [reference.draw_picture(*size, rng) for size in sizes]
    small = reference.draw_picture(23, 17, rng)
    return [text, Case("picture", [reference.user("What does the display show?", 0)], [pictures[0]]),
            Case("two_pictures", [reference.user("Compare the two pictures, please!", 0, 1)], pictures),
            Case("conversation", [reference.user("Is the lamp red?", 0), reference.said("assistant", "No."),
                                  reference.user("And in this one?", 1)], [small, pictures[1]])]


def record_family(family: str):
    """The first seed whose greedy tokens are decisive in every case."""
    cases = cases_of(family)
    for seed in range(1, 60):
        tiny = tiny_models.make(family, tiny_models.default_dims(family), seed, STORAGE.get(family, torch.bfloat16))
        recordings = []
        for case in cases:
            recordings.append(reference.record(tiny, case))
            if not recordings[-1].is_decisive():
                break
        else:
            return tiny, cases, recordings, seed
    raise RuntimeError(f"{family}: no seed gives decisive greedy tokens")


def write_family(family: str, out: pathlib.Path) -> None:
    tiny, cases, recordings, seed = record_family(family)
    folder = out / family
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint.save(tiny, folder / "checkpoint", **STORED[family])
    write_cases(tiny, cases, recordings, folder, seed)
    margin = min(recording.min_margin for recording in recordings)
    print(f"{family}: seed {seed}, {len(cases)} cases, smallest margin {margin:.4f}")


def write_cases(tiny, cases: list[Case], recordings: list[reference.Recording], folder: pathlib.Path, seed: int) -> None:
    """case.json and golden.safetensors, which the C++ comparison reads."""
    described, tensors = [], {}
    for case, recording in zip(cases, recordings):
        names = []
        for index, picture in enumerate(case.pictures):
            names.append(f"{case.name}_{index}.png")
            picture.save(folder / names[-1], optimize=True)
            tensors[f"{case.name}.pixels.{index}"] = recording.pixels[index]
        messages = [{"role": message["role"], "content": [
            {"type": "image", "file": names[part["picture"]]} if part["type"] == "image" else part
            for part in message["content"]]} for message in case.messages]
        described.append({"name": case.name, "messages": messages})
        tensors |= {f"{case.name}.tokens": np.array(recording.tokens, np.int32),
                    f"{case.name}.greedy": np.array(recording.greedy, np.int32),
                    f"{case.name}.logits": recording.logits, f"{case.name}.last_logits": recording.last_logits}
        if case.pictures and case.name not in SLIM:
            tensors |= {f"{case.name}.encoder": recording.encoder, f"{case.name}.projector": recording.projector}
    image_id = tiny.tokenizer.token_to_id(tiny.image_token) if tiny.image_token else -1
    processor = tiny.image_processor
    header = {"family": tiny.family, "seed": seed, "image_token_id": image_id,
              "image_mean": list(processor.image_mean) if processor else [],
              "image_std": list(processor.image_std) if processor else [], "cases": described}
    (folder / "case.json").write_text(json.dumps(header, indent=1) + "\n")
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / "golden.safetensors")


def write_tokenizers(out: pathlib.Path) -> None:
    """lines.safetensors, and per kind its tokenizer files with ids.safetensors."""
    lines = text_lines.make_lines()
    folder = out / "tokenizers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    encoded = [line.encode() for line in lines]
    save_file({"bytes": np.frombuffer(b"".join(encoded), np.uint8), "offsets": offsets_of(encoded)},
              folder / "lines.safetensors")
    for kind in tokenizer_kinds.KINDS:
        tokenizer, model = tokenizer_kinds.build(kind, lines, TOKENIZER_VOCAB_SIZE)
        tokenizer_kinds.save(kind, tokenizer, model, folder / kind, None)
        write_carrier(kind, tokenizer, folder / kind)
        special = [tokenizer.encode(line, add_special_tokens=False).ids for line in lines]
        tokenizer.encode_special_tokens = True  # control tokens in the text are text
        plain = [tokenizer.encode(line, add_special_tokens=False).ids for line in lines]
        different = [index for index in range(len(lines)) if special[index] != plain[index]]
        assert model is None or agrees_with_sentencepiece(model, lines, plain), kind
        tensors = {"ids": flat(special), "offsets": offsets_of(special), "plain_lines": np.array(different, np.int32),
                   "plain_ids": flat([plain[i] for i in different]),
                   "plain_offsets": offsets_of([plain[i] for i in different])}
        save_file(tensors, folder / kind / "ids.safetensors")
        print(f"tokenizer {kind}: {tokenizer.get_vocab_size()} tokens, {len(tensors['ids'])} ids, "
              f"{len(different)} lines with control tokens")


def write_carrier(kind: str, tokenizer, folder: pathlib.Path) -> None:
    """A language model of zeros, so that the folder is a checkpoint that can be converted."""
    names = tokenizer_kinds.KINDS[kind]
    config = transformers.LlamaConfig(
        bos_token_id=tokenizer.token_to_id(names.bos) if names.bos else None,
        eos_token_id=tokenizer.token_to_id(names.eos), vocab_size=tokenizer.get_vocab_size(), hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=True)
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    model.save_pretrained(folder, state_dict=zeros)


def flat(rows: list[list[int]]) -> np.ndarray:
    return np.array([token for row in rows for token in row], np.uint16)


def offsets_of(rows: list) -> np.ndarray:
    return np.cumsum([0] + [len(row) for row in rows]).astype(np.int32)


def agrees_with_sentencepiece(model: bytes, lines: list[str], ids: list[list[int]]) -> bool:
    """The reference of the reference: SentencePiece's own program."""
    processor = tokenizer_kinds.sentencepiece.SentencePieceProcessor(model_proto=model)
    return all(processor.encode(line) == row for line, row in zip(lines, ids))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[*STORED, "tokenizers"])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/parity/data")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.only:
        if name == "tokenizers":
            write_tokenizers(arguments.out)
        else:
            write_family(name, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
