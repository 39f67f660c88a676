// saccade replay: what another policy would have been worth, from the answers of a ledger.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/option_checks.h"
#include "cli/sweep/table.h"
#include "cli/terminal.h"
#include "ledger/decision_text.h"
#include "ledger/ledger.h"
#include "planner/off_policy.h"

namespace saccade {
namespace {

struct ReplayOptions {
  std::string path;
  std::vector<std::string> policies = {"logged", "best", "cheapest", "linucb"};
  double random_share = 0.1;
  double exploration = 0.5;
  bool is_json = false;
};

struct Replayed {
  std::string policy;
  PolicyValue value;
};

// An answer whose worth is known and whose plan was one of several; none of others.
std::optional<LoggedChoice> choice_of(const LedgerRecord& record) {
  const LedgerEntry& entry = record.entry;
  const auto plans = parse_weighed_plans(entry.candidates);
  if ((!record.user_score && !record.shadow_score) || !plans || entry.context.size() != kContextSize)
    return std::nullopt;
  LoggedChoice choice;
  std::ranges::copy(entry.context, choice.context.begin());
  choice.score = record.user_score ? *record.user_score : *record.shadow_score;
  choice.propensity = entry.propensity;
  bool is_there = false;
  for (const WeighedPlan& plan : *plans) {
    if (plan.plan == entry.plan) {
      choice.chosen_idx = choice.arms.size();
      is_there = true;
    }
    choice.arms.push_back({plan.plan, plan.expected_quality, plan.cost});
  }
  return is_there ? std::optional(std::move(choice)) : std::nullopt;
}

std::vector<double> only(size_t count, size_t idx) {
  std::vector<double> shares(count, 0.0);
  shares[idx] = 1;
  return shares;
}

// The arm with the least of something; the first of equals.
template <typename Key>
ReplayedPolicy least(const Key& key) {
  return [key](const LoggedChoice& choice) {
    const auto best = std::ranges::min_element(choice.arms, {}, key);
    return only(choice.arms.size(), static_cast<size_t>(best - choice.arms.begin()));
  };
}

// Learns in order, from what really happened.
ReplayedPolicy learning_policy(const ReplayOptions& options) {
  auto bandit = std::make_shared<PlanBandit>(
      BanditOptions{.exploration = options.exploration, .random_share = options.random_share});
  return [bandit](const LoggedChoice& choice) {
    std::vector<double> shares = bandit->probabilities(choice.arms, choice.context);
    const BanditArm& arm = choice.arms[choice.chosen_idx];
    bandit->learn(arm.plan, choice.context, arm.expected_quality, choice.score);
    return shares;
  };
}

Expected<ReplayedPolicy> policy_of(const std::string& name, const ReplayOptions& options) {
  if (name == "best") return least([](const BanditArm& arm) { return -arm.expected_quality; });
  if (name == "cheapest") return least([](const BanditArm& arm) { return arm.cost; });
  if (name == "balanced") return least([](const BanditArm& arm) { return arm.cost - arm.expected_quality; });
  if (name == "linucb") return learning_policy(options);
  if (name.starts_with("plan:")) {
    const std::string plan = name.substr(5);
    return ReplayedPolicy(least([plan](const BanditArm& arm) { return arm.plan == plan ? 0 : 1; }));
  }
  return invalid_argument("there is no policy " + quote(name) +
                          "; there are logged, best, cheapest, balanced, linucb and plan:TEXT");
}

// The policy that was followed: a choice at its own propensity, whose weight is 1.
PolicyValue logged_value(const std::vector<LoggedChoice>& choices) {
  std::vector<LoggedChoice> own = choices;
  for (LoggedChoice& choice : own) {
    choice.arms = {choice.arms[choice.chosen_idx]};
    choice.chosen_idx = 0;
    choice.propensity = 1;
  }
  return replay(own, [](const LoggedChoice&) { return std::vector<double>{1}; });
}

Expected<std::vector<Replayed>> replay_all(const ReplayOptions& options) {
  SACCADE_ASSIGN_OR_RETURN(const auto ledger, Ledger::open(options.path, LedgerAccess::kRead));
  std::vector<LoggedChoice> choices;
  SACCADE_RETURN_IF_ERROR(ledger->for_each(Ledger::kBeginning, Ledger::kEnd, [&](const LedgerRecord& record) {
    if (auto choice = choice_of(record)) choices.push_back(*std::move(choice));
    return !is_interrupted();
  }));
  if (choices.empty()) {
    return not_found(options.path +
                     ": no answer that was chosen among plans (saccade ask --learn) has feedback or a shadow's score");
  }
  std::vector<Replayed> replayed;
  for (const std::string& name : options.policies) {
    if (name == "logged") {
      replayed.push_back({name, logged_value(choices)});
      continue;
    }
    SACCADE_ASSIGN_OR_RETURN(const ReplayedPolicy policy, policy_of(name, options));
    replayed.push_back({name, replay(choices, policy)});
  }
  return replayed;
}

std::string estimate_text(const Estimate& estimate) {
  return format("%.3f +- %.3f", estimate.value, 1.96 * estimate.error);
}

void print_table(const std::vector<Replayed>& replayed) {
  Table table;
  table.columns = {{"policy", false, ""},    {"quality", true, ""}, {"by weights", true, ""},
                   {"normalized", true, ""}, {"cost", true, ""},    {"as good as", true, ""}};
  for (const Replayed& one : replayed) {
    const PolicyValue& value = one.value;
    table.rows.push_back({one.policy, estimate_text(value.doubly_robust), estimate_text(value.weighted),
                          estimate_text(value.self_normalized), format("%.4f", value.cost),
                          format("%.0f of %zu", value.num_effective, value.num_choices)});
  }
  write_out(to_text(table) +
            "\nquality: doubly robust, with its 95 % interval; cost: what time and money are worth in errors;\n"
            "as good as: answers of its own that would tell as much\n");
}

nlohmann::ordered_json estimate_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"standard_error", estimate.error}};
}

void print_object(const std::vector<Replayed>& replayed) {
  nlohmann::ordered_json policies = nlohmann::ordered_json::array();
  for (const Replayed& one : replayed) {
    policies.push_back({{"policy", one.policy},
                        {"doubly_robust", estimate_json(one.value.doubly_robust)},
                        {"weighted", estimate_json(one.value.weighted)},
                        {"self_normalized", estimate_json(one.value.self_normalized)},
                        {"cost", one.value.cost},
                        {"effective_answers", one.value.num_effective},
                        {"answers", one.value.num_choices}});
  }
  print_json({{"policies", std::move(policies)}});
}

int run_replay(const ReplayOptions& options) {
  const auto replayed = replay_all(options);
  if (!replayed) return report_error(replayed.status(), options.is_json);
  options.is_json ? print_object(*replayed) : print_table(*replayed);
  return kExitOk;
}

}  // namespace

void add_replay_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ReplayOptions>();
  CLI::App* command = app.add_subcommand("replay", "Judge another policy by the answers of a ledger");
  command->add_option("LEDGER", options->path, "The ledger")->required();
  command
      ->add_option("--policy", options->policies,
                   "logged, best, cheapest, balanced, linucb or plan:TEXT; may be given several times")
      ->allow_extra_args(false);
  command->add_option("--random-share", options->random_share, "Of linucb's choices")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--exploration", options->exploration, "Of linucb, in standard deviations")
      ->check(between(0.0, 100.0))
      ->capture_default_str();
  command->add_flag("--json", options->is_json, "Print one JSON object");
  command->footer(
      "Answers whose plan was chosen among several (saccade ask --learn) and whose worth is known (saccade feedback, "
      "or\n"
      "ask --shadow) tell what other choices would have been worth, as each was made with a known probability.\n\n"
      "Examples:\n"
      "  saccade replay requests.ledger\n"
      "  saccade replay requests.ledger --policy logged --policy plan:skip-equal=8 --json");
  command->callback([options, &exit_code] { exit_code = run_replay(*options); });
}

}  // namespace saccade
