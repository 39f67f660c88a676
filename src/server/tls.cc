#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "base/format.h"
#include "platform/open_file.h"

namespace saccade {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

// Holds what its stream's SSL came from, which may be replaced meanwhile.
class TlsStream : public ClientStream {
 public:
  TlsStream(Socket socket, ssl::context& context, std::shared_ptr<const void> keeps_context)
      : keeps_context_(std::move(keeps_context)), stream_(std::move(socket), context) {}

  Socket& socket() override { return stream_.next_layer(); }
  void async_handshake(OnDone on_done) override {
    stream_.async_handshake(ssl::stream_base::server, std::move(on_done));
  }
  void async_read_some(boost::asio::mutable_buffer buffer, OnBytes on_bytes) override {
    stream_.async_read_some(buffer, std::move(on_bytes));
  }
  void async_write(boost::asio::const_buffer buffer, OnBytes on_bytes) override {
    boost::asio::async_write(stream_, buffer, std::move(on_bytes));
  }
  // With close_notify, without which a client can't tell an end from a cut.
  void end_writing(OnDone on_done) override { stream_.async_shutdown(std::move(on_done)); }

 private:
  const std::shared_ptr<const void> keeps_context_;
  ssl::stream<Socket> stream_;
};

Status check_there(const std::string& path) {
  const auto file = OpenFile::open(path);
  return file ? Status() : file.status();
}

}  // namespace

struct TlsServer::Context {
  ssl::context ssl{ssl::context::tls_server};

  Status read(const TlsFiles& files) {
    SACCADE_RETURN_IF_ERROR(check_there(files.certificate));
    SACCADE_RETURN_IF_ERROR(check_there(files.key));
    SSL_CTX* native = ssl.native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Else OpenSSL would ask for a password on the terminal.
    SSL_CTX_set_default_passwd_cb(native, [](char*, int, int, void*) { return 0; });
    error_code error;
    ssl.use_certificate_chain_file(files.certificate, error);
    if (error) return corrupt_data(files.certificate + ": no certificate in PEM: " + error.message());
    ssl.use_private_key_file(files.key, ssl::context::pem, error);
    if (error && ERR_GET_REASON(static_cast<unsigned long>(error.value())) == X509_R_KEY_VALUES_MISMATCH) {
      return invalid_argument(files.key + " is not the key of the certificate " + files.certificate);
    }
    if (error) return corrupt_data(files.key + ": no private key in PEM without a password: " + error.message());
    if (SSL_CTX_check_private_key(native) == 1) return {};
    ERR_clear_error();
    return invalid_argument(files.key + " is not the key of the certificate " + files.certificate);
  }
};

TlsServer::~TlsServer() = default;

Expected<std::unique_ptr<TlsServer>> TlsServer::open(const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty()) {
    return invalid_argument("TLS needs both a certificate (--tls-cert) and its key (--tls-key)");
  }
  std::unique_ptr<TlsServer> tls(new TlsServer(files));
  SACCADE_RETURN_IF_ERROR(tls->reload());
  return tls;
}

Status TlsServer::reload() {
  auto next = std::make_shared<Context>();
  SACCADE_RETURN_IF_ERROR(next->read(files_));
  const std::lock_guard lock(mutex_);
  context_ = std::move(next);
  return {};
}

std::unique_ptr<ClientStream> TlsServer::make_stream(ClientStream::Socket socket) {
  std::shared_ptr<Context> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  ssl::context& ssl = context->ssl;
  return std::make_unique<TlsStream>(std::move(socket), ssl, std::move(context));
}

}  // namespace saccade
