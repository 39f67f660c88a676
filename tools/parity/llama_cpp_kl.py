#!/usr/bin/env python3
"""Compares our next-token distributions with llama.cpp's on the same GGUF files.

    PYTHON_WITH_TRANSFORMERS tools/parity/llama_models.py MODELS
    PYTHON_WITH_LLAMA_CPP    tools/parity/llama_cpp_kl.py MODELS [--build build/release] [--families ...]

For every model of MODELS and every type: `saccade convert` (or llama.cpp's own quantiser for types that we only read)
makes the pair of files, and both programs run them over the same prompt and answer. KL is the mean over all positions of
KL(llama.cpp, ours), with the same picture vectors in both ("vectors ours") and with llama.cpp's own vision part in front of
llama.cpp's language model ("vectors llama"); "vectors" is how far the two vision parts are apart, norm over norm.
Exit code 0 if every KL is under 1e-3.
"""

import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import llama_cpp_runner
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_KL = 1e-3
CONVERTED = ["f32", "f16", "bf16", "q8_0", "q4_0"]
# Types that our converter does not write, by llama.cpp's number for the file type.
REQUANTIZED = {"q4_1": 3, "q5_0": 8, "q5_1": 9, "q4_k": 14, "q5_k": 16, "q6_k": 18}


def golden_integers(folder: pathlib.Path, name: str) -> np.ndarray:
    """One I32 tensor of golden.safetensors, without the library."""
    data = (folder / "golden.safetensors").read_bytes()
    length, = struct.unpack("<Q", data[:8])
    begin, end = json.loads(data[8:8 + length])[name]["data_offsets"]
    return np.frombuffer(data[8 + length + begin:8 + length + end], np.int32)


def read_picture(path: pathlib.Path) -> np.ndarray:
    """[height, width, 3]. Pillow is not part of llama-cpp-python; the picture is written beside its PNG."""
    return np.load(path.with_suffix(".npy"))


def run(*command) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{pathlib.Path(command[0]).name}: {done.stderr.strip() or done.returncode}")


def make_files(folder: pathlib.Path, kind: str, build: pathlib.Path, work: pathlib.Path, has_picture: bool):
    """Paths of the language model and of the vision part (None for a language model alone)."""
    model, mmproj = work / f"{kind}.gguf", work / f"{kind}.mmproj.gguf" if has_picture else None
    convert = [build / "bin/saccade", "convert", folder / "checkpoint"]
    pair = ["--mmproj", mmproj] if has_picture else []
    if kind in CONVERTED:
        run(*convert, model, "--type", kind, *pair)
    else:
        run(*convert, work / "source.gguf", "--type", "f32", *pair)
        llama_cpp_runner.quantize(str(work / "source.gguf"), str(model), REQUANTIZED[kind])
    return model, mmproj


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def mean_kl(theirs: np.ndarray, ours: np.ndarray) -> float:
    log_p, log_q = log_softmax(theirs), log_softmax(ours[:, :theirs.shape[1]])
    return float((np.exp(log_p) * (log_p - log_q)).sum(axis=-1).mean())


def segments_of(tokens: np.ndarray, image_id: int, rows: np.ndarray, places: np.ndarray, is_multidimensional: bool):
    """The prompt as llama.cpp takes it: runs of tokens, and runs of vectors where visual tokens stand."""
    is_visual = tokens == image_id
    edges = [0, *(np.flatnonzero(np.diff(is_visual)) + 1), len(tokens)]
    segments = []
    for begin, end in zip(edges[:-1], edges[1:]):
        if not is_visual[begin]:
            segments.append((tokens[begin:end], places[begin:end, 0]))
        elif is_multidimensional:
            zeros = np.zeros((end - begin, 1), places.dtype)
            segments.append((rows[begin:end], np.concatenate([places[begin:end], zeros], axis=1).T))
        else:
            segments.append((rows[begin:end], places[begin:end, 0]))
    return segments


def compare_case(folder: pathlib.Path, header: dict, case: dict, model, mmproj, dumped: pathlib.Path) -> dict:
    name, image_id = case["name"], header["image_token_id"]
    ours = np.load(dumped / f"{name}.logits.npy")
    rows = np.load(dumped / f"{name}.rows.npy")
    places = np.load(dumped / f"{name}.positions.npy").astype(np.int32)
    prompt = golden_integers(folder, f"{name}.tokens")
    tokens = np.concatenate([prompt, golden_integers(folder, f"{name}.greedy")])
    is_visual = np.concatenate([prompt == image_id, np.zeros(len(tokens) - len(prompt), bool)])
    # A generated token may by chance have the placeholder's number; it stands for itself.
    marked = np.where(is_visual, -1, tokens)
    is_multidimensional = header["family"] in {"qwen2_vl", "qwen2_5_vl"}
    result = {"kl": mean_kl(model.logits(segments_of(marked, -1, rows, places, is_multidimensional)), ours)}
    pictures = [part["file"] for message in case["messages"] for part in message["content"] if part["type"] == "image"]
    if pictures:
        vectors = np.concatenate([llama_cpp_runner.picture_vectors(model, str(mmproj), read_picture(folder / file))
                                  for file in pictures])
        mine = rows[is_visual]
        result["vectors"] = float(np.linalg.norm(vectors - mine) / np.linalg.norm(mine)) if vectors.shape == mine.shape \
            else float("inf")
        if vectors.shape == mine.shape:
            rows = rows.copy()
            rows[is_visual] = vectors
            result["kl_end_to_end"] = mean_kl(
                model.logits(segments_of(marked, -1, rows, places, is_multidimensional)), ours)
    return result


def compare_type(folder: pathlib.Path, kind: str, build: pathlib.Path) -> list[tuple[str, dict]]:
    header = json.loads((folder / "case.json").read_text())
    has_picture = header["image_token_id"] >= 0
    with tempfile.TemporaryDirectory(prefix="saccade_llama_") as temporary:
        work = pathlib.Path(temporary)
        path, mmproj = make_files(folder, kind, build, work, has_picture)
        run(build / "bin/saccade_parity", path, folder, "--dump-logits", work, *(["--mmproj", mmproj] if mmproj else []))
        model = llama_cpp_runner.LanguageModel(str(path))
        results = [(case["name"], compare_case(folder, header, case, model, mmproj, work)) for case in header["cases"]]
        model.close()
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, help="what llama_models.py wrote")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--families", nargs="*")
    parser.add_argument("--types", nargs="*", default=[*CONVERTED, *REQUANTIZED])
    arguments = parser.parse_args()
    llama_cpp_runner.quiet()
    families = arguments.families or sorted(path.name for path in arguments.models.iterdir() if path.is_dir())
    print(f"{'family':12} {'type':5} {'case':8} {'KL, vectors ours':>17} {'KL, vectors llama':>18} {'vectors':>9}")
    num_failed = num_run = 0
    for family in families:
        for kind in arguments.types:
            for case, result in compare_type(arguments.models / family, kind, arguments.build):
                end_to_end = result.get("kl_end_to_end", 0.0 if "vectors" not in result else float("inf"))
                passed = max(result["kl"], end_to_end) < MAX_KL
                num_run, num_failed = num_run + 1, num_failed + (not passed)
                extra = f"{end_to_end:18.2e} {result['vectors']:9.1e}" if "vectors" in result else ""
                print(f"{family:12} {kind:5} {case:8} {result['kl']:17.2e} {extra}{'' if passed else '  FAIL'}", flush=True)
    print(f"{num_run - num_failed} passed, {num_failed} failed")
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main())
