// saccade bench: how fast a model runs here, and how far that is from what the machine could do.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/terminal.h"
#include "engine/benchmark.h"

namespace saccade {
namespace {

void print_report(const std::string& model_path, const BenchmarkReport& report) {
  std::printf("%s, %s\n", model_path.c_str(), report.isa.c_str());
  for (size_t i = 0; i < report.threads.size(); ++i) {
    const MachineLimits& limits = report.limits[i];
    std::printf("limits with %d threads: f32 %.0f, bf16 %.0f, int8 %.0f GFLOP/s; memory %.1f GB/s\n", report.threads[i],
                limits.gops_of(NumberKind::kF32), limits.gops_of(NumberKind::kBf16), limits.gops_of(NumberKind::kInt8),
                limits.memory_gbytes);
  }
  std::printf("\n%-12s %7s %6s %8s %10s %7s %10s %8s %7s  %s\n", "test", "tokens", "batch", "threads", "ms", "spread",
              "tokens/s", "GFLOP/s", "GB/s", "of the limit");
  for (const BenchmarkResult& result : report.results) {
    std::printf("%-12s %7lld %6lld %8d %10.2f %6.0f%%", result.test.c_str(), static_cast<long long>(result.num_tokens),
                static_cast<long long>(result.batch_size), result.threads, result.ms, 100 * result.spread);
    if (!result.limit.empty()) {
      std::printf(" %10.2f %8.1f %7s  %.0f%% of %s", result.tokens_per_second, result.gflops,
                  result.gbytes > 0 ? format("%.1f", result.gbytes).c_str() : "", 100 * result.limit_share,
                  result.limit.c_str());
    }
    std::printf("\n");
  }
}

void print_report_json(const std::string& model_path, const BenchmarkReport& report) {
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const BenchmarkResult& result : report.results) {
    results.push_back({{"test", result.test},
                       {"num_tokens", result.num_tokens},
                       {"batch_size", result.batch_size},
                       {"threads", result.threads},
                       {"tokens_per_second", result.tokens_per_second},
                       {"ms", result.ms},
                       {"spread", result.spread},
                       {"gflops", result.gflops},
                       {"gbytes_per_second", result.gbytes},
                       {"limit_share", result.limit_share},
                       {"limit", result.limit},
                       {"runs_ms", result.runs_ms}});
  }
  nlohmann::ordered_json limits = nlohmann::ordered_json::array();
  for (size_t i = 0; i < report.threads.size(); ++i) {
    limits.push_back({{"threads", report.threads[i]},
                      {"f32_gflops", report.limits[i].gops_of(NumberKind::kF32)},
                      {"bf16_gflops", report.limits[i].gops_of(NumberKind::kBf16)},
                      {"int8_gops", report.limits[i].gops_of(NumberKind::kInt8)},
                      {"memory_gbytes_per_second", report.limits[i].memory_gbytes}});
  }
  print_json({{"results", results}, {"limits", limits}, {"isa", report.isa}, {"model", model_path}});
}

int run_bench(const BenchmarkOptions& options, bool is_json) {
  ProgressLine line;
  const auto report = run_benchmark(options, [&](const std::string& what, double fraction) {
    line.show(what, fraction);
    return !is_interrupted();
  });
  line.clear();
  if (!report) return report_error(report.status(), is_json);
  is_json ? print_report_json(options.model_path, *report) : print_report(options.model_path, *report);
  return kExitOk;
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchmarkOptions>();
  auto is_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("bench", "Measure how fast a model runs on this machine");
  command->add_option("MODEL", options->model_path, "GGUF file")->required();
  command->add_option("--mmproj", options->mmproj_path, "GGUF file of the vision part, where the model is a pair");
  command->add_option("--image", options->image_path, "Picture to measure prepare, encode and first_token with");
  command->add_option("--tests", options->tests, "Tests to run, as in prepare,encode (default: all)")
      ->delimiter(',')
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kBenchmarkTests), std::end(kBenchmarkTests))))
      ->option_text("prepare|encode|prefill|first_token|decode,...");
  add_picture_options(*command, options->has_exact_pixels, options->enlarges_pictures);
  command->add_option("-p,--prompt-tokens", options->prompt_tokens, "Rows of the prompt to prefill; 0: leave out")
      ->check(at_least<int64_t>(0))
      ->capture_default_str();
  command->add_option("-n,--generated-tokens", options->generated_tokens, "Tokens to decode; 0: leave out")
      ->check(at_least<int64_t>(0))
      ->capture_default_str();
  command->add_option("-b,--batch", options->batch_sizes, "Sequences that decode together, as in 1,8")
      ->delimiter(',')
      ->check(between<int64_t>(1, 64))
      ->capture_default_str();
  command->add_option("-t,--threads", options->threads, "Threads, as in 1,2 (default: the cores of this process)")
      ->delimiter(',')
      ->check(between(1, 1024));
  command->add_option("-r,--repeats", options->repeats, "Runs of each test, after one that is not counted")
      ->check(between(1, 1000))
      ->capture_default_str();
  command->add_flag("--json", *is_json, "Print one JSON object");
  command->footer(
      "Prints the median of the runs, their spread, and the share of what the machine can do at most, which is "
      "measured "
      "in the\nsame run: multiplications of registers (prefill, encode), or reading memory (decode).\n\n"
      "Examples:\n"
      "  saccade bench models/saccade-mini.gguf --image samples/demo/receipt.png\n"
      "  saccade bench llava-q4_0.gguf --mmproj mmproj-f16.gguf --image photo.jpg -p 512 -n 64 -b 1,8 -t 1,2");
  command->callback([options, is_json, &exit_code] { exit_code = run_bench(*options, *is_json); });
}

}  // namespace saccade
