// A picture's tokens with all that a strategy may look at, for this folder's tests and the bench.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "compression/strategy.h"
#include "tensor/tensor.h"

namespace saccade::test {

struct TestPicture {
  /// Neighbours are alike, as in a picture.
  TestPicture(int64_t num_rows, int64_t num_cols, int64_t dim, uint32_t seed)
      : vectors(Shape{num_rows * num_cols, dim}), keys(Shape{num_rows * num_cols, 16}), query(Shape{3, dim}) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](Tensor& tensor) {
      for (float& value : tensor.floats()) value = normal(engine);
    };
    fill(vectors);
    fill(keys);
    fill(query);
    for (int64_t i = 0; i < num_rows * num_cols; ++i) {
      places.push_back({0, static_cast<int32_t>(i / num_cols), static_cast<int32_t>(i % num_cols)});
      class_attention.push_back(std::exp(normal(engine)) / static_cast<float>(num_rows * num_cols));
      question_scores.push_back(3 * class_attention.back() - 1);
      if (i % num_cols == 0) continue;
      for (int64_t j = 0; j < dim; ++j) vectors.row(i)[j] += 0.7f * vectors.row(i - 1)[j];
    }
  }

  void make_all_equal() {
    for (size_t i = 1; i < places.size(); ++i) {
      std::ranges::copy(vectors.row(0), vectors.row(static_cast<int64_t>(i)).begin());
      std::ranges::copy(keys.row(0), keys.row(static_cast<int64_t>(i)).begin());
      class_attention[i] = class_attention[0];
      question_scores[i] = question_scores[0];
    }
  }

  CompressionInput input() const {
    return {.vectors = vectors,
            .places = places,
            .weights = {},
            .class_attention = class_attention,
            .keys = keys,
            .query = query,
            .question_scores = question_scores};
  }

  Tensor vectors;  // [n, dim]
  Tensor keys;     // [n, 16]
  Tensor query;    // [3, dim]
  std::vector<Place> places;
  std::vector<float> class_attention;
  std::vector<float> question_scores;
};

}  // namespace saccade::test
