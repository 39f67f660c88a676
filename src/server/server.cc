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

}  // namespace

// In the order in which they need each other: once the HTTP server was stopped, the API's threads end, which still hold
// its connections.
struct Server::Parts {
  Parts(const ServerOptions& chosen, const Accounting& accounting)
      : options(chosen), media(options.media), model(options.engine, options.on_loaded) {
    const auto max_in_flight = static_cast<size_t>(options.engine.max_running + options.engine.max_waiting);
    api = std::make_unique<Api>(ApiContext{.model = model,
                                           .accounting = accounting,
                                           .media = media,
                                           .served_names = names_of(options),
                                           .model_path = options.engine.model_path},
                                max_in_flight, options.log);
  }

  const ServerOptions options;
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
  if (!options.may_be_public && !is_loopback_host(options.http.host)) {
    return invalid_argument("at the address " + quote(options.http.host) +
                            " other machines can ask this server, and it asks nobody for a key; listen on 127.0.0.1, "
                            "or say that this is meant to be (--insecure-public)");
  }
  auto parts = std::make_unique<Parts>(options, accounting);
  SACCADE_ASSIGN_OR_RETURN(parts->http, HttpServer::listen(options.http, *parts->api));
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

std::string Server::address() const {
  return parts_->http->address();
}

ServedModel& Server::model() {
  return parts_->model;
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
