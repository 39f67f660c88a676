#include "server/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace saccade {
namespace {

// A connection of a client that waits for what comes.
class Client {
 public:
  explicit Client(const HttpServer& server, int receive_buffer_bytes = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer_bytes > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    }
    const timeval patience = {.tv_sec = 60, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    const std::string text = server.address();
    address.sin_port = htons(static_cast<uint16_t>(std::stoi(text.substr(text.find(':') + 1))));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is_connected() const { return is_connected_; }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t num_sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (num_sent <= 0) return;
      text.remove_prefix(static_cast<size_t>(num_sent));
    }
  }
  // Up to and with `text`, or all there is.
  std::string read_to(std::string_view text) {
    while (true) {
      const size_t found = text.empty() ? std::string::npos : read_.find(text);
      if (found != std::string::npos) {
        const std::string got = read_.substr(0, found + text.size());
        read_.erase(0, got.size());
        return got;
      }
      char piece[65536];
      const ssize_t num_bytes = ::recv(socket_, piece, sizeof(piece), 0);
      if (num_bytes <= 0) return std::exchange(read_, {});
      read_.append(piece, static_cast<size_t>(num_bytes));
    }
  }
  std::string read_all() { return read_to(""); }

 private:
  int socket_;
  bool is_connected_ = false;
  std::string read_;
};

// Answers with what the path says.
class Handler : public HttpHandler {
 public:
  ~Handler() override { join(); }
  Handler() = default;
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;

  std::optional<HttpResponse> check_head(const HttpRequest& head) override {
    if (head.path == "/refused") return HttpResponse{.status = 404, .content_type = "text/plain", .body = "nothing"};
    return std::nullopt;
  }

  void handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) override {
    ++num_handled;
    if (request.path == "/dropped") return;
    if (request.path == "/echo") {
      return responder->respond({.content_type = "text/plain", .body = std::string(request.body.text())});
    }
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([this, path = request.path, responder] {
      if (path == "/stream") stream(*responder);
      if (path == "/flood") flood(*responder);
      if (path == "/wait") wait(*responder);
      if (path == "/stubborn") stubborn(*responder);
    });
  }

  HttpResponse refusal(const HttpRequest&, int status, std::string message) override {
    return {.status = status, .content_type = "text/plain", .body = std::move(message)};
  }

  void join() {
    release();
    const std::lock_guard lock(mutex_);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  void release() { may_answer.store(true); }

  std::atomic<int> num_handled = 0;
  std::atomic<int> num_gone = 0;
  std::atomic<bool> may_answer = false;

 private:
  static void stream(HttpResponder& responder) {
    responder.begin_stream({.content_type = "text/plain"});
    for (const char* piece : {"one ", "two ", "three"}) EXPECT_TRUE(responder.write(piece));
    responder.end_stream();
  }
  // Until nobody takes it any more.
  void flood(HttpResponder& responder) {
    responder.begin_stream({.content_type = "text/plain"});
    const std::string piece(10'000, 'x');
    while (responder.write(piece)) std::this_thread::sleep_for(std::chrono::microseconds(10));
    EXPECT_TRUE(responder.is_gone());
    ++num_gone;
  }
  // Until the test says that the answer may be given, whether anybody is there or not.
  void stubborn(HttpResponder& responder) {
    while (!may_answer.load()) {
      if (responder.is_gone()) num_gone.store(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    responder.respond({.content_type = "text/plain", .body = "late"});
  }
  // Until the client is gone, or the test says that the answer may be given.
  void wait(HttpResponder& responder) {
    while (!responder.is_gone() && !may_answer.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (responder.is_gone()) ++num_gone;
    responder.respond({.content_type = "text/plain", .body = "waited"});
  }

  std::mutex mutex_;  // guards what follows
  std::vector<std::thread> threads_;
};

void wait_until(const std::function<bool()>& is_so) {
  while (!is_so()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    options_.port = 0;
    options_.max_header_bytes = 4096;
    options_.max_body_bytes = 100'000;
  }
  ~HttpServerTest() override {
    if (server_ != nullptr) server_->stop();
    handler_.join();
  }

  HttpServer& listen() {
    auto server = HttpServer::listen(options_, handler_);
    EXPECT_TRUE(server) << server.status().message();
    server_ = *std::move(server);
    return *server_;
  }
  std::string ask(const std::string& text) {
    Client client(*server_);
    client.send(text);
    return client.read_all();
  }

  HttpServerOptions options_;
  Handler handler_;
  std::unique_ptr<HttpServer> server_;
};

std::string post(const std::string& body, const std::string& fields = "") {
  return "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" +
         body;
}

TEST_F(HttpServerTest, AnswersOneRequestAfterTheOther) {
  Client client(listen());
  for (const std::string body : {"first", "", "third"}) {
    client.send(post(body));
    const std::string head = client.read_to("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
    EXPECT_NE(head.find("x-request-id: req-"), std::string::npos) << head;
    EXPECT_NE(head.find("Connection: keep-alive"), std::string::npos) << head;
    EXPECT_EQ(body.empty() ? "" : client.read_to(body), body);
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Client client(listen());
  client.send(post("first") + "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n" + post("third", "Connection: close\r\n"));
  const std::string all = client.read_all();
  const size_t first = all.find("first");
  const size_t second = all.find("4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n");
  const size_t third = all.rfind("third");
  EXPECT_LT(first, second) << all;
  EXPECT_LT(second, third) << all;
  EXPECT_NE(third, std::string::npos) << all;
}

TEST_F(HttpServerTest, ReadsBodiesInPieces) {
  Client client(listen());
  const std::string body(70'000, 'b');
  for (const char byte : std::string("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")) {
    client.send({&byte, 1});
  }
  client.send("3\r\nabc\r\n11170\r\n");
  client.send(body.substr(0, 33'333));
  client.send(body.substr(33'333) + "\r\n0\r\n\r\n");
  client.read_to("\r\n\r\n");
  EXPECT_EQ(client.read_to("bcb").substr(0, 3), "abc");
  EXPECT_NE(client.read_to(std::string(69'998, 'b')), "");
}

TEST_F(HttpServerTest, SaysThatABodyIsWelcome) {
  Client client(listen());
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_to("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_NE(client.read_to("body").find("200 OK"), std::string::npos);
}

TEST_F(HttpServerTest, SpeaksToClientsThatKnowNoChunks) {
  listen();
  const std::string all = ask("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(all.ends_with("\r\n\r\none two three")) << all;
  EXPECT_EQ(all.find("chunked"), std::string::npos) << all;
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
  listen();
  const auto status_of = [&](const std::string& text) {
    const std::string answer = ask(text);
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
    return answer.substr(0, std::string("HTTP/1.1 400").size());
  };
  EXPECT_EQ(status_of("nonsense\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of(std::string("\0\0\0\0\r\n\r\n", 8)), "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET / HTTP/3.0\r\n\r\n"), "HTTP/1.1 505");
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nfield\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nContent-Length: x\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
            "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nlong: " + std::string(10'000, 'x')), "HTTP/1.1 431");
  EXPECT_EQ(status_of("GET /" + std::string(10'000, 'x')), "HTTP/1.1 431");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nContent-Length: 100001\r\n\r\n"), "HTTP/1.1 413");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n"), "HTTP/1.1 413");
  EXPECT_EQ(handler_.num_handled.load(), 0);
}

TEST_F(HttpServerTest, RefusesByTheHeadAlone) {
  Client client(listen());
  client.send("GET /refused HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(client.read_to("nothing").find("keep-alive"), std::string::npos);
  client.send("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
  EXPECT_NE(client.read_to("nothing").find("Connection: close"), std::string::npos);
  client.send(std::string(50'000, 'x'));  // what nobody reads does no harm
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(HttpServerTest, DropsClientsThatAreSlowToAsk) {
  options_.read_timeout_ms = 50;
  listen();
  EXPECT_TRUE(ask("GET / HT").starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(ask("POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc").starts_with("HTTP/1.1 408"));
}

TEST_F(HttpServerTest, DropsClientsThatTrickle) {
  options_.read_timeout_ms = 100;
  Client client(listen());
  client.send("POST /echo HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
  std::atomic<bool> is_over = false;
  std::thread trickle([&] {
    while (!is_over.load()) {
      client.send("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  EXPECT_TRUE(client.read_to("time").starts_with("HTTP/1.1 408"));
  is_over.store(true);
  trickle.join();
}

TEST_F(HttpServerTest, ClosesConnectionsThatNobodyUses) {
  options_.idle_timeout_ms = 20;
  Client client(listen());
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(HttpServerTest, NoticesThatTheClientIsGone) {
  Client client(listen());
  client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  wait_until([&] { return handler_.num_handled.load() == 1; });
  client.close();
  wait_until([&] { return handler_.num_gone.load() == 1; });
}

TEST_F(HttpServerTest, DropsClientsThatDoNotRead) {
  options_.max_backlog_bytes = 100'000;
  Client client(listen(), 4096);
  client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  wait_until([&] { return handler_.num_gone.load() == 1; });
}

TEST_F(HttpServerTest, DropsClientsThatTakeTooLong) {
  options_.max_backlog_bytes = size_t{1} << 40;
  options_.write_timeout_ms = 50;
  Client client(listen(), 4096);
  client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  wait_until([&] { return handler_.num_gone.load() == 1; });
}

TEST_F(HttpServerTest, AnswersWhereTheHandlerDoesNot) {
  Client client(listen());
  client.send("GET /dropped HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.read_to("given up").starts_with("HTTP/1.1 500"));
}

TEST_F(HttpServerTest, RefusesMoreConnectionsThanItMayHave) {
  options_.max_connections = 1;
  Client first(listen());
  first.send(post("x"));
  first.read_to("x");
  const std::string refused = Client(*server_).read_all();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503")) << refused;
  EXPECT_NE(refused.find("x-request-id: req-"), std::string::npos) << refused;
  first.send(post("still there"));
  EXPECT_NE(first.read_to("still there").find("200 OK"), std::string::npos);
}

TEST_F(HttpServerTest, LetsAnswersComeToTheirEndBeforeItCloses) {
  Client busy(listen());
  Client idle(*server_);
  Client late(*server_);
  busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  late.send("POST /echo HTTP/1.1\r\nHost: a\r\n");
  wait_until([&] { return handler_.num_handled.load() == 1 && server_->num_connections() == 3; });
  idle.send(post("x"));
  idle.read_to("x");
  server_->begin_drain();
  EXPECT_EQ(idle.read_all().find("HTTP/1.1 200"), std::string::npos);
  late.send("Content-Length: 1\r\n\r\nx");
  const std::string refused = late.read_all();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503") || refused.empty()) << refused;  // its head may not have begun
  EXPECT_FALSE(server_->wait_until_drained(0));
  handler_.release();
  const std::string answer = busy.read_all();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  EXPECT_TRUE(answer.ends_with("waited")) << answer;
  busy.close();
  EXPECT_TRUE(server_->wait_until_drained(60'000));
  EXPECT_FALSE(Client(*server_).is_connected());
}

TEST_F(HttpServerTest, WaitsForAnswersWhoseClientsLeft) {
  Client client(listen());
  client.send("GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n");
  wait_until([&] { return handler_.num_handled.load() == 1; });
  client.close();
  wait_until([&] { return handler_.num_gone.load() == 1; });
  server_->begin_drain();
  EXPECT_FALSE(server_->wait_until_drained(20));
  handler_.release();
  EXPECT_TRUE(server_->wait_until_drained(60'000));
}

TEST_F(HttpServerTest, SaysWhereItCannotListen) {
  const std::string address = listen().address();
  HttpServerOptions taken = options_;
  taken.port = static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
  const auto second = HttpServer::listen(taken, handler_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.status().code(), StatusCode::kIoError);
  EXPECT_NE(second.status().message().find(address), std::string::npos);
  HttpServerOptions nowhere = options_;
  nowhere.host = "no such host";
  EXPECT_EQ(HttpServer::listen(nowhere, handler_).status().code(), StatusCode::kInvalidArgument);
}

TEST(HttpHost, KnowsLoopback) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost"}) EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", ""}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
}

}  // namespace
}  // namespace saccade
