// Where the time of an answer went.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saccade/budget.h"
#include "saccade/learning.h"
#include "saccade/plan.h"

namespace saccade {

/// Milliseconds per stage; they add up to the latency but for a small rest. `load` is the model's, counted in the first
/// answer after it only. A stage that was cancelled has the time until then.
struct StageTimes {
  double load = 0;
  double media_decode = 0;  // opening, reading and decoding picture files
  double prompt = 0;        // the chat template, the tokenizer, the layout of pictures
  double resize = 0;        // resizing, tiling, normalising
  double encode = 0;        // the vision tower
  double project = 0;       // its projector into the language model
  double describe = 0;      // making the texts that stand in place of pictures, where they were not there yet
  double compress = 0;      // finding what need not be looked at, choosing and merging visual tokens
  double prefill = 0;       // the prompt through the language model
  double decode = 0;        // the answer, token by token
  double wait = 0;          // for what was computed of other requests
};

struct TokenCounts {
  int64_t text = 0;    // of the prompt, template included
  int64_t visual = 0;  // of the prompt, from pictures
  int64_t budget = 0;  // of the prompt: 1 where a scheduler's token behind it says how many layers may run
  int64_t cached = 0;  // of the prompt, taken from the conversation's cache
  int64_t generated = 0;
  int64_t guessed = 0;        // computed ahead of being drawn (speculation)
  int64_t guessed_right = 0;  // of these, drawn
};

struct PictureReceipt {
  std::string name;
  PictureUse use = PictureUse::kLook;
  int64_t text_tokens = 0;  // of the text in its place
  int width = 0;            // as decoded
  int height = 0;
  int resized_width = 0;  // as the encoder is given it, all tiles together
  int resized_height = 0;
  int num_tiles = 0;            // of the size that the vision tower takes
  int64_t full_tokens = 0;      // what it comes to as the family looks at it
  int64_t laid_out_tokens = 0;  // the same at this resolution
  int64_t encoded_tokens = 0;   // of these, what came out of the encoder; 0 where it was not run
  int64_t visual_tokens = 0;    // of these, what the decoder was given
  bool is_cached = false;       // all of its tokens came from the conversation's cache: nothing of it was computed
  bool was_encoded = false;     // by an earlier request: its vectors came from the pictures' cache
};

/// Multiplications and additions, each counted as one.
struct FlopCounts {
  double encode = 0;  // the vision tower and its projector
  double prefill = 0;
  double decode = 0;
  double total() const { return encode + prefill + decode; }
};

/// How much of the language model ran.
struct DecoderUse {
  int num_layers = 0;              // that it has
  double prefill_layers = 0;       // that a token of the prompt went through, in the mean
  double decode_layers = 0;        // that a token of the answer went through, in the mean; 0 where none was computed
  std::vector<int> layers;         // those that ran for any token of the prompt
  int64_t last_visual_tokens = 0;  // visual tokens left in the last layer
};

/// What a plan was expected to take. The p95 values are over in one answer of twenty.
struct Prediction {
  double ttft_ms = 0;
  double ttft_p95_ms = 0;
  double latency_ms = 0;
  double latency_p95_ms = 0;
  double cost_usd = 0;
  double quality = 1;  // expected share of the full plan's, but for what a request's own plan leaves out beside levers
  StageTimes stages_ms;
  double generated_tokens = 0;
};

/// What stands behind an answer's quality.
struct QualityClaim {
  enum class Kind : uint8_t {
    kFull,       // the full plan: nothing was left out
    kCertified,  // P(the expected loss is over epsilon) <= delta (Learn then Test, arXiv 2110.01052)
    kMeasured,   // a mean over a calibration set, without a certificate for this much
    kPrior,      // published figures of other models: uncertified; of a plan without any, epsilon is 1
  };
  Kind kind = Kind::kFull;
  std::string task_class;  // whose questions were counted
  double epsilon = 0;
  double delta = 0;
  int64_t num_questions = 0;
};

/// The plan was changed on the way.
struct PlanChange {
  double at_ms = 0;   // since the request arrived
  std::string stage;  // behind which: "media", "encode", "prefill", "decode"
  std::string reason;
  std::string plan;  // from there on, as `--plan` writes it
};

/// What a budget asked for and what became of it. "met" is absent where it was not asked.
struct BudgetReceipt {
  Budget asked;
  std::string task_class;
  Prediction predicted_first;  // before anything was decoded
  Prediction predicted;        // of the plan that was made once the pictures were read
  Prediction full;             // of the full plan, then
  QualityClaim claim;
  PlanDecision decision;
  std::vector<PlanChange> changes;
  std::string shortfall;  // what could not be promised, and the best that could; empty: nothing
  double planning_ms = 0;
  std::optional<bool> met_latency;
  std::optional<bool> met_ttft;
  std::optional<bool> met_cost;
  std::optional<bool> met_quality;  // promised, that is: certified or, without a calibration, expected
};

/// By the engine's prices.
struct CostReceipt {
  double usd = 0;
  std::optional<double> full_plan_usd;  // expected; absent where nothing was planned
};

struct Receipt {
  std::string request_id;  // unique
  std::string plan;        // in force at the end, as `--plan` writes it; "full" for the full plan
  std::string model;       // file name
  std::string family;      // architecture, with the vision family if there is one: "llama+llava"
  std::string isa;         // instruction set the kernels ran on
  int threads = 0;
  double latency_ms = 0;          // from the request to the last token (with load, where that is counted)
  std::optional<double> ttft_ms;  // to the first token; absent where the answer was cancelled before it
  StageTimes stages_ms;
  TokenCounts tokens;
  FlopCounts flops;
  DecoderUse decoder;
  double tokens_per_second = 0;    // of the answer after its first token; 0 for a single token
  uint64_t peak_memory_bytes = 0;  // resident, of the process, mapped weights included
  std::vector<PictureReceipt> pictures;
  std::string chat_template;            // "file", or the family template that stood in for it
  std::string chat_template_note;       // why the file's template could not be run; empty if it was
  std::string finish_reason;            // "stop", "length" or "cancelled"
  uint64_t seed = 0;                    // what the sampling was seeded with
  std::optional<BudgetReceipt> budget;  // of requests that had one
  std::optional<CostReceipt> cost;      // of engines that have prices
};

}  // namespace saccade
