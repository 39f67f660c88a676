// saccade_parity MODEL CASE_DIR [--mmproj FILE] [--dump-logits DIR]
//
// MODEL is a checkpoint folder (converted to f32 first) or a GGUF file; CASE_DIR has the case.json and
// golden.safetensors of tools/parity. Prints one line of JSON per stage and case. Exit code 0: all agree; 1: some do
// not; 2: an error.
//
// With --dump-logits nothing is compared: DIR gets, for each case, CASE.logits.npy [rows, vocab_size] of the prompt and
// the golden greedy tokens behind it, CASE.rows.npy [rows, model_dim], the decoder's input, and CASE.positions.npy
// [rows, 3].
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/testing/temporary_model.h"
#include "golden.h"
#include "kernels/isa.h"
#include "npy.h"
#include "run_case.h"

namespace saccade::parity {
namespace {

using ::saccade::testing::TemporaryModel;

struct Arguments {
  std::string model;
  std::string mmproj;
  std::string case_dir;
  std::string dump_dir;  // empty: compare
};

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  std::vector<std::string> plain;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if ((word == "--mmproj" || word == "--dump-logits") && i + 1 < argc) {
      (word == "--mmproj" ? arguments.mmproj : arguments.dump_dir) = argv[++i];
    } else {
      plain.push_back(word);
    }
  }
  if (plain.size() != 2) return std::nullopt;
  arguments.model = plain[0];
  arguments.case_dir = plain[1];
  return arguments;
}

void print_result(const GoldenFamily& family, const GoldenCase& golden, const StageResult& result) {
  std::printf(
      R"({"family": "%s", "case": "%s", "stage": "%s", "error": %.3g, "tolerance": %g, "passed": %s, "detail": "%s"})"
      "\n",
      family.family.c_str(), golden.name.c_str(), result.stage.c_str(), std::min(result.error, 1e30), result.tolerance,
      result.passed() ? "true" : "false", result.detail.c_str());
}

/// The prompt with the golden answer behind it, through the decoder in one go.
Status dump_case(const Model& model, ThreadPool& pool, const GoldenCase& golden, const std::string& dir) {
  SACCADE_ASSIGN_OR_RETURN(PreparedCase prepared, prepare_case(model, pool, golden));
  const DecoderConfig& config = model.decoder->config();
  const int64_t num_prompt = prepared.prompt.num_rows();
  const auto num_answer = static_cast<int64_t>(golden.greedy.size());
  Tensor rows({num_prompt + num_answer, config.model_dim});
  std::memcpy(rows.data(), prepared.rows.data(), static_cast<size_t>(prepared.rows.view().num_bytes()));
  std::vector<TokenPosition> positions = prepared.prompt.positions;
  for (int64_t i = 0; i < num_answer; ++i) {
    const auto position = static_cast<int32_t>(prepared.prompt.next_position + i);
    model.decoder->embed(golden.greedy[static_cast<size_t>(i)], rows.row(num_prompt + i));
    positions.push_back({position, position, position});
  }
  KvSequence kv =
      model.decoder->make_sequence(std::make_shared<KvBlockPool>(config.kv_shape(DType::kF32), uint64_t{1} << 32));
  ForwardArgs args;
  args.rows = &rows;
  args.positions = positions;
  const SequenceRows sequence = {&kv, num_prompt + num_answer};
  args.sequences = {&sequence, 1};
  args.num_logit_rows = num_prompt + num_answer;
  SACCADE_ASSIGN_OR_RETURN(const Tensor logits, model.decoder->forward(pool, args));
  Tensor places({num_prompt + num_answer, 3});
  for (int64_t i = 0; i < num_prompt + num_answer; ++i) {
    const TokenPosition& position = positions[static_cast<size_t>(i)];
    places.row(i)[0] = static_cast<float>(position.t);
    places.row(i)[1] = static_cast<float>(position.y);
    places.row(i)[2] = static_cast<float>(position.x);
  }
  const std::string prefix = dir + "/" + golden.name;
  SACCADE_RETURN_IF_ERROR(write_npy(prefix + ".logits.npy", logits));
  SACCADE_RETURN_IF_ERROR(write_npy(prefix + ".rows.npy", rows));
  return write_npy(prefix + ".positions.npy", places);
}

Expected<bool> run(const Arguments& arguments) {
  if (const Expected<Isa> isa = active_isa(); !isa) return isa.status();
  SACCADE_ASSIGN_OR_RETURN(const GoldenFamily family, GoldenFamily::open(arguments.case_dir));
  std::optional<TemporaryModel> converted;
  std::string model_path = arguments.model;
  if (std::filesystem::is_directory(arguments.model)) {
    SACCADE_ASSIGN_OR_RETURN(TemporaryModel temporary, TemporaryModel::convert(arguments.model));
    model_path = converted.emplace(std::move(temporary)).path();
  }
  ThreadPool pool(2);
  SACCADE_ASSIGN_OR_RETURN(const Model model, Model::load(model_path, arguments.mmproj, &pool));
  bool all_passed = true;
  for (const GoldenCase& golden : family.cases) {
    if (!arguments.dump_dir.empty()) {
      SACCADE_RETURN_IF_ERROR(dump_case(model, pool, golden, arguments.dump_dir));
      continue;
    }
    SACCADE_ASSIGN_OR_RETURN(const std::vector<StageResult> results, run_case(model, pool, family, golden));
    for (const StageResult& result : results) {
      print_result(family, golden, result);
      all_passed = all_passed && result.passed();
    }
  }
  return all_passed;
}

}  // namespace
}  // namespace saccade::parity

int main(int argc, char** argv) {
  const auto arguments = saccade::parity::parse(argc, argv);
  if (!arguments) {
    std::fprintf(stderr, "usage: saccade_parity MODEL CASE_DIR [--mmproj FILE] [--dump-logits DIR]\n");
    return 2;
  }
  const auto passed = saccade::parity::run(*arguments);
  if (!passed) {
    std::fprintf(stderr, "saccade_parity: error: %s\n", passed.status().message().c_str());
    return 2;
  }
  return *passed ? 0 : 1;
}
