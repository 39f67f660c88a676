#include "cli/calibrate/report.h"

#include "base/format.h"
#include "cli/sweep/table.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(double share) {
  return format("%.2f %%", 100 * share);
}

std::string setting_text(Lever lever, double value) {
  if (lever != Lever::kSkip) return format("%g", value);
  const SkipChoice& skip = kSkips[static_cast<size_t>(value)];
  return skip.levels < 0 ? "none" : format("%d/%d", skip.levels, skip.margin);
}

// A lever on each line: "scale  1: 0.00 %, 0.875: 0.42 %".
std::string curve_lines(const ClassQuality& quality) {
  std::string text;
  for (size_t i = 0; i < kNumLevers; ++i) {
    if (quality.curves[i].size() < 2) continue;
    const auto lever = static_cast<Lever>(i);
    std::string line = format("  %-14s", lever_name(lever));
    for (const LossPoint& point : quality.curves[i]) {
      line += format("  %s: %s", setting_text(lever, point.value).c_str(), percent(point.loss).c_str());
    }
    text += line + "\n";
  }
  return text;
}

Table ladder_table(const ClassReport& report) {
  Table table;
  table.columns = {{"plan", false, ""},     {"design loss", true, ""}, {"loss", true, ""},   {"questions", true, ""},
                   {"certified", true, ""}, {"ms", true, ""},          {"of full", true, ""}};
  for (const RungReport& rung : report.ladder) {
    table.rows.push_back({rung.plan, percent(rung.design_loss), percent(rung.rung.mean_loss),
                          format("%lld", static_cast<long long>(rung.rung.num_questions)), percent(rung.epsilon),
                          format("%.1f", rung.ms), percent(rung.full_ms > 0 ? rung.ms / rung.full_ms : 0)});
  }
  return table;
}

Json to_json(const ClassReport& report, const ClassQuality& quality) {
  Json curves = Json::object();
  for (size_t i = 0; i < kNumLevers; ++i) {
    Json points = Json::array();
    for (const LossPoint& point : quality.curves[i]) points.push_back({point.value, point.loss});
    curves[lever_name(static_cast<Lever>(i))] = std::move(points);
  }
  Json ladder = Json::array();
  for (const RungReport& rung : report.ladder) {
    ladder.push_back({{"plan", rung.plan},
                      {"design_loss", rung.design_loss},
                      {"num_questions", rung.rung.num_questions},
                      {"mean_loss", rung.rung.mean_loss},
                      {"epsilon", rung.epsilon},
                      {"ms", rung.ms},
                      {"full_ms", rung.full_ms}});
  }
  return {{"class", report.task_class},
          {"num_design", report.num_design},
          {"num_certification", report.num_certification},
          {"full_score", report.full_score},
          {"curves", std::move(curves)},
          {"ladder", std::move(ladder)}};
}

}  // namespace

std::string calibration_text(const Calibration& calibration) {
  std::string text = calibration.table.source +
                     "\n\nLoss: the share of answers that are right by the full plan and "
                     "wrong by this one. Certified: with a probability of\n" +
                     percent(1 - calibration.table.delta) + " the expected loss of a plan is no more.\n";
  for (const ClassReport& report : calibration.classes) {
    text += format("\nclass %s: %lld questions to design by, %lld to certify by, %s of them right by the full plan\n",
                   report.task_class.c_str(), static_cast<long long>(report.num_design),
                   static_cast<long long>(report.num_certification), percent(report.full_score).c_str());
    text += curve_lines(calibration.table.classes.at(report.task_class)) + to_text(ladder_table(report));
  }
  const CombinationReport& combination = calibration.combination;
  text += format("\n%lld plans of several levers: expected to lose %s in the mean, measured %s, off by %s (rms)\n",
                 static_cast<long long>(combination.num_plans), percent(combination.mean_expected).c_str(),
                 percent(combination.mean_measured).c_str(), percent(combination.rms_error).c_str());
  return text;
}

Json calibration_json(const Calibration& calibration) {
  Json classes = Json::array();
  for (const ClassReport& report : calibration.classes) {
    classes.push_back(to_json(report, calibration.table.classes.at(report.task_class)));
  }
  const CombinationReport& combination = calibration.combination;
  return {{"source", calibration.table.source},
          {"delta", calibration.table.delta},
          {"classes", std::move(classes)},
          {"combination",
           {{"num_plans", combination.num_plans},
            {"mean_expected", combination.mean_expected},
            {"mean_measured", combination.mean_measured},
            {"rms_error", combination.rms_error}}}};
}

std::string losses_text(const Calibration& calibration) {
  std::string text;
  for (const ClassReport& report : calibration.classes) {
    Json plans = Json::array();
    Json losses = Json::array();
    for (const RungReport& rung : report.ladder) {
      plans.push_back(rung.plan);
      losses.push_back(rung.losses);
    }
    const Json line = {{"class", report.task_class}, {"plans", std::move(plans)}, {"losses", std::move(losses)}};
    text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return text;
}

}  // namespace saccade
