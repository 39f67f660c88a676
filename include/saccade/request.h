// What is asked: messages with text and pictures, and how the answer is to be drawn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saccade/budget.h"
#include "saccade/plan.h"

namespace saccade {

/// A piece of a message.
struct ContentPart {
  enum class Kind : uint8_t { kText, kImage };
  Kind kind = Kind::kText;
  std::string text;                   // kText: UTF-8
  std::string path;                   // kImage: a file to read, or, with `bytes`, a name for messages
  std::vector<std::byte> bytes;       // kImage: a JPEG, PNG or WebP file's bytes; empty: read `path`
  std::optional<Detail> detail = {};  // kImage: absent: the plan's
};

struct Message {
  std::string role;  // "system", "user" or "assistant"
  std::vector<ContentPart> content;
};

/// How the next token is drawn. The defaults are greedy.
struct Sampling {
  float temperature = 0;         // 0: always the likeliest token
  int top_k = 0;                 // 0: all
  float top_p = 1;               // 1: all
  float min_p = 0;               // share of the likeliest token's probability; 0: all
  float repetition_penalty = 1;  // over 1 makes tokens of prompt and answer less likely to come again
  std::optional<uint64_t> seed;  // absent: a fresh one, told in the receipt
};

/// What the answer's text has to be. An answer that is cut (finish_reason "length", a stop string, a callback) is the
/// beginning of such a text.
struct ResponseFormat {
  enum class Kind : uint8_t { kText, kJsonObject, kJsonSchema };
  Kind kind = Kind::kText;
  std::string schema;      // kJsonSchema: JSON text; docs/decisions/answers_that_keep_a_schema.md lists its keywords
  bool is_strict = false;  // kJsonSchema: where additionalProperties is absent it is false, not true
};

struct Request {
  std::string id;       // Receipt::request_id; empty: the engine draws one
  std::string account;  // accounts that ask at the same time have equal shares of the engine's time
  int priority = 0;     // those of a higher one go first
  std::vector<Message> messages;
  Sampling sampling;
  ResponseFormat format;
  Plan plan;  // what is set of it stays; a budget decides about the rest
  Budget budget;
  int64_t max_tokens = 512;       // of the answer
  std::vector<std::string> stop;  // the answer ends before the one that is whole first
  bool wants_looks = false;       // Answer::looks is filled
  // Of each token of the answer how likely it was, and of as many of the likeliest at its place, up to kMaxLogprobs.
  std::optional<int> logprobs;
  static constexpr int kMaxLogprobs = 20;
};

}  // namespace saccade
