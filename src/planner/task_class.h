// What kind of thing a question asks for: questions of one class lose alike when less is looked at.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "saccade/status.h"

namespace saccade {

/// Rules in order: the first whose words are in the question names its class.
class TaskRules {
 public:
  /// The built-in rules.
  TaskRules();
  /// A text of one rule a line, "class: word, two words, ^first word, ..."; # begins a comment. A question is matched
  /// in lower case and by whole words, behind ^ by its first. Errors: kInvalidArgument with the line.
  static Expected<TaskRules> parse(std::string_view text);

  /// Of a file. Errors: those of parse() and read_whole_file(), with the path.
  static Expected<TaskRules> read(const std::string& path);

  /// kAnyClass where no rule fits.
  std::string classify(std::string_view question) const;

 private:
  struct Phrase {
    std::string words;  // with a space at both ends
    bool is_first = false;
  };
  struct Rule {
    std::string task_class;
    std::vector<Phrase> phrases;
  };
  explicit TaskRules(std::vector<Rule> rules) : rules_(std::move(rules)) {}

  std::vector<Rule> rules_;
};

}  // namespace saccade
