#include "server/client_stream.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace saccade {
namespace {

class PlainStream : public ClientStream {
 public:
  explicit PlainStream(Socket socket) : socket_(std::move(socket)) {}

  Socket& socket() override { return socket_; }
  void async_handshake(OnDone on_done) override { on_done({}); }
  void async_read_some(boost::asio::mutable_buffer buffer, OnBytes on_bytes) override {
    socket_.async_read_some(buffer, std::move(on_bytes));
  }
  void async_write(boost::asio::const_buffer buffer, OnBytes on_bytes) override {
    boost::asio::async_write(socket_, buffer, std::move(on_bytes));
  }
  void end_writing(OnDone on_done) override {
    boost::system::error_code error;
    socket_.shutdown(Socket::shutdown_send, error);
    on_done(error);
  }

 private:
  Socket socket_;
};

}  // namespace

std::unique_ptr<ClientStream> make_plain_stream(ClientStream::Socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace saccade
