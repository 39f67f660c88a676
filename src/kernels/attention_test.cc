// Against the definition in doubles. Scores of size s round by s u sqrt(head_dim) at most, which exp turns into a
// relative error of the weights; the output is a convex combination of values, so its error is that times the largest.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "kernels/dequantize.h"
#include "kernels/kernel_test_data.h"
#include "kernels/leaf.h"

namespace saccade {
namespace {

using test::Random;
using test::ScopedIsa;

struct Case {
  int64_t num_queries = 1;
  int64_t num_keys = 1;
  int64_t num_heads = 1;
  int64_t num_kv_heads = 1;
  int64_t head_dim = 8;
  int64_t block_tokens = 16;
  bool is_causal = false;
  int64_t padding = 0;  // floats between rows of q and of out
  int num_threads = 1;
  DType dtype = DType::kF32;
  bool allows_bf16 = false;
  bool has_key_bias = false;
  bool leaves_out_a_head = false;  // nobody reads the first key/value head's
};

/// Keys or values: contiguous, and the same in blocks scattered over memory in reverse.
struct Paged {
  std::vector<float> rows;  // [num_keys, num_kv_heads, head_dim], as the type holds them
  std::vector<std::vector<std::byte>> blocks;
  std::vector<const std::byte*> pointers;

  Paged(Random& random, const Case& c) {
    const int64_t token = c.num_kv_heads * c.head_dim;
    rows = random.normals(c.num_keys * token);
    ScopedIsa isa(Isa::kReference);
    std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(c.dtype, c.num_keys * token)));
    encode_row(c.dtype, rows.data(), bytes.data(), c.num_keys * token);
    dequantize_row(c.dtype, bytes.data(), rows.data(), c.num_keys * token);
    const int64_t num_blocks = (c.num_keys + c.block_tokens - 1) / c.block_tokens;
    for (int64_t block = num_blocks - 1; block >= 0; --block) {
      const int64_t first = block * c.block_tokens;
      const int64_t last = std::min(c.num_keys, first + c.block_tokens);
      // As long as what is in use: reading past it is an error that the sanitizers see.
      blocks.emplace_back(bytes.begin() + row_bytes(c.dtype, first * token),
                          bytes.begin() + row_bytes(c.dtype, last * token));
    }
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) pointers.push_back(block->data());
  }
};

std::vector<double> exact_attention(const Case& c, const AttentionArgs& args, const Paged& keys, const Paged& values,
                                    int64_t query, int64_t head, double* largest_score) {
  const int64_t kv_head = head * c.num_kv_heads / c.num_heads;
  const int64_t visible = c.is_causal ? args.first_visible + query + 1 : c.num_keys;
  const auto at = [&](const Paged& paged, int64_t key, int64_t i) {
    return double{paged.rows[static_cast<size_t>((key * c.num_kv_heads + kv_head) * c.head_dim + i)]};
  };
  std::vector<double> scores, out(static_cast<size_t>(c.head_dim));
  double largest = -1e300, sum = 0;
  for (int64_t key = 0; key < visible; ++key) {
    double score = 0;
    for (int64_t i = 0; i < c.head_dim; ++i) {
      score += double{args.q[query * args.q_stride + head * c.head_dim + i]} * at(keys, key, i);
    }
    const double bias = args.key_bias != nullptr ? double{args.key_bias[key]} : 0;
    scores.push_back(score * double{args.scale} + bias);
    largest = std::max(largest, scores.back());
    *largest_score = std::max(*largest_score, std::fabs(scores.back()));
  }
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (int64_t i = 0; i < c.head_dim; ++i) {
    for (int64_t key = 0; key < visible; ++key) {
      out[static_cast<size_t>(i)] += scores[static_cast<size_t>(key)] / sum * at(values, key, i);
    }
  }
  return out;
}

/// True where q, keys, weights and values are rounded to bf16: each weight is then off by about 2^-9 times its score.
bool is_bf16(const Case& c) {
  return c.allows_bf16 && active_leaf().bf16_tile != nullptr && c.num_queries * c.num_heads / c.num_kv_heads >= 64;
}

void check(Random& random, const Case& c) {
  SCOPED_TRACE("queries " + std::to_string(c.num_queries) + " keys " + std::to_string(c.num_keys) + " heads " +
               std::to_string(c.num_heads) + "/" + std::to_string(c.num_kv_heads) + " dim " +
               std::to_string(c.head_dim) + " block " + std::to_string(c.block_tokens) +
               (c.is_causal ? " causal" : "") + (c.has_key_bias ? " biased" : ""));
  const int64_t row = c.num_heads * c.head_dim;
  const std::vector<float> q = random.normals(c.num_queries * (row + c.padding), 2);
  const Paged keys(random, c), values(random, c);
  AttentionArgs args;
  args.q = q.data();
  args.q_stride = args.out_stride = row + c.padding;
  const int64_t head_bytes = row_bytes(c.dtype, c.head_dim);
  args.kv = {keys.pointers.data(), values.pointers.data(),      c.dtype,
             c.block_tokens,       c.num_kv_heads * head_bytes, head_bytes};
  args.num_queries = c.num_queries;
  args.num_keys = c.num_keys;
  args.num_heads = c.num_heads;
  args.num_kv_heads = c.num_kv_heads;
  args.head_dim = c.head_dim;
  args.scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
  args.is_causal = c.is_causal;
  args.first_visible = c.num_keys - c.num_queries;
  args.allows_bf16 = c.allows_bf16;
  const std::vector<float> key_bias = random.normals(c.num_keys, 2);  // as long as what is in use
  if (c.has_key_bias) args.key_bias = key_bias.data();
  std::vector<uint8_t> kv_heads(static_cast<size_t>(c.num_kv_heads), 1);
  kv_heads[0] = c.leaves_out_a_head ? 0 : 1;
  args.kv_heads = kv_heads;
  ThreadPool pool(c.num_threads);
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    std::vector<float> out(q.size(), 77.0f);
    args.out = out.data();
    attention(pool, args);
    for (int64_t query = 0; query < c.num_queries; ++query) {
      for (int64_t head = 0; head < c.num_heads; ++head) {
        if (c.leaves_out_a_head && head / (c.num_heads / c.num_kv_heads) == 0) continue;
        double largest = 1;
        const std::vector<double> expected = exact_attention(c, args, keys, values, query, head, &largest);
        double tolerance = 0x1p-24 * (16 + 4 * largest * std::sqrt(static_cast<double>(c.head_dim))) * 4;
        if (is_bf16(c)) tolerance = 0x1p-9 * (8 + 2 * largest);
        for (int64_t i = 0; i < c.head_dim; ++i) {
          ASSERT_NEAR(double{out[static_cast<size_t>(query * args.out_stride + head * c.head_dim + i)]},
                      expected[static_cast<size_t>(i)], tolerance)
              << test::name_of(isa) << " query " << query << " head " << head << " element " << i;
        }
      }
      for (int64_t i = row; i < args.out_stride; ++i) {
        ASSERT_EQ(out[static_cast<size_t>(query * args.out_stride + i)], 77.0f) << "wrote between rows";
      }
    }
  }
}

TEST(Attention, OneQuerySeesWhatIsCached) {
  Random random(21);
  check(random, {.num_keys = 1000, .num_heads = 6, .num_kv_heads = 2, .head_dim = 64, .is_causal = true});
}

TEST(Attention, EncoderSeesEverything) {
  Random random(22);
  check(random, {.num_queries = 67,
                 .num_keys = 67,
                 .num_heads = 3,
                 .num_kv_heads = 3,
                 .head_dim = 72,
                 .block_tokens = 67,
                 .num_threads = 2});
}

TEST(Attention, AHeadThatNobodyReadsChangesNoOther) {
  Random random(27);
  for (const int64_t num_queries : {1, 9, 100}) {
    check(random, {.num_queries = num_queries,
                   .num_keys = 130,
                   .num_heads = 6,
                   .num_kv_heads = 3,
                   .head_dim = 32,
                   .is_causal = true,
                   .num_threads = 2,
                   .leaves_out_a_head = true});
  }
}

TEST(Attention, ChunkOfAPromptIsCausal) {
  Random random(23);
  check(random, {.num_queries = 40,
                 .num_keys = 300,
                 .num_heads = 8,
                 .num_kv_heads = 2,
                 .head_dim = 32,
                 .block_tokens = 32,
                 .is_causal = true,
                 .padding = 5,
                 .num_threads = 3});
}

TEST(Attention, LongPromptBehindACache) {
  Random random(25);
  check(random, {.num_queries = 300,
                 .num_keys = 1300,
                 .num_heads = 4,
                 .num_kv_heads = 2,
                 .head_dim = 64,
                 .block_tokens = 64,
                 .is_causal = true,
                 .num_threads = 2,
                 .dtype = DType::kF16,
                 .allows_bf16 = true,
                 .has_key_bias = true});
}

TEST(Attention, AKeyOfWeightThreeIsThreeKeys) {
  // Proportional attention: log(3) on one key's scores gives what that key three times over gives.
  Random random(26);
  for (const int64_t num_queries : {1, 5, 90}) {
    constexpr int64_t kNumKeys = 70;
    constexpr int64_t kDim = 32;
    const std::vector<float> q = random.normals(num_queries * kDim);
    std::vector<float> k = random.normals((kNumKeys + 2) * kDim);
    std::vector<float> v = random.normals((kNumKeys + 2) * kDim);
    for (std::vector<float>* rows : {&k, &v}) {
      for (int64_t copy = 0; copy < 2; ++copy) {
        std::copy_n(rows->begin() + 3 * kDim, kDim, rows->begin() + (kNumKeys + copy) * kDim);
      }
    }
    std::vector<float> key_bias(kNumKeys, 0.0f);
    key_bias[3] = std::log(3.0f);
    const auto* keys = reinterpret_cast<const std::byte*>(k.data());
    const auto* values = reinterpret_cast<const std::byte*>(v.data());
    AttentionArgs args;
    args.q = q.data();
    args.q_stride = args.out_stride = args.head_dim = kDim;
    args.kv = {&keys, &values, DType::kF32, kNumKeys + 2, kDim * 4, kDim * 4};
    args.num_queries = num_queries;
    args.num_heads = args.num_kv_heads = 1;
    args.scale = 0.2f;
    ThreadPool pool(1);
    for (Isa isa : test::runnable_isas()) {
      ScopedIsa scope(isa);
      std::vector<float> biased(q.size());
      std::vector<float> repeated(q.size());
      args.num_keys = kNumKeys;
      args.key_bias = key_bias.data();
      args.out = biased.data();
      attention(pool, args);
      args.num_keys = kNumKeys + 2;
      args.key_bias = nullptr;
      args.out = repeated.data();
      attention(pool, args);
      for (size_t i = 0; i < q.size(); ++i) ASSERT_NEAR(biased[i], repeated[i], 1e-5f) << test::name_of(isa);
    }
  }
}

TEST(Attention, RandomShapesOnEveryIsa) {
  Random random(24);
  for (int repeat = 0; repeat < test::num_repeats(120); ++repeat) {
    Case c;
    c.dtype = std::array{DType::kF32, DType::kF16, DType::kQ8_0}[static_cast<size_t>(random.between(0, 2))];
    c.num_kv_heads = random.between(1, 3);
    c.num_heads = c.num_kv_heads * random.between(1, 4);
    c.num_queries = random.between(1, repeat % 2 == 0 ? 50 : 150);
    c.num_keys = c.num_queries + random.between(0, repeat % 5 == 0 ? 900 : 200);
    c.head_dim = c.dtype == DType::kQ8_0 ? 32 * random.between(1, 4) : random.between(1, 140);
    c.block_tokens = random.between(1, 70);
    c.is_causal = random.coin();
    c.allows_bf16 = random.coin();
    c.padding = random.between(0, 2);
    c.num_threads = static_cast<int>(random.between(1, 3));
    c.has_key_bias = random.coin();
    check(random, c);
    if (HasFatalFailure()) return;
  }
}

TEST(DotAll, GivesTheSameBitsWhateverIsComputedTogether) {
  constexpr int64_t kRows = 9;
  constexpr int64_t kX = 5;
  for (const Isa isa : test::runnable_isas()) {
    test::ScopedIsa scope(isa);
    const Leaf& leaf = active_leaf();
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kQ8_0}) {
      for (const int64_t k : {32, 72, 80, 128}) {
        if (dtype == DType::kQ8_0 && k % 32 != 0) continue;  // no such rows are kept
        SCOPED_TRACE(test::name_of(isa) + " " + std::string(traits_of(dtype).name) + " " + std::to_string(k));
        test::Random random(5);
        const std::vector<float> x = random.normals(kX * k);
        const std::vector<float> values = random.normals(kRows * k);
        const int64_t stride = row_bytes(dtype, k);
        std::vector<std::byte> rows(static_cast<size_t>(kRows * stride));
        std::vector<float> stored(values.size());
        for (int64_t j = 0; j < kRows; ++j) {
          leaf.encode[static_cast<size_t>(dtype)](values.data() + j * k, rows.data() + j * stride, k);
          dequantize_row(dtype, rows.data() + j * stride, stored.data() + j * k, k);
        }
        const Leaf::DotAll dot_all = leaf.dot_all[static_cast<size_t>(dtype)];
        std::vector<float> together(kX * kRows);
        dot_all(rows.data(), stride, kRows, x.data(), k, kX, k, together.data(), kRows);
        for (int64_t i = 0; i < kX; ++i) {
          for (int64_t j = 0; j < kRows; ++j) {
            float alone = 0;
            dot_all(rows.data() + j * stride, stride, 1, x.data() + i * k, k, 1, k, &alone, 1);
            const float own = together[static_cast<size_t>(i * kRows + j)];
            ASSERT_EQ(own, alone) << i << " " << j;
            double exact = 0;
            double size = 0;
            for (int64_t d = 0; d < k; ++d) {
              const double term =
                  double{x[static_cast<size_t>(i * k + d)]} * double{stored[static_cast<size_t>(j * k + d)]};
              exact += term;
              size += std::fabs(term);
            }
            ASSERT_NEAR(own, exact, 1e-6 * size);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace saccade
