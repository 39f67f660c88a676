#!/bin/sh
# The whole training, unattended. Every line continues from the newest checkpoint, so it can be started again after a cut.
# usage: train/run.sh DIR HOURS_OF_QUESTIONS
set -e
dir=${1:-$HOME/saccade-train}
hours=${2:-4}
mkdir -p "$dir"
stage() { nice -n 5 python -m train.train --stage "$@" --dir "$dir" >> "$dir/stdout.log" 2>&1; }
[ -e "$dir/vision.done" ] || { stage vision --batch_size 16 --muon_lr 0.011 --adam_lr 0.0012 --until_chars 0.87; touch "$dir/vision.done"; }
[ -e "$dir/facts.done" ] || { stage facts --batch_size 32 --muon_lr 0.005 --adam_lr 0.0008 --max_seconds 3600; touch "$dir/facts.done"; }
[ -e "$dir/full.done" ] || { stage full --batch_size 18 --muon_lr 0.005 --adam_lr 0.0006 --decoder_boost 2 --max_seconds "$((hours * 3600))"; touch "$dir/full.done"; }
stage full --batch_size 18 --muon_lr 0.005 --adam_lr 0.0006 --decoder_boost 2 --whole_share 0.2 --decay_steps 1000
python -m train.export_hf "$dir/last.pt" "$dir/saccade-mini"
