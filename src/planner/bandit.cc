#include "planner/bandit.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace saccade {
namespace {

using Matrix = std::array<std::array<double, kContextSize>, kContextSize>;

double dot(const BanditContext& a, const BanditContext& b) {
  double sum = 0;
  for (size_t i = 0; i < kContextSize; ++i) sum += a[i] * b[i];
  return sum;
}

// The solution of a symmetric positive definite system, by Cholesky's decomposition.
BanditContext solve(Matrix matrix, BanditContext right) {
  for (size_t j = 0; j < kContextSize; ++j) {
    for (size_t k = 0; k < j; ++k) matrix[j][j] -= matrix[j][k] * matrix[j][k];
    matrix[j][j] = std::sqrt(matrix[j][j]);
    for (size_t i = j + 1; i < kContextSize; ++i) {
      for (size_t k = 0; k < j; ++k) matrix[i][j] -= matrix[i][k] * matrix[j][k];
      matrix[i][j] /= matrix[j][j];
    }
  }
  for (size_t i = 0; i < kContextSize; ++i) {
    for (size_t k = 0; k < i; ++k) right[i] -= matrix[i][k] * right[k];
    right[i] /= matrix[i][i];
  }
  for (size_t i = kContextSize; i-- > 0;) {
    for (size_t k = i + 1; k < kContextSize; ++k) right[i] -= matrix[k][i] * right[k];
    right[i] /= matrix[i][i];
  }
  return right;
}

}  // namespace

void PlanBandit::learn(const std::string& plan, const BanditContext& context, double expected_quality, double score) {
  Regression& regression = regressions_[plan];
  for (size_t i = 0; i < kContextSize; ++i) {
    for (size_t j = 0; j < kContextSize; ++j) regression.gram[i][j] += context[i] * context[j];
    regression.moments[i] += context[i] * (score - expected_quality);
  }
  ++num_learnt_;
}

// Of its quality at the best that is still likely, less what it costs.
double PlanBandit::worth(const BanditArm& arm, const BanditContext& context) const {
  const auto found = regressions_.find(arm.plan);
  Regression regression = found == regressions_.end() ? Regression() : found->second;
  for (size_t i = 0; i < kContextSize; ++i) regression.gram[i][i] += options_.trust;
  const double learnt = dot(solve(regression.gram, regression.moments), context);
  const double doubt = std::sqrt(std::max(0.0, dot(solve(regression.gram, context), context)));
  return arm.expected_quality + learnt + options_.exploration * doubt - arm.cost;
}

std::vector<double> PlanBandit::probabilities(std::span<const BanditArm> arms, const BanditContext& context) const {
  assert(!arms.empty());
  std::vector<double> shares(arms.size(), options_.random_share / static_cast<double>(arms.size()));
  size_t best = 0;
  double most = worth(arms[0], context);
  for (size_t i = 1; i < arms.size(); ++i) {
    const double other = worth(arms[i], context);
    if (other <= most) continue;
    most = other;
    best = i;
  }
  shares[best] += 1 - options_.random_share;
  return shares;
}

BanditDraw PlanBandit::choose(std::span<const BanditArm> arms, const BanditContext& context, double draw) const {
  const std::vector<double> shares = probabilities(arms, context);
  double passed = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    passed += shares[i];
    if (draw < passed) return {i, shares[i]};
  }
  return {shares.size() - 1, shares.back()};
}

}  // namespace saccade
