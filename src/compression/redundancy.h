// How much of a set of tokens says the same thing twice, measured after encoding. For display and for the planner.
#pragma once

#include <cstdint>
#include <span>

#include "compression/strategy.h"
#include "encoder/media_tokens.h"
#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

struct TokenRedundancy {
  double neighbour_cosine = 0;  // mean over tokens beside or below one another in the same grid; 0 if there are none
  double unique_share = 0;      // tokens that are like none of the unique ones before them, of all
  // 1 / tr(A^2), A being the matrix of cosines divided by its trace (participation ratio): n for orthogonal tokens, 1
  // for copies of one.
  double effective_rank = 0;
  double entropy_bits = 0;  // entropy_bits() below
};

/// `vectors` [n, dim] of kF32 and finite, `places` [n]. `unique_cosine`: from which cosine on two tokens are alike.
TokenRedundancy measure_token_redundancy(ThreadPool& pool, TensorView vectors, std::span<const Place> places,
                                         double unique_cosine = 0.9);

/// Matrix-based Renyi entropy of order 2 (Sanchez Giraldo, Rao and Principe, arXiv 1211.2459), in bits: -log2 tr(A^2),
/// A being the kernel matrix divided by n. The kernel is exp(-(1 - cosine) / kEntropyBandwidth), a Gaussian of the
/// distance between vectors of length 1: 1 on the diagonal and infinitely divisible, as joint entropies ask. Between 0
/// (copies of one token) and log2 n.
inline constexpr double kEntropyBandwidth = 0.25;
double entropy_bits(ThreadPool& pool, TensorView vectors);

/// Of two sets of n vectors that belong together one by one; widths may differ. The joint entropy is that of the
/// Hadamard product of the kernel matrices, divided by its trace.
struct SharedEntropy {
  double first_bits = 0;                                                        // H(X)
  double second_bits = 0;                                                       // H(Y)
  double joint_bits = 0;                                                        // H(X, Y)
  double mutual_bits() const { return first_bits + second_bits - joint_bits; }  // I(X; Y)
  double first_given_second_bits() const { return joint_bits - second_bits; }   // H(X | Y)
};
SharedEntropy shared_entropy(ThreadPool& pool, TensorView first, TensorView second);

/// What stands for each token after a reduction: [n, dim], the vector of its target, zeros where it was dropped. With
/// it, shared_entropy() of the tokens before and this says how much of them is left.
Tensor stand_ins(ThreadPool& pool, const Reduction& reduction, const MediaTokens& before, const MediaTokens& after);

}  // namespace saccade
