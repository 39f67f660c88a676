#include "cli/serve_log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/format.h"
#include "cli/printable_text.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

std::string text_line(const RequestRecord& record) {
  std::string line = format("%s %s %s %d %.1f ms", record.id.c_str(), one_line(record.method).c_str(),
                            one_line(record.path).c_str(), record.status, record.ms);
  if (!record.account.empty()) line += ", " + one_line(record.account);
  if (record.prompt_tokens > 0) {
    line += format(", %lld tokens read, %lld written", static_cast<long long>(record.prompt_tokens),
                   static_cast<long long>(record.completion_tokens));
  }
  if (record.was_cancelled) line += ", cancelled";
  if (!record.error.empty()) line += ": " + one_line(record.error);
  return line;
}

std::string json_line(const RequestRecord& record) {
  Json json = {{"request_id", record.id},
               {"method", record.method},
               {"path", record.path},
               {"status", record.status},
               {"ms", std::round(record.ms * 1000) / 1000},
               {"prompt_tokens", record.prompt_tokens},
               {"completion_tokens", record.completion_tokens},
               {"cancelled", record.was_cancelled}};
  if (!record.account.empty()) json["account"] = record.account;
  if (!record.error.empty()) json["error"] = record.error;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

ServeLog make_serve_log(bool is_json) {
  auto logger = std::make_shared<spdlog::logger>("saccade", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  // The line is JSON as it stands: the time goes in front of its first field.
  logger->set_pattern(is_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v)" : "%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  ServeLog log;
  log.requests = [logger, is_json](const RequestRecord& record) {
    const auto level = record.status >= 500 ? spdlog::level::err : spdlog::level::info;
    const std::string line = is_json ? json_line(record).substr(1) : text_line(record);
    logger->log(level, spdlog::string_view_t(line));
  };
  log.events = [logger, is_json](bool is_error, const std::string& message) {
    const Json json = {{"message", message}};
    const std::string line =
        is_json ? json.dump(-1, ' ', false, Json::error_handler_t::replace).substr(1) : one_line(message);
    logger->log(is_error ? spdlog::level::err : spdlog::level::info, spdlog::string_view_t(line));
  };
  return log;
}

}  // namespace saccade
