#!/bin/sh
# Makes the shipped model adaptive on a machine with a GPU, then scores its plans: sh train/run_adaptive.sh OUT [SECONDS [SCORING_SECONDS]]
set -e
out=$1 seconds=${2:-480} scoring=${3:-60}
pages=${PAGES:-/dev/shm/pages}
mkdir -p "$out"
rm -rf "$pages"
setsid python3 -m train.records "$pages" --workers "${WORKERS:-$(($(nproc) - 1))}" &
drawing=$!
trap 'kill -- -$drawing' EXIT
python3 -m train.train_adaptive "$pages" --out "$out" --seconds "$seconds" ${TRAIN_OPTIONS---compile}
kill -- -$drawing; trap - EXIT
python3 -m train.evaluate_plans "$out/averaged" --seconds "$scoring" ${SCORE_OPTIONS---device cuda} | tee "$out/plans.md"
