#include "planner/quality_file.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "base/format.h"
#include "platform/whole_file.h"
#include "request/plan_text.h"
#include "weights/json_text.h"

namespace saccade {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int kVersion = 1;
// Far over anything measured; what is planned by takes time with each.
constexpr size_t kMaxEntries = 256;
constexpr int64_t kMaxQuestions = 10'000'000;

/// A value of the file with its place in it, for errors.
class Field {
 public:
  Field(const std::string& path, const Json& root) : path_(path), value_(root) {}

  const Json& json() const { return value_; }
  Status wrong(const std::string& what) const {
    return corrupt_data(format("%s: %s%s; remove the file or make it anew with saccade calibrate", path_.c_str(),
                               place_.empty() ? "it " : (place_ + " ").c_str(), what.c_str()));
  }
  Expected<Field> at(const std::string& name) const {
    const Json* member = find_member(value_, name);
    const std::string place = place_.empty() ? name : place_ + "." + name;
    if (member == nullptr) return Field(path_, value_, place).wrong("is not there");
    return Field(path_, *member, place);
  }
  Expected<std::vector<Field>> list() const {
    if (!value_.is_array() || value_.size() > kMaxEntries)
      return wrong(format("is not a list of up to %zu", kMaxEntries));
    std::vector<Field> fields;
    for (size_t i = 0; i < value_.size(); ++i)
      fields.push_back(Field(path_, value_[i], format("%s[%zu]", place_.c_str(), i)));
    return fields;
  }
  /// The members of an object, by name.
  Expected<std::vector<std::pair<std::string, Field>>> members() const {
    if (!value_.is_object() || value_.size() > kMaxEntries) {
      return wrong(format("is not an object of up to %zu members", kMaxEntries));
    }
    std::vector<std::pair<std::string, Field>> fields;
    for (const auto& [name, value] : value_.items()) {
      fields.emplace_back(name, Field(path_, value, place_ + "." + quote(name)));
    }
    return fields;
  }
  Expected<double> number(double least, double most) const {
    const double value = value_.is_number() ? value_.get<double>() : least - 1;
    if (!(value >= least && value <= most)) return wrong(format("is not a number from %g to %g", least, most));
    return value;
  }
  Expected<int64_t> count() const {
    SACCADE_ASSIGN_OR_RETURN(const double value, number(0, static_cast<double>(kMaxQuestions)));
    if (value != std::floor(value)) return wrong("is not a whole number");
    return static_cast<int64_t>(value);
  }
  Expected<std::string> text() const {
    if (!value_.is_string()) return wrong("is not a text");
    return value_.get<std::string>();
  }

 private:
  Field(const std::string& path, const Json& value, std::string place)
      : path_(path), value_(value), place_(std::move(place)) {}

  const std::string& path_;
  const Json& value_;
  std::string place_;
};

Expected<double> setting_of(Lever lever, const Field& field) {
  if (!is_index(lever)) return field.number(1e-6, 1);
  const size_t count = lever == Lever::kSkip ? kSkips.size() : kPictureUses.size();
  SACCADE_ASSIGN_OR_RETURN(const double index, field.number(0, static_cast<double>(count - 1)));
  if (index != std::floor(index)) return field.wrong("is not a whole number");
  return index;
}

Expected<Lever> lever_of(const std::string& name, const Field& field) {
  for (size_t i = 0; i < kNumLevers; ++i) {
    if (name == lever_name(static_cast<Lever>(i))) return static_cast<Lever>(i);
  }
  return field.wrong("is no lever");
}

Expected<std::vector<LossPoint>> read_curve(Lever lever, const Field& field) {
  std::vector<LossPoint> curve;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<Field> points, field.list());
  for (const Field& point : points) {
    SACCADE_ASSIGN_OR_RETURN(const std::vector<Field> pair, point.list());
    if (pair.size() != 2) return point.wrong("is not a pair of a setting and a loss");
    LossPoint read;
    SACCADE_ASSIGN_OR_RETURN(read.value, setting_of(lever, pair[0]));
    SACCADE_ASSIGN_OR_RETURN(read.loss, pair[1].number(0, 1));
    const bool is_less =
        curve.empty() || (is_index(lever) ? read.value > curve.back().value : read.value < curve.back().value);
    if (!is_less) return point.wrong("does not leave out more than the one before");
    curve.push_back(read);
  }
  return curve;
}

Expected<LadderRung> read_rung(const Field& field) {
  LadderRung rung;
  SACCADE_ASSIGN_OR_RETURN(const Field levers, field.at("levers"));
  SACCADE_ASSIGN_OR_RETURN(const auto settings, levers.members());
  for (const auto& [name, setting] : settings) {
    SACCADE_ASSIGN_OR_RETURN(const Lever lever, lever_of(name, setting));
    SACCADE_ASSIGN_OR_RETURN(rung.levers[lever], setting_of(lever, setting));
  }
  SACCADE_ASSIGN_OR_RETURN(const Field num_questions, field.at("num_questions"));
  SACCADE_ASSIGN_OR_RETURN(rung.num_questions, num_questions.count());
  SACCADE_ASSIGN_OR_RETURN(const Field mean_loss, field.at("mean_loss"));
  SACCADE_ASSIGN_OR_RETURN(rung.mean_loss, mean_loss.number(0, 1));
  return rung;
}

Expected<ClassQuality> read_class(const Field& field) {
  ClassQuality quality;
  SACCADE_ASSIGN_OR_RETURN(const Field full_score, field.at("full_score"));
  SACCADE_ASSIGN_OR_RETURN(quality.full_score, full_score.number(0, 1));
  SACCADE_ASSIGN_OR_RETURN(const Field curves, field.at("curves"));
  SACCADE_ASSIGN_OR_RETURN(const auto named, curves.members());
  for (const auto& [name, curve] : named) {
    SACCADE_ASSIGN_OR_RETURN(const Lever lever, lever_of(name, curve));
    SACCADE_ASSIGN_OR_RETURN(quality.curves[static_cast<size_t>(lever)], read_curve(lever, curve));
  }
  for (size_t i = 0; i < kNumLevers; ++i) {
    if (quality.curves[i].empty()) quality.curves[i] = {{Levers().values[i], 0}};
  }
  SACCADE_ASSIGN_OR_RETURN(const Field ladder, field.at("ladder"));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<Field> rungs, ladder.list());
  for (const Field& rung : rungs) {
    SACCADE_ASSIGN_OR_RETURN(const LadderRung read, read_rung(rung));
    quality.ladder.push_back(read);
  }
  return quality;
}

Expected<MeasuredModel> read_model(const Field& root) {
  MeasuredModel model;
  SACCADE_ASSIGN_OR_RETURN(const Field field, root.at("model"));
  for (const auto& [name, target] :
       {std::pair{"file", &model.file}, {"mmproj_file", &model.mmproj_file}, {"strategy", &model.strategy}}) {
    SACCADE_ASSIGN_OR_RETURN(const Field text, field.at(name));
    SACCADE_ASSIGN_OR_RETURN(*target, text.text());
  }
  for (const auto& [name, target] : {std::pair{"bytes", &model.bytes}, {"mmproj_bytes", &model.mmproj_bytes}}) {
    SACCADE_ASSIGN_OR_RETURN(const Field bytes, field.at(name));
    if (!bytes.json().is_number_unsigned()) return bytes.wrong("is not a number of bytes");
    *target = bytes.json().get<uint64_t>();
  }
  return model;
}

std::string text_of(const MeasuredModel& model) {
  std::string text =
      format("%s of %llu bytes", quote(model.file).c_str(), static_cast<unsigned long long>(model.bytes));
  if (!model.mmproj_file.empty()) {
    text += format(" with %s of %llu bytes", quote(model.mmproj_file).c_str(),
                   static_cast<unsigned long long>(model.mmproj_bytes));
  }
  return model.strategy.empty() ? text : text + ", tokens chosen by " + quote(model.strategy);
}

Expected<QualityTable> read_table(const Field& root) {
  QualityTable table;
  table.is_calibrated = true;
  SACCADE_ASSIGN_OR_RETURN(const Field source, root.at("source"));
  SACCADE_ASSIGN_OR_RETURN(table.source, source.text());
  SACCADE_ASSIGN_OR_RETURN(const Field delta, root.at("delta"));
  SACCADE_ASSIGN_OR_RETURN(table.delta, delta.number(1e-9, 0.5));
  SACCADE_ASSIGN_OR_RETURN(const Field classes, root.at("classes"));
  SACCADE_ASSIGN_OR_RETURN(const auto named, classes.members());
  for (const auto& [name, quality] : named) {
    SACCADE_ASSIGN_OR_RETURN(table.classes[name], read_class(quality));
  }
  if (!table.classes.contains(kAnyClass)) return classes.wrong(format("has no class %s", kAnyClass));
  return table;
}

// --- Writing.

double rounded(double loss) {
  return std::round(loss * 1e6) / 1e6;
}

OrderedJson to_json(const std::vector<LossPoint>& curve) {
  OrderedJson json = OrderedJson::array();
  for (const LossPoint& point : curve) json.push_back({point.value, rounded(point.loss)});
  return json;
}

OrderedJson to_json(const LadderRung& rung, const std::string& strategy) {
  OrderedJson levers = OrderedJson::object();
  for (size_t i = 0; i < kNumLevers; ++i) {
    const double value = rung.levers.values[i];
    if (value != Levers().values[i]) levers[lever_name(static_cast<Lever>(i))] = value;
  }
  return {{"levers", std::move(levers)},
          {"plan", plan_text(to_plan(rung.levers, {}, strategy))},  // for people
          {"num_questions", rung.num_questions},
          {"mean_loss", rung.mean_loss}};
}

std::string dump(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

// A curve or a rung on each line.
std::string class_text(const ClassQuality& quality, const std::string& strategy) {
  std::string text = "{\n   \"full_score\": " + dump(rounded(quality.full_score)) + ",\n   \"curves\": {";
  const char* separator = "\n";
  for (size_t i = 0; i < kNumLevers; ++i) {
    if (quality.curves[i].empty()) continue;
    text += separator + format("    \"%s\": ", lever_name(static_cast<Lever>(i))) + dump(to_json(quality.curves[i]));
    separator = ",\n";
  }
  text += "\n   },\n   \"ladder\": [";
  separator = "\n";
  for (const LadderRung& rung : quality.ladder) {
    text += separator + ("    " + dump(to_json(rung, strategy)));
    separator = ",\n";
  }
  return text + "\n   ]\n  }";
}

}  // namespace

std::string quality_file_path(const std::string& model_path) {
  return model_path + ".quality.json";
}

Expected<std::optional<QualityTable>> read_quality_file(const std::string& path, const MeasuredModel& model) {
  const auto json = read_json_object(path);
  if (!json && json.status().code() == StatusCode::kNotFound) return std::optional<QualityTable>();
  if (!json) return json.status();
  const Field root(path, *json);
  SACCADE_ASSIGN_OR_RETURN(const Field version, root.at("version"));
  if (!version.json().is_number_integer()) return version.wrong("is not a whole number");
  if (version.json() != kVersion) {
    return unsupported(
        format("%s: version is %s, and %d is what can be read; make the file anew with saccade calibrate", path.c_str(),
               version.json().dump().c_str(), kVersion));
  }
  SACCADE_ASSIGN_OR_RETURN(const MeasuredModel measured, read_model(root));
  if (measured != model) {
    return invalid_argument(
        format("%s: was measured of another model: %s; this one is %s. Remove the file or make it "
               "anew with saccade calibrate",
               path.c_str(), text_of(measured).c_str(), text_of(model).c_str()));
  }
  SACCADE_ASSIGN_OR_RETURN(QualityTable table, read_table(root));
  return std::optional<QualityTable>(std::move(table));
}

Status write_quality_file(const std::string& path, const MeasuredModel& model, const QualityTable& table) {
  const OrderedJson identity = {{"file", model.file},
                                {"bytes", model.bytes},
                                {"mmproj_file", model.mmproj_file},
                                {"mmproj_bytes", model.mmproj_bytes},
                                {"strategy", model.strategy}};
  std::string text = format("{\n \"version\": %d,\n \"model\": ", kVersion) + dump(identity) +
                     ",\n \"source\": " + dump(table.source) + ",\n \"delta\": " + dump(table.delta) +
                     ",\n \"classes\": {";
  const char* separator = "\n";
  for (const auto& [name, quality] : table.classes) {
    text += separator + ("  " + dump(name)) + ": " + class_text(quality, model.strategy);
    separator = ",\n";
  }
  text += "\n }\n}\n";
  return write_whole_file(path, std::as_bytes(std::span(text)));
}

}  // namespace saccade
