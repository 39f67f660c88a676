// saccade ask: one question, or a conversation, about pictures.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "response/receipt_json.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct AskOptions {
  EngineOptions engine;
  Request request;  // sampling and limits; the messages are put together from what follows
  std::vector<std::string> images;
  std::string system;
  std::string prompt;
  bool is_json = false;
  bool is_quiet = false;
  bool is_interactive = false;
};

ContentPart text_part(std::string text) {
  ContentPart part;
  part.text = std::move(text);
  return part;
}

ContentPart image_part(std::string path) {
  ContentPart part;
  part.kind = ContentPart::Kind::kImage;
  part.path = std::move(path);
  return part;
}

Message user_message(const std::vector<std::string>& images, std::string text) {
  Message message = {"user", {}};
  for (const std::string& path : images) message.content.push_back(image_part(path));
  message.content.push_back(text_part(std::move(text)));
  return message;
}

bool write_out(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

// Streams one answer to stdout (unless it will be printed as JSON) and its receipt to stderr.
Expected<Answer> answer_once(Engine& engine, const Request& request, const AskOptions& options) {
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
  auto answer = engine.answer(request, callbacks);
  progress.clear();
  if (!answer) return answer;
  if (!is_reader_there) return io_error("cannot write the answer: the reader of the output is gone");
  if (!write_out(options.is_json ? answer_json(*answer) + "\n" : "\n")) {
    return io_error("cannot write the answer to the standard output");
  }
  const Receipt& receipt = answer->receipt;
  if (!options.is_json && !options.is_quiet) {
    std::fprintf(stderr, "\n%s", receipt_table(receipt).c_str());
    if (!receipt.chat_template_note.empty()) {
      std::fprintf(stderr, "  chat template: %s (%s)\n", receipt.chat_template.c_str(),
                   receipt.chat_template_note.c_str());
    }
  }
  return answer;
}

int ask_one(Engine& engine, AskOptions& options) {
  options.request.messages.push_back(user_message(options.images, options.prompt));
  const auto answer = answer_once(engine, options.request, options);
  if (!answer) return report_error(answer.status());
  return answer->receipt.finish_reason == "cancelled" ? kExitInterrupted : kExitOk;
}

constexpr const char* kConversationHelp =
    "  /image FILE   add a picture to the next message\n"
    "  /reset        begin again\n"
    "  /help         this list\n"
    "  /quit         end (so does Ctrl-D)\n";

// Reads lines and answers them until the end of the input. A failed turn leaves the conversation as it was.
int converse(Engine& engine, AskOptions& options) {
  const bool is_terminal = ::isatty(STDIN_FILENO) == 1;
  const std::vector<Message> beginning = options.request.messages;
  std::vector<std::string> images = options.images;
  std::string line = options.prompt;
  if (is_terminal) std::fputs("A conversation. /help lists the commands.\n", stderr);
  while (true) {
    if (line.empty()) {
      if (is_terminal) std::fputs("> ", stderr);
      if (!std::getline(std::cin, line)) break;
    }
    if (line == "/quit") break;
    if (line == "/help") {
      std::fputs(kConversationHelp, stderr);
    } else if (line == "/reset") {
      options.request.messages = beginning;
      images.clear();
    } else if (line.starts_with("/image ")) {
      images.push_back(line.substr(7));
    } else if (line.starts_with('/')) {
      std::fprintf(stderr, "no such command: %s\n%s", line.c_str(), kConversationHelp);
    } else if (!line.empty()) {
      options.request.messages.push_back(user_message(images, line));
      const auto answer = answer_once(engine, options.request, options);
      if (answer) {
        options.request.messages.push_back({"assistant", {text_part(answer->text)}});
      } else {
        report_error(answer.status());
        options.request.messages.pop_back();
        if (answer.status().code() == StatusCode::kIoError && std::ferror(stdout) != 0) return kExitIo;
      }
      images.clear();
    }
    if (is_interrupted()) {
      if (!is_terminal) return kExitInterrupted;
      clear_interrupt();
    }
    line.clear();
  }
  if (is_terminal) std::fputs("\n", stderr);
  return is_interrupted() ? kExitInterrupted : kExitOk;
}

int run_ask(AskOptions& options) {
  if (options.prompt.empty() && !options.is_interactive) {
    return report_error(invalid_argument("there is no PROMPT; give one, - to read it from the standard input, or -i"));
  }
  if (options.prompt == "-") {
    options.prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
    if (options.prompt.empty()) return report_error(invalid_argument("the standard input held no prompt"));
  }
  if (!options.system.empty()) options.request.messages.push_back({"system", {text_part(options.system)}});
  auto engine = Engine::load(options.engine);
  if (!engine) return report_error(engine.status());
  return options.is_interactive ? converse(**engine, options) : ask_one(**engine, options);
}

}  // namespace

void add_ask_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<AskOptions>();
  CLI::App* command = app.add_subcommand("ask", "Ask a question about pictures, or without any");
  add_model_options(*command, options->engine);
  command->add_option("--image", options->images, "Picture file (JPEG, PNG, WebP); may be given several times")
      ->allow_extra_args(false);
  command->add_option("--system", options->system, "System message");
  command->add_flag("--json", options->is_json, "Print one JSON object with the answer and its receipt");
  command->add_flag("-q,--quiet", options->is_quiet, "No receipt on stderr");
  command->add_flag("-i,--interactive", options->is_interactive, "A conversation: read questions line by line");
  add_sampling_options(*command, options->request);
  command->add_option("PROMPT", options->prompt, "The question; - reads it from the standard input");
  command->footer(
      "Examples:\n"
      "  saccade ask models/saccade-mini.gguf --image samples/demo/receipt.png \"What is the total?\"\n"
      "  saccade ask llava-q4_0.gguf --mmproj mmproj-f16.gguf --image a.jpg --image b.jpg \"What differs?\"\n"
      "  saccade ask model.gguf --image page.png --json \"Transcribe the first line.\" | jq .receipt.stages_ms\n"
      "  saccade ask model.gguf -i");
  command->callback([options, &exit_code] { exit_code = run_ask(*options); });
}

}  // namespace saccade
