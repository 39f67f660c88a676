// What each visual token is worth to a question, as a model learned it, before its decoder has read anything: a head of
// some hundred thousand numbers that was taught where the decoder looks while it answers (train/token_scorer.py).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/model_files.h"

namespace saccade {

/// Windows of neighbouring words, and their mean, become queries; a token's score is the log of the summed exponentials
/// of its products with all of them, and what it is worth to any question. Thread safety: const after load.
class TokenScorer {
 public:
  /// Null where the file has none. Errors name the tensor.
  static Expected<std::unique_ptr<TokenScorer>> load(const ModelFiles& files, int64_t model_dim);

  /// `vectors` [n, model_dim] at the projector's output, `words` [m, model_dim] of the question in the decoder's
  /// embedding space, n and m at least 1. Returns [n].
  std::vector<float> score(ThreadPool& pool, TensorView vectors, TensorView words) const;

 private:
  struct Linear {
    Tensor weight;  // [out, in]
    Tensor bias;    // [out]
    Tensor apply(ThreadPool& pool, const Tensor& x) const;
  };

  Tensor queries_of(ThreadPool& pool, TensorView words) const;

  int64_t window_ = 0;     // words
  int64_t score_dim_ = 0;  // of queries and keys
  Linear words_;           // [hidden, window * model_dim]
  Linear query_;           // [num_queries * score_dim, hidden], of each word
  Linear whole_;           // the same, of the question
  Linear key_in_;          // [key_hidden, model_dim]
  Linear key_;             // [score_dim, key_hidden]
  Linear prior_;           // [1, key_hidden]
};

}  // namespace saccade
