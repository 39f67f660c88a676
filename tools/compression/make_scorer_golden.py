#!/usr/bin/env python3
"""Writes tests/parity/data/compression/token_scorer.safetensors: a small random scorer, tokens, questions, and their scores.

The scores are those of the formulas in docs/decisions/one_budget_for_the_small_model.md ("Tokens chosen for a question"), in
doubles and with loops.

usage: make_scorer_golden.py [OUT]     (needs NumPy only)
"""

import math
import pathlib
import sys

import numpy as np

from make_golden import write_safetensors

DIM, HIDDEN, WINDOW, SCORE_DIM, NUM_QUERIES, KEY_HIDDEN = 24, 12, 5, 8, 2, 16


def normalised(row):
    return (row - row.mean()) / math.sqrt(row.var() + 1e-5)


def gelu(row):
    return np.array([0.5 * x * (1 + math.erf(x / math.sqrt(2))) for x in row])


def linear(weights, name, x):
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def scores_of(weights, vectors, words):
    normed = [normalised(word) for word in words]
    inner = []
    for j in range(len(words)):
        total = weights["words.bias"].copy()
        for o in range(WINDOW):
            if 0 <= j + o - WINDOW // 2 < len(words):
                total += weights["words.weight"][:, :, o] @ normed[j + o - WINDOW // 2]
        inner.append(gelu(total))
    queries = []
    for row in [linear(weights, "query", w) for w in inner] + [linear(weights, "whole", np.mean(inner, axis=0))]:
        queries += [row[q * SCORE_DIM : (q + 1) * SCORE_DIM] for q in range(NUM_QUERIES)]
    scores = []
    for vector in vectors:
        u = gelu(linear(weights, "key_in", normalised(vector)))
        key = linear(weights, "key", u)
        scores.append(math.log(sum(math.exp(query @ key / math.sqrt(SCORE_DIM)) for query in queries)) + linear(weights, "prior", u)[0])
    return np.array(scores)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/parity/data/compression/token_scorer.safetensors"
    rng = np.random.default_rng(7)
    shapes = {"words": (HIDDEN, DIM, WINDOW), "query": (NUM_QUERIES * SCORE_DIM, HIDDEN), "whole": (NUM_QUERIES * SCORE_DIM, HIDDEN),
              "key_in": (KEY_HIDDEN, DIM), "key": (SCORE_DIM, KEY_HIDDEN), "prior": (1, KEY_HIDDEN)}
    draw = lambda shape, scale: rng.normal(scale=scale, size=shape).astype(np.float32)
    weights = {}
    for name, shape in shapes.items():
        weights[f"{name}.weight"] = draw(shape, 2 / math.sqrt(math.prod(shape[1:])))
        weights[f"{name}.bias"] = draw(shape[0], 0.5)
    tensors = {f"saccade.token_scorer.{name}": values for name, values in weights.items()}
    doubles = {name: values.astype(np.float64) for name, values in weights.items()}
    tensors["vectors"] = draw((30, DIM), 1.5)
    for num_words in (1, 2, 11):
        words = tensors[f"words_{num_words}"] = draw((num_words, DIM), 1)
        scores = scores_of(doubles, tensors["vectors"].astype(np.float64), words.astype(np.float64))
        tensors[f"scores_{num_words}"] = scores.astype(np.float32)
    write_safetensors(out, tensors)
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
