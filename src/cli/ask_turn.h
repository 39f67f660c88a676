// One question of `saccade ask`, alone or within a conversation: asked, streamed, accounted for.
#pragma once

#include <string>
#include <vector>

#include "ledger/accounting.h"
#include "saccade/engine.h"

namespace saccade {

struct AskOptions {
  EngineOptions engine;
  Request request;  // sampling and limits; the messages are put together from what follows
  std::vector<std::string> images;
  std::string system;
  std::string prompt;
  std::string texts_path;     // of pictures' texts; empty: none are kept
  std::string schema_path;    // a JSON schema that answers satisfy; empty: none
  bool wants_object = false;  // answers are JSON objects
  std::string shown_path;     // where pictures of what was kept go; empty: none are wanted
  bool is_json = false;
  bool is_quiet = false;
  bool is_interactive = false;
  AccountingOptions accounting;
};

Message text_message(std::string role, std::string text);
Message user_message(const std::vector<std::string>& images, std::string text);

/// Errors: kInvalidArgument where the text is not UTF-8; `what` names it ("the question").
Status check_text(std::string_view text, std::string_view what);

/// Streams the answer to stdout (as JSON: at its end) and its receipt to stderr. After Ctrl-C the answer is what there
/// is of it, with finish_reason "cancelled". The accounting has a say before and a record behind. Errors: those of
/// Engine::answer() and Accounting; kIoError where stdout takes no more.
Expected<Answer> answer_once(Engine& engine, const Accounting& accounting, Request request, const AskOptions& options);

}  // namespace saccade
