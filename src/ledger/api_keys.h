// The keys that accounts ask a server with, and what each may ask.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/account_policy.h"
#include "saccade/status.h"

namespace saccade {

/// Of a key, in place of the key itself. One round of SHA-256 is enough: it is of 256 random bits, which nobody finds
/// by trying, however fast a try is; the slow hashes for passwords (scrypt, PBKDF2) make up for what people can
/// remember, and would cost each request milliseconds.
using KeyHash = std::array<std::byte, 32>;

struct ApiKey {
  std::string name;  // the account: of the ledger, of prices, of the engine's turns
  KeyHash hash = {};
  // Absent: no limit.
  std::optional<double> requests_per_minute;
  std::optional<double> tokens_per_minute;  // of prompts and answers
  std::optional<int64_t> max_concurrent;    // requests that are being answered
  AccountLimits spending;                   // before those of the prices' file
  int priority = 0;                         // Request::priority
  std::optional<int64_t> expires_us;        // as in utc_time.h
};

/// A file such as
///
///     [keys.acme]                     # the account's name
///     sha256 = "9f86d0...0a08"        # of the key, as `saccade keys new` prints it
///     requests_per_minute = 60        # what is not said is not limited
///     tokens_per_minute = 100_000
///     max_concurrent = 4
///     usd_per_day = 5                 # by the server's ledger and prices
///     usd_per_month = 100
///     priority = 1                    # over 0: ahead of others; under 0: behind them
///     expires = 2027-01-31            # at the beginning of that day, UTC; or 2027-01-31T12:00:00Z
struct KeyFile {
  std::vector<ApiKey> keys;

  /// Takes as long for any key of the same length. Null where there is none, or the text is no key.
  const ApiKey* find(std::string_view key) const;
  /// Some key has a limit of money, which needs a ledger and prices.
  bool limits_spending() const;
};

/// Errors name path, line and key: kNotFound, kIoError; kCorruptData: no TOML, a key of the file that is not known, a
/// limit that makes no sense, a hash that is none or is there twice, no keys at all.
Expected<KeyFile> read_keys(const std::string& path);

/// The same of a text; `path` is for messages.
Expected<KeyFile> parse_keys(std::string_view text, const std::string& path);

/// "sk-saccade-" and 256 random bits in 64 digits. Errors: kIoError.
Expected<std::string> new_api_key();
/// As the file has it: 64 digits.
std::string key_hash_text(std::string_view key);
/// What the file is to say of a key. Errors: kInvalidArgument: a name that is empty, is longer than 64 bytes, or has
/// others than letters, digits and - _ .
Expected<std::string> key_section(const std::string& name, std::string_view key);

}  // namespace saccade
