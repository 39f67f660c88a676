"""Writes an adaptive model as a Hugging Face directory: that of `export_hf.py`, with the scheduler's tensors beside the others and
the ladder of plans in its configuration.

    python -m train.export_adaptive ~/saccade-train/adaptive/averaged ~/saccade-train/saccade-mini
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from train.adaptive import AdaptiveMini, load_adaptive
from train.export_hf import export
from train.plans import LADDER, UNITS_A_LAYER
from train.scheduler import NUM_PREFIX


def adaptive_tensors(adaptive: AdaptiveMini) -> dict[str, torch.Tensor]:
    """What goes beyond the plain model; AdaLLaVA's names for what it has too."""
    return {name: p.detach().float().contiguous() for name, p in adaptive.named_parameters() if not name.startswith("model.")}


def export_adaptive(adaptive: AdaptiveMini, out: Path) -> None:
    export(adaptive.model, out)
    weights = out / "model.safetensors"
    save_file(load_file(str(weights)) | adaptive_tensors(adaptive), str(weights), metadata={"format": "pt"})
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    config["saccade_adaptive"] = {
        "num_prefix_layers": NUM_PREFIX, "units_per_layer": UNITS_A_LAYER, "latency_position": 1 + adaptive.cfg.num_patches,
        "ladder": [asdict(plan) for plan in LADDER]}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="written by train.train_adaptive")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    export_adaptive(load_adaptive(args.folder), args.out)


if __name__ == "__main__":
    main()
