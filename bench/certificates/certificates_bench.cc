// Whether certificates are kept: a ladder is certified on one half of the questions, and the last rung that is, judged
// on the other; many times over. Of recorded losses (losses.jsonl of `saccade calibrate --work`, each question on a
// picture of its own), and of drawn ones whose expectation is known.
//
//   certificates_bench bench/certificates/saccade_mini.jsonl [SPLITS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "planner/certificate.h"

namespace saccade {
namespace {

constexpr double kEpsilons[] = {0.01, 0.02, 0.03, 0.05, 0.1, 0.2};
constexpr double kDeltas[] = {0.05, 0.2};
constexpr size_t kLeastQuestions = 100;

using Losses = std::vector<std::string>;  // [rungs][questions], each 0 or 1

double mean_over(const std::string& losses, std::span<const size_t> questions) {
  const auto is_lost = [&](size_t question) { return losses[question] == '1'; };
  return static_cast<double>(std::ranges::count_if(questions, is_lost)) / static_cast<double>(questions.size());
}

struct Trial {
  std::vector<LadderRung> ladder;      // as certified
  std::function<double(size_t)> loss;  // of a rung, judged
};

/// `make_trial` draws one. Prints a row for each epsilon and delta.
void print_rows(const std::string& name, int num_trials, const std::function<Trial()>& make_trial) {
  std::vector<Trial> trials;
  for (int i = 0; i < num_trials; ++i) trials.push_back(make_trial());
  for (const double delta : kDeltas) {
    for (const double epsilon : kEpsilons) {
      int num_certified = 0;
      int num_violated = 0;
      double sum = 0;
      double rungs = 0;
      for (const Trial& trial : trials) {
        const size_t count = certified_rungs(trial.ladder, epsilon, delta);
        if (count == 0) continue;
        const double loss = trial.loss(count - 1);
        ++num_certified;
        num_violated += loss > epsilon ? 1 : 0;
        sum += loss;
        rungs += static_cast<double>(count);
      }
      const double certified = std::max(1, num_certified);
      std::printf("%-22s %6.1f %%  %4.0f %%  %6d  %9d  %10d  %7.0f  %9.2f %%  %5.1f\n", name.c_str(), 100 * epsilon,
                  100 * delta, num_trials, num_certified, num_violated, delta * num_trials, 100 * sum / certified,
                  rungs / certified);
    }
  }
}

void print_recorded(const std::string& name, const Losses& losses, int num_splits) {
  std::mt19937_64 engine(1);
  std::vector<size_t> order(losses.front().size());
  std::iota(order.begin(), order.end(), size_t{0});
  print_rows(name, num_splits, [&] {
    std::shuffle(order.begin(), order.end(), engine);
    const std::span<const size_t> half = std::span(order).first(order.size() / 2);
    std::vector<size_t> rest(order.begin() + static_cast<std::ptrdiff_t>(half.size()), order.end());
    Trial trial;
    for (const std::string& rung : losses) {
      LadderRung certified;
      certified.num_questions = static_cast<int64_t>(half.size());
      certified.mean_loss = mean_over(rung, half);
      trial.ladder.push_back(certified);
    }
    trial.loss = [&losses, rest = std::move(rest)](size_t rung) { return mean_over(losses[rung], rest); };
    return trial;
  });
}

void print_drawn(const std::string& name, std::span<const double> expected, int num_questions, int num_trials) {
  std::mt19937_64 engine(2);
  std::uniform_real_distribution<double> uniform;
  print_rows(name, num_trials, [&, expected] {
    Trial trial;
    trial.ladder.resize(expected.size());
    for (int i = 0; i < num_questions; ++i) {
      const double draw = uniform(engine);  // rungs lose on the same questions
      for (size_t k = 0; k < expected.size(); ++k) trial.ladder[k].mean_loss += draw < expected[k] ? 1 : 0;
    }
    for (LadderRung& rung : trial.ladder) {
      rung.num_questions = num_questions;
      rung.mean_loss /= num_questions;
    }
    trial.loss = [expected](size_t rung) { return expected[rung]; };
    return trial;
  });
}

int run(int argc, char** argv) {
  const int num_splits = argc > 2 ? std::max(1, std::atoi(argv[2])) : 200;
  std::printf("%-22s %8s  %6s  %6s  %9s  %10s  %7s  %11s  %5s\n", "losses", "epsilon", "delta", "splits", "certified",
              "violated", "allowed", "mean loss", "rungs");
  std::ifstream file(argc > 1 ? argv[1] : "bench/certificates/saccade_mini.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    const auto losses = json.at("losses").get<Losses>();
    const size_t num_questions = losses.empty() ? 0 : losses.front().size();
    if (num_questions < kLeastQuestions) continue;
    print_recorded(json.at("class").get<std::string>() + ", " + std::to_string(num_questions), losses, num_splits);
  }
  static constexpr double kExpected[] = {0.002, 0.005, 0.009, 0.011, 0.018, 0.021, 0.029, 0.035, 0.06, 0.11, 0.21};
  for (const int num_questions : {300, 1000}) {
    print_drawn("drawn, " + std::to_string(num_questions), kExpected, num_questions, num_splits);
    print_drawn("drawn x 50, " + std::to_string(num_questions), kExpected, num_questions, 50 * num_splits);
  }
  return 0;
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  return saccade::run(argc, argv);
}
