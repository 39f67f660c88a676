#include "cli/eval_set.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "base/format.h"
#include "cli/ask_turn.h"
#include "cli/eval_score.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

// A set is text; this is for the file that was named by mistake.
constexpr uint64_t kMaxSetBytes = 1ull << 30;

// FNV-1a.
uint64_t digest_of(std::string_view text) {
  uint64_t digest = 0xcbf29ce484222325;
  for (const char c : text) digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return digest;
}

}  // namespace

Expected<EvalItem> parse_eval_item(std::string_view json, std::string_view where, Labels labels) {
  const auto fail = [&](const std::string& what) { return corrupt_data(std::string(where) + ": " + what); };
  const auto line = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return fail("is not a JSON object");
  EvalItem item;
  item.where = where;
  item.answer.emplace();
  for (const auto& [name, target] :
       {std::pair{"image", &item.image}, {"question", &item.question}, {"answer", &*item.answer}}) {
    if (target == &*item.answer && !line.contains(name) && labels == Labels::kOptional) continue;
    if (!line.contains(name) || !line[name].is_string()) return fail(std::string("needs the string ") + name);
    *target = line[name].get<std::string>();
  }
  if (!line.contains("answer")) item.answer.reset();
  item.kind = "unnamed";
  for (const auto& [name, target] : {std::pair{"kind", &item.kind}, {"conversation", &item.conversation}}) {
    if (!line.contains(name)) continue;
    if (!line[name].is_string()) return fail(std::string(name) + " is not a string");
    *target = line[name].get<std::string>();
  }
  if (line.contains("tolerance")) {
    if (!line["tolerance"].is_number()) return fail("tolerance is not a number");
    item.tolerance = line["tolerance"].get<double>();
    if (!leading_number(item.answer.value_or(""))) return fail("has a tolerance, but its answer is not a number");
  }
  if (line.contains("accept")) {
    if (!line["accept"].is_array()) return fail("accept is not a list");
    for (const auto& other : line["accept"]) {
      if (!other.is_string()) return fail("accept holds something that is not a string");
      item.accept.push_back(other.get<std::string>());
    }
  }
  return item;
}

Expected<EvalSet> read_eval_set(const std::string& path, int64_t limit, Labels labels) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_whole_file(path, kMaxSetBytes));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EvalSet set = {path, {}, digest_of(text)};
  std::istringstream in(text);
  std::string line;
  for (int64_t line_idx = 1; std::getline(in, line); ++line_idx) {
    if (normalize_answer(line).empty()) continue;
    const std::string where = format("%s:%lld", path.c_str(), static_cast<long long>(line_idx));
    SACCADE_ASSIGN_OR_RETURN(EvalItem item, parse_eval_item(line, where, labels));
    set.items.push_back(std::move(item));
    if (limit > 0 && static_cast<int64_t>(set.items.size()) == limit) break;
  }
  if (set.items.empty()) return corrupt_data(path + ": holds no questions");
  return set;
}

Request EvalSet::request_for(const EvalItem& item, int64_t max_tokens) const {
  Request request;
  request.max_tokens = max_tokens;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  request.messages.push_back(user_message({(folder / item.image).string()}, item.question));
  return request;
}

}  // namespace saccade
