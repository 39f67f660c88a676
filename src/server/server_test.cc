#include "server/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <mutex>
#include <string>

namespace saccade {
namespace {

// Takes what it is told.
class FakeResponder : public HttpResponder {
 public:
  void respond(HttpResponse response) override {
    response_ = std::move(response);
    has_ended_.count_down();
  }
  void begin_stream(HttpResponse head) override { response_ = std::move(head); }
  bool write(std::string_view piece) override {
    response_.body += piece;
    if (leaves_after_first_piece) gone_.request_stop();
    return !is_gone();
  }
  void end_stream() override { has_ended_.count_down(); }
  std::stop_token gone() const override { return gone_.get_token(); }

  const HttpResponse& wait() {
    has_ended_.wait();
    return response_;
  }

  bool leaves_after_first_piece = false;

 private:
  std::latch has_ended_{1};
  std::stop_source gone_;
  HttpResponse response_;
};

class ServedModelTest : public ::testing::Test {
 protected:
  ServedModelTest() {
    engine_.model_path = std::string(SACCADE_SOURCE_DIR) + "/models/saccade-mini.gguf";
    engine_.threads = 1;
    auto accounting = Accounting::open({});
    accounting_ = std::make_unique<Accounting>(*std::move(accounting));
  }

  Api& api(size_t max_in_flight = 4) {
    model_ = std::make_unique<ServedModel>(engine_, on_loaded_);
    api_ = std::make_unique<Api>(ApiContext{.model = *model_,
                                            .accounting = *accounting_,
                                            .media = media_,
                                            .served_names = {"mini"},
                                            .model_path = engine_.model_path},
                                 max_in_flight, [this](const RequestRecord& record) {
                                   const std::lock_guard lock(mutex_);
                                   records_.push_back(record);
                                 });
    return *api_;
  }

  static HttpRequest request(const std::string& path, const std::string& body = "") {
    HttpRequest request;
    request.id = "req-1";
    request.method = body.empty() ? "GET" : "POST";
    request.path = path;
    request.body.append(body);
    return request;
  }
  HttpResponse ask(const std::string& path, const std::string& body = "") {
    const auto responder = std::make_shared<FakeResponder>();
    api_->handle(request(path, body), responder);
    return responder->wait();
  }
  void wait_until_loaded() { ASSERT_TRUE(model_->wait_for(600'000).value().is_ok()); }

  EngineOptions engine_;
  std::function<Status(Engine&)> on_loaded_;
  std::unique_ptr<Accounting> accounting_;
  MediaLoader media_{MediaOptions{}};
  std::unique_ptr<ServedModel> model_;
  std::mutex mutex_;
  std::vector<RequestRecord> records_;  // guarded by mutex_
  std::unique_ptr<Api> api_;
};

constexpr const char* kHello = R"({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4})";

TEST_F(ServedModelTest, SaysThatItLoads) {
  std::latch may_go_on(1);
  on_loaded_ = [&](Engine&) {
    may_go_on.wait();
    return Status();
  };
  api();
  EXPECT_FALSE(model_->wait_for(0));
  EXPECT_EQ(ask("/health").status, 503);
  EXPECT_NE(ask("/health").body.find("model_loading"), std::string::npos);
  EXPECT_EQ(ask("/ready").status, 503);
  EXPECT_EQ(ask("/v1/models").status, 200);
  EXPECT_EQ(ask("/v1/chat/completions", kHello).status, 503);
  may_go_on.count_down();
  wait_until_loaded();
  EXPECT_EQ(ask("/health").body, R"({"status":"ok"})");
  EXPECT_EQ(ask("/v1/chat/completions", kHello).status, 200);
}

TEST_F(ServedModelTest, SaysThatItCannotBeLoaded) {
  engine_.model_path = "no such file";
  api();
  EXPECT_EQ(model_->wait_for(600'000).value().code(), StatusCode::kNotFound);
  EXPECT_EQ(ask("/health").status, 503);
  EXPECT_NE(ask("/health").body.find("model_failed"), std::string::npos);
  EXPECT_EQ(ask("/v1/chat/completions", kHello).status, 503);
}

TEST_F(ServedModelTest, FailsWhereItsFirstUseDoes) {
  on_loaded_ = [](Engine&) { return io_error("no ledger"); };
  api();
  EXPECT_EQ(model_->wait_for(600'000).value().message(), "no ledger");
}

TEST_F(ServedModelTest, StopsAnswersWhoseClientIsGone) {
  api();
  wait_until_loaded();
  const auto responder = std::make_shared<FakeResponder>();
  responder->leaves_after_first_piece = true;
  api_->handle(request("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "Hello"}], "stream": true,
      "temperature": 100, "max_tokens": 1500, "n": 16})"),
               responder);
  responder->wait();
  api_.reset();  // its threads end
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_TRUE(records_[0].was_cancelled);
  EXPECT_EQ(records_[0].status, 499);
  EXPECT_LE(records_[0].completion_tokens, 4);
}

TEST_F(ServedModelTest, RefusesMoreThanItTakes) {
  api(0);
  wait_until_loaded();
  const HttpResponse response = ask("/v1/chat/completions", kHello);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.fields[0].first, "retry-after");
}

TEST(Server, ListensWhereOthersReachItOnlyIfItIsTold) {
  const auto accounting = Accounting::open({});
  ServerOptions options;
  options.http.host = "0.0.0.0";
  options.http.port = 0;
  const auto server = Server::start(options, *accounting);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(server.status().message().find("--insecure-public"), std::string::npos);
}

}  // namespace
}  // namespace saccade
