#!/bin/sh
# Draws the questions that the small model is calibrated on: pictures like the held-out ones, with other seeds, one question
# on each. usage: calibration_set.sh FOLDER [NUM_PICTURES]
#
# Needs train/setup.sh's fonts and word lists (the same ones give the same pictures), numpy and Pillow (PYTHON chooses).
set -e
out=$1
num_pictures=${2:-6000}
cd "$(dirname "$0")/.."
exec "${PYTHON:-python3}" -m train.make_heldout "$out" --num_pages "$num_pictures" --per_page 1 --first_seed 950000001
