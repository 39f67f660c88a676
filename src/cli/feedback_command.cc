// saccade feedback: whether an answer that a ledger knows was right.
#include <memory>
#include <optional>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/option_checks.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "ledger/ledger.h"

namespace saccade {
namespace {

struct FeedbackOptions {
  std::string path;
  std::string request_id;
  std::optional<double> score;
  bool is_right = false;
  bool is_wrong = false;
  bool is_json = false;
};

int run_feedback(const FeedbackOptions& options) {
  const double score = options.score.value_or(options.is_right ? 1 : 0);
  const auto add = [&]() -> Status {
    SACCADE_ASSIGN_OR_RETURN(const auto ledger, Ledger::open(options.path, LedgerAccess::kWrite));
    return ledger->add_feedback(options.request_id, score, FeedbackSource::kUser);
  };
  const Status status = add();
  if (!status.is_ok()) return report_error(status, options.is_json);
  if (options.is_json) {
    print_json({{"request_id", options.request_id}, {"score", score}});
  } else {
    write_out(format("request %s: %g\n", one_line(options.request_id).c_str(), score));
  }
  return kExitOk;
}

}  // namespace

void add_feedback_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<FeedbackOptions>();
  CLI::App* command = app.add_subcommand("feedback", "Tell a ledger whether an answer was right");
  command->add_option("LEDGER", options->path, "The ledger")->required();
  command->add_option("REQUEST_ID", options->request_id, "As the answer's receipt has it")->required();
  CLI::Option_group* score = command->add_option_group("score", "One of");
  score->add_option("--score", options->score, "From 0 (wrong) to 1 (right)")->check(between(0.0, 1.0));
  score->add_flag("--right", options->is_right, "The same as --score 1");
  score->add_flag("--wrong", options->is_wrong, "The same as --score 0");
  score->require_option(1);
  command->add_flag("--json", options->is_json, "Print one JSON object");
  command->footer(
      "Feedback that was given before is replaced.\n\n"
      "Example:\n"
      "  saccade feedback requests.ledger 8f14e45fceea167a --wrong");
  command->callback([options, &exit_code] { exit_code = run_feedback(*options); });
}

}  // namespace saccade
