// What work costs, and the file that says so.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "ledger/account_policy.h"
#include "saccade/status.h"

namespace saccade {

/// Of one model. All parts add up; those that are 0 cost nothing.
struct Price {
  // For a million tokens: of the prompt by what they come from, and of the answer.
  double text_usd = 0;
  double image_usd = 0;
  double audio_usd = 0;
  double video_usd = 0;
  double output_usd = 0;
  double device_second_usd = 0;  // for a second in which the machine worked for the request
};

/// What one request takes, or would take.
struct BilledWork {
  int64_t text_tokens = 0;
  int64_t image_tokens = 0;
  int64_t audio_tokens = 0;
  int64_t video_tokens = 0;
  int64_t output_tokens = 0;
  double device_ms = 0;
};

double cost_usd(const Price& price, const BilledWork& work);

/// A file such as
///
///     per_device_second = 0.00005
///     [per_million_tokens]
///     text = 0.1
///     image = 0.2
///     output = 0.4
///     [models."big.gguf"]            # what is not said here is as above
///     per_million_tokens = { output = 1.5 }
///     [accounts.default]             # of keys without a section of their own
///     day_usd = 5
///     [accounts.acme]                # what is not said here is as the default; inf: no limit
///     month_usd = 100
///     at_90_percent = "apply"        # or "recommend" (unless said)
///     at_100_percent = "degrade"     # or "refuse" (unless said)
struct PriceFile {
  Price price;  // of models without a section
  std::map<std::string, Price, std::less<>> models;
  AccountPolicy account;  // of accounts without a section
  std::map<std::string, AccountPolicy, std::less<>> accounts;

  const Price& price_of(std::string_view model) const;
  const AccountPolicy& policy_of(std::string_view account_name) const;
};

/// Errors name path, line and key: kNotFound, kIoError; kCorruptData: no TOML, a key that is not known, a price or
/// limit that is negative or no number.
Expected<PriceFile> read_prices(const std::string& path);

/// The same of a text; `path` is for messages.
Expected<PriceFile> parse_prices(std::string_view text, const std::string& path);

}  // namespace saccade
