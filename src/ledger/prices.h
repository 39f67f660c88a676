// The file that says what work costs, and what accounts may spend.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "ledger/account_policy.h"
#include "saccade/price.h"
#include "saccade/status.h"

namespace saccade {

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
