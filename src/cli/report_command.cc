// saccade report: what the requests of a ledger cost, saved and kept of what they promised.
#include <filesystem>
#include <memory>
#include <system_error>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/report/report.h"
#include "cli/terminal.h"
#include "ledger/utc_time.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

struct ReportOptions {
  std::string path;
  std::vector<std::string> by = {"day"};
  std::string since;
  std::string until;
  std::string html_path;
  bool is_json = false;
};

CLI::Validator a_day() {
  const auto check = [](const std::string& input) -> std::string {
    return parse_day(input) ? "" : quote(input) + " is not a day, as in 2026-11-01";
  };
  return CLI::Validator(check, "YYYY-MM-DD");
}

// Options in their own types.
Expected<LedgerReport> begin_report(const ReportOptions& options) {
  LedgerReport report;
  report.path = options.path;
  for (const std::string& name : options.by) report.by.push_back(*parse_group_by(name));
  if (!options.since.empty()) report.since_us = parse_day(options.since);
  if (!options.until.empty()) report.until_us = parse_day(options.until);
  if (report.since_us && report.until_us && *report.since_us > *report.until_us) {
    return invalid_argument("--since " + options.since + " is behind --until " + options.until);
  }
  std::error_code ignored;
  if (!options.html_path.empty() && std::filesystem::equivalent(options.html_path, options.path, ignored)) {
    return invalid_argument(options.html_path + ": is the ledger itself; give --html another name");
  }
  return report;
}

Status read_ledger(LedgerReport& report) {
  SACCADE_ASSIGN_OR_RETURN(const auto ledger, Ledger::open(report.path, LedgerAccess::kRead));
  Summarizer summarizer(report.by);
  Summarizer by_day({GroupBy::kDay});
  const int64_t from_us = report.since_us.value_or(Ledger::kBeginning);
  const int64_t to_us = report.until_us ? *report.until_us + kDayUs : Ledger::kEnd;
  const auto add = [&](const LedgerRecord& record) {
    summarizer.add(record);
    by_day.add(record);
    watch_drift(record, report.drift);
    return !is_interrupted();
  };
  SACCADE_RETURN_IF_ERROR(ledger->for_each(from_us, to_us, add));
  if (is_interrupted()) return cancelled("interrupted");
  report.summary = summarizer.summary();
  report.by_day = by_day.summary();
  return {};
}

int run_report(const ReportOptions& options) {
  auto report = begin_report(options);
  if (!report) return report_error(report.status(), options.is_json);
  Status status = read_ledger(*report);
  if (status.is_ok() && !options.html_path.empty()) {
    const std::string page = report_html(*report);
    status = write_whole_file(options.html_path, std::as_bytes(std::span(page)));
  }
  if (!status.is_ok()) return report_error(status, options.is_json);
  options.is_json ? print_json(report_json(*report)) : (void)write_out(report_text(*report));
  return kExitOk;
}

}  // namespace

void add_report_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* command = app.add_subcommand("report", "What the requests of a ledger cost and saved");
  command->add_option("LEDGER", options->path, "The ledger, which is only read")->required();
  command->add_option("--by", options->by, "What requests of a group have in common, as in day,model")
      ->delimiter(',')
      ->check(CLI::IsMember(known_groups()))
      ->option_text("day|model|plan|modality|account|task_class,... [day]");
  command->add_option("--since", options->since, "Only requests from this day (UTC) on")->check(a_day());
  command->add_option("--until", options->until, "Only requests up to this day, which is counted too")->check(a_day());
  command->add_option("--html", options->html_path, "Write a page with charts by day to this file");
  command->add_flag("--json", options->is_json, "Print one JSON object instead of a table");
  command->footer(
      "Columns that no request has anything for are left out. What was saved is told of requests with a price. Plans "
      "that\n"
      "lose more than they were certified to, by `ask --shadow`, are named as drift.\n\n"
      "Examples:\n"
      "  saccade report requests.ledger --by account,model --since 2026-11-01\n"
      "  saccade report requests.ledger --html report.html");
  command->callback([options, &exit_code] { exit_code = run_report(*options); });
}

}  // namespace saccade
