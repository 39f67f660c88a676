// The server: a model, HTTP, and what answers between them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ledger/accounting.h"
#include "saccade/engine.h"
#include "server/api.h"
#include "server/http_server.h"
#include "server/media_loader.h"

namespace saccade {

struct ServerOptions {
  EngineOptions engine;
  HttpServerOptions http;
  MediaOptions media;
  std::string keys_path;                  // of a file of API keys (ledger/api_keys.h); empty: anybody may ask
  std::vector<std::string> served_names;  // the first is told; none: the model's file name without its end
  bool may_be_public = false;             // listens where other machines can reach it, though it asks nobody for a key
  int64_t drain_timeout_ms = 30'000;      // for answers that are being computed when the server is to end
  std::function<Status(Engine& engine)> on_loaded;  // before the first answer; may be empty
  RequestLog log;                                   // may be empty; called on any thread
};

/// Thread safety: one thread.
class Server {
 public:
  /// Listens, and begins to load the model. `accounting` must outlive it. Errors: those of HttpServer::listen();
  /// kInvalidArgument: an address that other machines reach, without keys;
  /// those of reading the keys, and kInvalidArgument where they limit money that nobody counts.
  static Expected<std::unique_ptr<Server>> start(const ServerOptions& options, const Accounting& accounting);
  ~Server();

  /// "http://127.0.0.1:8080", or with https.
  std::string url() const;
  ServedModel& model();

  /// Reads the keys anew, where there are any; where that fails, those that were there stay. Errors: those of start().
  Status reload_keys();
  /// HttpServer::reload_certificate().
  Status reload_certificate();

  /// Takes nothing new, and lets what is being answered come to its end, within the options' time: then it is cut
  /// short. Whether all came to their end.
  bool drain();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace saccade
