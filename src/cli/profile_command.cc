// saccade profile: what this machine can do, for plans that keep their time from the first request on.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "engine/machine_profile.h"
#include "engine/profile_file.h"
#include "platform/thread_pool.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

struct ProfileOptions {
  std::string path;
  int threads = 0;
  bool is_json = false;
};

void print_table(const MachineProfile& profile, const std::string& path) {
  std::printf("%s, %d threads\n\n  products, GFLOP a second by rows\n  %-8s", profile.isa.c_str(), profile.threads,
              "weights");
  for (const Hardware::Rate& rate : profile.linear.begin()->second) std::printf("%9.0f", rate.rows);
  std::printf("\n");
  for (const auto& [type, rates] : profile.linear) {
    std::printf("  %-8s", std::string(traits_of(type).name).c_str());
    for (const Hardware::Rate& rate : rates) std::printf("%9.1f", rate.gflops);
    std::printf("\n");
  }
  const Hardware& hardware = profile.hardware;
  std::printf(
      "\n  attention        %9.1f GFLOP a second\n  norms            %9.1f GFLOP a second\n"
      "  memory           %9.1f GB a second\n  an operator      %9.2f us\n  decoding a PNG   %9.2f ns a pixel\n"
      "  resizing         %9.2f ns a pixel\n\nkept in %s\n",
      hardware.attention_gflops, hardware.vector_gflops, hardware.memory_gbytes, hardware.launch_us,
      hardware.decode_ns_per_pixel, hardware.resize_ns_per_pixel, one_line(path).c_str());
}

void print_object(const MachineProfile& profile, const std::string& path) {
  nlohmann::ordered_json linear;
  for (const auto& [type, rates] : profile.linear) {
    for (const Hardware::Rate& rate : rates) {
      linear[std::string(traits_of(type).name)].push_back({{"rows", rate.rows}, {"gflops", rate.gflops}});
    }
  }
  const Hardware& hardware = profile.hardware;
  print_json({{"isa", profile.isa},
              {"threads", profile.threads},
              {"linear", linear},
              {"attention_gflops", hardware.attention_gflops},
              {"vector_gflops", hardware.vector_gflops},
              {"memory_gbytes_per_second", hardware.memory_gbytes},
              {"launch_us", hardware.launch_us},
              {"decode_ns_per_pixel", hardware.decode_ns_per_pixel},
              {"resize_ns_per_pixel", hardware.resize_ns_per_pixel},
              {"path", path}});
}

int run_profile(const ProfileOptions& options) {
  const auto fail = [&](const Status& status) { return report_error(status, options.is_json); };
  if (options.path.empty())
    return fail(invalid_argument("there is no home folder to keep a profile in; give --profile"));
  const auto folder = std::filesystem::path(options.path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return fail(io_error(folder.string() + ": cannot make the folder: " + error.message()));
  if (const Status status = check_writable(options.path); !status.is_ok()) return fail(status);
  ThreadPool pool(ThreadPoolOptions{options.threads, false});
  ProgressLine line;
  const auto profile = measure_machine(pool, [&](const std::string& what, double fraction) {
    line.show("measuring", fraction, what);
    return !is_interrupted();
  });
  line.clear();
  if (!profile) return fail(profile.status());
  if (const Status status = write_machine_profile(options.path, *profile); !status.is_ok()) return fail(status);
  options.is_json ? print_object(*profile, options.path) : print_table(*profile, options.path);
  return kExitOk;
}

}  // namespace

void add_profile_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ProfileOptions>();
  options->path = default_profile_path();
  CLI::App* command = app.add_subcommand("profile", "Measure this machine, so that plans keep their time");
  command->add_option("--profile", options->path, "File to keep it in")->capture_default_str();
  command->add_option("-t,--threads", options->threads, "Threads (default: the cores of this process)")
      ->check(between(1, 1024));
  command->add_flag("--json", options->is_json, "Print one JSON object");
  command->footer(
      "Takes about ten seconds. From then on `saccade ask` and its kin read the file, and keep in it what every "
      "answer\n"
      "teaches about the speed of its model. Without it plans begin with a guess. Measure again where the machine\n"
      "changed, or another number of threads is to be used.\n\n"
      "Examples:\n"
      "  saccade profile\n"
      "  saccade ask models/saccade-mini.gguf --image samples/demo/receipt.png --within 60ms \"What is the total?\"");
  command->callback([options, &exit_code] { exit_code = run_profile(*options); });
}

}  // namespace saccade
