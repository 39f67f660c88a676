#include "cli/calibrate/calibration.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/format.h"
#include "cli/calibrate/design.h"
#include "planner/certificate.h"

namespace saccade {
namespace {

// Of each part; a class of fewer questions is planned for as any other question is.
constexpr size_t kLeastOfClass = 60;
constexpr int64_t kLeastRight = 2;
// Plans of several levers that are tried: of all questions, and of each class's own.
constexpr int kCombined = 28;
constexpr int kCombinedOfClass = 10;
constexpr double kMaxTriedLoss = 0.4;
// Taken as lost by each step of a lever: of plans that seem to lose nothing, those that leave out less are tried too.
constexpr double kStepLoss = 0.001;
constexpr double kMaxRungLoss = 0.3;
constexpr size_t kMaxRungs = 12;
// What loses so much on the first questions is not tried on the others.
constexpr size_t kFirstQuestions = 80;
constexpr int64_t kLeastTried = 20;
constexpr double kHopelessLoss = 0.5;

class Calibrator {
 public:
  Calibrator(AnswerBook& book, const QuestionList& list, const QuestionSplit& split, const CalibrationOptions& options)
      : book_(book), list_(list), split_(split), options_(options) {}

  Expected<Calibration> run() {
    SACCADE_RETURN_IF_ERROR(try_levers());
    SACCADE_RETURN_IF_ERROR(try_combinations());
    for (const auto& [name, questions] : design_) ladders_[name] = ladder_of(name);
    SACCADE_RETURN_IF_ERROR(ask_ladders());
    Calibration calibration;
    calibration.table.is_calibrated = true;
    calibration.table.delta = options_.delta;
    for (const auto& [name, questions] : design_) report(name, calibration);
    calibration.combination = compare_combinations();
    return calibration;
  }

 private:
  // Every lever alone, on all design questions; curves of all of them, and of each class that has enough.
  Status try_levers() {
    tried_[kAnyClass] = one_lever_plans(options_.levers);
    std::vector<Inquiry> inquiries;
    for (const int64_t question : split_.design) inquiries.push_back({question, tried_[kAnyClass]});
    SACCADE_RETURN_IF_ERROR(ask_in_rounds("levers", std::move(inquiries)));
    if (book_.means({}, split_.design).num_questions < kLeastRight) {
      return invalid_argument(
          format("the full plan answers fewer than %lld of %zu design questions right; there is no "
                 "quality to keep",
                 static_cast<long long>(kLeastRight), split_.design.size()));
    }
    std::set<std::string> names = {kAnyClass};
    for (const CalibrationQuestion& question : list_.questions) names.insert(question.task_class);
    for (const std::string& name : names) {
      std::vector<int64_t> design = of_class(list_, split_.design, name);
      std::vector<int64_t> certification =
          one_of_each_picture(list_, of_class(list_, split_.certification, name), options_.seed);
      if (name != kAnyClass && std::min(design.size(), certification.size()) < kLeastOfClass) continue;
      design_[name] = std::move(design);
      certification_[name] = std::move(certification);
    }
    quality_[kAnyClass] = fit_curves(book_, options_.levers, split_.design, nullptr);
    for (const auto& [name, questions] : design_) {
      if (name != kAnyClass) quality_[name] = fit_curves(book_, options_.levers, questions, &quality_[kAnyClass]);
    }
    return {};
  }

  // Plans of several levers near the front of expected loss and time: of all questions, and of each class.
  Status try_combinations() {
    const PlanCosts costs(book_, options_.levers, split_.design);
    for (const auto& [name, questions] : design_) {
      std::vector<PlanPoint> points;
      for (const Levers& levers : all_plans(options_.levers)) {
        const double loss = expected_loss(quality_[name], levers) + kStepLoss * num_steps(options_.levers, levers);
        points.push_back({levers, costs.predicted_ms(levers), loss});
      }
      combined_[name] =
          spread_over_front(std::move(points), name == kAnyClass ? kCombined : kCombinedOfClass, kMaxTriedLoss);
    }
    tried_.try_emplace(kAnyClass);
    std::vector<Inquiry> inquiries;
    for (const int64_t question : split_.design) {
      inquiries.push_back({question, plans_of(question, combined_)});
    }
    for (const auto& [name, questions] : design_) {
      if (name != kAnyClass) tried_[name] = tried_[kAnyClass];
    }
    for (auto& [name, tried] : tried_) {
      add_new(combined_[kAnyClass], tried);
      add_new(combined_[name], tried);
    }
    return ask_in_rounds("plans", std::move(inquiries));
  }

  // Plans of which the first questions say enough are not tried on the others.
  Status ask_in_rounds(const std::string& stage, std::vector<Inquiry> inquiries) {
    const size_t num_first = std::min(kFirstQuestions, inquiries.size());
    const std::span<const int64_t> first = std::span(split_.design).first(num_first);
    SACCADE_RETURN_IF_ERROR(book_.ask(stage + ", first", std::span(inquiries).first(num_first)));
    std::map<std::string, bool> is_known;
    for (Inquiry& inquiry : inquiries) {
      std::erase_if(inquiry.plans, [&](const Levers& levers) {
        const auto [known, is_new] = is_known.try_emplace(book_.text_of(levers), false);
        if (is_new) known->second = is_hopeless(levers, first) || is_settled(levers, first);
        return known->second;
      });
    }
    return book_.ask(stage, inquiries);
  }

  bool is_hopeless(const Levers& levers, std::span<const int64_t> questions) const {
    const PlanMeans means = book_.means(levers, questions);
    return means.num_questions >= kLeastTried && means.loss > kHopelessLoss;
  }

  // Whether it moves one lever, and one that is moved further seems to lose nothing: it can't lose more.
  bool is_settled(const Levers& levers, std::span<const int64_t> questions) const {
    if (num_moved(levers) != 1) return false;
    for (size_t i = 0; i < kNumLevers; ++i) {
      const std::vector<double>& settings = options_.levers[i];
      if (levers.values[i] == Levers().values[i]) continue;
      for (auto further = std::ranges::find(settings, levers.values[i]) + 1; further < settings.end(); ++further) {
        Levers moved;
        moved.values[i] = *further;
        const PlanMeans means = book_.means(moved, questions);
        if (means.num_questions >= kLeastTried && means.loss == 0) return true;
      }
    }
    return false;
  }

  static void add_new(const std::vector<Levers>& more, std::vector<Levers>& plans) {
    for (const Levers& levers : more) {
      if (std::ranges::find(plans, levers) == plans.end()) plans.push_back(levers);
    }
  }

  // Those of all questions and those of the question's class.
  std::vector<Levers> plans_of(int64_t question, const std::map<std::string, std::vector<Levers>>& by_class) const {
    std::vector<Levers> plans = by_class.at(kAnyClass);
    const auto own = by_class.find(list_.at(question).task_class);
    if (own != by_class.end()) add_new(own->second, plans);
    return plans;
  }

  // Ordered by what they may well lose: the mean, with what the curves expect taken as seen some times more, and its
  // standard error.
  std::vector<Levers> ladder_of(const std::string& name) const {
    constexpr double kPriorQuestions = 10;
    const PlanCosts costs(book_, options_.levers, design_.at(name));
    std::vector<PlanPoint> points;
    for (const Levers& levers : tried_.at(name)) {
      const PlanMeans means = book_.means(levers, design_.at(name));
      if (book_.is_refused(levers) || means.num_questions == 0) continue;
      const auto count = static_cast<double>(means.num_questions);
      const double expected = expected_loss(quality_.at(kAnyClass), levers);
      const double loss = (means.loss * count + expected * kPriorQuestions) / (count + kPriorQuestions);
      points.push_back({levers, costs.measured_ms(means), loss + std::sqrt(loss * (1 - loss) / count)});
    }
    return choose_ladder(std::move(points), costs.full_ms(), kMaxRungLoss, kMaxRungs);
  }

  Status ask_ladders() {
    std::map<int64_t, std::vector<Levers>> plans;
    for (const auto& [name, questions] : certification_) {
      for (const int64_t question : questions) add_new(ladders_.at(name), plans[question]);
    }
    std::vector<Inquiry> inquiries;
    for (auto& [question, levers] : plans) inquiries.push_back({question, std::move(levers)});
    return book_.ask("ladders", inquiries);
  }

  void report(const std::string& name, Calibration& calibration) {
    const std::vector<int64_t>& questions = certification_.at(name);
    ClassQuality& quality = calibration.table.classes[name] = quality_.at(name);
    quality.full_score = book_.full_score(questions);
    ClassReport report = {.task_class = name,
                          .num_design = static_cast<int64_t>(design_.at(name).size()),
                          .num_certification = static_cast<int64_t>(questions.size()),
                          .full_score = quality.full_score,
                          .ladder = {}};
    const double full_ms = book_.means({}, questions).latency_ms;
    for (const Levers& levers : ladders_.at(name)) {
      if (book_.is_refused(levers)) continue;  // of a picture that none of the design questions was like
      const PlanMeans means = book_.means(levers, questions);
      quality.ladder.push_back({levers, means.num_questions, means.loss});
      RungReport rung = {.plan = book_.text_of(levers),
                         .design_loss = book_.means(levers, design_.at(name)).loss,
                         .rung = quality.ladder.back(),
                         .ms = means.latency_ms,
                         .full_ms = full_ms,
                         .losses = {}};
      for (const int64_t question : questions) {
        if (const auto loss = book_.loss(question, levers)) rung.losses += *loss > 0 ? '1' : '0';
      }
      rung.epsilon = least_epsilon(quality.ladder, quality.ladder.size(), options_.delta);
      report.ladder.push_back(std::move(rung));
    }
    const auto place = name == kAnyClass ? calibration.classes.begin() : calibration.classes.end();
    calibration.classes.insert(place, std::move(report));
  }

  CombinationReport compare_combinations() const {
    CombinationReport report;
    for (const Levers& levers : combined_.at(kAnyClass)) {
      const PlanMeans means = book_.means(levers, split_.design);
      if (means.num_questions == 0) continue;
      const double expected = expected_loss(quality_.at(kAnyClass), levers);
      ++report.num_plans;
      report.mean_expected += expected;
      report.mean_measured += means.loss;
      report.rms_error += (expected - means.loss) * (expected - means.loss);
    }
    if (report.num_plans == 0) return report;
    const auto count = static_cast<double>(report.num_plans);
    report.mean_expected /= count;
    report.mean_measured /= count;
    report.rms_error = std::sqrt(report.rms_error / count);
    return report;
  }

  AnswerBook& book_;
  const QuestionList& list_;
  const QuestionSplit& split_;
  const CalibrationOptions& options_;
  // All by class.
  std::map<std::string, std::vector<int64_t>> design_;
  std::map<std::string, std::vector<int64_t>> certification_;  // one question of each picture
  std::map<std::string, ClassQuality> quality_;
  std::map<std::string, std::vector<Levers>> tried_;
  std::map<std::string, std::vector<Levers>> combined_;
  std::map<std::string, std::vector<Levers>> ladders_;
};

}  // namespace

Expected<Calibration> calibrate(AnswerBook& book, const QuestionList& list, const QuestionSplit& split,
                                const CalibrationOptions& options) {
  return Calibrator(book, list, split, options).run();
}

}  // namespace saccade
