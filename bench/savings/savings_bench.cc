// What answers with a floor of quality save beside the full plan: tokens, time and money, and what they lose. Sets may
// hold conversations; the same questions are asked by both, in turns.
//
//   savings_bench MODEL --data set.jsonl --prices prices.toml [--min-quality 0.95]
#include <CLI/CLI.hpp>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "base/format.h"
#include "cli/ask_turn.h"
#include "cli/eval_score.h"
#include "cli/eval_set.h"
#include "cli/sweep/statistics.h"
#include "cli/terminal.h"
#include "ledger/prices.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct Options {
  EngineOptions engine;
  std::vector<std::string> data_paths;
  std::string prices_path;
  double min_quality = 0.95;
  int64_t max_tokens = 64;
  int64_t limit = 0;
};

// Sums over questions.
struct Tally {
  double visual_tokens = 0;
  double tokens = 0;
  double usd = 0;
  double num_right = 0;
  std::vector<double> latency_ms;
  std::vector<double> first_token_ms;
};

// Turns of one conversation.
using Turns = std::span<const EvalItem>;

std::vector<Turns> conversations_of(const EvalSet& set) {
  std::vector<Turns> all;
  for (size_t begin = 0; begin < set.items.size();) {
    size_t end = begin + 1;
    const std::string& name = set.items[begin].conversation;
    while (!name.empty() && end < set.items.size() && set.items[end].conversation == name) ++end;
    all.push_back(Turns(set.items).subspan(begin, end - begin));
    begin = end;
  }
  return all;
}

Status converse(Engine& engine, const EvalSet& set, Turns turns, const Budget& budget, int64_t max_tokens,
                Tally& tally) {
  engine.forget();
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress&) { return !is_interrupted(); };
  Request request;
  std::string picture;
  for (const EvalItem& item : turns) {
    Request alone = set.request_for(item, max_tokens);
    Message& message = alone.messages.back();
    if (item.image == picture) message.content.erase(message.content.begin());  // it is there already
    picture = item.image;
    request.max_tokens = max_tokens;
    request.budget = budget;
    request.messages.push_back(std::move(message));
    SACCADE_ASSIGN_OR_RETURN(const Answer answer, engine.answer(request, callbacks));
    if (is_interrupted()) return cancelled("interrupted");
    const Receipt& receipt = answer.receipt;
    const double load_ms = receipt.stages_ms.load;
    tally.visual_tokens += static_cast<double>(receipt.tokens.visual);
    tally.tokens += static_cast<double>(receipt.tokens.visual + receipt.tokens.text + receipt.tokens.generated);
    tally.usd += receipt.cost->usd;
    tally.num_right += is_right(item, answer.text) ? 1 : 0;
    tally.latency_ms.push_back(receipt.latency_ms - load_ms);
    tally.first_token_ms.push_back(receipt.ttft_ms.value_or(receipt.latency_ms) - load_ms);
    request.messages.push_back(text_message("assistant", answer.text));
  }
  return {};
}

void print_row(const char* name, const Tally& tally) {
  const auto count = static_cast<double>(tally.latency_ms.size());
  std::printf("%-26s %10.1f %10.1f %10.1f %10.1f %10.1f %12.4f %9.2f %%\n", name, tally.visual_tokens / count,
              tally.tokens / count, mean(tally.latency_ms), median(tally.latency_ms), median(tally.first_token_ms),
              1000 * tally.usd / count, 100 * tally.num_right / count);
}

void print_table(const EvalSet& set, size_t num_conversations, double min_quality, const Tally& full,
                 const Tally& spared) {
  std::printf("\n%s: %zu questions in %zu conversations\n", set.path.c_str(), set.items.size(), num_conversations);
  std::printf("%-26s %10s %10s %10s %10s %10s %12s %11s\n", "a question", "visual", "tokens", "ms, mean", "median",
              "first", "1,000 in usd", "right");
  print_row("full plan", full);
  print_row(format("quality of at least %g", min_quality).c_str(), spared);
  const auto saved = [](double before, double after) { return 100 * (1 - after / before); };
  const double lost = 100 * (full.num_right - spared.num_right) / static_cast<double>(set.items.size());
  std::printf("%-26s %8.1f %% %8.1f %% %8.1f %% %8.1f %% %8.1f %% %10.1f %% %5.2f points (%.2f %%)\n",
              "saved, and lost", saved(full.visual_tokens, spared.visual_tokens), saved(full.tokens, spared.tokens),
              saved(mean(full.latency_ms), mean(spared.latency_ms)),
              saved(median(full.latency_ms), median(spared.latency_ms)),
              saved(median(full.first_token_ms), median(spared.first_token_ms)), saved(full.usd, spared.usd), lost,
              saved(full.num_right, spared.num_right));
  std::fflush(stdout);
}

Status run(Options options) {
  SACCADE_ASSIGN_OR_RETURN(const PriceFile prices, read_prices(options.prices_path));
  options.engine.price = prices.price_of(options.engine.model_path);
  SACCADE_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::load(options.engine));
  std::printf("%s, %s, %d threads\n", options.engine.model_path.c_str(), engine->info().isa.c_str(),
              engine->info().threads);
  Budget floor;
  floor.min_quality = options.min_quality;
  for (const std::string& path : options.data_paths) {
    SACCADE_ASSIGN_OR_RETURN(const EvalSet set, read_eval_set(path, options.limit));
    const std::vector<Turns> conversations = conversations_of(set);
    ProgressLine progress;
    Tally full;
    Tally spared;
    for (size_t i = 0; i < conversations.size(); ++i) {
      SACCADE_RETURN_IF_ERROR(converse(*engine, set, conversations[i], {}, options.max_tokens, full));
      SACCADE_RETURN_IF_ERROR(converse(*engine, set, conversations[i], floor, options.max_tokens, spared));
      progress.show("asking", static_cast<double>(i + 1) / static_cast<double>(conversations.size()));
    }
    progress.clear();
    print_table(set, conversations.size(), options.min_quality, full, spared);
  }
  return {};
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  saccade::watch_for_interrupt();
  saccade::Options options;
  CLI::App app("What a floor of quality saves beside the full plan, and what it loses.");
  app.add_option("MODEL", options.engine.model_path)->required();
  app.add_option("--mmproj", options.engine.mmproj_path);
  app.add_option("--data", options.data_paths, "Questions with answers; may be given several times")->required();
  app.add_option("--prices", options.prices_path, "What tokens and seconds cost (TOML)")->required();
  app.add_option("--min-quality", options.min_quality)->capture_default_str();
  app.add_option("--profile", options.engine.profile_path, "What `saccade profile` measured");
  app.add_option("--threads", options.engine.threads);
  app.add_option("--max-tokens", options.max_tokens)->capture_default_str();
  app.add_option("--limit", options.limit, "Ask only the first so many");
  CLI11_PARSE(app, argc, argv);
  const saccade::Status status = saccade::run(options);
  if (!status.is_ok()) std::fprintf(stderr, "savings_bench: %s\n", status.message().c_str());
  return status.is_ok() ? 0 : 1;
}
