#!/usr/bin/env python3
"""How far each file type moves the small model's next-token distributions, in our hands and in llama.cpp's.

    PYTHON_WITH_LLAMA_CPP tools/parity/kl_to_reference.py models/saccade-mini.gguf --data samples/heldout/set.jsonl
        [--build build/release] [--cases 24] [--isas avx2 ...] [--types q8_0 ...]

The reference is our plain C++ code (SACCADE_ISA=reference) on f32 weights. The model's file has 8-bit weights; to stand for
those it was rounded from, each weight is moved by a random part of half its step. llama.cpp's quantiser makes every type from
that, mixed as people have them, and both programs run the file over the same pictures, questions and answers (both with keys and
values in f32, and with the reference's vectors of the pictures). Each figure is the mean over all rows of KL(reference, program).

Exit code 0 if ours is under 1e-3 for f16 and q8_0 and, for the other types, not above llama.cpp's own by more than two
standard errors of the difference over the questions, on every instruction set that the machine has. Needs numpy, gguf and llama-cpp-python (requirements.txt).
"""

import argparse
import ctypes
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import llama_cpp_kl
import llama_cpp_runner
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TYPES = {"f16": 1, "q8_0": 7, "q4_0": 2, "q4_1": 3, "q4_k_m": 15, "q5_k_m": 17, "q6_k": 18}  # llama.cpp's numbers
ISAS = ["avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx", "neon", "neon_dot"]
MAX_KL = 1e-3


def is_vision(name: str) -> bool:
    return name.startswith(("v.", "mm.", "clip.", "saccade.vision"))


def copy_keys(reader: gguf.GGUFReader, writer: gguf.GGUFWriter, wants) -> None:
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture" or not wants(name):
            continue
        kind = field.types[0]
        writer.add_key_value(name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_language(reader: gguf.GGUFReader, target: pathlib.Path) -> None:
    """The language part in f32."""
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    copy_keys(reader, writer, lambda name: not is_vision(name))
    random = np.random.default_rng(1)
    for tensor in reader.tensors:
        if is_vision(tensor.name):
            continue
        data = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0:
            blocks = data.reshape(-1, 32)
            steps = np.abs(blocks).max(axis=1, keepdims=True) / 127
            data = (blocks + steps * random.uniform(-0.5, 0.5, blocks.shape).astype(np.float32)).reshape(data.shape)
        writer.add_tensor(tensor.name, data)
    finish(writer)


def write_vision(reader: gguf.GGUFReader, target: pathlib.Path) -> None:
    """The vision part in f32, so that the decoder gets the same vectors on every instruction set."""
    writer = gguf.GGUFWriter(target, "clip")
    copy_keys(reader, writer, is_vision)
    for tensor in reader.tensors:
        if is_vision(tensor.name):
            writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    finish(writer)


def quantize(source: str, target: str, ftype: int) -> None:
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = ftype, 1
    if llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)) != 0:
        raise RuntimeError(f"llama.cpp could not quantise {source}")


def pieces_of(answer: str, tokens: list) -> list:
    """Token ids whose texts make the answer: the longest first."""
    text, ids = "\u2581" + answer.replace(" ", "\u2581"), []
    by_text = {token: i for i, token in enumerate(tokens)}
    while text:
        length = next((n for n in range(len(text), 0, -1) if text[:n] in by_text), 0)
        if length:
            ids.append(by_text[text[:length]])
        text = text[max(length, 1):]
    return ids


def write_cases(folder: pathlib.Path, data: pathlib.Path, count: int, tokens: list) -> list:
    """A folder as saccade_parity takes it, with nothing that it would compare. Returns the names."""
    lines = [json.loads(line) for line in data.read_text().splitlines() if line.strip()]
    chosen = lines[:: max(1, len(lines) // count)][:count]
    cases, tensors = [], {}
    for i, line in enumerate(chosen):
        name, picture = f"case{i}", f"case{i}{pathlib.Path(line['image']).suffix}"
        shutil.copy(data.parent / line["image"], folder / picture)
        content = [{"type": "image", "file": picture}, {"type": "text", "text": line["question"]}]
        cases.append({"name": name, "messages": [{"role": "user", "content": content}]})
        greedy = np.array(pieces_of(line["answer"], tokens), np.int32)
        tensors |= {f"{name}.tokens": np.zeros(1, np.int32), f"{name}.pixels.0": np.zeros(1, np.uint8), f"{name}.greedy": greedy,
                    f"{name}.logits": np.zeros((1, 1), np.float32), f"{name}.last_logits": np.zeros(1, np.float32)}
    (folder / "case.json").write_text(json.dumps({"family": "llava", "image_token_id": -1, "cases": cases}))
    header, blob = {}, b""
    for name, array in tensors.items():
        kind = {"int32": "I32", "uint8": "U8", "float32": "F32"}[array.dtype.name]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(blob), len(blob) + array.nbytes]}
        blob += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "golden.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + blob)
    return [case["name"] for case in cases]


def dump(build: pathlib.Path, isa: str, model: pathlib.Path, vision: pathlib.Path, folder: pathlib.Path, out: pathlib.Path) -> bool:
    """False where the machine cannot run the instruction set."""
    out.mkdir(exist_ok=True)
    command = [build / "bin/saccade_parity", model, folder, "--mmproj", vision, "--dump-logits", out]
    done = subprocess.run([str(word) for word in command], env=os.environ | {"SACCADE_ISA": isa}, capture_output=True, text=True, check=False)
    if done.returncode != 0 and ("cannot run" in done.stderr or "no instruction set" in done.stderr):
        return False
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="a file with language and vision part, such as models/saccade-mini.gguf")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "samples/heldout/set.jsonl")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--types", nargs="*", choices=TYPES, default=["f16", "q8_0", "q4_0", "q4_1", "q4_k_m"])
    parser.add_argument("--isas", nargs="*", default=ISAS)
    args = parser.parse_args()
    llama_cpp_runner.quiet()
    reader = gguf.GGUFReader(args.model)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    num_failed = 0
    with tempfile.TemporaryDirectory(prefix="saccade_kl_") as temporary:
        work = pathlib.Path(temporary)
        names = write_cases(work, args.data, args.cases, tokens)
        vision = work / "vision.gguf"
        write_language(reader, work / "f32.gguf")
        write_vision(reader, vision)
        dump(args.build, "reference", work / "f32.gguf", vision, work, work / "reference")

        def load(out: pathlib.Path, part: str) -> list:
            return [np.load(out / f"{name}.{part}.npy") for name in names]

        reference, rows, places = (load(work / "reference", part) for part in ("logits", "rows", "positions"))
        print(f"{len(names)} questions, {sum(map(len, reference))} rows, {reference[0].shape[1]} tokens")
        print(f"{'type':8} {'program':24} {'mean KL':>10}   more than llama.cpp")
        for kind in args.types:
            quantize(str(work / "f32.gguf"), str(work / f"{kind}.gguf"), TYPES[kind])
            model = llama_cpp_runner.LanguageModel(str(work / f"{kind}.gguf"))
            theirs = np.array([llama_cpp_kl.mean_kl(ref, model.logits([(r, p[:, 0].astype(np.int32))]))
                               for ref, r, p in zip(reference, rows, places)])
            model.close()
            print(f"{kind:8} {'llama.cpp':24} {theirs.mean():10.2e}", flush=True)
            for isa in args.isas:
                out = work / f"{kind}-{isa}"
                if not dump(args.build, isa, work / f"{kind}.gguf", vision, work, out):
                    continue
                ours = np.array([llama_cpp_kl.mean_kl(ref, logits) for ref, logits in zip(reference, load(out, "logits"))])
                more = ours - theirs
                error = more.std(ddof=1) / np.sqrt(len(more))
                failed = not (ours.mean() < MAX_KL if kind in ("f16", "q8_0") else more.mean() <= 2 * error)
                num_failed += failed
                print(f"{kind:8} {'saccade ' + isa:24} {ours.mean():10.2e}   {more.mean():+.1e} +- {error:.0e}"
                      f"{'  FAIL' if failed else ''}", flush=True)
                shutil.rmtree(out)
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main())
