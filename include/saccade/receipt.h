// Where the time of an answer went.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
  double compress = 0;      // finding what need not be looked at, choosing and merging visual tokens
  double prefill = 0;       // the prompt through the language model
  double decode = 0;        // the answer, token by token
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
  int width = 0;  // as decoded
  int height = 0;
  int resized_width = 0;  // as the encoder is given it, all tiles together
  int resized_height = 0;
  int num_tiles = 0;            // of the size that the vision tower takes
  int64_t laid_out_tokens = 0;  // what it comes to at this resolution
  int64_t encoded_tokens = 0;   // of these, what came out of the encoder; 0 where it was not run
  int64_t visual_tokens = 0;    // of these, what the decoder was given
  bool is_cached = false;       // all of its tokens came from the conversation's cache: nothing of it was computed
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

struct Receipt {
  std::string model;   // file name
  std::string family;  // architecture, with the vision family if there is one: "llama+llava"
  std::string isa;     // instruction set the kernels ran on
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
  std::string chat_template;       // "file", or the family template that stood in for it
  std::string chat_template_note;  // why the file's template could not be run; empty if it was
  std::string finish_reason;       // "stop", "length" or "cancelled"
  uint64_t seed = 0;               // what the sampling was seeded with
};

}  // namespace saccade
