#!/usr/bin/env python3
"""Compares our next-token distributions with llama.cpp's on the same GGUF files.

    PYTHON_WITH_TRANSFORMERS tools/parity/llama_models.py MODELS
    PYTHON_WITH_LLAMA_CPP    tools/parity/llama_cpp_kl.py MODELS [--build build/release] [--families ...]

For every model of MODELS and every type: `saccade convert` (or llama.cpp's own quantiser for types that we only read)
makes the pair of files, and both programs run them over the same prompt and answer. Each figure is the mean over all
positions of KL(llama.cpp, ours):

  exact      llama.cpp runs the file's weights expanded to f32, so it rounds activations no more than we do
  as it runs llama.cpp runs the file; it rounds activations to the weights' type (8 bits for the quantised ones)
  picture    the same with llama.cpp's own vision part in front (until there, both got the vectors of ours)
  vectors    how far the two vision parts are apart, norm of the difference over the norm

LLaVA has no figure for picture: llama.cpp's vision part computes another function (see llama_models.py); its vectors are
compared with what Transformers makes of that function.

Exit code 0 if every exact figure is under 1e-6, every other KL under 1e-3 and every vectors figure under 2e-2.
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
MAX_EXACT_KL = 1e-6
MAX_VECTORS = 2e-2
VISUAL = -1  # stands for a visual token
ALL_F32 = 0  # llama.cpp's number of the file type
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


def segments_of(tokens: np.ndarray, rows: np.ndarray, places: np.ndarray, is_multidimensional: bool):
    """The prompt as llama.cpp takes it: runs of tokens, and runs of vectors where tokens are VISUAL."""
    is_visual = tokens == VISUAL
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


def compare_case(folder: pathlib.Path, header: dict, case: dict, models: dict, mmproj, dumped: pathlib.Path) -> dict:
    """`models`: llama.cpp's language model on the file, and on the file's weights as f32."""
    name, image_id = case["name"], header["image_token_id"]
    ours = np.load(dumped / f"{name}.logits.npy")
    rows = np.load(dumped / f"{name}.rows.npy")
    places = np.load(dumped / f"{name}.positions.npy").astype(np.int32)
    prompt = golden_integers(folder, f"{name}.tokens")
    # A generated token may by chance have the placeholder's number; it stands for itself.
    marked = np.concatenate([np.where(prompt == image_id, VISUAL, prompt), golden_integers(folder, f"{name}.greedy")])
    is_visual = marked == VISUAL
    is_multidimensional = header["family"] in {"qwen2_vl", "qwen2_5_vl"}

    def kl(model, vectors) -> float:
        return mean_kl(model.logits(segments_of(marked, vectors, places, is_multidimensional)), ours)

    result = {"exact": kl(models["f32"], rows), "as it runs": kl(models["file"], rows)}
    pictures = [part["file"] for message in case["messages"] for part in message["content"] if part["type"] == "image"]
    if pictures:
        theirs = np.concatenate([llama_cpp_runner.picture_vectors(models["file"], str(mmproj), read_picture(folder / file))
                                 for file in pictures])
        if theirs.shape != rows[is_visual].shape:
            raise RuntimeError(f"llama.cpp makes {len(theirs)} vectors of the picture, we make {is_visual.sum()}")
        known = folder / f"{name}.llama_cpp.npy"
        expected = np.load(known) if known.exists() else rows[is_visual]
        result["vectors"] = float(np.linalg.norm(theirs - expected) / np.linalg.norm(expected))
        if not known.exists():
            rows = rows.copy()
            rows[is_visual] = theirs
            result["picture"] = kl(models["file"], rows)
    return result


def compare_type(folder: pathlib.Path, kind: str, build: pathlib.Path) -> list[tuple[str, dict]]:
    header = json.loads((folder / "case.json").read_text())
    has_picture = header["image_token_id"] >= 0
    with tempfile.TemporaryDirectory(prefix="saccade_llama_") as temporary:
        work = pathlib.Path(temporary)
        path, mmproj = make_files(folder, kind, build, work, has_picture)
        run(build / "bin/saccade_parity", path, folder, "--dump-logits", work, *(["--mmproj", mmproj] if mmproj else []))
        llama_cpp_runner.quantize(str(path), str(work / "expanded.gguf"), ALL_F32)
        models = {"file": llama_cpp_runner.LanguageModel(str(path)),
                  "f32": llama_cpp_runner.LanguageModel(str(work / "expanded.gguf"))}
        results = [(case["name"], compare_case(folder, header, case, models, mmproj, work)) for case in header["cases"]]
        for model in models.values():
            model.close()
    return results


def has_passed(result: dict) -> bool:
    return (result["exact"] < MAX_EXACT_KL and result["as it runs"] < MAX_KL and result.get("picture", 0) < MAX_KL
            and result.get("vectors", 0) < MAX_VECTORS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, help="what llama_models.py wrote")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--families", nargs="*")
    parser.add_argument("--types", nargs="*", default=[*CONVERTED, *REQUANTIZED])
    arguments = parser.parse_args()
    llama_cpp_runner.quiet()
    families = arguments.families or sorted(path.name for path in arguments.models.iterdir() if path.is_dir())
    columns = ["exact", "as it runs", "picture", "vectors"]
    print(f"{'family':12} {'type':5} {'case':8}" + "".join(f"{column:>12}" for column in columns))
    num_failed = num_run = 0
    for family in families:
        for kind in arguments.types:
            for case, result in compare_type(arguments.models / family, kind, arguments.build):
                num_run, num_failed = num_run + 1, num_failed + (not has_passed(result))
                cells = "".join(f"{result[column]:12.1e}" if column in result else " " * 12 for column in columns)
                print(f"{family:12} {kind:5} {case:8}{cells}{'' if has_passed(result) else '  FAIL'}", flush=True)
    print(f"{num_run - num_failed} passed, {num_failed} failed")
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main())
