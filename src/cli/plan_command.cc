// saccade plan: what a request would be answered by, and why, without answering it.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/ask_turn.h"
#include "cli/budget_options.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/plan_options.h"
#include "cli/terminal.h"
#include "response/budget_text.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct PlanCommandOptions {
  EngineOptions engine;
  std::vector<std::string> images;
  std::string prompt;
  std::string texts_path;
  Request request;
  bool is_json = false;
};

int run_plan(PlanCommandOptions& options) {
  const auto fail = [&](const Status& status) { return report_error(status, options.is_json); };
  if (const Status status = check_text(options.prompt, "the prompt"); !status.is_ok()) return fail(status);
  options.request.messages = {user_message(options.images, options.prompt)};
  if (const Status status = open_texts(options.texts_path, options.engine); !status.is_ok()) return fail(status);
  const auto engine = load_engine(options.engine);
  if (!engine) return fail(engine.status());
  const auto explanation = (*engine)->explain(options.request);
  if (!explanation) return fail(explanation.status());
  if (options.is_json) {
    print_json(explanation_json(*explanation));
  } else {
    write_out(explanation_text(*explanation));
  }
  return kExitOk;
}

}  // namespace

void add_plan_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PlanCommandOptions>();
  CLI::App* command = app.add_subcommand("plan", "Explain by which plan a question would be answered, and why");
  add_model_options(*command, options->engine);
  add_texts_option(*command, options->texts_path);
  command->add_option("--image", options->images, "Picture file (JPEG, PNG, WebP); may be given several times")
      ->allow_extra_args(false);
  add_max_tokens(*command, options->request.max_tokens);
  command->add_flag("--json", options->is_json, "Print one JSON object");
  add_budget_options(*command, options->request.budget);
  add_plan_options(*command, options->request.plan);
  command->add_option("PROMPT", options->prompt, "The question")->required();
  command->footer(
      "Nothing is decoded or computed: the plan is the one that `saccade ask` begins with, before it sees what the\n"
      "picture shows. The table has the plans that no other beats in both time and quality, and why each lost.\n\n"
      "Examples:\n"
      "  saccade plan models/saccade-mini.gguf --image samples/demo/receipt.png --within 60ms \"What is the total?\"\n"
      "  saccade plan model.gguf --image page.png --min-quality 0.97 --json \"Read the title.\" | jq .plans");
  command->callback([options, &exit_code] { exit_code = run_plan(*options); });
}

}  // namespace saccade
