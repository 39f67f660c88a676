#include "constraint/number_range.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>
#include <utility>

namespace saccade {
namespace {

constexpr size_t kMaxIntegerDigits = 18;
constexpr size_t kMaxNumberDigits = 15;

// Numbers of so many digits before the point, 0 or more, between two bounds of their magnitude.
class Magnitudes {
 public:
  Magnitudes(GrammarBuilder& builder, size_t num_digits, size_t num_fraction_digits, const NumberBound* min,
             const NumberBound* max, NodeId next)
      : builder_(builder),
        num_digits_(num_digits),
        num_fraction_digits_(num_fraction_digits),
        min_(min),
        max_(max),
        next_(next) {}

  NodeId build() {
    const bool is_at_min = min_ != nullptr && min_->at.integer.size() == num_digits_;
    const bool is_at_max = max_ != nullptr && max_->at.integer.size() == num_digits_;
    return digit(0, is_at_min, is_at_max);
  }

 private:
  static int digit_of(const Decimal& decimal, size_t position) {
    const size_t num_digits = decimal.integer.size();
    if (position < num_digits) return decimal.integer[position] - '0';
    position -= num_digits;
    return position < decimal.fraction.size() ? decimal.fraction[position] - '0' : 0;
  }

  // Whether a bound has only zeros from `position` on: what equals it up to there equals it.
  static bool is_whole(const Decimal& decimal, size_t position) {
    return position >= decimal.integer.size() + decimal.fraction.size();
  }

  bool may_end(size_t position, bool is_at_min, bool is_at_max) const {
    if (is_at_min && (!is_whole(min_->at, position) || min_->is_exclusive)) return false;
    return !is_at_max || !is_whole(max_->at, position) || !max_->is_exclusive;
  }

  // What follows the digits before `position`. `is_at_...`: these are the bound's.
  NodeId behind(size_t position, bool is_at_min, bool is_at_max) {
    if (position < num_digits_) return digit(position, is_at_min, is_at_max);
    std::vector<NodeId> starts;
    if (may_end(position, is_at_min, is_at_max)) starts.push_back(next_);
    if (position < num_digits_ + num_fraction_digits_) {
      const NodeId more = digit(position, is_at_min, is_at_max);
      starts.push_back(position == num_digits_ ? builder_.bytes({{'.', '.', more}}) : more);
    }
    return builder_.any_of(std::move(starts));
  }

  NodeId digit(size_t position, bool is_at_min, bool is_at_max) {
    const auto [found, is_new] = known_.try_emplace({position, is_at_min, is_at_max}, builder_.never());
    if (!is_new) return found->second;
    const int least = is_at_min ? digit_of(min_->at, position) : position == 0 && num_digits_ > 1 ? 1 : 0;
    const int most = is_at_max ? digit_of(max_->at, position) : 9;
    std::vector<ByteEdge> edges;
    for (int d = least; d <= most; ++d) {
      const auto byte = static_cast<uint8_t>('0' + d);
      edges.push_back({byte, byte, behind(position + 1, is_at_min && d == least, is_at_max && d == most)});
    }
    const NodeId node = builder_.bytes(std::move(edges));
    known_[{position, is_at_min, is_at_max}] = node;
    return node;
  }

  GrammarBuilder& builder_;
  const size_t num_digits_;
  const size_t num_fraction_digits_;
  const NumberBound* const min_;  // null: none
  const NumberBound* const max_;
  const NodeId next_;
  std::map<std::tuple<size_t, bool, bool>, NodeId> known_;
};

NodeId magnitudes(GrammarBuilder& builder, const NumberBound* min, const NumberBound* max, bool is_integer,
                  NodeId next) {
  const size_t limit = is_integer ? kMaxIntegerDigits : kMaxNumberDigits;
  const size_t least = min == nullptr ? 1 : min->at.integer.size();
  const size_t most = max == nullptr ? limit : std::min(limit, max->at.integer.size());
  std::vector<NodeId> starts;
  for (size_t num_digits = least; num_digits <= most; ++num_digits) {
    const size_t num_fraction_digits = is_integer ? 0 : limit - num_digits;
    starts.push_back(Magnitudes(builder, num_digits, num_fraction_digits, min, max, next).build());
  }
  return builder.any_of(std::move(starts));
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view json) {
  Decimal decimal;
  if (json.starts_with('-')) {
    decimal.is_negative = true;
    json.remove_prefix(1);
  }
  int exponent = 0;
  if (const size_t e = json.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view power = json.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec != std::errc()) return std::nullopt;
    json = json.substr(0, e);
  }
  if (exponent < -1000 || exponent > 1000) return std::nullopt;
  const size_t point = std::min(json.find('.'), json.size());
  std::string digits(json.substr(0, point));
  if (point < json.size()) digits += json.substr(point + 1);
  auto num_integer = static_cast<int64_t>(point) + exponent;
  if (num_integer < 0) {
    digits.insert(0, static_cast<size_t>(-num_integer), '0');
    num_integer = 0;
  }
  if (static_cast<size_t>(num_integer) > digits.size()) digits.resize(static_cast<size_t>(num_integer), '0');
  decimal.integer = digits.substr(0, static_cast<size_t>(num_integer));
  decimal.fraction = digits.substr(static_cast<size_t>(num_integer));
  decimal.integer.erase(0, std::min(decimal.integer.find_first_not_of('0'), decimal.integer.size()));
  if (decimal.integer.empty()) decimal.integer = "0";
  decimal.fraction.resize(decimal.fraction.find_last_not_of('0') + 1);
  if (decimal.integer.size() > kMaxDigits || decimal.fraction.size() > kMaxDigits) return std::nullopt;
  if (decimal.is_zero()) decimal.is_negative = false;
  return decimal;
}

// Of what is at least 0 and what is at most 0, each by its magnitude.
NodeId bounded_number(GrammarBuilder& builder, const NumberBounds& bounds, bool is_integer, NodeId next) {
  const auto as_magnitude = [](NumberBound bound) {
    bound.at.is_negative = false;
    return bound;
  };
  const NumberBound zero = {{false, "0", ""}, false};
  const auto is_negative = [](const std::optional<NumberBound>& bound) { return bound && bound->at.is_negative; };
  const auto is_positive = [](const std::optional<NumberBound>& bound) {
    return bound && !bound->at.is_negative && !bound->at.is_zero();
  };
  std::vector<NodeId> starts;
  if (!is_negative(bounds.max)) {
    const NumberBound min = bounds.min && !bounds.min->at.is_negative ? *bounds.min : zero;
    starts.push_back(magnitudes(builder, &min, bounds.max ? &*bounds.max : nullptr, is_integer, next));
  }
  if (!is_positive(bounds.min) && !(bounds.min && bounds.min->at.is_zero())) {
    // Whole numbers have no -0.
    NumberBound least = {{false, "0", ""}, is_integer};
    if (bounds.max && !is_positive(bounds.max)) {
      least = as_magnitude(*bounds.max);
      least.is_exclusive = least.is_exclusive || (is_integer && least.at.is_zero());
    }
    std::optional<NumberBound> most;
    if (bounds.min) most = as_magnitude(*bounds.min);
    starts.push_back(builder.literal("-", magnitudes(builder, &least, most ? &*most : nullptr, is_integer, next)));
  }
  return builder.any_of(std::move(starts));
}

}  // namespace saccade
