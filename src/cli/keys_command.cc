// saccade keys: makes keys for `saccade serve --keys`, and checks the file of them.
#include <cstdio>
#include <memory>
#include <string>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "ledger/api_keys.h"
#include "ledger/utc_time.h"
#include "platform/clock.h"

namespace saccade {
namespace {

struct KeysOptions {
  std::string name;
  std::string path;
  bool is_json = false;
};

// The key is told here and never again. It goes to stderr, so that `>> keys.toml` keeps its hash alone.
int run_new(const KeysOptions& options) {
  const auto key = new_api_key();
  if (!key) return report_error(key.status(), options.is_json);
  const auto section = key_section(options.name, *key);
  if (!section) return report_error(section.status(), options.is_json);
  if (options.is_json) {
    print_json({{"name", options.name}, {"key", *key}, {"sha256", key_hash_text(*key)}});
    return kExitOk;
  }
  std::fprintf(stderr, "The key, which is not told again: %s\n", key->c_str());
  write_out(*section);
  return kExitOk;
}

std::string limits_text(const ApiKey& key) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (key.requests_per_minute) add(format("%g requests a minute", *key.requests_per_minute));
  if (key.tokens_per_minute) add(format("%g tokens a minute", *key.tokens_per_minute));
  if (key.max_concurrent) add(format("%lld requests at a time", static_cast<long long>(*key.max_concurrent)));
  if (key.spending.day_usd) add(format("%g USD a day", *key.spending.day_usd));
  if (key.spending.month_usd) add(format("%g USD a month", *key.spending.month_usd));
  if (text.empty()) text = "no limits";
  if (key.priority != 0) add(format("priority %d", key.priority));
  if (key.expires_us) {
    add((wall_time_us() >= *key.expires_us ? "expired on " : "expires on ") + day_text(*key.expires_us));
  }
  return text;
}

int run_check(const KeysOptions& options) {
  const auto file = read_keys(options.path);
  if (!file) return report_error(file.status(), options.is_json);
  if (options.is_json) {
    nlohmann::ordered_json keys = nlohmann::ordered_json::array();
    for (const ApiKey& key : file->keys) keys.push_back({{"name", key.name}, {"limits", limits_text(key)}});
    print_json({{"keys", std::move(keys)}});
    return kExitOk;
  }
  for (const ApiKey& key : file->keys) write_out(one_line(key.name) + ": " + limits_text(key) + "\n");
  return kExitOk;
}

}  // namespace

void add_keys_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<KeysOptions>();
  CLI::App* command = app.add_subcommand("keys", "Make keys for `saccade serve --keys`, or check the file of them");
  command->require_subcommand(1);
  CLI::App* make =
      command->add_subcommand("new", "Print a fresh key (stderr), and what the file is to say of it (stdout)");
  make->add_option("NAME", options->name, "The account that asks with it")->required();
  make->add_flag("--json", options->is_json, "Print a JSON object");
  make->callback([options, &exit_code] { exit_code = run_new(*options); });
  CLI::App* check = command->add_subcommand("check", "Whether a file of keys is right, and what each may ask");
  check->add_option("FILE", options->path, "The file")->required();
  check->add_flag("--json", options->is_json, "Print a JSON object");
  check->callback([options, &exit_code] { exit_code = run_check(*options); });
  command->footer(
      "The file has the keys' hashes only: who reads it can't ask with them. Beside sha256 a key may have\n"
      "requests_per_minute, tokens_per_minute, max_concurrent, usd_per_day, usd_per_month, priority, expires.\n\n"
      "Example:\n"
      "  saccade keys new acme >> keys.toml     # the key itself shows on the terminal, once\n"
      "  saccade keys check keys.toml\n"
      "  saccade serve models/saccade-mini.gguf --keys keys.toml --host 0.0.0.0");
}

}  // namespace saccade
