// A set of questions about pictures: a file of JSON lines, as `saccade eval` and `saccade sweep` take it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/request.h"
#include "saccade/status.h"

namespace saccade {

/// One line of an evaluation set.
struct EvalItem {
  std::string where;  // the line it is from, "set.jsonl:12"
  std::string image;  // as written, relative to the set's file
  std::string question;
  std::optional<std::string> answer;
  std::vector<std::string> accept;  // other answers that are as right
  std::optional<double> tolerance;  // numbers this far from `answer` are right
  std::string kind;                 // "unnamed" where the line has none
  std::string conversation;         // lines of the same one are its turns, for who asks them so; empty: none
};

enum class Labels : uint8_t { kRequired, kOptional };

struct EvalSet {
  std::string path;
  std::vector<EvalItem> items;
  uint64_t digest = 0;  // of the file's bytes

  /// The item's question about its picture.
  Request request_for(const EvalItem& item, int64_t max_tokens) const;
};

/// Parses a JSON object. Errors: kCorruptData names the field; `where` ("set.jsonl:12") comes first.
Expected<EvalItem> parse_eval_item(std::string_view json, std::string_view where, Labels labels = Labels::kRequired);

/// The first `limit` items; all where it is 0. Errors: those of reading and of parse_eval_item(), kCorruptData where
/// there are no questions.
Expected<EvalSet> read_eval_set(const std::string& path, int64_t limit, Labels labels = Labels::kRequired);

}  // namespace saccade
