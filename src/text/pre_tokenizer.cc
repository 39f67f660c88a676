#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pre_tokenizer.h"

#include <pcre2.h>

#include <algorithm>
#include <array>

#include "base/format.h"
#include "text/unicode_text.h"

namespace saccade {

struct PreTokenizerSpec {
  std::vector<std::string_view> names;
  std::vector<const char*> patterns;  // applied one after the other, each to the words that the last one left
  bool composes = false;
  bool takes_whole_words = false;
  bool adds_bos = false;
};

namespace {

// The regular expressions are those of the models' tokenizer.json. There, \s is Unicode's White_Space; PCRE2's own \s
// has U+180E in addition, so the property is written out.
constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{wspace}\p{L}\p{N}]+|\p{wspace}+(?!\P{wspace})|\p{wspace}+)";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{wspace}\p{L}\p{N}]+[\r\n]*)"
    R"(|\p{wspace}*[\r\n]+|\p{wspace}+(?!\P{wspace})|\p{wspace}+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\p{wspace}\p{L}\p{N}]+[\r\n]*)"
    R"(|\p{wspace}*[\r\n]+|\p{wspace}+(?!\P{wspace})|\p{wspace}+)";
constexpr const char* kDigit = R"(\p{N})";
// What files without a name for their pre-tokenizer are read with, by llama.cpp's convention.
constexpr const char* kDefaultPunctuation = R"([\p{P}\$\+<=>\^~\|]+)";
constexpr const char* kDefaultDigits = R"(\p{N}+)";
constexpr const char* kDefaultTriples = "[0-9][0-9][0-9]";

const std::array<PreTokenizerSpec, 7> kSpecs = {{
    {.names = {"default"}, .patterns = {kDefaultPunctuation, kGpt2, kDefaultDigits, kDefaultTriples}},
    {.names = {"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "roberta-bpe", "gigachat", "mellum"},
     .patterns = {kGpt2}},
    {.names = {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2"},
     .patterns = {kLlama3},
     .takes_whole_words = true,
     .adds_bos = true},
    {.names = {"smaug-bpe", "dbrx"}, .patterns = {kLlama3}},
    {.names = {"qwen2"}, .patterns = {kQwen2}, .composes = true},
    {.names = {"deepseek-r1-qwen", "stablelm2", "megrez"}, .patterns = {kQwen2}},
    {.names = {"smollm", "codeshell", "refact", "starcoder", "command-r", "exaone"}, .patterns = {kDigit, kGpt2}},
}};

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct MatchContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct JitStackDeleter {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

// What a search needs beside the pattern; one per call of split, so that threads share nothing.
struct MatchState {
  MatchState() {
    if (context == nullptr) return;
    pcre2_set_match_limit(context.get(), UINT32_MAX);  // a megabyte of spaces backtracks once over all of them
    if (stack != nullptr) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
  std::unique_ptr<pcre2_match_data, MatchDataDeleter> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_jit_stack, JitStackDeleter> stack{pcre2_jit_stack_create(32 * 1024, 1024 * 1024, nullptr)};
  std::unique_ptr<pcre2_match_context, MatchContextDeleter> context{pcre2_match_context_create(nullptr)};
};

}  // namespace

struct PreTokenizer::Pattern {
  std::unique_ptr<pcre2_code, CodeDeleter> code;

  // Appends the matches in `word`, and what lies between them.
  void split(std::string_view word, const MatchState& state, std::vector<std::string_view>& out) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(word.data());
    size_t position = 0;
    size_t begin_of_gap = 0;
    while (position < word.size()) {
      int rc = pcre2_match(code.get(), subject, word.size(), position, PCRE2_NO_UTF_CHECK, state.data.get(),
                           state.context.get());
      if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(code.get(), subject, word.size(), position, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                         state.data.get(), state.context.get());
      }
      if (rc < 0) break;  // no match, or memory ran out: the rest stays one word
      const size_t* range = pcre2_get_ovector_pointer(state.data.get());
      const size_t begin = range[0], end = range[1];
      if (end <= position) break;
      if (begin > begin_of_gap) out.push_back(word.substr(begin_of_gap, begin - begin_of_gap));
      out.push_back(word.substr(begin, end - begin));
      position = begin_of_gap = end;
    }
    if (begin_of_gap < word.size()) out.push_back(word.substr(begin_of_gap));
  }
};

Expected<PreTokenizer> PreTokenizer::by_name(std::string_view name) {
  const auto spec = std::find_if(kSpecs.begin(), kSpecs.end(), [&](const PreTokenizerSpec& candidate) {
    return std::find(candidate.names.begin(), candidate.names.end(), name) != candidate.names.end();
  });
  if (spec == kSpecs.end()) {
    std::string known;
    for (const PreTokenizerSpec& candidate : kSpecs) {
      for (const std::string_view each : candidate.names) known += (known.empty() ? "" : ", ") + std::string(each);
    }
    return unsupported(
        format("tokenizer.ggml.pre: the pre-tokenizer %s is not among %s", quote(name).c_str(), known.c_str()));
  }
  PreTokenizer pre_tokenizer(*spec);
  for (const char* text : spec->patterns) {
    int error = 0;
    size_t offset = 0;
    auto pattern = std::make_shared<Pattern>();
    pattern->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                                      &error, &offset, nullptr));
    if (pattern->code == nullptr) {
      return unsupported(format("this build of PCRE2 cannot compile the pattern of pre-tokenizer %s (error %d at %zu)",
                                quote(name).c_str(), error, offset));
    }
    pcre2_jit_compile(pattern->code.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT, the interpreter matches
    pre_tokenizer.patterns_.push_back(std::move(pattern));
  }
  return pre_tokenizer;
}

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  const MatchState state;
  std::vector<std::string_view> words, finer;
  for_each_utf8_stretch(text, [&](std::string_view stretch, bool is_valid) {
    if (!is_valid || state.data == nullptr) {
      words.push_back(stretch);
      return;
    }
    std::vector<std::string_view> pieces = {stretch};
    for (const auto& pattern : patterns_) {
      finer.clear();
      for (const std::string_view piece : pieces) pattern->split(piece, state, finer);
      pieces.swap(finer);
    }
    words.insert(words.end(), pieces.begin(), pieces.end());
  });
  return words;
}

bool PreTokenizer::composes() const {
  return spec_->composes;
}
bool PreTokenizer::takes_whole_words() const {
  return spec_->takes_whole_words;
}
bool PreTokenizer::adds_bos() const {
  return spec_->adds_bos;
}

}  // namespace saccade
