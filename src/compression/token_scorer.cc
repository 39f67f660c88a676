#include "compression/token_scorer.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/format.h"
#include "kernels/activation.h"
#include "kernels/matmul.h"
#include "kernels/norm.h"

namespace saccade {
namespace {

constexpr const char* kPrefix = "saccade.token_scorer.";
constexpr float kEpsilon = 1e-5F;

// Without weights of its own.
Tensor normalised(ThreadPool& pool, TensorView rows) {
  const int64_t dim = rows.shape.row_size();
  const std::vector<float> ones(static_cast<size_t>(dim), 1.0F);
  Tensor result(Shape{rows.shape.num_rows(), dim});
  layer_norm(pool, rows.floats().data(), ones.data(), nullptr, kEpsilon, rows.shape.num_rows(), dim,
             result.floats().data());
  return result;
}

Tensor gelu(Tensor rows) {
  activate(Activation::kGelu, rows.floats().data(), static_cast<int64_t>(rows.floats().size()));
  return rows;
}

// [m, window * dim]: of each row it and its neighbours, zeros beyond the ends.
Tensor windows_of(const Tensor& rows, int64_t window) {
  const int64_t m = rows.shape()[0];
  const int64_t dim = rows.shape()[1];
  Tensor windows(Shape{m, window * dim});
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t o = 0; o < window; ++o) {
      const int64_t source = i + o - window / 2;
      const auto target = windows.row(i).subspan(static_cast<size_t>(o * dim), static_cast<size_t>(dim));
      if (source >= 0 && source < m) {
        std::ranges::copy(rows.row(source), target.begin());
      } else {
        std::ranges::fill(target, 0.0F);
      }
    }
  }
  return windows;
}

Tensor mean_row(const Tensor& rows) {
  Tensor mean(Shape{1, rows.shape()[1]});
  std::ranges::fill(mean.floats(), 0.0F);
  const float share = 1 / static_cast<float>(rows.shape()[0]);
  for (int64_t i = 0; i < rows.shape()[0]; ++i) {
    for (size_t j = 0; j < mean.floats().size(); ++j) mean.floats()[j] += share * rows.row(i)[j];
  }
  return mean;
}

// A convolution's weight [out, in, window] as the matrix [out, window * in] of what windows_of() lays side by side.
Tensor as_matrix(const Tensor& weight) {
  const int64_t out = weight.shape()[0];
  const int64_t in = weight.shape()[1];
  const int64_t window = weight.shape()[2];
  Tensor matrix(Shape{out, window * in});
  for (int64_t o = 0; o < out; ++o) {
    const float* source = weight.floats().data() + o * in * window;
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t w = 0; w < window; ++w) matrix.row(o)[static_cast<size_t>(w * in + i)] = source[i * window + w];
    }
  }
  return matrix;
}

}  // namespace

Tensor TokenScorer::Linear::apply(ThreadPool& pool, const Tensor& x) const {
  const int64_t out = weight.shape()[0];
  Tensor y(Shape{x.shape()[0], out});
  matmul(pool, {.x = x.floats().data(),
                .x_stride = x.shape()[1],
                .weight = weight.view(),
                .bias = bias.floats().data(),
                .y = y.floats().data(),
                .y_stride = out,
                .m = x.shape()[0]});
  return y;
}

Expected<std::unique_ptr<TokenScorer>> TokenScorer::load(const ModelFiles& files, int64_t model_dim) {
  const TensorSource tensors(files.vision_file());
  const std::string prefix = kPrefix;
  const auto is_part = [&](const NamedTensor& tensor) { return tensor.name.starts_with(prefix); };
  if (std::ranges::none_of(files.vision_file().tensors(), is_part)) return std::unique_ptr<TokenScorer>();
  const Shape windows = tensors.peek(prefix + "words.weight").shape;
  const Shape keys = tensors.peek(prefix + "key.weight").shape;
  if (windows.rank() != 3 || windows[2] % 2 == 0 || keys.rank() != 2) {
    return corrupt_data(prefix + "words.weight or key.weight has a shape that no scorer has");
  }
  const int64_t hidden = windows[0];
  const int64_t key_hidden = keys[1];
  auto scorer = std::make_unique<TokenScorer>();
  scorer->window_ = windows[2];
  scorer->score_dim_ = keys[0];
  const Shape queries = tensors.peek(prefix + "query.weight").shape;
  if (queries.rank() != 2 || queries[0] % scorer->score_dim_ != 0) {
    return corrupt_data(prefix + "query.weight does not make queries of the size of the keys");
  }
  const auto take = [&](const char* name, const Shape& shape, Linear& linear) -> Status {
    SACCADE_ASSIGN_OR_RETURN(linear.weight, tensors.take_as_f32(prefix + name + ".weight", shape));
    SACCADE_ASSIGN_OR_RETURN(linear.bias, tensors.take_as_f32(prefix + name + ".bias", {shape[0]}));
    for (const Tensor* values : {&linear.weight, &linear.bias}) {
      if (!std::ranges::all_of(values->floats(), [](float value) { return std::isfinite(value); })) {
        return corrupt_data(prefix + name + " holds a value that is not finite");
      }
    }
    return {};
  };
  SACCADE_RETURN_IF_ERROR(take("words", {hidden, model_dim, scorer->window_}, scorer->words_));
  scorer->words_.weight = as_matrix(scorer->words_.weight);
  SACCADE_RETURN_IF_ERROR(take("query", {queries[0], hidden}, scorer->query_));
  SACCADE_RETURN_IF_ERROR(take("whole", {queries[0], hidden}, scorer->whole_));
  SACCADE_RETURN_IF_ERROR(take("key_in", {key_hidden, model_dim}, scorer->key_in_));
  SACCADE_RETURN_IF_ERROR(take("key", {scorer->score_dim_, key_hidden}, scorer->key_));
  SACCADE_RETURN_IF_ERROR(take("prior", {1, key_hidden}, scorer->prior_));
  SACCADE_RETURN_IF_ERROR(tensors.check_all_taken(prefix));
  return scorer;
}

// [queries, score_dim]
Tensor TokenScorer::queries_of(ThreadPool& pool, TensorView words) const {
  const Tensor inner = gelu(words_.apply(pool, windows_of(normalised(pool, words), window_)));
  const Tensor of_words = query_.apply(pool, inner);
  const Tensor of_whole = whole_.apply(pool, mean_row(inner));
  const int64_t per_row = of_words.shape()[1] / score_dim_;
  Tensor queries(Shape{(of_words.shape()[0] + 1) * per_row, score_dim_});
  const auto rest = std::ranges::copy(of_words.floats(), queries.floats().begin()).out;
  std::ranges::copy(of_whole.floats(), rest);
  return queries;
}

std::vector<float> TokenScorer::score(ThreadPool& pool, TensorView vectors, TensorView words) const {
  const Tensor inner = gelu(key_in_.apply(pool, normalised(pool, vectors)));
  const Tensor keys = key_.apply(pool, inner);
  const Tensor priors = prior_.apply(pool, inner);
  const Tensor queries = queries_of(pool, words);
  const int64_t num_queries = queries.shape()[0];
  const int64_t n = keys.shape()[0];
  Tensor products(Shape{n, num_queries});
  matmul(pool, {.x = keys.floats().data(),
                .x_stride = score_dim_,
                .weight = queries.view(),
                .y = products.floats().data(),
                .y_stride = num_queries,
                .m = n});
  const float scale = 1 / std::sqrt(static_cast<float>(score_dim_));
  std::vector<float> scores(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const std::span<const float> row = products.row(i);
    const float largest = std::ranges::max(row);
    double sum = 0;
    for (const float product : row) sum += std::exp(double{scale} * (product - largest));
    scores[static_cast<size_t>(i)] =
        scale * largest + static_cast<float>(std::log(sum)) + priors.floats()[static_cast<size_t>(i)];
  }
  return scores;
}

}  // namespace saccade
