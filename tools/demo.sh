#!/bin/sh
# Asks the small model the first question of samples/demo.jsonl and shows the answer with its receipt.
# usage: tools/demo.sh PATH_TO_SACCADE
set -eu
field() { python3 -c 'import json, sys; print(json.loads(open("samples/demo.jsonl").readline())[sys.argv[1]])' "$1"; }
model=models/saccade-mini.gguf
picture=samples/$(field image)
question=$(field question)
printf '\n$ saccade ask %s --image %s "%s"\n\n' "$model" "$picture" "$question"
exec "$1" ask "$model" --image "$picture" "$question"
