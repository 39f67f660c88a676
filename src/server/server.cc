#include "server/server.h"

#include <filesystem>
#include <utility>

#include "base/format.h"
#include "server/served_model.h"

namespace saccade {
namespace {

constexpr int64_t kCutMs = 5'000;  // in which answers that are cut short come to their end

std::vector<std::string> names_of(const ServerOptions& options) {
  std::vector<std::string> names = options.served_names;
  const std::filesystem::path path(options.engine.model_path);
  if (names.empty()) names = {path.stem().string()};
  return names;
}

Expected<KeyFile> read_countable_keys(const std::string& path, const Accounting& accounting) {
  SACCADE_ASSIGN_OR_RETURN(KeyFile file, read_keys(path));
  if (file.limits_spending() && !accounting.counts_spending()) {
    return invalid_argument(path +
                            ": what a key may spend (usd_per_day, usd_per_month) is counted by prices in a ledger; "
                            "give both (--prices, --ledger), or leave these limits out");
  }
  return file;
}

}  // namespace

// In the order in which they need each other: once the HTTP server was stopped, the API's threads end, which still hold
// its connections.
struct Server::Parts {
  Parts(const ServerOptions& chosen, const Accounting& counts, std::unique_ptr<KeyGate> key_gate)
      : options(chosen),
        accounting(counts),
        keys(std::move(key_gate)),
        media(options.media),
        model(options.engine, options.on_loaded) {
    const auto max_in_flight = static_cast<size_t>(options.engine.max_running + options.engine.max_waiting);
    api = std::make_unique<Api>(ApiContext{.model = model,
                                           .accounting = accounting,
                                           .media = media,
                                           .served_names = names_of(options),
                                           .model_path = options.engine.model_path,
                                           .keys = keys.get()},
                                max_in_flight, options.log);
  }

  const ServerOptions options;
  const Accounting& accounting;
  const std::unique_ptr<KeyGate> keys;  // null: anybody may ask
  MediaLoader media;
  ServedModel model;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<Api> api;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() {
  parts_->api->cut_short();
  parts_->http->stop();
}

Expected<std::unique_ptr<Server>> Server::start(const ServerOptions& options, const Accounting& accounting) {
  if (options.keys_path.empty() && !options.may_be_public && !is_loopback_host(options.http.host)) {
    return invalid_argument("at the address " + quote(options.http.host) +
                            " other machines can ask this server, and it asks nobody for a key; give it keys "
                            "(--keys), listen on 127.0.0.1, or say that this is meant to be (--insecure-public)");
  }
  std::unique_ptr<KeyGate> keys;
  if (!options.keys_path.empty()) {
    SACCADE_ASSIGN_OR_RETURN(KeyFile file, read_countable_keys(options.keys_path, accounting));
    keys = std::make_unique<KeyGate>(std::move(file));
  }
  auto parts = std::make_unique<Parts>(options, accounting, std::move(keys));
  SACCADE_ASSIGN_OR_RETURN(parts->http, HttpServer::listen(options.http, *parts->api));
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

std::string Server::url() const {
  return (parts_->options.http.tls.are_given() ? "https://" : "http://") + parts_->http->address();
}

ServedModel& Server::model() {
  return parts_->model;
}

Status Server::reload_keys() {
  if (parts_->keys == nullptr) return {};
  SACCADE_ASSIGN_OR_RETURN(KeyFile file, read_countable_keys(parts_->options.keys_path, parts_->accounting));
  parts_->keys->replace(std::move(file));
  return {};
}

Status Server::reload_certificate() {
  return parts_->http->reload_certificate();
}

bool Server::drain() {
  HttpServer& http = *parts_->http;
  http.begin_drain();
  if (http.wait_until_drained(parts_->options.drain_timeout_ms)) return true;
  parts_->api->cut_short();
  http.wait_until_drained(kCutMs);
  return false;
}

}  // namespace saccade
