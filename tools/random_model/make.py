#!/usr/bin/env python3
"""Writes GGUF files with random weights in the shapes of real models: for speed and memory, not for sense.

    python tools/random_model/make.py llava-1.5-7b OUT_DIR [--type q4_0 ...] [--no-vision]

makes OUT_DIR/llava-1.5-7b-q4_0.gguf and, for a model that sees, OUT_DIR/llava-1.5-7b-mmproj-f16.gguf. Files that are there
already are left alone. Needs numpy and gguf (PyPI). Types are mixed as llama.cpp's quantiser mixes them: the output is q6_k in
4-bit files, and q4_k_m has some q6_k layers. Quantised blocks are drawn as random bytes with scales that keep activations
finite; the vocabulary is made up, with all bytes and the words of `saccade bench`'s question.
"""

import argparse
import dataclasses
import pathlib

import gguf
import numpy as np

TYPES = {
    "f16": gguf.GGMLQuantizationType.F16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
    "q4_k": gguf.GGMLQuantizationType.Q4_K,
    "q6_k": gguf.GGMLQuantizationType.Q6_K,
}
FILE_TYPES = ["q4_0", "q4_k_m", "q8_0", "f16"]
QUESTION = "Please look closely at this picture and tell me in one short sentence what the largest thing in it could be"


@dataclasses.dataclass
class Language:
    num_layers: int
    dim: int
    ffn_dim: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int
    is_tied: bool
    arch: str = "llama"


@dataclasses.dataclass
class Vision:
    projector: str
    num_blocks: int
    dim: int
    ffn_dim: int
    num_heads: int
    image_size: int
    patch_size: int


LLAMA_7B = Language(32, 4096, 11008, 32, 32, 32000, False)
MODELS = {
    "smollm2-135m": (Language(30, 576, 1536, 9, 3, 49152, True), None),
    "smollm2-360m": (Language(32, 960, 2560, 15, 5, 49152, True), None),
    "llama-7b": (LLAMA_7B, None),
    "smolvlm-256m": (Language(30, 576, 1536, 9, 3, 49280, True), Vision("idefics3", 12, 768, 3072, 12, 512, 16)),
    "smolvlm-500m": (Language(32, 960, 2560, 15, 5, 49280, True), Vision("idefics3", 12, 768, 3072, 12, 512, 16)),
    "qwen2-vl-2b": (Language(28, 1536, 8960, 12, 2, 151936, True, "qwen2vl"), Vision("qwen2vl_merger", 32, 1280, 5120, 16, 560, 14)),
    "llava-1.5-7b": (LLAMA_7B, Vision("mlp", 23, 1024, 4096, 16, 336, 14)),
}
CONTROL_TOKENS = {
    "idefics3": ["<image>", "<fake_token_around_image>", "<global-img>"] + [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
                + ["<|im_start|>", "<|im_end|>", "<end_of_utterance>"],
    "qwen2vl_merger": ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|im_start|>", "<|im_end|>"],
    "mlp": [],
}


class Weights:
    """Adds random tensors to a writer; the same seed gives the same file."""

    def __init__(self, writer: gguf.GGUFWriter, seed: int):
        self.writer = writer
        self.random = np.random.default_rng(seed)

    def matrix(self, name: str, kind: str, rows: int, cols: int) -> None:
        if kind in ("q4_k", "q6_k") and cols % 256 != 0:
            kind = "q8_0"
        scale = 1 / np.sqrt(cols)
        if kind == "f16":
            data = self.random.standard_normal((rows, cols), dtype=np.float32) * scale
            self.writer.add_tensor(name, data.astype(np.float16))
            return
        block_size, block_bytes = gguf.GGML_QUANT_SIZES[TYPES[kind]]
        blocks = np.frombuffer(self.random.bytes(rows * cols // block_size * block_bytes), np.uint8).reshape(-1, block_bytes).copy()

        def put(at: int, value: float) -> None:
            blocks[:, at:at + 2] = np.frombuffer(np.float16(value).tobytes(), np.uint8)

        if kind == "q4_k":  # d * scale * q - dmin * minimum, scales and minimums below 64
            put(0, scale / 256)
            put(2, scale * 7.5 / 256)
        elif kind == "q6_k":
            put(208, scale / (64 * 16))
        else:
            put(0, scale / {"q4_0": 4, "q8_0": 64}[kind])
        self.writer.add_tensor(name, blocks.reshape(rows, -1), raw_dtype=TYPES[kind])

    def floats(self, name: str, *shape: int, scale: float) -> None:
        self.writer.add_tensor(name, self.random.standard_normal(shape, dtype=np.float32) * np.float32(scale))

    def norm(self, name: str, dim: int, bias: bool) -> None:
        self.writer.add_tensor(name + ".weight", np.ones(dim, dtype=np.float32))
        if bias:
            self.writer.add_tensor(name + ".bias", np.zeros(dim, dtype=np.float32))

    def linear(self, name: str, rows: int, cols: int) -> None:
        self.matrix(name + ".weight", "f16", rows, cols)
        self.writer.add_tensor(name + ".bias", np.zeros(rows, dtype=np.float32))


def add_vocabulary(writer: gguf.GGUFWriter, size: int, control_tokens: list) -> None:
    tokens = ["<unk>", "<s>", "</s>"] + control_tokens
    types = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * (2 + len(control_tokens))
    tokens += ["<0x%02X>" % byte for byte in range(256)]
    types += [gguf.TokenType.BYTE] * 256
    letters = "abcdefghijklmnopqrstuvwxyz"
    # Pieces are joined pair by pair, so a word needs all its beginnings.
    words = {"\u2581": None} | dict.fromkeys(letters + letters.upper())
    for word in QUESTION.split():
        words |= dict.fromkeys("\u2581" + word[:end] for end in range(1, len(word) + 1))
    fillers = (f"{a}{b}{c}{d}" for a in letters for b in letters for c in letters for d in letters)
    while len(tokens) + len(words) < size:
        words[next(fillers)] = None
    tokens += list(words)
    types += [gguf.TokenType.NORMAL] * len(words)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_types(types)
    writer.add_token_scores([-float(i) for i in range(size)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)


def has_more_bits(layer: int, num_layers: int) -> bool:
    """Where llama.cpp's q4_k_m keeps values and ffn_down in q6_k."""
    return layer < num_layers // 8 or layer >= 7 * num_layers // 8 or (layer - num_layers // 8) % 3 == 2


def write_language(path: pathlib.Path, kind: str, shape: Language, control_tokens: list) -> None:
    writer = gguf.GGUFWriter(path, shape.arch, use_temp_file=True)
    head_dim = shape.dim // shape.num_heads
    writer.add_context_length(4096)
    writer.add_embedding_length(shape.dim)
    writer.add_block_count(shape.num_layers)
    writer.add_feed_forward_length(shape.ffn_dim)
    writer.add_head_count(shape.num_heads)
    writer.add_head_count_kv(shape.num_kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(head_dim)
    if shape.arch == "qwen2vl":
        writer.add_rope_freq_base(1e6)
        writer.add_rope_dimension_sections([16, 24, 24, 0])
    add_vocabulary(writer, shape.vocab_size, control_tokens)
    weights = Weights(writer, 1)
    base = "q4_k" if kind == "q4_k_m" else kind
    output = "q6_k" if kind in ("q4_0", "q4_k_m") else kind
    weights.matrix("token_embd.weight", output if shape.is_tied else base, shape.vocab_size, shape.dim)
    kv_dim = head_dim * shape.num_kv_heads
    for i in range(shape.num_layers):
        more = "q6_k" if kind == "q4_k_m" and has_more_bits(i, shape.num_layers) else base
        weights.norm(f"blk.{i}.attn_norm", shape.dim, bias=False)
        weights.norm(f"blk.{i}.ffn_norm", shape.dim, bias=False)
        for name, matrix_kind, rows, cols in (
                ("attn_q", base, shape.dim, shape.dim), ("attn_k", base, kv_dim, shape.dim), ("attn_v", more, kv_dim, shape.dim),
                ("attn_output", base, shape.dim, shape.dim), ("ffn_gate", base, shape.ffn_dim, shape.dim),
                ("ffn_up", base, shape.ffn_dim, shape.dim), ("ffn_down", more, shape.dim, shape.ffn_dim)):
            weights.matrix(f"blk.{i}.{name}.weight", matrix_kind, rows, cols)
        if shape.arch == "qwen2vl":
            for name, rows in (("attn_q", shape.dim), ("attn_k", kv_dim), ("attn_v", kv_dim)):
                weights.floats(f"blk.{i}.{name}.bias", rows, scale=0.02)
    weights.norm("output_norm", shape.dim, bias=False)
    if not shape.is_tied:
        weights.matrix("output.weight", output, shape.vocab_size, shape.dim)
    finish(writer)


def write_clip(path: pathlib.Path, shape: Vision, language_dim: int) -> None:
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", shape.projector)
    writer.add_bool("clip.use_gelu", shape.projector == "idefics3")
    for key, value in (("embedding_length", shape.dim), ("feed_forward_length", shape.ffn_dim), ("block_count", shape.num_blocks),
                       ("attention.head_count", shape.num_heads), ("image_size", shape.image_size), ("patch_size", shape.patch_size),
                       ("projection_dim", language_dim)):
        writer.add_uint32("clip.vision." + key, value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.48145466, 0.4578275, 0.40821073])
    writer.add_array("clip.vision.image_std", [0.26862954, 0.26130258, 0.27577711])
    weights = Weights(writer, 2)
    patch = (shape.dim, 3, shape.patch_size, shape.patch_size)
    num_patches = (shape.image_size // shape.patch_size) ** 2
    weights.floats("v.patch_embd.weight", *patch, scale=0.02)
    if shape.projector == "mlp":
        writer.add_array("clip.vision.feature_layer", [shape.num_blocks])
        weights.floats("v.class_embd", shape.dim, scale=0.02)
        weights.floats("v.position_embd.weight", num_patches + 1, shape.dim, scale=0.02)
        weights.norm("v.pre_ln", shape.dim, bias=True)
        weights.linear("mm.0", language_dim, shape.dim)
        weights.linear("mm.2", language_dim, language_dim)
    elif shape.projector == "idefics3":
        writer.add_uint32("clip.vision.projector.scale_factor", 4)
        writer.add_uint32("clip.vision.preproc_image_size", 2048)
        weights.floats("v.patch_embd.bias", shape.dim, scale=0.02)
        weights.floats("v.position_embd.weight", num_patches, shape.dim, scale=0.02)
        weights.norm("v.post_ln", shape.dim, bias=True)
        weights.matrix("mm.model.fc.weight", "f16", language_dim, 16 * shape.dim)
    else:
        weights.floats("v.patch_embd.weight.1", *patch, scale=0.02)
        weights.norm("v.post_ln", shape.dim, bias=True)
        weights.linear("mm.0", 4 * shape.dim, 4 * shape.dim)
        weights.linear("mm.2", language_dim, 4 * shape.dim)
    for i in range(shape.num_blocks):
        for name in ("ln1", "ln2"):
            weights.norm(f"v.blk.{i}.{name}", shape.dim, bias=True)
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            weights.linear(f"v.blk.{i}.{name}", shape.dim, shape.dim)
        weights.linear(f"v.blk.{i}.ffn_up", shape.ffn_dim, shape.dim)
        weights.linear(f"v.blk.{i}.ffn_down", shape.dim, shape.ffn_dim)
    finish(writer)


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file(progress=False)
    writer.close()


def make(path: pathlib.Path, write) -> None:
    """A file is whole or not there."""
    if not path.exists():
        part = path.with_suffix(".part")
        write(part)
        part.rename(path)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("out_dir", type=pathlib.Path)
    parser.add_argument("--type", choices=FILE_TYPES, nargs="+", default=["q4_0"], help="types of the language model's matrices")
    parser.add_argument("--no-vision", action="store_true", help="leave out the vision part")
    args = parser.parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    language, vision = MODELS[args.model]
    control_tokens = CONTROL_TOKENS[vision.projector] if vision else []
    for kind in args.type:
        make(args.out_dir / f"{args.model}-{kind}.gguf", lambda path: write_language(path, kind, language, control_tokens))
    if vision and not args.no_vision:
        make(args.out_dir / f"{args.model}-mmproj-f16.gguf", lambda path: write_clip(path, vision, language.dim))


if __name__ == "__main__":
    main()
