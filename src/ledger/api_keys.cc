#include "ledger/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cctype>
#include <span>

#include "base/format.h"
#include "ledger/toml_reader.h"
#include "ledger/utc_time.h"
#include "platform/random_bytes.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

constexpr uint64_t kMaxFileBytes = 16 << 20;
constexpr std::string_view kPrefix = "sk-saccade-";
constexpr size_t kMaxKeyBytes = 256;  // of what a client may send as one
constexpr size_t kMaxNameBytes = 64;
constexpr int64_t kMaxPriority = 1000;

KeyHash hash_of(std::string_view key) {
  KeyHash hash;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

std::string hex_of(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += format("%02x", static_cast<unsigned>(byte));
  return text;
}

std::optional<KeyHash> parse_hash(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  KeyHash hash;
  if (text.size() != 2 * hash.size()) return std::nullopt;
  for (size_t i = 0; i < hash.size(); ++i) {
    const size_t high = kDigits.find(text[2 * i]);
    const size_t low = kDigits.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    hash[i] = static_cast<std::byte>(high << 4 | low);
  }
  return hash;
}

Status check_name(const std::string& name) {
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  if (!name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, is_plain)) return {};
  return invalid_argument(format("%s is no name of an account: 1 to %zu letters, digits, and - _ . are",
                                 quote(name).c_str(), kMaxNameBytes));
}

// Dates are those of UTC, unless they say otherwise.
std::optional<int64_t> time_us_of(const toml::node& node) {
  const auto of_day = [](const toml::date& date) {
    return parse_day(format("%04d-%02d-%02d", static_cast<int>(date.year), static_cast<int>(date.month),
                            static_cast<int>(date.day)));
  };
  if (const auto date = node.value_exact<toml::date>()) return of_day(*date);
  const auto moment = node.value_exact<toml::date_time>();
  if (!moment) return std::nullopt;
  const std::optional<int64_t> day_us = of_day(moment->date);
  if (!day_us) return std::nullopt;
  constexpr int64_t kMinuteUs = 60'000'000;
  const int64_t offset_minutes = moment->offset ? moment->offset->minutes : 0;
  const int64_t minutes = 60 * int64_t{moment->time.hour} + moment->time.minute - offset_minutes;
  return *day_us + minutes * kMinuteUs + int64_t{moment->time.second} * 1'000'000;
}

class KeyReader {
 public:
  explicit KeyReader(const TomlReader& toml) : toml_(toml) {}

  Status read(const toml::table& root, KeyFile& file) const {
    constexpr std::array kKeys = {"keys"};
    SACCADE_RETURN_IF_ERROR(toml_.check_keys(root, "", kKeys));
    const auto read_named = [&](const std::string& name, const toml::table& table, const std::string& place) -> Status {
      ApiKey key;
      key.name = name;
      if (const Status named = check_name(name); !named.is_ok()) return toml_.error(table, named.message());
      SACCADE_RETURN_IF_ERROR(read_key(table, place, key));
      for (const ApiKey& other : file.keys) {
        if (other.hash == key.hash) {
          return toml_.error(table, quote(place) + " has the same key as " + quote("keys." + other.name));
        }
      }
      file.keys.push_back(std::move(key));
      return {};
    };
    SACCADE_RETURN_IF_ERROR(toml_.for_each_table(root, "keys", read_named));
    if (file.keys.empty()) return toml_.error(root, "there are no keys; `saccade keys new NAME` makes one");
    return {};
  }

 private:
  Status read_key(const toml::table& table, const std::string& place, ApiKey& key) const {
    constexpr std::array kKeys = {"sha256",      "requests_per_minute", "tokens_per_minute", "max_concurrent",
                                  "usd_per_day", "usd_per_month",       "priority",          "expires"};
    SACCADE_RETURN_IF_ERROR(toml_.check_keys(table, place, kKeys));
    SACCADE_RETURN_IF_ERROR(read_hash(table, place, key.hash));
    SACCADE_RETURN_IF_ERROR(read_rate(table, place, "requests_per_minute", key.requests_per_minute));
    SACCADE_RETURN_IF_ERROR(read_rate(table, place, "tokens_per_minute", key.tokens_per_minute));
    std::optional<int64_t> priority;
    SACCADE_RETURN_IF_ERROR(read_integer(table, place, "max_concurrent", 1, 1'000'000, key.max_concurrent));
    SACCADE_RETURN_IF_ERROR(read_integer(table, place, "priority", -kMaxPriority, kMaxPriority, priority));
    key.priority = static_cast<int>(priority.value_or(0));
    constexpr const char* kLimit = "a limit in USD";
    SACCADE_RETURN_IF_ERROR(toml_.read_limit(table, place, "usd_per_day", kLimit, key.spending.day_usd));
    SACCADE_RETURN_IF_ERROR(toml_.read_limit(table, place, "usd_per_month", kLimit, key.spending.month_usd));
    if (const toml::node* node = table.get("expires")) {
      key.expires_us = time_us_of(*node);
      if (!key.expires_us) {
        return toml_.error(*node, quote(TomlReader::join(place, "expires")) +
                                      " is not a date as in 2027-01-31 or 2027-01-31T12:00:00Z, without quotes");
      }
    }
    return {};
  }

  Status read_hash(const toml::table& table, const std::string& place, KeyHash& hash) const {
    std::string text;
    SACCADE_RETURN_IF_ERROR(toml_.read_text(table, place, "sha256", text));
    if (const auto parsed = parse_hash(text)) {
      hash = *parsed;
      return {};
    }
    const toml::node* node = table.get("sha256");
    return toml_.error(node == nullptr ? static_cast<const toml::node&>(table) : *node,
                       quote(TomlReader::join(place, "sha256")) +
                           (node == nullptr ? " is missing" : " is not 64 digits of 0-9 a-f") +
                           "; `saccade keys new NAME` prints it");
  }

  // Under one a minute nothing would ever be let in.
  Status read_rate(const toml::table& table, const std::string& place, const char* key,
                   std::optional<double>& target) const {
    SACCADE_RETURN_IF_ERROR(toml_.read_limit(table, place, key, "a limit for a minute", target));
    if (!target || *target >= 1) return {};
    return toml_.error(*table.get(key), quote(TomlReader::join(place, key)) + " is under 1, which lets nothing in");
  }

  Status read_integer(const toml::table& table, const std::string& place, const char* key, int64_t min, int64_t max,
                      std::optional<int64_t>& target) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    target = node->value_exact<int64_t>();
    if (target && *target >= min && *target <= max) return {};
    return toml_.error(
        *node, quote(TomlReader::join(place, key)) + format(" is not a whole number from %lld to %lld",
                                                            static_cast<long long>(min), static_cast<long long>(max)));
  }

  const TomlReader& toml_;
};

}  // namespace

const ApiKey* KeyFile::find(std::string_view key) const {
  if (key.size() > kMaxKeyBytes) return nullptr;
  const KeyHash hash = hash_of(key);
  const ApiKey* found = nullptr;
  for (const ApiKey& known : keys) {  // all of them, so that the time tells nothing
    if (CRYPTO_memcmp(known.hash.data(), hash.data(), hash.size()) == 0) found = &known;
  }
  return found;
}

bool KeyFile::limits_spending() const {
  return std::ranges::any_of(keys, [](const ApiKey& key) { return key.spending.day_usd || key.spending.month_usd; });
}

Expected<KeyFile> parse_keys(std::string_view text, const std::string& path) {
  const TomlReader toml(path);
  SACCADE_ASSIGN_OR_RETURN(const toml::table root, toml.parse(text));
  KeyFile file;
  SACCADE_RETURN_IF_ERROR(KeyReader(toml).read(root, file));
  return file;
}

Expected<KeyFile> read_keys(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_whole_file(path, kMaxFileBytes));
  return parse_keys({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

Expected<std::string> new_api_key() {
  std::array<std::byte, 32> bits;
  SACCADE_RETURN_IF_ERROR(fill_random(bits));
  return std::string(kPrefix) + hex_of(bits);
}

std::string key_hash_text(std::string_view key) {
  return hex_of(hash_of(key));
}

Expected<std::string> key_section(const std::string& name, std::string_view key) {
  SACCADE_RETURN_IF_ERROR(check_name(name));
  const bool is_quoted = name.find('.') != std::string::npos;
  return "[keys." + (is_quoted ? "\"" + name + "\"" : name) + "]\nsha256 = \"" + key_hash_text(key) + "\"\n";
}

}  // namespace saccade
