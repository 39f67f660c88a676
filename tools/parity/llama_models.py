#!/usr/bin/env python3
"""Writes the models that llama_cpp.py compares: small ones of every family that llama.cpp runs, wide enough for K-quants.

    python tools/parity/llama_models.py OUT
"""

import pathlib
import random
import shutil
import sys

import numpy as np
import torch

import checkpoint
import make_golden
import reference
import tiny_models

# Rows of K-quants are blocks of 256. The pictures have the model's own size, so that it is the models that are compared,
# not how two programs resize. llama.cpp's windows in Qwen2.5-VL are always of 112 pixels, and every n-th block attends to
# everything; the published models are like that.
WIDE = dict(model_dim=256, ffn_dim=512, num_heads=4, num_kv_heads=2, head_dim=64, vision_dim=128, vision_ffn_dim=256,
            vision_heads=4, vocab_size=900)
FAMILIES = {
    "text_llama3": (dict(num_layers=3), []),
    "text_linear": (dict(num_layers=2), []),
    "text_qwen2": (dict(num_layers=3), []),
    "llava": (dict(image_size=112), [(112, 112)]),
    "smolvlm": (dict(image_size=112, merge=2, tile_edge=2), [(224, 224)]),
    "qwen2_vl": (dict(rms_eps=1e-6), [(140, 84)]),
    "qwen2_5_vl": (dict(rms_eps=1e-6, vision_layers=4, full_attention=(1, 3), window_patches=8), [(140, 112)]),
}


def vectors_with_class_token_last(tiny: tiny_models.TinyModel, case: reference.Case) -> np.ndarray:
    """What Transformers would make of the picture if CLIP's class token stood behind the patches.

    llama.cpp's graph for LLaVA puts it there (llama-cpp-python 0.3.36), but takes positions and features as if it stood in
    front; so its features are those of this model, and not LLaVA's.
    """
    embeddings = tiny.model.model.vision_tower.embeddings

    def class_token_last(pixel_values, **unused):
        patches = embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        token = embeddings.class_embedding.expand(len(patches), 1, -1)
        return torch.cat([patches, token], dim=1) + embeddings.position_embedding.weight

    inputs, _ = reference.model_inputs(tiny, case)
    original, embeddings.forward = embeddings.forward, class_token_last
    with torch.no_grad():
        _, seen = reference.watch_projector(tiny, inputs)
    embeddings.forward = original
    return seen["projector"].numpy()


def write(family: str, out: pathlib.Path) -> None:
    more, sizes = FAMILIES[family]
    rng = random.Random(family)
    dims = tiny_models.Dims(**(WIDE | more))
    tiny = tiny_models.make(family, dims, 1, scale=tiny_models.WeightScale.calm())
    long_text = " ".join(reference.draw_text(rng) for _ in range(20))
    cases = [reference.Case("text", [reference.user(long_text)], [])]
    if sizes:
        pictures = [reference.draw_picture(*size, rng) for size in sizes]
        cases.append(reference.Case("picture", [reference.user("What does the display show?", 0)], pictures))
    recordings = [reference.record(tiny, case) for case in cases]
    folder = out / family
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint.save(tiny, folder / "checkpoint", layout=checkpoint.Layout.HUB, template_in="tokenizer")
    make_golden.write_cases(tiny, cases, recordings, folder, 1)
    for case in cases:
        for index, picture in enumerate(case.pictures):
            np.save(folder / f"{case.name}_{index}.npy", np.asarray(picture))
        if family == "llava" and case.pictures:
            np.save(folder / f"{case.name}.llama_cpp.npy", vectors_with_class_token_last(tiny, case))


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    for family in FAMILIES:
        write(family, pathlib.Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
