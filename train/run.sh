#!/bin/sh
# The whole training, unattended. Every line continues from the newest checkpoint, so it can be started again after a cut.
# usage: train/run.sh DIR HOURS_OF_QUESTIONS
set -e
dir=${1:-$HOME/saccade-train}
hours=${2:-4}
mkdir -p "$dir"
stage() { nice -n 5 python -m train.train --stage "$@" --dir "$dir" >> "$dir/stdout.log" 2>&1; }
[ -e "$dir/vision.done" ] || { stage vision --batch_size 16 --muon_lr 0.011 --adam_lr 0.0012 --until_chars 0.87; touch "$dir/vision.done"; }
# The rate falls through `facts`, but is left before it reaches 0: the tower goes on in `full`, where it learns slower than the decoder.
[ -e "$dir/facts.done" ] || { stage facts --batch_size 20 --muon_lr 0.004 --adam_lr 0.0008 --decay_steps 4500 --stop 3200; touch "$dir/facts.done"; }
[ -e "$dir/full.done" ] || { stage full --batch_size 18 --muon_lr 0.0025 --adam_lr 0.0005 --decoder_boost 2.5 --max_seconds "$((hours * 3600))"; touch "$dir/full.done"; }
stage full --batch_size 18 --muon_lr 0.0025 --adam_lr 0.0005 --decoder_boost 2.5 --decay_steps 1400
python -m train.export_hf "$dir/last.pt" "$dir/saccade-mini"
