#!/usr/bin/env python3
"""Writes GGUF files with random weights in the shapes of real models: for speed and memory, not for sense.

    python tools/random_model/make.py llava-1.5-7b OUT_DIR [--type q4_0]

makes OUT_DIR/llava-1.5-7b-q4_0.gguf and OUT_DIR/llava-1.5-7b-mmproj-f16.gguf. Needs numpy and gguf (PyPI). Quantised
blocks are drawn as random bytes with scales that keep activations finite; the vocabulary is made up, with all bytes.
"""

import argparse
import pathlib

import gguf
import numpy as np

TYPES = {
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, 32, 18),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, 32, 34),
    "f16": (gguf.GGMLQuantizationType.F16, 1, 2),
}

# Language model: layers, model_dim, ffn_dim, heads, KV heads, vocabulary. Vision: blocks, dim, ffn_dim, heads, side, patch.
SHAPES = {"llava-1.5-7b": {"language": (32, 4096, 11008, 32, 32, 32000), "vision": (23, 1024, 4096, 16, 336, 14)}}


class Weights:
    """Adds random tensors to a writer; the same seed gives the same file."""

    def __init__(self, writer: gguf.GGUFWriter, kind: str, seed: int):
        self.writer, self.kind = writer, kind
        self.random = np.random.default_rng(seed)

    def matrix(self, name: str, rows: int, cols: int) -> None:
        ggml_type, block_size, block_bytes = TYPES[self.kind]
        scale = 1 / np.sqrt(cols)
        if self.kind == "f16":
            data = self.random.standard_normal((rows, cols), dtype=np.float32) * scale
            self.writer.add_tensor(name, data.astype(np.float16))
            return
        blocks = self.random.integers(0, 256, (rows, cols // block_size, block_bytes), dtype=np.uint8)
        largest = 8 if self.kind == "q4_0" else 127
        blocks[..., :2] = np.frombuffer(np.float16(scale / largest).tobytes(), dtype=np.uint8)
        self.writer.add_tensor(name, blocks.reshape(rows, -1), raw_dtype=ggml_type)

    def floats(self, name: str, *shape: int, scale: float) -> None:
        self.writer.add_tensor(name, self.random.standard_normal(shape, dtype=np.float32) * np.float32(scale))

    def norm(self, name: str, dim: int, bias: bool) -> None:
        self.writer.add_tensor(name + ".weight", np.ones(dim, dtype=np.float32))
        if bias:
            self.writer.add_tensor(name + ".bias", np.zeros(dim, dtype=np.float32))

    def linear(self, name: str, rows: int, cols: int) -> None:
        self.matrix(name + ".weight", rows, cols)
        self.writer.add_tensor(name + ".bias", np.zeros(rows, dtype=np.float32))


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    tokens = [b"<unk>", b"<s>", b"</s>"] + [b"<0x%02X>" % byte for byte in range(256)]
    types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL] + [gguf.TokenType.BYTE] * 256
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["\u2581"] + list(letters) + [f"\u2581{a}{b}{c}" for a in letters for b in letters for c in letters]
    words += [f"{a}{b}{c}{d}" for a in letters for b in letters for c in letters for d in letters[:2]]
    tokens += [word.encode() for word in words[: size - len(tokens)]]
    types += [gguf.TokenType.NORMAL] * (size - len(types))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_scores([-float(i) for i in range(size)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)


def write_language(path: pathlib.Path, kind: str, shape) -> None:
    num_layers, dim, ffn_dim, num_heads, num_kv_heads, vocab_size = shape
    writer = gguf.GGUFWriter(path, "llama", use_temp_file=True)
    writer.add_context_length(4096)
    writer.add_embedding_length(dim)
    writer.add_block_count(num_layers)
    writer.add_feed_forward_length(ffn_dim)
    writer.add_head_count(num_heads)
    writer.add_head_count_kv(num_kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(dim // num_heads)
    add_vocabulary(writer, vocab_size)
    weights = Weights(writer, kind, 1)
    weights.matrix("token_embd.weight", vocab_size, dim)
    kv_dim = dim // num_heads * num_kv_heads
    for i in range(num_layers):
        weights.norm(f"blk.{i}.attn_norm", dim, bias=False)
        weights.norm(f"blk.{i}.ffn_norm", dim, bias=False)
        for name, rows, cols in (("attn_q", dim, dim), ("attn_k", kv_dim, dim), ("attn_v", kv_dim, dim), ("attn_output", dim, dim),
                                 ("ffn_gate", ffn_dim, dim), ("ffn_up", ffn_dim, dim), ("ffn_down", dim, ffn_dim)):
            weights.matrix(f"blk.{i}.{name}.weight", rows, cols)
    weights.norm("output_norm", dim, bias=False)
    weights.matrix("output.weight", vocab_size, dim)
    finish(writer)


def write_clip(path: pathlib.Path, shape, language_dim: int) -> None:
    num_blocks, dim, ffn_dim, num_heads, side, patch = shape
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", False)
    for key, value in (("embedding_length", dim), ("feed_forward_length", ffn_dim), ("block_count", num_blocks),
                       ("attention.head_count", num_heads), ("image_size", side), ("patch_size", patch), ("projection_dim", language_dim)):
        writer.add_uint32("clip.vision." + key, value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.48145466, 0.4578275, 0.40821073])
    writer.add_array("clip.vision.image_std", [0.26862954, 0.26130258, 0.27577711])
    writer.add_array("clip.vision.feature_layer", [num_blocks])
    weights = Weights(writer, "f16", 2)
    weights.floats("v.class_embd", dim, scale=0.02)
    weights.floats("v.patch_embd.weight", dim, 3, patch, patch, scale=0.02)
    weights.floats("v.position_embd.weight", (side // patch) ** 2 + 1, dim, scale=0.02)
    weights.norm("v.pre_ln", dim, bias=True)
    for i in range(num_blocks):
        for name in ("ln1", "ln2"):
            weights.norm(f"v.blk.{i}.{name}", dim, bias=True)
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            weights.linear(f"v.blk.{i}.{name}", dim, dim)
        weights.linear(f"v.blk.{i}.ffn_up", ffn_dim, dim)
        weights.linear(f"v.blk.{i}.ffn_down", dim, ffn_dim)
    weights.linear("mm.0", language_dim, dim)
    weights.linear("mm.2", language_dim, language_dim)
    finish(writer)


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file(progress=False)
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out_dir", type=pathlib.Path)
    parser.add_argument("--type", choices=TYPES, default="q4_0", help="type of the language model's matrices")
    args = parser.parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    shapes = SHAPES[args.shape]
    language = args.out_dir / f"{args.shape}-{args.type}.gguf"
    clip = args.out_dir / f"{args.shape}-mmproj-f16.gguf"
    write_language(language, args.type, shapes["language"])
    write_clip(clip, shapes["vision"], shapes["language"][1])
    print(language, clip, sep="\n")


if __name__ == "__main__":
    main()
