#include "cli/ask_turn.h"

#include <algorithm>
#include <cstdio>

#include "base/format.h"
#include "base/utf8.h"
#include "cli/eval_score.h"
#include "cli/printable_text.h"
#include "cli/show_kept.h"
#include "cli/terminal.h"
#include "request/request_id.h"
#include "response/receipt_json.h"

namespace saccade {
namespace {

// Why an answer that is not finished ends where it does; empty for one that is.
std::string cut_note(const Engine& engine, const Request& request, const Receipt& receipt) {
  if (receipt.finish_reason != "length") return "";
  if (receipt.tokens.generated == request.max_tokens) {
    return format("cut at --max-tokens %lld", static_cast<long long>(request.max_tokens));
  }
  if (receipt.budget && !receipt.budget->changes.empty() && receipt.budget->changes.back().stage == "decode") {
    return "cut: the time was up";
  }
  return format("cut: the context of %lld tokens is full (--context)",
                static_cast<long long>(engine.info().context_length));
}

void show_receipt(const Receipt& receipt, const std::string& cut) {
  std::fprintf(stderr, "\n%s", receipt_table(receipt).c_str());
  if (!receipt.chat_template_note.empty()) {
    std::fprintf(stderr, "  chat template: %s (%s)\n", one_line(receipt.chat_template).c_str(),
                 one_line(receipt.chat_template_note).c_str());
  }
  if (!cut.empty()) std::fprintf(stderr, "  the answer is %s\n", cut.c_str());
}

std::string shown_line(const PictureLook& look, const std::string& path) {
  const auto count = [&](CellState state) {
    return static_cast<long long>(std::ranges::count(look.cells, state, &LookedCell::state));
  };
  return format("%s: %lld parts kept, %lld merged (tinted), %lld dropped (dark)", one_line(path).c_str(),
                count(CellState::kKept), count(CellState::kMerged), count(CellState::kDropped));
}

// An answer, or why there is none, on record.
Expected<Answer> answer_on_record(Engine& engine, const Accounting& accounting, const Request& request,
                                  const AskOptions& options, const AnswerCallbacks& callbacks) {
  auto answer = engine.answer(request, callbacks);
  const Status recorded = answer ? accounting.record(request, answer->receipt)
                                 : accounting.record_failure(options.engine.model_path, request, answer.status());
  if (answer && !recorded.is_ok()) return recorded.with_context("the answer is not on record");
  return answer;
}

// The full plan's answer to the same question, once the user has theirs. A failure of it is nobody's concern.
void run_shadow(Engine& engine, const Accounting& accounting, Request request, const Answer& answer) {
  if (!accounting.wants_shadow(answer.receipt)) return;
  request.id.clear();
  request.plan = {};
  request.budget = {};
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress&) { return !is_interrupted(); };
  const auto full = engine.answer(request, callbacks);
  if (!full || full->receipt.finish_reason == "cancelled") return;
  (void)accounting.record_shadow(answer.receipt, normalize_answer(answer.text) == normalize_answer(full->text));
}

}  // namespace

Message text_message(std::string role, std::string text) {
  ContentPart part;
  part.text = std::move(text);
  return {std::move(role), {std::move(part)}};
}

Message user_message(const std::vector<std::string>& images, std::string text) {
  Message message = {"user", {}};
  for (const std::string& path : images) {
    ContentPart part;
    part.kind = ContentPart::Kind::kImage;
    part.path = path;
    message.content.push_back(std::move(part));
  }
  message.content.push_back(text_message("user", std::move(text)).content.front());
  return message;
}

Status check_text(std::string_view text, std::string_view what) {
  if (is_valid_utf8(text)) return {};
  return invalid_argument(std::string(what) + " is not valid UTF-8");
}

Expected<Answer> answer_once(Engine& engine, const Accounting& accounting, Request request, const AskOptions& options) {
  if (request.id.empty()) request.id = new_request_id();
  std::string note;
  const auto explain = [&](const Request& asked) { return engine.explain(asked); };
  if (const Status admitted = accounting.admit(explain, request, note); !admitted.is_ok()) {
    (void)accounting.record_failure(options.engine.model_path, request, admitted);  // the refusal is told anyway
    return admitted;
  }
  if (!note.empty()) std::fprintf(stderr, "saccade: account: %s\n", one_line(note).c_str());
  ProgressLine progress;
  AnswerCallbacks callbacks;
  callbacks.on_progress = [&](const Progress& now) {
    progress.show(now.stage == "encode" ? "looking" : "reading", now.fraction);
    return !is_interrupted();
  };
  bool is_reader_there = true;
  callbacks.on_text = [&](std::string_view text) {
    progress.clear();
    if (!options.is_json) is_reader_there = write_out(text);
    return is_reader_there && !is_interrupted();
  };
  auto answer = answer_on_record(engine, accounting, request, options, callbacks);
  progress.clear();
  if (!answer) return answer;
  if (!is_reader_there) return io_error("cannot write the answer: the reader of the output is gone");
  if (!write_out(options.is_json ? answer_json(*answer) + "\n" : "\n")) {
    return io_error("cannot write the answer to the standard output");
  }
  const bool is_told = !options.is_json && !options.is_quiet;
  if (is_told) show_receipt(answer->receipt, cut_note(engine, request, answer->receipt));
  run_shadow(engine, accounting, request, *answer);
  if (options.shown_path.empty()) return answer;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::string> shown, show_kept(request, *answer, options.shown_path));
  for (size_t i = 0; is_told && i < shown.size(); ++i) {
    std::fprintf(stderr, "  %s\n", shown_line(answer->looks[i], shown[i]).c_str());
  }
  return answer;
}

}  // namespace saccade
