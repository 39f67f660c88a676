// The engine: a model loaded once, asked many times.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/explanation.h"
#include "saccade/look.h"
#include "saccade/picture_text.h"
#include "saccade/price.h"
#include "saccade/receipt.h"
#include "saccade/request.h"
#include "saccade/status.h"

namespace saccade {

/// How the keys and values of past tokens are kept: 4, 2 or about 1 byte each.
enum class KvType : uint8_t { kF32, kF16, kQ8_0 };

struct EngineOptions {
  std::string model_path;   // language model, or a single file with both parts
  std::string mmproj_path;  // the vision part of a pair; may be empty
  int threads = 0;          // 0: the cores this process may use
  bool is_pinned = false;   // ties each thread to a core of its own: steadier where nothing else wants those cores
  KvType kv_type = KvType::kF16;
  // Guess tokens ahead and verify them together, where that is measured to pay. The answers are the same, token for
  // token.
  bool speculates = true;
  int64_t context_length = 0;  // 0: the file's, up to 4096; tokens of prompt and answer together
  // Decode JPEGs at full size even where they will be shrunk: the pixels are then those of Pillow, bit for bit.
  bool has_exact_pixels = false;
  // As the model's family does it (SmolVLM: any picture to the size of a large one, over a thousand tokens). False: a
  // smaller picture keeps its size, up to whole tiles, which is cheaper but not what the model was trained on.
  bool enlarges_pictures = true;
  // What `saccade profile` measured of this machine; where there is such a file, what answers teach about the model's
  // speed is kept in it when the engine is destroyed. Empty, or no file: plans begin with a guess.
  std::string profile_path;
  // Pictures that were encoded are kept for the next time: so many bytes of them in memory and, where a folder or a
  // Redis server (redis://HOST:PORT/DB) is named, there too, for after a restart and for other machines. 0: none at
  // all.
  uint64_t picture_cache_bytes = 256ull << 20;
  std::string picture_cache_path;
  uint64_t picture_cache_disk_bytes = 4ull << 30;
  std::string picture_cache_redis;
  double picture_cache_ttl_s = 0;                             // after which they are forgotten; 0: never
  std::function<void(const std::string& message)> on_notice;  // what an operator should know; any thread; may be empty

  // By which questions are told apart (planner/task_class.h), in place of the built-in rules: lines of "class: word,
  // two words, ^first word". A model's calibration is of the classes that it was calibrated with. Empty: the built-in
  // ones.
  std::string task_rules_path;
  // Where the texts that stand in place of pictures are kept, beside memory; null: nowhere.
  std::shared_ptr<PictureTextStore> picture_texts;
  std::optional<Price> price;  // of this model, for receipts and for budgets of money
  // That the process may have resident, the model included; what an answer would take is reckoned before it begins. 0:
  // what the machine, and the limit of the process's control group, have free.
  uint64_t max_memory_bytes = 0;
  uint64_t max_kv_bytes = 0;  // of keys and values, of all answers in progress and those kept; 0: as memory allows
  // Requests of several callers that are answered at a time; more of them wait, and from max_waiting on are refused.
  int max_running = 8;
  int64_t max_waiting = 256;
  bool checks_itself = false;  // compares its books behind each step, and aborts where they are wrong; slow, for tests
  uint64_t max_image_pixels = 100'000'000;
  uint64_t max_image_bytes = 64ull << 20;
};

/// What a load or an answer is busy with, for progress displays.
struct Progress {
  std::string_view stage;  // "load", "encode", "prefill"
  double fraction = 0;     // 0..1
};

struct TokenLogprob {
  std::string bytes;  // that the token stands for, not necessarily whole characters; empty for control tokens
  double logprob = 0;
};

/// A token of an answer with the likeliest at its place, most likely first.
struct TokenLogprobs {
  TokenLogprob token;
  std::vector<TokenLogprob> likeliest;
};

/// The callbacks of one answer; any may be empty. They run on the caller's thread or on the engine's, one at a time,
/// and other answers wait for them; returning false stops the answer, which is then returned as far as it got with
/// finish_reason "cancelled".
struct AnswerCallbacks {
  std::function<bool(std::string_view text)> on_text;  // whole characters, as they come
  std::function<bool(const Progress& progress)> on_progress;
  // Of requests that want them, ahead of the text that the token adds.
  std::function<void(const TokenLogprobs& logprobs)> on_logprobs;
  // As if a callback had returned false, and sooner: also where the request waits for others.
  std::stop_token stop;
};

struct Answer {
  std::string text;
  Receipt receipt;
  // Of each picture of the request, also one that came from the conversation's cache, what of it the decoder was given.
  // Empty unless the request wants it, and where the answer was cancelled before its first token.
  std::vector<PictureLook> looks;
  std::vector<TokenLogprobs> logprobs;  // of each token, where the request wants them
};

struct ModelInfo {
  std::string model_path;
  std::string family;
  int64_t context_length = 0;  // in force
  int64_t embedding_dim = 0;   // of the vectors of Engine::embed()
  bool takes_pictures = false;
  bool has_learned_layers = false;  // it was trained to do with a share of its layers: Plan::layers goes by that
  // Who may choose its visual tokens: those of known_strategies() that it has all parts for.
  std::vector<std::string> strategies;
  bool is_calibrated = false;  // its quality by plan was measured (`saccade calibrate`): floors of it can be certified
  bool takes_system_message = false;  // the chat template puts it into the prompt, or refuses it with an error
  int threads = 0;
  std::string isa;
  double load_ms = 0;
};

/// What a decoder layer is worth to visual tokens: the mean divergence (nats) of the answers' first word where they
/// pass it by.
struct LayerNeed {
  int64_t layer = 0;
  double divergence = 0;
};

/// Where a text or picture lies among others: those that mean the same lie close.
struct Embedding {
  std::vector<float> vector;  // [model_dim], of length 1
  // "pooled": the mean of what the language model makes of its tokens, the same for text and pictures.
  std::string space;
  int64_t text_tokens = 0;  // with the template's
  int64_t image_tokens = 0;
};

/// How much a picture's tokens say twice behind the encoder, and what a choice among them leaves of it. Fixed tokens
/// that are no part of the picture do not count. Entropies are estimates: matrix-based Renyi entropy of order 2
/// (Sanchez Giraldo, Rao and Principe, arXiv 1211.2459) with a kernel over cosines, 0 bits for copies of one token and
/// log2 of their number for tokens that are all unlike.
struct TokenFacts {
  int64_t num_tokens = 0;
  double neighbour_cosine = 0;  // mean over tokens beside or below one another; 0 where there are none
  double unique_share = 0;      // of tokens with a cosine under 0.9 to all unique ones before them
  double effective_rank = 0;    // participation ratio of the cosines: 1 for copies, num_tokens for orthogonal ones
  double entropy_bits = 0;      // H(X) of the tokens X

  // With Y the vector that stands for each token among the kept ones, zeros where none does. I(X; X) is under H(X) by
  // this estimate, so that it and H(X | X) are what to hold the others against.
  std::string strategy;
  int64_t num_kept = 0;
  double mutual_bits = 0;              // I(X; Y)
  double conditional_bits = 0;         // H(X | Y): what is lost
  double mutual_bits_of_all = 0;       // I(X; X)
  double conditional_bits_of_all = 0;  // H(X | X)
};

/// Thread safety: answer(), embed(), explain(), count_tokens(), describe(), measure_tokens(), set_price() and info()
/// may be called from many threads at a time, and are computed together; the others not while any call is in progress.
class Engine {
 public:
  /// `on_progress` may be empty; returning false stops the loading.
  /// Errors: everything that can be wrong with the files, by name; kInvalidArgument for the options and the task rules;
  /// kResourceExhausted (memory, a context longer than the model's); kCancelled.
  static Expected<std::unique_ptr<Engine>> load(const EngineOptions& options,
                                                const std::function<bool(const Progress& progress)>& on_progress = {});
  ~Engine();

  const ModelInfo& info() const;

  /// Answers the last user message. Keeps the sequence it computed: a next request that begins with the same messages
  /// (a conversation that goes on) pays only for what is new.
  /// Errors: kInvalidArgument (the request), kNotFound, kCorruptData, kUnsupported (a picture), kResourceExhausted
  /// (over the context, a limit, or memory), kBudgetExceeded (a strict one), kOverloaded, kInternal (a callback threw).
  /// The engine stays usable after any error.
  Expected<Answer> answer(const Request& request, const AnswerCallbacks& callbacks = {});

  /// Of text, pictures, or both together; the request's last message is what counts of it, and its plan. Errors: those
  /// of answer() up to the first token.
  Expected<Embedding> embed(const Request& request);

  /// What answer() would plan for the request before anything is decoded. Errors: those of answer() up to there; a
  /// strict budget that can't be kept is none.
  Expected<PlanExplanation> explain(const Request& request);

  /// Tokens of the request's prompt by the full plan, text and visual, without computing anything. Errors: those of
  /// answer() up to there; a prompt that is larger than the context is none.
  Expected<TokenCounts> count_tokens(const Request& request);
  /// Of a text alone, without a chat template.
  int64_t count_tokens(std::string_view text);

  /// From here on a contextual bandit (LinUCB) chooses among the calibrated plans that keep a request's budget, having
  /// learnt from these answers; forgets what it learnt before. Returns plans that lose more than they were certified
  /// to, by shadow answers: they are promised no more. Errors: kInvalidArgument (a number out of range), those of
  /// reading the model's tables.
  Expected<std::vector<DriftAlarm>> learn(std::span<const LabelledAnswer> answers, const LearningOptions& options = {});

  /// The model's own caption and transcription of a picture, made by the full plan where they are not there yet, and
  /// kept for plans that give the model text in the picture's place. Leaves the conversation as it is. Errors: those of
  /// answer() and of EngineOptions::picture_texts; kCancelled where a callback said so.
  Expected<PictureText> describe(const ContentPart& picture, const AnswerCallbacks& callbacks = {});

  /// Another price from here on, for receipts and for budgets of money; requests in progress go by the one before.
  void set_price(const std::optional<Price>& price);

  /// Lets go of what answer() keeps but for pictures' texts: the next request is computed from its first row, as in an
  /// engine just loaded.
  void forget();

  /// All layers, the least needed first, measured over the requests' prompts; their plans are not looked at.
  /// `on_progress` may be empty; returning false stops. Errors: those of answer(), kCancelled.
  Expected<std::vector<LayerNeed>> measure_layers(
      std::span<const Request> requests, const std::function<bool(const Progress& progress)>& on_progress = {});

  /// Encodes all of a picture and compares its tokens in pairs. Of `plan`, what is done before the encoder but
  /// skip_equal, and `strategy`, `keep`, `keep_threshold` and `seed` count; a quarter is kept where none of these says
  /// how many. `on_progress` may be empty; returning false stops.
  /// Errors: those of answer() for the picture and the plan, kResourceExhausted where there are over
  /// kMaxComparedTokens, kCancelled.
  Expected<TokenFacts> measure_tokens(const ContentPart& picture, const Plan& plan = {},
                                      const std::function<bool(const Progress& progress)>& on_progress = {});
  static constexpr int64_t kMaxComparedTokens = 8192;

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace saccade
