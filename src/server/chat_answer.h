// Answers as OpenAI's API has them: one JSON object, or the chunks of a stream.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/engine.h"

namespace saccade {

/// What all chunks of an answer have in common.
struct ChatAnswerHead {
  std::string id;
  int64_t created_s = 0;  // since 1970
  std::string model;      // by the name that it is served by
  std::string fingerprint;
};

/// What the answers' tokens came to; prompt tokens count once.
struct ChatUsage {
  int64_t text_tokens = 0;
  int64_t image_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;

  void add(const Receipt& receipt);
};

/// A chat.completion; with `has_logprobs` the choices' "logprobs" are filled in. The receipt of a single choice stands
/// in "saccade"; of several, each choice has its own there.
std::string chat_completion_json(const ChatAnswerHead& head, const std::vector<Answer>& answers,
                                 bool has_logprobs = false);

/// The chunks of a stream, each framed as an event of server-sent events.
class ChatChunks {
 public:
  /// `has_usage`: the chunks have a field for it, as the API has it where it was asked for.
  ChatChunks(ChatAnswerHead head, bool has_usage) : head_(std::move(head)), has_usage_(has_usage) {}

  std::string role(int choice) const;
  /// `logprobs`: of the tokens since the last chunk; none where they are not wanted.
  std::string text(int choice, std::string_view piece, std::span<const TokenLogprobs> logprobs = {}) const;
  /// With the reason that it ended, and the receipt.
  std::string end(int choice, const Receipt& receipt, std::span<const TokenLogprobs> logprobs = {}) const;
  std::string usage(const ChatUsage& usage) const;

 private:
  nlohmann::ordered_json chunk(int choice, nlohmann::ordered_json delta, std::optional<std::string> finish_reason,
                               std::span<const TokenLogprobs> logprobs) const;
  nlohmann::ordered_json frame() const;

  ChatAnswerHead head_;
  bool has_usage_;
};

/// "data: <json>" and an empty line. `json` has no line breaks.
std::string sse_event(std::string_view json);
/// What ends a stream.
std::string sse_done();

}  // namespace saccade
