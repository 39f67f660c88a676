"""Writes an adaptive model as a Hugging Face directory: that of `export_hf.py`, with the order in which its added layers may be left out
and the head that chooses tokens, `token_scorer.*`.

    python -m train.export_adaptive ~/saccade-train/adaptive/averaged ~/saccade-train/saccade-mini
    python -m train.export_adaptive models/saccade-mini.gguf ~/saccade-train/saccade-mini --scorer ~/saccade-train/scorer/token_scorer.safetensors

The schedulers stay behind: where they choose among more than the added layers they lose to this order
(docs/decisions/one_budget_for_the_small_model.md).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from train.adaptive import AdaptiveMini
from train.export_hf import export
from train.plans import skip_order
from train.train_adaptive import start_of


def export_adaptive(adaptive: AdaptiveMini, out: Path) -> None:
    export(adaptive.model, out)
    weights = out / "model.safetensors"
    scorer = {f"token_scorer.{name}": p.detach().float().contiguous() for name, p in adaptive.token_scorer.named_parameters()}
    save_file(load_file(str(weights)) | scorer, str(weights), metadata={"format": "pt"})
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    config["saccade_skip_order"] = {"vision": skip_order(adaptive.cfg.vision_layers), "text": skip_order(adaptive.cfg.num_layers)}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="written by train.train_adaptive, or a finished file")
    parser.add_argument("out", type=Path)
    parser.add_argument("--scorer", type=Path, help="written by train.train_scorer, in place of the folder's own")
    args = parser.parse_args()
    adaptive = start_of(args.folder)
    if args.scorer:
        adaptive.token_scorer.load_state_dict(load_file(str(args.scorer)))
    export_adaptive(adaptive, args.out)


if __name__ == "__main__":
    main()
