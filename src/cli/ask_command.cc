// saccade ask: one question, or a conversation, about pictures.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "cli/accounting_options.h"
#include "cli/ask_turn.h"
#include "cli/budget_options.h"
#include "cli/chat_session.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/model_options.h"
#include "cli/plan_options.h"
#include "cli/printable_text.h"
#include "cli/show_kept.h"
#include "cli/terminal.h"
#include "platform/whole_file.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

constexpr uint64_t kMaxSchemaFileBytes = 1 << 20;

int ask_one(Engine& engine, const Accounting& accounting, AskOptions& options) {
  options.request.messages.push_back(user_message(options.images, options.prompt));
  const auto answer = answer_once(engine, accounting, options.request, options);
  if (!answer) return report_error(answer.status(), options.is_json);
  return answer->receipt.finish_reason == "cancelled" ? kExitInterrupted : kExitOk;
}

// The prompt that was given, or is to be read from stdin, and the system message.
Status take_texts(AskOptions& options) {
  if (options.prompt.empty() && !options.is_interactive) {
    return invalid_argument("there is no PROMPT; give one, - to read it from the standard input, or -i");
  }
  if (options.prompt == "-") {
    const InputWait wait;
    options.prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
    if (options.prompt.empty()) return invalid_argument("the standard input held no prompt");
  }
  SACCADE_RETURN_IF_ERROR(check_text(options.prompt, "the prompt"));
  SACCADE_RETURN_IF_ERROR(check_text(options.system, "the text of --system"));
  if (!options.system.empty()) options.request.messages.push_back(text_message("system", options.system));
  return {};
}

// Of a schema's file, or any object.
Status take_format(AskOptions& options) {
  ResponseFormat& format = options.request.format;
  if (options.wants_object) format.kind = ResponseFormat::Kind::kJsonObject;
  if (options.schema_path.empty()) return {};
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes,
                           read_whole_file(options.schema_path, kMaxSchemaFileBytes));
  format.kind = ResponseFormat::Kind::kJsonSchema;
  format.is_strict = true;
  format.schema.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (bytes.empty()) return invalid_argument(options.schema_path + " is empty; it must hold a JSON schema");
  return {};
}

Status check_options(AskOptions& options) {
  SACCADE_RETURN_IF_ERROR(take_texts(options));
  SACCADE_RETURN_IF_ERROR(take_format(options));
  if (options.shown_path.empty()) return {};
  if (options.images.empty() && !options.is_interactive) {
    return invalid_argument("--show-kept shows what was kept of a picture; give one with --image");
  }
  options.request.wants_looks = true;
  return check_shown_paths(options.shown_path, options.images);
}

int run_ask(AskOptions& options) {
  if (const Status status = check_options(options); !status.is_ok()) return report_error(status, options.is_json);
  auto accounting = Accounting::open(options.accounting);
  if (!accounting) return report_error(accounting.status(), options.is_json);
  options.engine.price = accounting->price_of(options.engine.model_path);
  if (const Status opened = open_texts(options.texts_path, options.engine); !opened.is_ok()) {
    return report_error(opened, options.is_json);
  }
  auto engine = load_engine(options.engine);
  if (!engine) return report_error(engine.status(), options.is_json);
  if (!options.system.empty() && !(*engine)->info().takes_system_message) {
    std::fputs("saccade: warning: the model's chat template leaves out system messages: --system does nothing\n",
               stderr);
  }
  const auto warnings = teach(*accounting, **engine);
  if (!warnings) return report_error(warnings.status(), options.is_json);
  for (const std::string& warning : *warnings)
    std::fprintf(stderr, "saccade: warning: %s\n", one_line(warning).c_str());
  return options.is_interactive ? ChatSession(**engine, *accounting, options).run()
                                : ask_one(**engine, *accounting, options);
}

}  // namespace

void add_ask_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<AskOptions>();
  CLI::App* command = app.add_subcommand("ask", "Ask a question about pictures, or without any");
  add_model_options(*command, options->engine);
  add_texts_option(*command, options->texts_path);
  command->add_option("--image", options->images, "Picture file (JPEG, PNG, WebP); may be given several times")
      ->allow_extra_args(false);
  command->add_option("--system", options->system, "System message");
  command->add_flag("--json", options->is_json, "Print one JSON object with the answer and its receipt");
  command->add_flag("-q,--quiet", options->is_quiet, "No receipt on stderr");
  command->add_flag("-i,--interactive", options->is_interactive, "A conversation: read questions line by line");
  add_sampling_options(*command, options->request);
  CLI::Option* const object = command->add_flag("--json-object", options->wants_object,
                                                "The answer is a JSON object, whatever the model would rather say");
  command
      ->add_option("--json-schema", options->schema_path,
                   "The answer is JSON that satisfies this JSON schema; properties that it does not name are left out "
                   "unless it has additionalProperties")
      ->option_text("FILE")
      ->excludes(object);
  add_budget_options(*command, options->request.budget);
  add_accounting_options(*command, options->accounting);
  add_shadow_option(*command, options->accounting);
  add_plan_options(*command, options->request.plan);
  command
      ->add_option(
          "--show-kept", options->shown_path,
          "Write the picture with what was kept, merged (tinted) and dropped (dark) of it; of further pictures "
          "to FILE-2.png and so on")
      ->option_text("FILE.png")
      ->group(kPlanGroup);
  command->add_option("PROMPT", options->prompt, "The question; - reads it from the standard input");
  command->footer(
      "Examples:\n"
      "  saccade ask models/saccade-mini.gguf --image samples/demo/receipt.png \"What is the total?\"\n"
      "  saccade ask llava-q4_0.gguf --mmproj mmproj-f16.gguf --image a.jpg --image b.jpg \"What differs?\"\n"
      "  saccade ask model.gguf --image page.png --json \"Transcribe the first line.\" | jq .receipt.stages_ms\n"
      "  saccade ask model.gguf --image page.png --skip-equal 0 --keep 144 --strategy divprune \"What is the total?\"\n"
      "  saccade ask model.gguf --image page.png --keep 100 --strategy tome --show-kept kept.png \"What is the "
      "total?\"\n"
      "  saccade ask model.gguf --image receipt.png --json-schema receipt.schema.json \"Read the receipt.\"\n"
      "  saccade ask model.gguf -i");
  command->callback([options, &exit_code] { exit_code = run_ask(*options); });
}

}  // namespace saccade
