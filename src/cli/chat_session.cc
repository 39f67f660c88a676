#include "cli/chat_session.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/trimmed.h"
#include "cli/exit_code.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "media/image.h"
#include "request/validate_request.h"

namespace saccade {
namespace {

constexpr const char* kHelp =
    "  /image FILE   add a picture to the next message\n"
    "  /drop         leave out the pictures of the next message\n"
    "  /again        ask the last message that got no answer once more\n"
    "  /reset        forget the conversation so far\n"
    "  /help         this list\n"
    "  /quit         end (so does Ctrl-D)\n"
    "  //...         a message that begins with /\n";

// Whether the next message may have this picture, told before the message is typed.
Status check_picture(const Engine& engine, const std::string& path) {
  if (path.empty()) return invalid_argument("/image needs the name of a picture file");
  if (!engine.info().takes_pictures) {
    return invalid_argument("the model is a language model alone; begin again with its vision part, --mmproj FILE");
  }
  const ImageLimits limits;
  ContentPart part;
  part.kind = ContentPart::Kind::kImage;
  part.path = path;
  SACCADE_ASSIGN_OR_RETURN(const MediaBytes media, MediaBytes::open(part, limits.max_file_bytes));
  const auto header = probe_image(media.bytes(), limits);
  return header ? Status() : header.status().with_context(path);
}

}  // namespace

ChatSession::ChatSession(Engine& engine, const Accounting& accounting, const AskOptions& options)
    : engine_(engine),
      accounting_(accounting),
      options_(options),
      is_terminal_(::isatty(STDIN_FILENO) == 1),
      describer_(engine),
      request_(options.request),
      images_(options.images) {}

int ChatSession::run() {
  if (is_terminal_) std::fputs("A conversation. /help lists the commands.\n", stderr);
  std::string line = options_.prompt;
  while (!line.empty() || read_line(line)) {
    const Next next = handle(trimmed(line));
    line.clear();
    if (next == Next::kOutputGone) return kExitIo;
    if (next == Next::kEnd) break;
    if (!is_interrupted()) continue;
    if (!is_terminal_ || is_terminated()) return kExitInterrupted;
    clear_interrupt();
  }
  if (is_terminal_) std::fputs("\n", stderr);
  return kExitOk;
}

bool ChatSession::read_line(std::string& line) {
  if (is_terminal_) std::fputs("> ", stderr);
  // Nobody asked for it: no account pays for it.
  const bool may_describe = !options_.texts_path.empty() && options_.accounting.account.empty();
  if (may_describe) describer_.start(request_.messages);
  const InputWait wait;
  const bool is_there = static_cast<bool>(std::getline(std::cin, line));
  describer_.stop();
  return is_there;
}

ChatSession::Next ChatSession::handle(std::string_view line) {
  if (line.empty()) return Next::kGoOn;
  if (line.starts_with("//")) return ask(std::string(line.substr(1)));
  if (line.starts_with('/')) return run_command(line);
  return ask(std::string(line));
}

ChatSession::Next ChatSession::run_command(std::string_view line) {
  const std::string_view name = line.substr(0, line.find_first_of(" \t"));
  if (name == "/image") {
    add_picture(std::string(trimmed(line.substr(name.size()))));
  } else if (line == "/drop") {
    images_.clear();
  } else if (line == "/again" && !unanswered_.empty()) {
    return ask(unanswered_);
  } else if (line == "/again") {
    std::fputs("every message has its answer\n", stderr);
  } else if (line == "/reset") {
    request_.messages = options_.request.messages;
  } else if (line == "/help") {
    std::fputs(kHelp, stderr);
  } else if (line == "/quit") {
    return Next::kEnd;
  } else {
    std::fprintf(stderr, "no such command: %s\n%s", one_line(line).c_str(), kHelp);
  }
  return Next::kGoOn;
}

void ChatSession::add_picture(const std::string& path) {
  if (const Status status = check_picture(engine_, path); !status.is_ok()) {
    report_error(status, options_.is_json);
  } else {
    images_.push_back(path);
  }
}

ChatSession::Next ChatSession::ask(std::string text) {
  if (const Status status = check_text(text, "the message"); !status.is_ok()) {
    report_error(status, options_.is_json);
    return Next::kGoOn;
  }
  request_.messages.push_back(user_message(images_, text));
  const auto answer = answer_once(engine_, accounting_, request_, options_);
  if (answer && !(answer->text.empty() && answer->receipt.finish_reason == "cancelled")) {
    request_.messages.push_back(text_message("assistant", answer->text));
    images_.clear();
    unanswered_.clear();
    return Next::kGoOn;
  }
  request_.messages.pop_back();
  if (!answer) report_error(answer.status(), options_.is_json);
  if (std::ferror(stdout) != 0) return Next::kOutputGone;
  keep_for_again(std::move(text));
  return Next::kGoOn;
}

void ChatSession::keep_for_again(std::string text) {
  unanswered_ = std::move(text);
  const bool is_beginning = request_.messages.size() == options_.request.messages.size();
  std::fprintf(stderr, "The message is kept: /again asks it once more%s%s.\n",
               images_.empty() ? "" : ", after /drop without its pictures",
               is_beginning ? "" : ", after /reset without the conversation so far");
}

}  // namespace saccade
