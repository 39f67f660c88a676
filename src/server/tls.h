// The server's side of TLS: its certificate, and streams that go by it.
#pragma once

#include <memory>
#include <mutex>

#include "saccade/status.h"
#include "server/client_stream.h"
#include "server/http_server.h"

namespace saccade {

/// TLS 1.2 and 1.3. Thread safety: any thread.
class TlsServer {
 public:
  /// Reads the files. Errors name the file: kInvalidArgument: one without the other, a key that is not the
  /// certificate's; kNotFound, kCorruptData.
  static Expected<std::unique_ptr<TlsServer>> open(const TlsFiles& files);
  ~TlsServer();

  /// Reads the files anew, for connections from here on; where that fails, it stays as it was. Errors: those of open().
  Status reload();

  /// The socket was just accepted.
  std::unique_ptr<ClientStream> make_stream(ClientStream::Socket socket);

 private:
  struct Context;
  explicit TlsServer(TlsFiles files) : files_(std::move(files)) {}

  const TlsFiles files_;
  std::mutex mutex_;
  std::shared_ptr<Context> context_;  // guarded by mutex_; never null once it is opened
};

}  // namespace saccade
