#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Answers questions about pictures with a vision-language model on this machine.\n\n"
      "  saccade ask models/saccade-mini.gguf --image samples/demo/receipt.png \"What is the total?\"\n",
      "saccade");
  app.set_version_flag("--version", SACCADE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done; 1 the command ran and its result is bad; 2 wrong usage; 3 a file is not there;\n"
      "4 a file is damaged or not supported; 5 over a limit (context, pixels, memory); 6 the system refused\n"
      "(permissions, full disk); 130 interrupted.\n"
      "SACCADE_ISA=avx512|avx2|reference forces an instruction set and refuses one the machine lacks.");
  int exit_code = saccade::kExitOk;
  saccade::add_ask_command(app, exit_code);
  saccade::add_inspect_command(app, exit_code);
  saccade::add_convert_command(app, exit_code);
  saccade::add_eval_command(app, exit_code);
  saccade::watch_for_interrupt();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? saccade::kExitOk : saccade::kExitUsage;
  } catch (const std::exception& error) {  // out of memory, as a rule
    return saccade::report_error(saccade::resource_exhausted(std::string("cannot go on: ") + error.what()));
  }
  // Whatever was printed must have arrived: a full disk or a closed pipe shows here at the latest.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return saccade::report_error(saccade::io_error("cannot write to the standard output"));
  }
  return exit_code;
}
