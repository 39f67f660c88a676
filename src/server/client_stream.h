// The bytes of a connection, plain or through TLS, so that one HttpConnection serves both.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <functional>
#include <memory>

namespace saccade {

/// One read and one write may be in flight at a time. All on its executor, a strand.
class ClientStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using OnBytes = std::function<void(const boost::system::error_code& error, size_t num_bytes)>;
  using OnDone = std::function<void(const boost::system::error_code& error)>;

  virtual ~ClientStream() = default;

  virtual Socket& socket() = 0;
  /// Before anything else is read or written.
  virtual void async_handshake(OnDone on_done) = 0;
  virtual void async_read_some(boost::asio::mutable_buffer buffer, OnBytes on_bytes) = 0;
  /// All of it.
  virtual void async_write(boost::asio::const_buffer buffer, OnBytes on_bytes) = 0;
  /// Tells the client that nothing more will be written. Nothing is in flight but a read.
  virtual void end_writing(OnDone on_done) = 0;
};

std::unique_ptr<ClientStream> make_plain_stream(ClientStream::Socket socket);

}  // namespace saccade
