// Requests with budgets, one at a time, with a competing load switched on halfway: how many end in time, how well that
// was predicted, and what it costs in quality beside fixed plans that were given the same requests and deadlines.
//
//   deadline_bench MODEL --data set.jsonl [--requests 500] [--load 1] [--by-picture] [--csv FILE]
//                  [--fixed PLAN ...]
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>

#include "base/format.h"
#include "base/quantile.h"
#include "cli/eval_score.h"
#include "cli/eval_set.h"
#include "cli/terminal.h"
#include "platform/clock.h"
#include "request/plan_text.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct Options {
  EngineOptions engine;
  std::vector<std::string> data_paths;
  int64_t num_requests = 500;
  int64_t num_warm = 40;  // of each plan and load, before anything counts
  int load = 1;           // processes that compute beside it
  int64_t max_tokens = 64;
  uint64_t seed = 1;
  std::string csv_path;
  std::vector<std::string> fixed;
  bool is_by_picture = false;  // budgets by what each picture takes
  bool is_random = false;      // the model's weights: answers mean nothing
};

struct Ask {
  const EvalSet* set = nullptr;
  const EvalItem* item = nullptr;
  double budget_ms = 0;
  double budget_share = 0;  // of the way from the fastest plan to the full one
  bool is_loaded = false;
};

struct Done {
  double latency_ms = 0;
  double first_ms = 0;  // predicted before anything was decoded
  double predicted_ms = 0;
  double p95_ms = 0;
  double planning_ms = 0;
  size_t num_changes = 0;
  bool is_right = false;
  bool is_cut = false;
  std::string plan;
  double quality = 0;  // expected
  StageTimes predicted;
  StageTimes actual;
  double tokens_predicted = 0;
  int64_t tokens = 0;
  int64_t encoded = 0;
  int64_t visual = 0;
  int64_t text = 0;
};

// Processes that compute for ever, stopped while they are not wanted.
class Load {
 public:
  explicit Load(int count) {
    for (int i = 0; i < count; ++i) {
      const pid_t pid = fork();
      if (pid == 0) {
        volatile double x = 1;
        while (getppid() != 1) {
          for (int k = 0; k < 1'000'000; ++k) x = x * 1.0000001;
        }
        _exit(0);
      }
      pids_.push_back(pid);
      kill(pid, SIGSTOP);
    }
  }
  ~Load() {
    for (const pid_t pid : pids_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  void set(bool is_on) const {
    for (const pid_t pid : pids_) kill(pid, is_on ? SIGCONT : SIGSTOP);
  }

 private:
  std::vector<pid_t> pids_;
};

Expected<Done> ask(Engine& engine, const Ask& asked, int64_t max_tokens, const Plan& plan,
                   std::optional<double> within_ms) {
  Request request = asked.set->request_for(*asked.item, max_tokens);
  request.plan = plan;
  request.budget.max_latency_ms = within_ms;
  engine.forget();
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress&) { return !is_interrupted(); };
  const Stopwatch clock;
  SACCADE_ASSIGN_OR_RETURN(const Answer answer, engine.answer(request, callbacks));
  Done done;
  done.latency_ms = clock.elapsed_ms();
  if (is_interrupted()) return cancelled("interrupted");
  done.is_right = asked.item->answer && is_right(*asked.item, answer.text);
  done.is_cut = answer.receipt.finish_reason == "length";
  done.plan = answer.receipt.plan;
  done.actual = answer.receipt.stages_ms;
  for (const PictureReceipt& picture : answer.receipt.pictures) done.encoded += picture.encoded_tokens;
  done.visual = answer.receipt.tokens.visual;
  done.text = answer.receipt.tokens.text;
  done.tokens = answer.receipt.tokens.generated;
  if (const auto& budget = answer.receipt.budget) {
    done.first_ms = budget->predicted_first.latency_ms;
    done.predicted_ms = budget->predicted.latency_ms;
    done.p95_ms = budget->predicted.latency_p95_ms;
    done.planning_ms = budget->planning_ms;
    done.num_changes = budget->changes.size();
    done.quality = budget->predicted.quality;
    done.predicted = budget->predicted.stages_ms;
    done.tokens_predicted = budget->predicted.generated_tokens;
  }
  return done;
}

class Bench {
 public:
  Bench(const Options& options, Engine& engine, const Load& load) : options_(options), engine_(engine), load_(load) {}

  Status run(const std::vector<EvalSet>& sets);

 private:
  Status warm(bool is_loaded);
  Status draw_by_picture();
  Status run_budgets();
  Status run_fixed(const std::string& text);
  void report(const char* title, const std::vector<Done>& done, size_t begin, size_t end) const;

  const Options& options_;
  Engine& engine_;
  const Load& load_;
  std::vector<Ask> asks_;
  double fastest_ms_[2] = {};  // that 99 of 100 keep; by load
  double full_ms_[2] = {};     // median
  std::vector<Done> done_;
};

// Learns, and measures between which times budgets are drawn.
Status Bench::warm(bool is_loaded) {
  load_.set(is_loaded);
  std::vector<double> fastest;
  std::vector<double> full;
  std::vector<double> repeats;
  for (int64_t i = 0; i < options_.num_warm; ++i) {
    const Ask& any = asks_[static_cast<size_t>(i) % asks_.size()];
    SACCADE_ASSIGN_OR_RETURN(const Done slow, ask(engine_, any, options_.max_tokens, {}, std::nullopt));
    SACCADE_ASSIGN_OR_RETURN(const Done again, ask(engine_, any, options_.max_tokens, {}, std::nullopt));
    repeats.push_back(std::abs(std::log(again.latency_ms / slow.latency_ms)));
    SACCADE_ASSIGN_OR_RETURN(const Done easy, ask(engine_, any, options_.max_tokens, {}, 1e6));
    SACCADE_ASSIGN_OR_RETURN(const Done fast, ask(engine_, any, options_.max_tokens, {}, 0.01));
    SACCADE_ASSIGN_OR_RETURN(const Done middle, ask(engine_, any, options_.max_tokens, {}, slow.latency_ms / 2));
    if (i < options_.num_warm / 2) continue;
    full.push_back(slow.latency_ms);
    (void)easy;
    fastest.push_back(fast.latency_ms);
  }
  fastest_ms_[is_loaded ? 1 : 0] = quantile(fastest, 0.99);
  full_ms_[is_loaded ? 1 : 0] = quantile(full, 0.5);
  std::printf(
      "%-8s fastest plan %.1f ms (p99), full plan %.1f ms (median); the same again differs by %.1f %% (p95 %.1f %%)\n",
      is_loaded ? "loaded" : "calm", fastest_ms_[is_loaded ? 1 : 0], full_ms_[is_loaded ? 1 : 0],
      100 * quantile(repeats, 0.5), 100 * quantile(repeats, 0.95));
  return {};
}

void Bench::report(const char* title, const std::vector<Done>& done, size_t begin, size_t end) const {
  std::vector<double> errors;
  std::vector<double> first_errors;
  double hits = 0;
  double right = 0;
  double cut = 0;
  double changed = 0;
  double latency = 0;
  std::vector<double> planning;
  for (size_t i = begin; i < end; ++i) {
    errors.push_back(std::abs(done[i].predicted_ms - done[i].latency_ms) / done[i].latency_ms);
    first_errors.push_back(std::abs(done[i].first_ms - done[i].latency_ms) / done[i].latency_ms);
    hits += done[i].latency_ms <= asks_[i].budget_ms ? 1 : 0;
    right += done[i].is_right ? 1 : 0;
    cut += done[i].is_cut ? 1 : 0;
    changed += done[i].num_changes > 0 ? 1 : 0;
    latency += done[i].latency_ms / asks_[i].budget_ms;
    planning.push_back(done[i].planning_ms);
  }
  const auto count = static_cast<double>(end - begin);
  const std::string rights = options_.is_random ? "" : format(" %6.1f %% right", 100 * right / count);
  std::printf(
      "%-44s %6.1f %% in time%s  error %5.1f %% p95 %5.1f %% (at first %5.1f, %5.1f)  used %3.0f %%  cut %4.1f %%  "
      "changed %4.1f %%  planning p99 %.2f ms\n",
      title, 100 * hits / count, rights.c_str(), 100 * quantile(errors, 0.5), 100 * quantile(errors, 0.95),
      100 * quantile(first_errors, 0.5), 100 * quantile(first_errors, 0.95), 100 * latency / count, 100 * cut / count,
      100 * changed / count, quantile(planning, 0.99));
  std::fflush(stdout);
}

// Between what is expected of the fastest plan in one case of twenty, and of the full one.
// Between what the fastest plan took for each picture, and a tenth more, and what the full one did.
Status Bench::draw_by_picture() {
  constexpr double kRoom = 1.1;
  for (Ask& asked : asks_) {
    load_.set(asked.is_loaded);
    SACCADE_ASSIGN_OR_RETURN(const Done fast, ask(engine_, asked, options_.max_tokens, {}, 0.01));
    SACCADE_ASSIGN_OR_RETURN(const Done full, ask(engine_, asked, options_.max_tokens, {}, std::nullopt));
    const double fastest_ms = kRoom * fast.latency_ms;
    asked.budget_ms = fastest_ms + asked.budget_share * std::max(0.0, full.latency_ms - fastest_ms);
  }
  return {};
}

Status Bench::run_budgets() {
  std::ofstream csv;
  if (!options_.csv_path.empty()) csv.open(options_.csv_path);
  csv << "i,budget,latency,predicted,p95,changes,right,cut,quality,tokens_p,tokens,encoded,visual,text,media_p,encode_"
         "p,compress_p,prefill_"
         "p,"
         "decode_p,media,encode,compress,prefill,decode,plan\n";
  for (size_t i = 0; i < asks_.size(); ++i) {
    load_.set(asks_[i].is_loaded);
    SACCADE_ASSIGN_OR_RETURN(Done done, ask(engine_, asks_[i], options_.max_tokens, {}, asks_[i].budget_ms));
    csv << i << ',' << asks_[i].budget_ms << ',' << done.latency_ms << ',' << done.predicted_ms << ',' << done.p95_ms
        << ',' << done.num_changes << ',' << done.is_right << ',' << done.is_cut << ',' << done.quality << ','
        << done.tokens_predicted << ',' << done.tokens << ',' << done.encoded << ',' << done.visual << ',' << done.text;
    for (const StageTimes& times : {done.predicted, done.actual}) {
      csv << ',' << times.media_decode + times.prompt + times.resize << ',' << times.encode + times.project << ','
          << times.compress << ',' << times.prefill << ',' << times.decode;
    }
    csv << ",\"" << done.plan << "\"\n";
    done_.push_back(std::move(done));
  }
  const size_t half = asks_.size() / 2;
  report("budgets, calm", done_, 0, half);
  report("budgets, loaded", done_, half, asks_.size());
  report("budgets", done_, 0, asks_.size());
  return {};
}

Status Bench::run_fixed(const std::string& text) {
  SACCADE_ASSIGN_OR_RETURN(const Plan plan, parse_plan(text));
  std::vector<Done> done;
  for (const Ask& asked : asks_) {
    load_.set(asked.is_loaded);
    SACCADE_ASSIGN_OR_RETURN(Done one, ask(engine_, asked, options_.max_tokens, plan, std::nullopt));
    one.predicted_ms = one.latency_ms;
    done.push_back(std::move(one));
  }
  report(text.c_str(), done, 0, done.size());
  return {};
}

Status Bench::run(const std::vector<EvalSet>& sets) {
  std::mt19937_64 random(options_.seed);
  for (const EvalSet& set : sets) {
    for (const EvalItem& item : set.items) asks_.push_back({&set, &item});
  }
  std::ranges::shuffle(asks_, random);
  asks_.resize(std::min(asks_.size(), static_cast<size_t>(options_.num_requests)));
  for (size_t i = asks_.size() / 2; i < asks_.size(); ++i) asks_[i].is_loaded = true;
  SACCADE_RETURN_IF_ERROR(warm(false));
  SACCADE_RETURN_IF_ERROR(warm(true));
  SACCADE_RETURN_IF_ERROR(warm(false));
  for (Ask& asked : asks_) {
    const int state = asked.is_loaded ? 1 : 0;
    asked.budget_share = std::uniform_real_distribution<double>(0, 1)(random);
    asked.budget_ms = fastest_ms_[state] + asked.budget_share * std::max(0.0, full_ms_[state] - fastest_ms_[state]);
  }
  if (options_.is_by_picture) {
    SACCADE_RETURN_IF_ERROR(draw_by_picture());
    SACCADE_RETURN_IF_ERROR(warm(false));  // as calm as the first half begins
  }
  SACCADE_RETURN_IF_ERROR(run_budgets());
  for (const std::string& text : options_.fixed) SACCADE_RETURN_IF_ERROR(run_fixed(text));
  return {};
}

Status run(const Options& options) {
  std::vector<EvalSet> sets;
  for (const std::string& path : options.data_paths) {
    SACCADE_ASSIGN_OR_RETURN(EvalSet set, read_eval_set(path, 0, Labels::kOptional));
    sets.push_back(std::move(set));
  }
  const Load load(options.load);
  SACCADE_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::load(options.engine));
  std::printf("%s, %d threads, %d competing\n", engine->info().isa.c_str(), engine->info().threads, options.load);
  return Bench(options, *engine, load).run(sets);
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  saccade::watch_for_interrupt();
  saccade::Options options;
  CLI::App app("Deadlines kept, predictions and quality of answers with budgets, beside fixed plans.");
  app.add_option("MODEL", options.engine.model_path)->required();
  app.add_option("--mmproj", options.engine.mmproj_path);
  app.add_option("--data", options.data_paths, "Questions; may be given several times")->required();
  app.add_option("--requests", options.num_requests)->capture_default_str();
  app.add_option("--warm", options.num_warm, "Requests of each kind before any counts")->capture_default_str();
  app.add_option("--load", options.load, "Processes that compute beside it in the second half")->capture_default_str();
  app.add_option("--profile", options.engine.profile_path, "What `saccade profile` measured");
  app.add_option("--threads", options.engine.threads);
  app.add_option("--max-tokens", options.max_tokens)->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--csv", options.csv_path, "One line for each request");
  app.add_option("--fixed", options.fixed, "A fixed plan to compare with; may be given several times");
  app.add_flag("--by-picture", options.is_by_picture,
               "Draw budgets between what each picture's fastest and full plan take: for pictures of "
               "many sizes");
  app.add_flag("--random-weights", options.is_random, "Answers mean nothing: leave out how many are right");
  bool keeps_small = false;
  app.add_flag("--no-upscale", keeps_small);
  CLI11_PARSE(app, argc, argv);
  options.engine.enlarges_pictures = !keeps_small;
  const saccade::Status status = saccade::run(options);
  if (!status.is_ok()) std::fprintf(stderr, "deadline_bench: %s\n", status.message().c_str());
  return status.is_ok() ? 0 : 1;
}
