// How much a visual token has to do with the question, without a text tower of the same space: the cosine of its vector
// with the question's words as the decoder embeds them.
#pragma once

#include <cstdint>
#include <vector>

#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

enum class RelevanceKind : uint8_t {
  kMean,   // cosine with the mean of the words, each of length 1
  kMax,    // the largest cosine with a word
  kMixed,  // the mean of the two, each scaled to [0, 1]
};

/// `vectors` [n, dim], `query` [m, dim], of kF32, n and m at least 1. Returns [n]: cosines, or for kMixed values in
/// [0, 1]. A zero vector has 0 with everything.
std::vector<float> relevance_to(ThreadPool& pool, TensorView vectors, TensorView query, RelevanceKind kind);

/// Scales values to [0, 1], the smallest to 0, the largest to 1. Where all are equal, all become `if_equal`.
void scale_to_unit(std::vector<float>& values, float if_equal);

}  // namespace saccade
