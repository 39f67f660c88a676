// A Llama in doubles and plain loops, one row of one sequence at a time: what plans are compared with. It is told which
// rows a layer computes; how a plan comes to them is for the test to say.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/format.h"
#include "decoder/testing/tiny_decoder_file.h"

namespace saccade::testing {

class SlowDecoder {
 public:
  using Vector = std::vector<double>;

  SlowDecoder(const TinyDecoderFile& file, int num_layers) : file_(file), num_layers_(num_layers) {}

  int num_layers() const { return num_layers_; }

  Vector embed(int token) const {
    const std::vector<float>& table = weights("token_embd.weight");
    const auto first = table.begin() + token * kTinyModelDim;
    return {first, first + kTinyModelDim};
  }

  struct Cached {
    Vector key, value;  // [2 heads * kTinyHeadDim]
  };
  using Cache = std::vector<Cached>;  // of a layer

  /// The keys and values that `x` at `position` leaves in the layer.
  Cached keys_and_values(int layer, const Vector& x, int position) const {
    const Vector normed = norm(x, name(layer, "attn_norm"));
    return {rotated(times(name(layer, "attn_k"), normed), position), times(name(layer, "attn_v"), normed)};
  }

  Vector query(int layer, const Vector& x, int position) const {
    return rotated(times(name(layer, "attn_q"), norm(x, name(layer, "attn_norm"))), position);
  }

  /// Softmax of a head's scores over the keys.
  static Vector softmax(const Vector& query, int head, const Cache& cache) {
    Vector weights;
    double total = 0;
    for (const Cached& cached : cache) {
      double score = 0;
      for (int i = 0; i < kTinyHeadDim; ++i) {
        score += query[head * kTinyHeadDim + i] * cached.key[head / 2 * kTinyHeadDim + i];
      }
      weights.push_back(std::exp(score / std::sqrt(static_cast<double>(kTinyHeadDim))));
      total += weights.back();
    }
    for (double& weight : weights) weight /= total;
    return weights;
  }

  /// `x` behind the layer; the cache holds what it sees, its own keys and values last. Of the heads and groups of
  /// neurons those with a 0 are left out; empty: none.
  Vector through(int layer, Vector x, int position, const Cache& cache, const std::vector<int>& heads = {},
                 const std::vector<int>& groups = {}) const {
    const Vector q = query(layer, x, position);
    Vector attended(4 * kTinyHeadDim, 0.0);
    for (int head = 0; head < 4; ++head) {
      if (!heads.empty() && heads[head] == 0) continue;
      const Vector weights = softmax(q, head, cache);
      for (size_t key = 0; key < cache.size(); ++key) {
        for (int i = 0; i < kTinyHeadDim; ++i) {
          attended[head * kTinyHeadDim + i] += weights[key] * cache[key].value[head / 2 * kTinyHeadDim + i];
        }
      }
    }
    add(times(name(layer, "attn_output"), attended), x);
    const Vector normed = norm(x, name(layer, "ffn_norm"));
    const Vector gate = times(name(layer, "ffn_gate"), normed);
    Vector inner = times(name(layer, "ffn_up"), normed);
    for (size_t i = 0; i < inner.size(); ++i) {
      inner[i] *= gate[i] / (1 + std::exp(-gate[i]));
      if (!groups.empty() && groups[i * groups.size() / inner.size()] == 0) inner[i] = 0;
    }
    add(times(name(layer, "ffn_down"), inner), x);
    return x;
  }

  Vector logits(const Vector& x) const { return times("token_embd", norm(x, "output_norm")); }

 private:
  static std::string name(int layer, const char* part) { return format("blk.%d.%s", layer, part); }
  const std::vector<float>& weights(const std::string& name) const { return file_.tensors.at(name).values; }

  Vector times(const std::string& name, const Vector& x) const {
    const TinyTensor& matrix = file_.tensors.at(name + ".weight");
    Vector y(static_cast<size_t>(matrix.shape[0]), 0.0);
    for (size_t i = 0; i < y.size(); ++i) {
      for (size_t j = 0; j < x.size(); ++j) y[i] += static_cast<double>(matrix.values[i * x.size() + j]) * x[j];
    }
    return y;
  }

  Vector norm(const Vector& x, const std::string& name) const {
    double square = 0;
    for (const double value : x) square += value * value / static_cast<double>(x.size());
    Vector y = x;
    for (size_t i = 0; i < y.size(); ++i) y[i] *= weights(name + ".weight")[i] / std::sqrt(square + 1e-5);
    return y;
  }

  static Vector rotated(Vector heads, int position) {
    for (size_t i = 0; i < heads.size(); i += 2) {
      const auto pair = static_cast<double>(i % kTinyHeadDim / 2);
      const double angle = position * std::pow(10000.0, -2 * pair / kTinyHeadDim);
      const double first = heads[i];
      heads[i] = first * std::cos(angle) - heads[i + 1] * std::sin(angle);
      heads[i + 1] = first * std::sin(angle) + heads[i + 1] * std::cos(angle);
    }
    return heads;
  }

  static void add(const Vector& more, Vector& x) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += more[i];
  }

  const TinyDecoderFile& file_;
  const int num_layers_;
};

}  // namespace saccade::testing
