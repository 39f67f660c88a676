"""OpenVINO's CPU plugin, which OpenVINO GenAI runs on: times the measures that are asked for, prints them as JSON.

Run by compare.py. OpenVINO reads no GGUF of every architecture, so the model is built here, with the operators that its own
conversion makes, in the shapes that the GGUF file names and with random weights: int8 with one scale a row for q8_0, int4 in
groups of 128 for the 4-bit types, f16 for f16 and the vision part. Keys and values are the model's state.
"""

import json
import sys
import time

import gguf
import numpy as np
import openvino as ov
from openvino import opset13 as op
from openvino.op.util import Variable, VariableInfo

RANDOM = np.random.default_rng(1)
KEPT = []


def ints(*values) -> ov.Node:
    return op.constant(np.array(values, np.int64))


def floats(shape, scale=0.02) -> ov.Node:
    return op.constant(RANDOM.standard_normal(shape, np.float32) * np.float32(scale))


def matrix(kind: str, rows: int, cols: int) -> ov.Node:
    """[rows, cols] as f32, in the form that the plugin multiplies without expanding it in memory."""
    if kind == "f16":
        data = (RANDOM.standard_normal((rows, cols), np.float32) / np.sqrt(cols)).astype(np.float16)
        return op.convert(op.constant(data), ov.Type.f32)
    if kind == "int8" or cols % 128 != 0:
        data = RANDOM.integers(-127, 127, (rows, cols), dtype=np.int8)
        scale = op.constant(np.full((rows, 1), 1 / np.sqrt(cols) / 64, np.float16))
        scaled = op.multiply(op.convert(op.constant(data), ov.Type.f16), scale)
        return op.convert(scaled, ov.Type.f32)
    # A constant of a tensor shares its memory.
    KEPT.append(RANDOM.integers(0, 256, rows * cols // 2, dtype=np.uint8))
    data = ov.Tensor(KEPT[-1], [rows, cols // 128, 128], ov.Type.i4)
    scale = op.constant(np.full((rows, cols // 128, 1), 1 / np.sqrt(cols) / 4, np.float16))
    scaled = op.multiply(op.convert(op.constant(data), ov.Type.f16), scale)
    return op.convert(op.reshape(scaled, ints(rows, cols), False), ov.Type.f32)


def linear(x: ov.Node, kind: str, rows: int, cols: int, has_bias: bool = False) -> ov.Node:
    y = op.matmul(x, matrix(kind, rows, cols), False, True)
    return op.add(y, floats((1, 1, rows))) if has_bias else y


def rms_norm(x: ov.Node, dim: int) -> ov.Node:
    mean = op.reduce_mean(op.power(x, op.constant(np.float32(2))), ints(-1), True)
    scale = op.divide(op.constant(np.float32(1)), op.sqrt(op.add(mean, op.constant(np.float32(1e-5)))))
    return op.multiply(op.constant(np.ones((1, 1, dim), np.float32)), op.multiply(x, scale))


def layer_norm(x: ov.Node, dim: int) -> ov.Node:
    y = op.mvn(x, ints(-1), True, 1e-5, "inside_sqrt")
    return op.add(op.multiply(y, op.constant(np.ones((1, 1, dim), np.float32))), floats((1, 1, dim)))


def heads_of(x: ov.Node, num_heads: int, head_dim: int) -> ov.Node:
    return op.transpose(op.reshape(x, ints(0, 0, num_heads, head_dim), True), ints(0, 2, 1, 3))


def rotate(x: ov.Node, cosine: ov.Node, sine: ov.Node, head_dim: int) -> ov.Node:
    first = op.slice(x, ints(0), ints(head_dim // 2), ints(1), ints(3))
    second = op.slice(x, ints(head_dim // 2), ints(2**31 - 1), ints(1), ints(3))
    halves = op.concat([op.multiply(second, op.constant(np.float32(-1))), first], -1)
    return op.add(op.multiply(x, cosine), op.multiply(halves, sine))


def repeat_heads(x: ov.Node, num_kv_heads: int, group: int, head_dim: int) -> ov.Node:
    if group == 1:
        return x
    wide = op.broadcast(op.unsqueeze(x, ints(2)), op.concat([op.gather(op.shape_of(x), ints(0, 1), ints(0)), ints(group),
                        op.gather(op.shape_of(x), ints(2, 3), ints(0))], 0), "BIDIRECTIONAL")
    return op.reshape(wide, ints(0, num_kv_heads * group, -1, head_dim), True)


def decoder(path: str) -> ov.Model:
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.")}
    arch = fields["general.architecture"]
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    kind = {"Q8_0": "int8", "F16": "f16"}.get(tensors["blk.0.attn_q.weight"].tensor_type.name, "int4")
    output = tensors.get("output.weight", tensors["token_embd.weight"])
    dim, ffn_dim = fields[f"{arch}.embedding_length"], fields[f"{arch}.feed_forward_length"]
    num_heads, num_kv_heads = fields[f"{arch}.attention.head_count"], fields[f"{arch}.attention.head_count_kv"]
    head_dim, has_bias = dim // num_heads, "blk.0.attn_q.bias" in tensors
    x_in = op.parameter([-1, -1, dim], ov.Type.f32, name="inputs_embeds")
    positions = op.parameter([-1, -1], ov.Type.i64, name="position_ids")
    beams = op.parameter([-1], ov.Type.i32, name="beam_idx")
    for node in (x_in, positions, beams):
        node.output(0).set_names({node.get_friendly_name()})
    frequencies = op.constant((1 / 10000 ** (np.arange(0, head_dim, 2) / head_dim)).astype(np.float32).reshape(1, 1, -1))
    angles = op.multiply(op.unsqueeze(op.convert(positions, ov.Type.f32), ints(2)), frequencies)
    angles = op.unsqueeze(op.concat([angles, angles], -1), ints(1))
    cosine, sine = op.cos(angles), op.sin(angles)
    batch = op.gather(op.shape_of(x_in), ints(0), ints(0))
    # True where key j <= past + query i.
    sinks, x = [], x_in
    mask = None
    for layer in range(fields[f"{arch}.block_count"]):
        normed = rms_norm(x, dim)
        q = rotate(heads_of(linear(normed, kind, dim, dim, has_bias), num_heads, head_dim), cosine, sine, head_dim)
        parts = {}
        for name in ("k", "v"):
            new = heads_of(linear(normed, kind, num_kv_heads * head_dim, dim, has_bias), num_kv_heads, head_dim)
            if name == "k":
                new = rotate(new, cosine, sine, head_dim)
            info = VariableInfo()
            info.data_shape, info.data_type = ov.PartialShape([-1, num_kv_heads, -1, head_dim]), ov.Type.f32
            info.variable_id = f"past.{layer}.{name}"
            variable = Variable(info)
            start = op.broadcast(op.constant(np.float32(0)), op.concat([batch, ints(num_kv_heads, 0, head_dim)], 0))
            past = op.gather(op.read_value(start, variable), beams, ints(0))
            parts[name] = op.concat([past, new], 2)
            sinks.append(op.assign(parts[name], variable))
        if mask is None:
            num_keys = op.gather(op.shape_of(parts["k"]), op.constant(np.int64(2)), ints(0))
            keys = op.range(op.constant(np.int64(0)), num_keys, op.constant(np.int64(1)), ov.Type.i64)
            seen = op.less_equal(op.unsqueeze(keys, ints(0, 1, 2)), op.unsqueeze(op.unsqueeze(positions, ints(1)), ints(3)))
            mask = op.select(seen, op.constant(np.float32(0)), op.constant(np.float32(-65504)))
        group = num_heads // num_kv_heads
        k, v = (repeat_heads(parts[name], num_kv_heads, group, head_dim) for name in ("k", "v"))
        attended = op.scaled_dot_product_attention(q, k, v, mask)
        attended = op.reshape(op.transpose(attended, ints(0, 2, 1, 3)), ints(0, 0, dim), True)
        x = op.add(x, linear(attended, kind, dim, dim))
        normed = rms_norm(x, dim)
        gated = op.multiply(op.swish(linear(normed, kind, ffn_dim, dim)), linear(normed, kind, ffn_dim, dim))
        x = op.add(x, linear(gated, kind, dim, ffn_dim))
    last = op.slice(x, ints(-1), ints(2**31 - 1), ints(1), ints(1))
    vocab_kind = "f16" if kind == "f16" else "int8"
    logits = linear(rms_norm(last, dim), vocab_kind, int(output.shape[1]), dim)
    return ov.Model([op.result(logits)], sinks, [x_in, positions, beams], "decoder")


def vision(path: str):
    """The tower and projector for `tiles` inputs of patches [tiles, rows, patch elements], and that input's shape."""
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    dim, ffn_dim = fields["clip.vision.embedding_length"], fields["clip.vision.feed_forward_length"]
    num_heads, patch = fields["clip.vision.attention.head_count"], fields["clip.vision.patch_size"]
    kind = fields["clip.projector_type"]
    side = fields["clip.vision.image_size"] // patch
    head_dim, num_patches = dim // num_heads, side * side
    x_in = op.parameter([-1, num_patches, 3 * patch * patch], ov.Type.f32, name="patches")
    x = op.add(linear(x_in, "f16", dim, 3 * patch * patch), floats((1, num_patches, dim)))
    if kind == "mlp":
        row = op.broadcast(floats((1, 1, dim)), op.concat([op.gather(op.shape_of(x), ints(0), ints(0)), ints(1, dim)], 0))
        x = layer_norm(op.concat([row, x], 1), dim)
    rope = kind == "qwen2vl_merger"
    cosine, sine = floats((1, 1, num_patches, head_dim)), floats((1, 1, num_patches, head_dim))
    for _ in range(fields["clip.vision.block_count"]):
        normed = layer_norm(x, dim)
        q, k, v = (heads_of(linear(normed, "f16", dim, dim, True), num_heads, head_dim) for _ in range(3))
        if rope:
            q, k = rotate(q, cosine, sine, head_dim), rotate(k, cosine, sine, head_dim)
        attended = op.scaled_dot_product_attention(q, k, v)
        attended = op.reshape(op.transpose(attended, ints(0, 2, 1, 3)), ints(0, 0, dim), True)
        x = op.add(x, linear(attended, "f16", dim, dim, True))
        wide = linear(layer_norm(x, dim), "f16", ffn_dim, dim, True)
        wide = op.gelu(wide, "tanh") if kind == "idefics3" else op.multiply(wide, op.sigmoid(op.multiply(wide, op.constant(np.float32(1.702)))))
        x = op.add(x, linear(wide, "f16", dim, ffn_dim, True))
    if kind == "mlp":
        x = op.slice(x, ints(1), ints(2**31 - 1), ints(1), ints(1))
        wide = int(tensors["mm.0.weight"].shape[1])
        out = linear(op.gelu(linear(x, "f16", wide, dim, True), "erf"), "f16", wide, wide, True)
    elif kind == "idefics3":
        joined = op.reshape(layer_norm(x, dim), ints(0, num_patches // 16, 16 * dim), True)
        out = linear(joined, "f16", int(tensors["mm.model.fc.weight"].shape[1]), 16 * dim)
    else:
        joined = op.reshape(layer_norm(x, dim), ints(0, num_patches // 4, 4 * dim), True)
        hidden = op.gelu(linear(joined, "f16", 4 * dim, 4 * dim, True), "erf")
        out = linear(hidden, "f16", int(tensors["mm.2.weight"].shape[1]), 4 * dim, True)
    return ov.Model([op.result(out)], [x_in], "vision"), (num_patches, 3 * patch * patch)


class Peer:
    def __init__(self, job: dict):
        self.job = job
        core = ov.Core()
        settings = {"INFERENCE_NUM_THREADS": job["threads"], "PERFORMANCE_HINT": "LATENCY"}
        measures = set(job["measures"])
        if measures & {"prefill", "decode_1", "decode_8"}:
            self.decoder = core.compile_model(decoder(job["model"]), "CPU", settings).create_infer_request()
            self.dim = self.decoder.model_inputs[0].partial_shape[2].get_length()
        if "encode" in measures:
            model, shape = vision(job["mmproj"])
            self.vision = core.compile_model(model, "CPU", settings).create_infer_request()
            self.pixels = RANDOM.standard_normal((job["tiles"], *shape), np.float32)

    def _step(self, batch_size: int, first: int, count: int) -> None:
        self.decoder.infer({
            "inputs_embeds": np.full((batch_size, count, self.dim), 0.01, np.float32),
            "position_ids": np.tile(np.arange(first, first + count, dtype=np.int64), (batch_size, 1)),
            "beam_idx": np.arange(batch_size, dtype=np.int32)}, share_inputs=True)

    def prefill(self) -> None:
        self.decoder.reset_state()
        self._step(1, 0, self.job["prompt_tokens"])

    def decode(self, batch_size: int) -> None:
        self.decoder.reset_state()
        for i in range(self.job["generated_tokens"]):
            self._step(batch_size, i, 1)

    def encode(self) -> None:
        self.vision.infer([self.pixels], share_inputs=True)


def main() -> None:
    job = json.load(sys.stdin)
    job["measures"] = [measure for measure in job["measures"] if measure != "first_token"]
    peer = Peer(job)
    runs = {"encode": peer.encode, "prefill": peer.prefill, "decode_1": lambda: peer.decode(1), "decode_8": lambda: peer.decode(8)}
    results = {}
    for measure in job["measures"]:
        times = []
        for _ in range(job["warmups"] + job["repeats"]):
            start = time.perf_counter()
            runs[measure]()
            times.append((time.perf_counter() - start) * 1000)
        results[measure] = times[job["warmups"]:]
    print(json.dumps({"ms": results, "version": f"openvino {ov.get_version()}"}))


if __name__ == "__main__":
    main()
