#include "ledger/prices.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>

#include "base/format.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;

// Reads tables of one file into plain values. A place is a table's name with its keys before it: "models.x".
class PriceReader {
 public:
  explicit PriceReader(const std::string& path) : path_(path) {}

  Status read(const toml::table& root, PriceFile& file) const {
    constexpr std::array kKeys = {"per_million_tokens", "per_device_second", "models", "accounts"};
    SACCADE_RETURN_IF_ERROR(check_keys(root, "", kKeys));
    SACCADE_RETURN_IF_ERROR(read_price(root, "", file.price));
    const auto read_model = [&](const std::string& name, const toml::table& table, const std::string& place) -> Status {
      constexpr std::array kModelKeys = {"per_million_tokens", "per_device_second"};
      SACCADE_RETURN_IF_ERROR(check_keys(table, place, kModelKeys));
      return read_price(table, place, file.models.emplace(name, file.price).first->second);
    };
    const auto read_named = [&](const std::string& name, const toml::table& table, const std::string& place) -> Status {
      return name == "default" ? Status()
                               : read_account(table, place, file.accounts.emplace(name, file.account).first->second);
    };
    SACCADE_RETURN_IF_ERROR(for_each_table(root, "models", read_model));
    if (const toml::table* base = root["accounts"]["default"].as_table()) {  // first: the others begin with it
      SACCADE_RETURN_IF_ERROR(read_account(*base, "accounts.default", file.account));
    }
    return for_each_table(root, "accounts", read_named);
  }

 private:
  Status error(const toml::node& node, const std::string& what) const {
    return corrupt_data(
        format("%s:%u: %s", path_.c_str(), static_cast<unsigned>(node.source().begin.line), what.c_str()));
  }

  static std::string join(const std::string& place, std::string_view key) {
    return place + (place.empty() ? "" : ".") + std::string(key);
  }

  Status check_keys(const toml::table& table, const std::string& place, std::span<const char* const> known) const {
    for (const auto& [key, node] : table) {
      if (std::ranges::find(known, key.str()) != known.end()) continue;
      std::string list;
      for (const char* name : known) list += std::string(list.empty() ? "" : ", ") + name;
      return error(node, "there is no " + quote(join(place, key.str())) + "; known here: " + list);
    }
    return {};
  }

  // A limit may be inf as well.
  Status read_number(const toml::table& table, const std::string& place, const char* key, bool is_limit,
                     double& target) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    const std::optional<double> number = node->is_number() ? node->value<double>() : std::nullopt;
    if (!number || !(*number >= 0) || (std::isinf(*number) && !is_limit)) {
      return error(*node, quote(join(place, key)) + " is not " +
                              (is_limit ? "a limit in USD: a number, 0 or more, or inf"
                                        : "a price in USD: a number, 0 or more"));
    }
    target = *number;
    return {};
  }

  Status read_limit(const toml::table& table, const std::string& place, const char* key,
                    std::optional<double>& target) const {
    double limit = target.value_or(HUGE_VAL);
    SACCADE_RETURN_IF_ERROR(read_number(table, place, key, true, limit));
    target = std::isinf(limit) ? std::nullopt : std::optional(limit);
    return {};
  }

  template <typename Enum>
  Status read_choice(const toml::table& table, const std::string& place, const char* key,
                     std::array<const char*, 2> names, Enum& target) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    const auto name = node->value<std::string_view>();
    const auto found = std::ranges::find(names, name.value_or(""));
    if (!name || found == names.end()) {
      return error(*node, quote(join(place, key)) + format(" is neither \"%s\" nor \"%s\"", names[0], names[1]));
    }
    target = static_cast<Enum>(found - names.begin());
    return {};
  }

  Status read_price(const toml::table& table, const std::string& place, Price& price) const {
    SACCADE_RETURN_IF_ERROR(read_number(table, place, "per_device_second", false, price.device_second_usd));
    const toml::node* node = table.get("per_million_tokens");
    if (node == nullptr) return {};
    const std::string inner = join(place, "per_million_tokens");
    if (!node->is_table()) return error(*node, quote(inner) + " is not a table");
    const toml::table& tokens = *node->as_table();
    constexpr std::array kKeys = {"text", "image", "audio", "video", "output"};
    SACCADE_RETURN_IF_ERROR(check_keys(tokens, inner, kKeys));
    double* const targets[] = {&price.text_usd, &price.image_usd, &price.audio_usd, &price.video_usd,
                               &price.output_usd};
    for (size_t i = 0; i < kKeys.size(); ++i) {
      SACCADE_RETURN_IF_ERROR(read_number(tokens, inner, kKeys[i], false, *targets[i]));
    }
    return {};
  }

  Status read_account(const toml::table& table, const std::string& place, AccountPolicy& policy) const {
    constexpr std::array kKeys = {"day_usd", "month_usd", "at_90_percent", "at_100_percent"};
    SACCADE_RETURN_IF_ERROR(check_keys(table, place, kKeys));
    SACCADE_RETURN_IF_ERROR(read_limit(table, place, "day_usd", policy.limits.day_usd));
    SACCADE_RETURN_IF_ERROR(read_limit(table, place, "month_usd", policy.limits.month_usd));
    SACCADE_RETURN_IF_ERROR(read_choice(table, place, "at_90_percent", {"recommend", "apply"}, policy.at_90_percent));
    return read_choice(table, place, "at_100_percent", {"refuse", "degrade"}, policy.at_100_percent);
  }

  // Calls read(name, table, place) for each table under `key`.
  template <typename Read>
  Status for_each_table(const toml::table& root, const char* key, Read read) const {
    const toml::node* node = root.get(key);
    if (node == nullptr) return {};
    if (!node->is_table()) return error(*node, quote(key) + " is not a table");
    for (const auto& [name, inner] : *node->as_table()) {
      const std::string place = join(key, name.str());
      if (!inner.is_table()) return error(inner, quote(place) + " is not a table");
      SACCADE_RETURN_IF_ERROR(read(std::string(name.str()), *inner.as_table(), place));
    }
    return {};
  }

  const std::string& path_;
};

}  // namespace

const Price& PriceFile::price_of(std::string_view model) const {
  const auto found = models.find(model);
  return found == models.end() ? price : found->second;
}

const AccountPolicy& PriceFile::policy_of(std::string_view account_name) const {
  const auto found = accounts.find(account_name);
  return found == accounts.end() ? account : found->second;
}

Expected<PriceFile> parse_prices(std::string_view text, const std::string& path) {
  try {
    PriceFile file;
    const toml::table root = toml::parse(text);
    SACCADE_RETURN_IF_ERROR(PriceReader(path).read(root, file));
    return file;
  } catch (const toml::parse_error& error) {
    const auto line = static_cast<unsigned>(error.source().begin.line);
    return corrupt_data(format("%s:%u: %s", path.c_str(), line, std::string(error.description()).c_str()));
  }
}

Expected<PriceFile> read_prices(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_whole_file(path, kMaxFileBytes));
  return parse_prices({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace saccade
