// What a constraint costs each token of an answer, for a vocabulary of 49,152 (SmolVLM's size): answers are written
// token by token, with the mask of every place. Cold: the first answer under a format; warm: a later one.
//
// The vocabulary is made up in the likeness of a byte-level one that was trained on English and code: words with and
// without a space in front, punctuation as JSON and programs have it, some tenth of other scripts.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "constraint/constraints.h"
#include "constraint/json_schema.h"
#include "constraint/testing/list_tokenizer.h"
#include "constraint/token_mask.h"

namespace saccade {
namespace {

constexpr size_t kVocabSize = 49'152;

std::vector<std::string> make_pieces() {
  std::mt19937 random(1);
  const auto pick = [&](const std::vector<std::string>& from) { return from[random() % from.size()]; };
  static const std::vector<std::string> kSyllables = {
      "a",   "an", "ar", "be", "con", "de", "di", "e",    "en", "er",   "ex", "for", "ge", "he",  "i",   "in",
      "ing", "is", "le", "lo", "ly",  "ma", "me", "ment", "mo", "ne",   "o",  "on",  "or", "per", "pro", "ra",
      "re",  "ri", "s",  "se", "st",  "ta", "te", "th",   "ti", "tion", "to", "tra", "u",  "un",  "ve",  "y"};
  static const std::vector<std::string> kMarks = {"\"", "\"", ":", ",", "{", "}", "[", "]", "(",  ")", "\n", "  ", "\\",
                                                  "/",  ".",  ";", "=", "<", ">", "'", "_", "\t", " ", "-",  "\\n"};
  static const std::vector<std::string> kOthers = {"é",  "ä",  "ñ",  "ç",  "и",  "о", "на",   "ст",       "ο",
                                                   "漢", "字", "の", "ん", "한", "ا", "\xE6", "\xF0\x9F", "\x98"};
  std::set<std::string> known;
  std::vector<std::string> pieces = testing::ListTokenizer::bytes();
  known.insert(pieces.begin(), pieces.end());
  while (pieces.size() + 2 < kVocabSize) {
    std::string piece;
    const auto kind = random() % 100;
    const auto& parts = kind < 82 ? kSyllables : kind < 90 ? kMarks : kOthers;
    for (size_t count = 1 + random() % 4; count > 0; --count) piece += pick(parts);
    if (kind < 45 || kind >= 97) piece.insert(piece.begin(), ' ');
    if (kind > 72 && kind < 82) piece[0] = static_cast<char>(std::toupper(piece[0]));
    if (known.insert(piece).second) pieces.push_back(std::move(piece));
  }
  return pieces;
}

const testing::ListTokenizer& tokenizer() {
  static const testing::ListTokenizer kTokenizer(make_pieces());
  return kTokenizer;
}

std::shared_ptr<const TokenTrie> trie() {
  static const auto kTrie = std::make_shared<const TokenTrie>(tokenizer());
  return kTrie;
}

struct Case {
  std::string name;
  std::string schema;  // empty: any object
  std::string document;
};

std::vector<Case> cases() {
  const std::string prose =
      "the consideration of the measurement is in the representation, and the person is on the street near the station";
  const std::string receipt =
      R"({"shop": "Corner Store", "total": 12.5, "paid": "card", "items": [)"
      R"({"name": "bread", "count": 2}, {"name": "the tea", "count": 11}, {"name": "re", "count": 1}]})";
  const std::string receipt_schema = R"({"type":"object","properties":{"shop":{"type":"string"},
    "total":{"type":"number","minimum":0,"maximum":1000},"paid":{"enum":["cash","card","voucher"]},
    "items":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},
    "count":{"type":"integer","minimum":1,"maximum":99}},"required":["name","count"],"additionalProperties":false}}},
    "required":["shop","total","paid","items"],"additionalProperties":false})";
  return {{"receipt", receipt_schema, receipt},
          {"prose", R"({"type":"object","properties":{"text":{"type":"string"}},"required":["text"]})",
           R"({"text": ")" + prose + ". " + prose + R"("})"},
          {"prose_of_300",
           R"({"type":"object","properties":{"text":{"type":"string","maxLength":300}},"required":["text"]})",
           R"({"text": ")" + prose + ". " + prose + R"("})"},
          {"pattern", R"({"type":"array","items":{"type":"string","pattern":"^[a-z]+( [a-z]+)*$"}})",
           R"(["the person", "on the street", "is", "near the station", "in the representation"])"},
          {"any_object", "",
           "{\n  \"person\": {\"name\": \"" + prose +
               "\", \"tags\": [1, true, null, [\"a\", {\"b\": \"street\"}]]},\n  \"ends\": \"here\"\n}"},
          {"closed_lists", R"({"type":"array","items":{"enum":["alpha","beta","gamma","delta"]},"maxItems":40})",
           R"(["alpha","beta","gamma","delta","alpha","beta","gamma","delta"])"}};
}

std::shared_ptr<const Grammar> grammar_of(const Case& one) {
  if (one.schema.empty()) return std::make_shared<const Grammar>(json_object_grammar());
  auto grammar = compile_json_schema(one.schema);
  return grammar ? std::make_shared<const Grammar>(*std::move(grammar)) : nullptr;
}

double processor_us() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

void write(benchmark::State& state, const Case& one, bool is_cold) {
  const auto grammar = grammar_of(one);
  if (grammar == nullptr) return state.SkipWithError("the schema does not compile");
  const std::vector<TokenId> tokens = tokenizer().encode(one.document);
  std::vector<float> logits(kVocabSize);
  auto masks = std::make_shared<TokenMasks>(grammar, trie());
  // Processor time: others of the machine do not count. The worst token is that of the calmest run.
  double total_us = 0;
  double worst_us = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    if (is_cold) masks = std::make_shared<TokenMasks>(grammar, trie());
    TokenConstraint constraint(masks);
    double worst_of_run_us = 0;
    double run_us = 0;
    for (const TokenId token : tokens) {
      const double begin_us = processor_us();
      if (!constraint.mask(logits) || !constraint.push(token)) return state.SkipWithError("the document does not fit");
      const double took_us = processor_us() - begin_us;
      run_us += took_us;
      worst_of_run_us = std::max(worst_of_run_us, took_us);
    }
    state.SetIterationTime(run_us * 1e-6);
    total_us += run_us;
    worst_us = std::min(worst_us, worst_of_run_us);
  }
  const auto num_tokens = static_cast<double>(tokens.size());
  state.counters["tokens"] = num_tokens;
  state.counters["us_per_token"] = total_us / num_tokens / static_cast<double>(state.iterations());
  state.counters["worst_us"] = worst_us;
}

void compile(benchmark::State& state, const Case& one) {
  for (auto _ : state) benchmark::DoNotOptimize(grammar_of(one));
  state.counters["nodes"] = static_cast<double>(grammar_of(one)->num_nodes());
}

void build_trie(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(TokenTrie(tokenizer()).vocab_size());
  const auto share = [](const TokenTrie::Tree& tree) { return static_cast<double>(tree.tokens.size()); };
  state.counters["plain"] = share(trie()->plain());
  state.counters["others"] = share(trie()->others());
}

void register_all() {
  benchmark::RegisterBenchmark("trie", build_trie)->Unit(benchmark::kMillisecond);
  for (const Case& one : cases()) {
    benchmark::RegisterBenchmark(("compile/" + one.name).c_str(), compile, one)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(("write/" + one.name + "/cold").c_str(), write, one, true)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(("write/" + one.name + "/warm").c_str(), write, one, false)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  saccade::register_all();
  benchmark::RunSpecifiedBenchmarks();
}
