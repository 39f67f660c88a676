#include "ledger/prices.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/format.h"
#include "ledger/toml_reader.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;

constexpr const char* kPrice = "a price in USD";
constexpr const char* kLimit = "a limit in USD";

// Reads the tables of one file into plain values.
class PriceReader {
 public:
  explicit PriceReader(const TomlReader& toml) : toml_(toml) {}

  Status read(const toml::table& root, PriceFile& file) const {
    constexpr std::array kKeys = {"per_million_tokens", "per_device_second", "models", "accounts"};
    SACCADE_RETURN_IF_ERROR(toml_.check_keys(root, "", kKeys));
    SACCADE_RETURN_IF_ERROR(read_price(root, "", file.price));
    const auto read_model = [&](const std::string& name, const toml::table& table, const std::string& place) -> Status {
      constexpr std::array kModelKeys = {"per_million_tokens", "per_device_second"};
      SACCADE_RETURN_IF_ERROR(toml_.check_keys(table, place, kModelKeys));
      return read_price(table, place, file.models.emplace(name, file.price).first->second);
    };
    const auto read_named = [&](const std::string& name, const toml::table& table, const std::string& place) -> Status {
      return name == "default" ? Status()
                               : read_account(table, place, file.accounts.emplace(name, file.account).first->second);
    };
    SACCADE_RETURN_IF_ERROR(toml_.for_each_table(root, "models", read_model));
    if (const toml::table* base = root["accounts"]["default"].as_table()) {  // first: the others begin with it
      SACCADE_RETURN_IF_ERROR(read_account(*base, "accounts.default", file.account));
    }
    return toml_.for_each_table(root, "accounts", read_named);
  }

 private:
  template <typename Enum>
  Status read_choice(const toml::table& table, const std::string& place, const char* key,
                     std::array<const char*, 2> names, Enum& target) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    const auto name = node->value<std::string_view>();
    const auto found = std::ranges::find(names, name.value_or(""));
    if (!name || found == names.end()) {
      return toml_.error(
          *node, quote(TomlReader::join(place, key)) + format(" is neither \"%s\" nor \"%s\"", names[0], names[1]));
    }
    target = static_cast<Enum>(found - names.begin());
    return {};
  }

  Status read_price(const toml::table& table, const std::string& place, Price& price) const {
    SACCADE_RETURN_IF_ERROR(
        toml_.read_number(table, place, "per_device_second", kPrice, false, price.device_second_usd));
    const toml::node* node = table.get("per_million_tokens");
    if (node == nullptr) return {};
    const std::string inner = TomlReader::join(place, "per_million_tokens");
    if (!node->is_table()) return toml_.error(*node, quote(inner) + " is not a table");
    const toml::table& tokens = *node->as_table();
    constexpr std::array kKeys = {"text", "image", "audio", "video", "output"};
    SACCADE_RETURN_IF_ERROR(toml_.check_keys(tokens, inner, kKeys));
    double* const targets[] = {&price.text_usd, &price.image_usd, &price.audio_usd, &price.video_usd,
                               &price.output_usd};
    for (size_t i = 0; i < kKeys.size(); ++i) {
      SACCADE_RETURN_IF_ERROR(toml_.read_number(tokens, inner, kKeys[i], kPrice, false, *targets[i]));
    }
    return {};
  }

  Status read_account(const toml::table& table, const std::string& place, AccountPolicy& policy) const {
    constexpr std::array kKeys = {"day_usd", "month_usd", "at_90_percent", "at_100_percent"};
    SACCADE_RETURN_IF_ERROR(toml_.check_keys(table, place, kKeys));
    SACCADE_RETURN_IF_ERROR(toml_.read_limit(table, place, "day_usd", kLimit, policy.limits.day_usd));
    SACCADE_RETURN_IF_ERROR(toml_.read_limit(table, place, "month_usd", kLimit, policy.limits.month_usd));
    SACCADE_RETURN_IF_ERROR(read_choice(table, place, "at_90_percent", {"recommend", "apply"}, policy.at_90_percent));
    return read_choice(table, place, "at_100_percent", {"refuse", "degrade"}, policy.at_100_percent);
  }

  const TomlReader toml_;
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
  const TomlReader toml(path);
  SACCADE_ASSIGN_OR_RETURN(const toml::table root, toml.parse(text));
  PriceFile file;
  SACCADE_RETURN_IF_ERROR(PriceReader(toml).read(root, file));
  return file;
}

Expected<PriceFile> read_prices(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_whole_file(path, kMaxFileBytes));
  return parse_prices({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace saccade
