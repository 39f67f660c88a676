// `saccade ask -i`: a conversation, line by line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/ask_turn.h"
#include "cli/describer.h"

namespace saccade {

/// Reads lines from stdin and answers them until the end of the input. A turn that fails leaves the conversation as it
/// was, and keeps its text and pictures to be asked again. On a terminal, Ctrl-C ends the answer in hand, and at the
/// prompt the conversation.
class ChatSession {
 public:
  /// `engine` and `options` must outlive it. The messages of options.request are what every conversation begins with.
  ChatSession(Engine& engine, const Accounting& accounting, const AskOptions& options);

  /// Returns the exit code.
  int run();

 private:
  enum class Next { kGoOn, kEnd, kOutputGone };

  bool read_line(std::string& line);
  Next handle(std::string_view line);
  Next run_command(std::string_view line);
  void add_picture(const std::string& path);
  Next ask(std::string text);
  void keep_for_again(std::string text);

  Engine& engine_;
  const Accounting& accounting_;
  const AskOptions& options_;
  const bool is_terminal_;
  Describer describer_;
  Request request_;
  std::vector<std::string> images_;  // of the next message
  std::string unanswered_;           // the text of the turn that failed last
};

}  // namespace saccade
