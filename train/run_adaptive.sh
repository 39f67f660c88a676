#!/bin/sh
# Grows the shipped model and makes it adaptive on a machine with a GPU, then scores its plans: sh train/run_adaptive.sh OUT [SECONDS [SCORING_SECONDS]]
# A grown model goes on as it is. To go on from an earlier run: FIRST=20000000, for pictures that it did not see, and perhaps BASE=OUT/averaged.
set -e
out=$1 seconds=${2:-480} scoring=${3:-60}
pages=${PAGES:-/dev/shm/pages}
mkdir -p "$out"
rm -rf "$pages"
setsid python3 -m train.records "$pages" --workers "${WORKERS:-$(($(nproc) - 1))}" --first "${FIRST:-10000000}" &
drawing=$!
trap 'kill -- -$drawing' EXIT
python3 -m train.train_adaptive "$pages" --base "${BASE:-models/saccade-mini.gguf}" --out "$out" --seconds "$seconds" ${TRAIN_OPTIONS---compile}
kill -- -$drawing; trap - EXIT
[ "$scoring" = 0 ] || python3 -m train.evaluate_plans "$out/averaged" --seconds "$scoring" ${SCORE_OPTIONS---device cuda} | tee "$out/plans.md"
