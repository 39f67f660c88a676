// The ledger's side of a command: its flags, and what an engine learns from it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "ledger/accounting.h"
#include "saccade/engine.h"

namespace saccade {

/// Adds --ledger, --prices, --account, --learn and --random-share to `command`.
void add_accounting_options(CLI::App& command, AccountingOptions& options);
/// Adds --shadow.
void add_shadow_option(CLI::App& command, AccountingOptions& options);

/// Has the engine learn from the answers of the ledger, where that is asked for. Returns what there is to warn of.
/// Errors: those of reading the ledger and of Engine::learn().
Expected<std::vector<std::string>> teach(const Accounting& accounting, Engine& engine);

}  // namespace saccade
