#include "engine/benchmark.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/format.h"
#include "engine/model.h"
#include "engine/pictures.h"
#include "engine/prompt.h"
#include "kernels/isa.h"
#include "platform/clock.h"
#include "platform/process_memory.h"

namespace saccade {
namespace {

constexpr const char* kQuestion =
    "Please look closely at this picture and tell me in one short sentence what the largest thing in it could be";

const char* limit_name(NumberKind kind) {
  switch (kind) {
    case NumberKind::kF32:
      return "f32";
    case NumberKind::kBf16:
      return "bf16";
    case NumberKind::kInt8:
      return "int8";
  }
  return "";
}

/// One test, run again and again.
struct Test {
  BenchmarkResult result;
  double multiply_adds = 0;
  double weight_bytes = 0;  // read in one run; 0 where arithmetic is the limit
  NumberKind kind = NumberKind::kF32;
  std::function<Status()> run;
};

void summarize(const MachineLimits& limits, Test& test) {
  BenchmarkResult& result = test.result;
  std::vector<double> sorted = result.runs_ms;
  std::ranges::sort(sorted);
  result.ms = sorted[sorted.size() / 2];
  result.spread = (sorted.back() - sorted.front()) / result.ms;
  result.tokens_per_second = static_cast<double>(result.num_tokens) * 1000 / result.ms;
  result.gflops = 2 * test.multiply_adds / (result.ms * 1e6);
  result.gbytes = test.weight_bytes / (result.ms * 1e6);
  if (test.multiply_adds == 0) return;
  const bool is_memory = test.weight_bytes > 0;
  const double limit = is_memory ? limits.memory_gbytes : limits.gops_of(test.kind);
  result.limit = is_memory ? "memory" : limit_name(test.kind);
  result.limit_share = limit > 0 ? (is_memory ? result.gbytes : result.gflops) / limit : 0;
}

class Benchmark {
 public:
  Benchmark(const BenchmarkOptions& options, const Model& model, ThreadPool& pool)
      : options_(options), model_(model), decoder_(*model.decoder), pool_(pool) {}

  /// In the order in which they are printed. The picture is read once here.
  Expected<std::vector<Test>> tests();

 private:
  Status check() const;
  bool is_wanted(const char* test) const;
  PictureOptions picture_options() const { return {{}, options_.has_exact_pixels}; }
  Expected<PixelBatch> prepare() const;
  Test prefill_test();
  Test decode_test(int64_t batch_size);
  Test prepare_test();
  Expected<Test> encode_test();
  Expected<Test> first_token_test();
  Expected<std::pair<Prompt, Tensor>> picture_prompt();
  Status forward(KvSequence& kv, const Tensor& rows, int64_t first_position);
  KvSequence new_sequence() const { return decoder_.make_sequence(kv_blocks_); }
  NumberKind decoder_kind(int64_t num_rows) const { return number_kind_of(decoder_.main_dtype(), num_rows); }

  const BenchmarkOptions& options_;
  const Model& model_;
  const Decoder& decoder_;
  ThreadPool& pool_;
  std::shared_ptr<KvBlockPool> kv_blocks_ =
      std::make_shared<KvBlockPool>(decoder_.config().kv_shape(DType::kF16), available_memory_bytes());
  Tensor rows_;  // as many as any test needs
  PixelBatch pixels_;
};

Status Benchmark::check() const {
  const int64_t longest = std::max(options_.prompt_tokens, options_.generated_tokens);
  if (longest > decoder_.config().context_length) {
    return invalid_argument(format("%lld tokens were asked for; the model was made for %lld",
                                   static_cast<long long>(longest),
                                   static_cast<long long>(decoder_.config().context_length)));
  }
  if (!options_.image_path.empty() && model_.vision == nullptr) {
    return invalid_argument("a picture was given, but the model has no vision part; give it with --mmproj FILE");
  }
  return {};
}

Status Benchmark::forward(KvSequence& kv, const Tensor& rows, int64_t first_position) {
  const int64_t num_rows = rows.shape()[0];
  std::vector<TokenPosition> positions;
  for (int64_t i = 0; i < num_rows; ++i) {
    const auto position = static_cast<int32_t>(first_position + i);
    positions.push_back({position, position, position});
  }
  const SequenceRows sequence = {&kv, num_rows};
  ForwardArgs args;
  args.rows = &rows;
  args.positions = positions;
  args.sequences = {&sequence, 1};
  const auto logits = decoder_.forward(pool_, args);
  return logits ? Status() : logits.status();
}

Test Benchmark::prefill_test() {
  const int64_t count = options_.prompt_tokens;
  Test test;
  test.result.test = "prefill";
  test.result.num_tokens = count;
  test.multiply_adds = decoder_.work(count, 0);
  test.kind = decoder_kind(count);
  test.run = [this, count] {
    KvSequence kv = new_sequence();
    return forward(kv, copy_rows(rows_, 0, count), 0);
  };
  return test;
}

Test Benchmark::decode_test(int64_t batch_size) {
  const int64_t count = options_.generated_tokens;
  Test test;
  test.result.test = "decode";
  test.result.num_tokens = count * batch_size;
  test.result.batch_size = batch_size;
  test.weight_bytes = static_cast<double>(count) * decoder_.weight_bytes();
  for (int64_t i = 0; i < count; ++i) test.multiply_adds += static_cast<double>(batch_size) * decoder_.work(1, i);
  test.kind = decoder_kind(batch_size);
  test.run = [this, count, batch_size]() -> Status {
    std::vector<KvSequence> sequences;
    for (int64_t i = 0; i < batch_size; ++i) sequences.push_back(new_sequence());
    std::vector<SequenceRows> next_rows;
    for (KvSequence& kv : sequences) next_rows.push_back({&kv, 1});
    for (int64_t i = 0; i < count; ++i) {
      const Tensor rows = copy_rows(rows_, 0, batch_size);
      const auto position = static_cast<int32_t>(i);
      const std::vector<TokenPosition> positions(static_cast<size_t>(batch_size), {position, position, position});
      ForwardArgs args;
      args.rows = &rows;
      args.positions = positions;
      args.sequences = next_rows;
      args.num_logit_rows = batch_size;
      const auto logits = decoder_.forward(pool_, args);
      if (!logits) return logits.status();
    }
    return {};
  };
  return test;
}

bool Benchmark::is_wanted(const char* test) const {
  return options_.tests.empty() || std::ranges::find(options_.tests, test) != options_.tests.end();
}

/// From the picture's file to the encoder's input.
Expected<PixelBatch> Benchmark::prepare() const {
  Request request;
  Message message = {"user", {{ContentPart::Kind::kImage, "", options_.image_path, {}}}};
  request.messages.push_back(std::move(message));
  SACCADE_ASSIGN_OR_RETURN(std::vector<Picture> pictures, open_pictures(request, model_, {}));
  StageTimes stages;
  return read_pixels(picture_options(), {}, pool_, pictures[0], stages);
}

Test Benchmark::prepare_test() {
  Test test;
  test.result.test = "prepare";
  test.run = [this]() -> Status {
    const auto pixels = prepare();
    return pixels ? Status() : pixels.status();
  };
  return test;
}

Expected<Test> Benchmark::encode_test() {
  EncodeTrace trace;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<MediaPiece> pieces, model_.vision->encode(pixels_, {}, pool_, trace, {}));
  Test test;
  test.result.test = "encode";
  for (const MediaPiece& piece : pieces) {
    if (const auto* tokens = std::get_if<MediaTokens>(&piece)) test.result.num_tokens += tokens->vectors.shape()[0];
  }
  test.multiply_adds = trace.multiply_adds;
  test.kind = number_kind_of(model_.vision->main_dtype(), test.result.num_tokens);
  test.run = [this]() -> Status {
    EncodeTrace unused;
    const auto encoded = model_.vision->encode(pixels_, {}, pool_, unused, {});
    return encoded ? Status() : encoded.status();
  };
  return test;
}

/// The whole way of a question about the picture, up to its rows: file, pixels, vectors, prompt.
Expected<std::pair<Prompt, Tensor>> Benchmark::picture_prompt() {
  Request request;
  Message message = {"user", {{ContentPart::Kind::kImage, "", options_.image_path, {}}, {}}};
  message.content[1].text = kQuestion;
  request.messages.push_back(std::move(message));
  SACCADE_ASSIGN_OR_RETURN(std::vector<Picture> pictures, open_pictures(request, model_, {}));
  PictureReceipt told;
  Receipt receipt;
  SACCADE_ASSIGN_OR_RETURN(const PixelBatch pixels,
                           read_pixels(picture_options(), {}, pool_, pictures[0], receipt.stages_ms));
  SACCADE_RETURN_IF_ERROR(encode_picture(model_, {}, pixels, pool_, {}, pictures[0], told, receipt));
  const std::vector<ChatMessage> chat = {{"user", {{ChatPart::Kind::kImage, ""}, {ChatPart::Kind::kText, kQuestion}}}};
  SACCADE_ASSIGN_OR_RETURN(const std::vector<PromptSpan> spans, model_.chat_template->render(chat, true));
  const PictureFacts facts[] = {pictures[0].facts};
  SACCADE_ASSIGN_OR_RETURN(Prompt prompt, build_prompt(model_, spans, facts));
  std::vector<const MediaTokens*> vectors;
  for (const MediaRun& run : prompt.media) vectors.push_back(find_vectors(pictures, run));
  Tensor rows = embed_rows(model_, prompt, 0, vectors);
  return std::pair(std::move(prompt), std::move(rows));
}

Expected<Test> Benchmark::first_token_test() {
  SACCADE_ASSIGN_OR_RETURN(const auto prompt_and_rows, picture_prompt());
  Test test;
  test.result.test = "first_token";
  test.result.num_tokens = prompt_and_rows.first.num_rows();
  EncodeTrace trace;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<MediaPiece> pieces, model_.vision->encode(pixels_, {}, pool_, trace, {}));
  test.multiply_adds = trace.multiply_adds + decoder_.work(test.result.num_tokens, 0);
  test.kind = decoder_kind(test.result.num_tokens);
  test.run = [this]() -> Status {
    const auto asked = picture_prompt();
    if (!asked) return asked.status();
    const auto& [prompt, rows] = *asked;
    KvSequence kv = new_sequence();
    const SequenceRows sequence = {&kv, prompt.num_rows()};
    ForwardArgs args;
    args.rows = &rows;
    args.positions = prompt.positions;
    args.sequences = {&sequence, 1};
    const auto logits = decoder_.forward(pool_, args);
    return logits ? Status() : logits.status();
  };
  return test;
}

Expected<std::vector<Test>> Benchmark::tests() {
  SACCADE_RETURN_IF_ERROR(check());
  std::vector<Test> tests;
  const int64_t largest_batch = options_.batch_sizes.empty() ? 1 : std::ranges::max(options_.batch_sizes);
  rows_ = Tensor({std::max(options_.prompt_tokens, largest_batch), decoder_.config().model_dim});
  for (int64_t i = 0; i < rows_.shape()[0]; ++i) {
    decoder_.embed(static_cast<int32_t>((3 + 7 * i) % decoder_.config().vocab_size), rows_.row(i));
  }
  const bool has_picture = !options_.image_path.empty();
  if (has_picture) {
    SACCADE_ASSIGN_OR_RETURN(pixels_, prepare());
  }
  if (has_picture && is_wanted("prepare")) tests.push_back(prepare_test());
  if (has_picture && is_wanted("encode")) {
    SACCADE_ASSIGN_OR_RETURN(Test encode, encode_test());
    tests.push_back(std::move(encode));
  }
  if (options_.prompt_tokens > 0 && is_wanted("prefill")) tests.push_back(prefill_test());
  if (has_picture && is_wanted("first_token")) {
    SACCADE_ASSIGN_OR_RETURN(Test first_token, first_token_test());
    tests.push_back(std::move(first_token));
  }
  for (const int64_t batch_size : options_.batch_sizes) {
    if (options_.generated_tokens > 0 && is_wanted("decode")) tests.push_back(decode_test(batch_size));
  }
  if (tests.empty()) return invalid_argument("nothing to measure: the tests asked for need a picture or tokens");
  return tests;
}

}  // namespace

Expected<BenchmarkReport> run_benchmark(const BenchmarkOptions& options,
                                        const std::function<bool(const std::string& what, double fraction)>& progress) {
  BenchmarkReport report;
  SACCADE_ASSIGN_OR_RETURN(const Isa isa, active_isa());
  report.isa = isa_name(isa);
  auto pool = std::make_unique<ThreadPool>(options.threads.empty() ? 0 : std::ranges::max(options.threads));
  SACCADE_ASSIGN_OR_RETURN(const Model model,
                           Model::load(
                               options.model_path, options.mmproj_path, pool.get(),
                               [&](double fraction) { return progress("load", fraction); }, options.enlarges_pictures));
  for (const int num_threads : options.threads) {
    pool = std::make_unique<ThreadPool>(num_threads);
    report.threads.push_back(pool->num_threads());
    report.limits.push_back(measure_limits(*pool));
    Benchmark benchmark(options, model, *pool);
    SACCADE_ASSIGN_OR_RETURN(std::vector<Test> tests, benchmark.tests());
    for (Test& test : tests) {
      test.result.threads = pool->num_threads();
      for (int repeat = 0; repeat <= options.repeats; ++repeat) {
        const std::string what = format("%s, %d threads", test.result.test.c_str(), pool->num_threads());
        if (!progress(what, static_cast<double>(repeat) / (options.repeats + 1))) return cancelled("interrupted");
        const Stopwatch clock;
        SACCADE_RETURN_IF_ERROR(test.run());
        if (repeat > 0) test.result.runs_ms.push_back(clock.elapsed_ms());
      }
      summarize(report.limits.back(), test);
      report.results.push_back(std::move(test.result));
    }
  }
  return report;
}

}  // namespace saccade
