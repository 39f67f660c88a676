#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"

namespace saccade {
namespace {

Status usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::string help = app.get_name();
  for (const CLI::App* command : app.get_subcommands()) help += " " + command->get_name();
  return invalid_argument(std::string(error.what()) + "; see `" + help + " --help`");
}

int run_program(int argc, char** argv, bool is_json) {
  CLI::App app(
      "Answers questions about pictures with a vision-language model on this machine.\n\n"
      "  saccade ask models/saccade-mini.gguf --image samples/demo/receipt.png \"What is the total?\"\n",
      "saccade");
  app.set_version_flag("--version", SACCADE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done; 1 the command ran and its result is bad, or a failure of the program's own;\n"
      "2 wrong usage; 3 a file is not there; 4 a file is damaged or not supported; 5 over a limit (context,\n"
      "pixels, memory); 6 the system refused (permissions, full disk); 130 interrupted.\n"
      "SACCADE_ISA=neon_dot|neon|amx|avx512_bf16|avx512_vnni|avx512|avx2_vnni|avx2|reference forces an\n"
      "instruction set and refuses one that the machine lacks.");
  int exit_code = kExitOk;
  add_ask_command(app, exit_code);
  add_inspect_command(app, exit_code);
  add_convert_command(app, exit_code);
  add_eval_command(app, exit_code);
  add_sweep_command(app, exit_code);
  add_bench_command(app, exit_code);
  add_layers_command(app, exit_code);
  add_analyze_command(app, exit_code);
  add_plan_command(app, exit_code);
  add_profile_command(app, exit_code);
  add_calibrate_command(app, exit_code);
  add_report_command(app, exit_code);
  add_replay_command(app, exit_code);
  add_feedback_command(app, exit_code);
  add_describe_command(app, exit_code);
  add_serve_command(app, exit_code);
  add_keys_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return report_error(usage_error(app, error), is_json);
    app.exit(error);  // --help or --version: prints it
  }
  return exit_code;
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  saccade::watch_for_interrupt();
  // Looked for by hand: errors are JSON also where the line could not be parsed.
  const bool is_json = std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
  const int exit_code = saccade::run_guarded(is_json, [&] { return saccade::run_program(argc, argv, is_json); });
  // Whatever was printed must have arrived: a full disk or a closed pipe shows here at the latest.
  if (exit_code == saccade::kExitOk && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)) {
    return saccade::report_error(saccade::io_error("cannot write to the standard output"));
  }
  return exit_code;
}
