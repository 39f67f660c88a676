// saccade serve: the HTTP server with the OpenAI API.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/format.h"
#include "cli/accounting_options.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/printable_text.h"
#include "cli/reload_signal.h"
#include "cli/serve_log.h"
#include "cli/terminal.h"
#include "platform/clock.h"
#include "platform/process_memory.h"
#include "server/server.h"

namespace saccade {
namespace {

constexpr const char* kHttpGroup = "HTTP";
constexpr const char* kMediaGroup = "Pictures by address";
constexpr int64_t kLookMs = 50;  // how often it is looked whether the program is to end

struct ServeOptions {
  ServerOptions server;
  AccountingOptions accounting;
  std::string texts_path;
  bool logs_json = false;
};

// On stdout: stderr has the log.
void say(const std::string& line) {
  write_out(one_line(line) + "\n");
}

// Until the model is loaded, or can't be. Ok, too, where the program is to end first.
Status wait_for_model(Server& server) {
  while (!is_interrupted()) {
    const std::optional<Status> loaded = server.model().wait_for(kLookMs);
    if (loaded) return *loaded;
  }
  return {};
}

// What was read before stays where a file is broken: a server that runs is not ended by a slip of the pen.
void reload(const ServeOptions& options, Accounting& accounting, Server& server, const ServeLog& log) {
  const auto report = [&](const char* what, const std::string& path, const Status& status) {
    if (path.empty()) return;
    log.events(!status.is_ok(), status.is_ok() ? std::string(what) + " are read anew: " + path
                                               : std::string(what) + " stay as they were: " + status.message());
  };
  const Status priced = accounting.reload_prices();
  if (priced.is_ok()) server.model().set_price(accounting.price_of(options.server.engine.model_path));
  report("prices", options.accounting.prices_path, priced);
  report("keys", options.server.keys_path, server.reload_keys());
  report("certificate and key", options.server.http.tls.certificate, server.reload_certificate());
}

int run_serve(ServeOptions& options) {
  return_freed_memory_at_once();
  auto accounting = Accounting::open(options.accounting);
  if (!accounting) return report_error(accounting.status());
  EngineOptions& engine = options.server.engine;
  engine.price = accounting->price_of(engine.model_path);
  if (const Status opened = open_texts(options.texts_path, engine); !opened.is_ok()) return report_error(opened);
  options.server.media.fetch.max_bytes = engine.max_image_bytes;
  const ServeLog log = make_serve_log(options.logs_json);
  options.server.log = log.requests;
  options.server.on_loaded = [&](Engine& loaded) -> Status {
    SACCADE_ASSIGN_OR_RETURN(const std::vector<std::string> warnings, teach(*accounting, loaded));
    for (const std::string& warning : warnings)
      std::fprintf(stderr, "saccade: warning: %s\n", one_line(warning).c_str());
    return {};
  };
  watch_for_reload();
  auto server = Server::start(options.server, *accounting);
  if (!server) return report_error(server.status());
  say("listening on " + (*server)->url());
  if (const Status loaded = wait_for_model(**server); !loaded.is_ok()) return report_error(loaded);
  if (!is_interrupted()) {
    const ModelInfo& info = (*server)->model().info();
    say(format("ready: %s, %lld tokens of context, %d threads, %s, loaded in %.0f ms", info.family.c_str(),
               static_cast<long long>(info.context_length), info.threads, info.isa.c_str(), info.load_ms));
  }
  while (!is_interrupted()) {
    if (take_reload()) reload(options, *accounting, **server, log);
    sleep_ms(kLookMs);
  }
  say("ending: answers in progress come to their end; a second signal ends at once");
  const bool is_whole = (*server)->drain();
  if (!is_whole) say("ended with answers cut short");
  return is_whole ? kExitOk : kExitInterrupted;
}

void add_http_options(CLI::App& command, HttpServerOptions& http, ServerOptions& server) {
  command.add_option("--host", http.host, "Address to listen on")->capture_default_str()->group(kHttpGroup);
  command.add_option("--port", http.port, "Port; 0: one that is free")
      ->check(between(0, 65535))
      ->capture_default_str()
      ->group(kHttpGroup);
  command
      .add_flag("--insecure-public", server.may_be_public,
                "Listen where other machines can ask, though nobody is asked for a key")
      ->group(kHttpGroup);
  command
      .add_option("--keys", server.keys_path,
                  "Only who has a key of this file (TOML) may ask, as much as it says; `saccade keys new` makes one")
      ->group(kHttpGroup);
  command.add_option("--tls-cert", http.tls.certificate, "Certificate (PEM, with its chain): only TLS is spoken then")
      ->group(kHttpGroup);
  command.add_option("--tls-key", http.tls.key, "The certificate's key (PEM)")->group(kHttpGroup);
  command.add_option("--io-threads", http.num_io_threads, "Threads that read and write")
      ->check(between(1, 64))
      ->capture_default_str()
      ->group(kHttpGroup);
  command.add_option("--max-connections", http.max_connections, "Clients at a time")
      ->check(at_least(1))
      ->capture_default_str()
      ->group(kHttpGroup);
  command.add_option("--max-body", http.max_body_bytes, "Largest request: 96MiB (default)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->option_text("SIZE")
      ->group(kHttpGroup);
  command
      .add_option("--read-timeout", http.read_timeout_ms,
                  "Milliseconds for a request's head, and to go on with its body")
      ->check(at_least<int64_t>(1))
      ->capture_default_str()
      ->group(kHttpGroup);
  command.add_option("--write-timeout", http.write_timeout_ms, "Milliseconds in which a client takes what is written")
      ->check(at_least<int64_t>(1))
      ->capture_default_str()
      ->group(kHttpGroup);
  command.add_option("--idle-timeout", http.idle_timeout_ms, "Milliseconds between two requests of a connection")
      ->check(at_least<int64_t>(1))
      ->capture_default_str()
      ->group(kHttpGroup);
  command
      .add_option("--drain-timeout", server.drain_timeout_ms,
                  "Milliseconds that answers in progress have when the server is to end")
      ->check(at_least<int64_t>(0))
      ->capture_default_str()
      ->group(kHttpGroup);
}

void add_media_options(CLI::App& command, MediaOptions& media) {
  command.add_option("--media-dir", media.folder, "Requests may name pictures in this folder (file:///..., or a path)")
      ->check(CLI::ExistingDirectory)
      ->group(kMediaGroup);
  command
      .add_option("--media-host", media.fetch.hosts,
                  "Requests may name pictures of this host (http, https): example.com, or example.com:8443; may be "
                  "given several times")
      ->allow_extra_args(false)
      ->group(kMediaGroup);
  command
      .add_flag("--media-private", media.fetch.may_be_private,
                "These hosts may have addresses of this machine and of private networks")
      ->group(kMediaGroup);
  command.add_option("--media-timeout", media.fetch.timeout_ms, "Milliseconds to fetch a picture")
      ->check(at_least<int64_t>(1))
      ->capture_default_str()
      ->group(kMediaGroup);
  command
      .add_option("--media-memory", media.store_bytes,
                  "Memory for pictures that came with a uuid, to be named by it later: 256MiB (default)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->option_text("SIZE")
      ->group(kMediaGroup);
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ServeOptions>();
  ServerOptions& server = options->server;
  CLI::App* command = app.add_subcommand("serve", "Answer over HTTP, with the API of OpenAI");
  add_model_options(*command, server.engine);
  add_texts_option(*command, options->texts_path);
  command
      ->add_option("--served-name", server.served_names,
                   "The model's name in the API (default: its file's); more are taken as well")
      ->allow_extra_args(false);
  command->add_option("--parallel", server.engine.max_running, "Requests that are answered at a time")
      ->check(between(1, 1024))
      ->capture_default_str();
  command->add_option("--max-waiting", server.engine.max_waiting, "Requests that may wait; more are refused (429)")
      ->check(between<int64_t>(0, 65536))
      ->capture_default_str();
  command->add_flag("--log-json", options->logs_json, "Log JSON objects, one a line");
  add_http_options(*command, server.http, server);
  add_media_options(*command, server.media);
  add_accounting_options(*command, options->accounting);
  command->footer(
      "POST /v1/chat/completions, /v1/plan, /v1/feedback, /tokenize; GET /v1/models, /health, /ready. A budget is an\n"
      "object \"saccade\" of the request: max_latency_ms, max_ttft_ms, max_cost_usd, min_quality, mode, plan; the "
      "receipt\n"
      "comes back as \"saccade\". Ctrl-C or SIGTERM lets answers in progress come to their end.\n\n"
      "Examples:\n"
      "  saccade serve models/saccade-mini.gguf\n"
      "  saccade serve llava-q4_0.gguf --mmproj mmproj-f16.gguf --port 9000 --served-name llava --parallel 4\n"
      "  saccade serve model.gguf --media-dir /srv/pictures --media-host images.example.com --ledger requests.ledger\n"
      "  curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' -d '{\"messages\": "
      "[{\"role\":\n"
      "    \"user\", \"content\": \"Hello\"}], \"saccade\": {\"max_latency_ms\": 300}}'");
  command->callback([options, &exit_code] { exit_code = run_serve(*options); });
}

}  // namespace saccade
