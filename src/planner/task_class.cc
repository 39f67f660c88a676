#include "planner/task_class.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>

#include "base/format.h"
#include "planner/quality_model.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

constexpr uint64_t kMaxRulesBytes = 1 << 20;

constexpr const char* kBuiltIn =
    "count: how many, count, number of\n"
    "describe: describe, caption, what is happening, summarize, summarise\n"
    "locate: where, which side, left of, right of, position, located\n"
    "read: read, transcribe, text, word, line, title, code, field, total, price, cell, amount, date, name, written, "
    "say, says, spell, table, row, column, value\n"
    "compare: which, largest, smallest, highest, lowest, most, least, more, larger, higher, trend\n"
    "check: ^is, ^are, ^does, ^do, ^was, ^has, ^can\n"
    "recognize: what, color, colour, kind, who\n";

// Lower case; what is not a letter or digit is one space; a space at both ends.
std::string in_words(std::string_view text) {
  std::string words = " ";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || byte >= 0x80) {
      words += static_cast<char>(std::tolower(byte));
    } else if (words.back() != ' ') {
      words += ' ';
    }
  }
  if (words.back() != ' ') words += ' ';
  return words;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

TaskRules::TaskRules() {
  *this = *parse(kBuiltIn);
}

Expected<TaskRules> TaskRules::parse(std::string_view text) {
  TaskRules rules{std::vector<Rule>()};
  int line_number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++line_number;
    line = line.substr(0, line.find('#'));
    if (in_words(line) == " ") continue;
    const size_t colon = line.find(':');
    const std::string name = in_words(line.substr(0, colon));
    if (colon == std::string_view::npos || name.size() < 3 || name.find(' ', 1) != name.size() - 1) {
      return invalid_argument(format("line %d of the task rules is not \"class: words, ...\"", line_number));
    }
    Rule rule = {name.substr(1, name.size() - 2), {}};
    for (const std::string_view phrase : split(line.substr(colon + 1), ',')) {
      const std::string words = in_words(phrase);
      const bool is_first = phrase.find('^') < phrase.find_first_not_of(" \t^");
      if (words != " ") rule.phrases.push_back({words, is_first});
    }
    if (rule.phrases.empty()) return invalid_argument(format("line %d of the task rules has no words", line_number));
    rules.rules_.push_back(std::move(rule));
  }
  return rules;
}

Expected<TaskRules> TaskRules::read(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_whole_file(path, kMaxRulesBytes));
  auto rules = parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return rules ? rules : rules.status().with_context(path);
}

std::string TaskRules::classify(std::string_view question) const {
  const std::string words = in_words(question);
  for (const Rule& rule : rules_) {
    for (const Phrase& phrase : rule.phrases) {
      const size_t place = words.find(phrase.words);
      if (phrase.is_first ? place == 0 : place != std::string::npos) return rule.task_class;
    }
  }
  return kAnyClass;
}

}  // namespace saccade
