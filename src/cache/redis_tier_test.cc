#include "cache/redis_tier.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <initializer_list>
#include <thread>

#include "cache/redis_connection.h"
#include "cache/test_cache.h"
#include "platform/clock.h"

namespace saccade {
namespace {

using test::entry_of;
using test::holds;
using test::is_absent;
using test::key_of;
using testing::HasSubstr;
using testing::Not;

TEST(RedisAddress, IsReadFromAUrl) {
  const auto plain = parse_redis_url("redis://cache.example");
  ASSERT_TRUE(plain.is_ok());
  EXPECT_EQ(plain->to_string(), "redis://cache.example:6379/0");
  const auto full = parse_redis_url("redis://ann:s3cr:t@h@10.0.0.1:7000/3");
  ASSERT_TRUE(full.is_ok());
  EXPECT_EQ(full->to_string(), "redis://10.0.0.1:7000/3");
  EXPECT_EQ(full->user, "ann");
  EXPECT_EQ(full->password, "s3cr:t@h");
  const auto v6 = parse_redis_url("redis://:pw@[::1]:7000/");
  ASSERT_TRUE(v6.is_ok());
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 7000);
  EXPECT_EQ(v6->user, "");
  EXPECT_EQ(v6->password, "pw");
  const auto path = parse_redis_url("unix:///run/redis.sock");
  ASSERT_TRUE(path.is_ok());
  EXPECT_EQ(path->to_string(), "unix:///run/redis.sock");
}

TEST(RedisAddress, AWrongOneIsRefusedWithoutItsPassword) {
  for (const char* url : {"", "cache", "http://cache", "redis://", "redis://:pw@", "redis://h:0", "redis://h:70000",
                          "redis://h:x", "redis://h/x", "redis://h/-1", "redis://[::1", "redis://[::1]7", "unix://a"}) {
    const auto address = parse_redis_url(url);
    ASSERT_FALSE(address.is_ok()) << url;
    EXPECT_EQ(address.status().code(), StatusCode::kInvalidArgument) << url;
    EXPECT_THAT(address.status().message(), HasSubstr("write redis://")) << url;
    EXPECT_THAT(address.status().message(), Not(HasSubstr(":pw@")));
  }
  EXPECT_EQ(parse_redis_url("rediss://h").status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(RedisTier::make({.url = "redis://no-such-host.invalid"}).status().code(), StatusCode::kNotFound);
}

TEST(RedisTierAlone, WithoutAServerRequestsAreNotHeldUp) {
  double time_ms = 0;
  const auto tier = *RedisTier::make({.url = "unix://" + testing::TempDir() + "nobody.sock",
                                      .backoff = {.first_pause_ms = 100, .clock_ms = [&] { return time_ms; }}});
  EXPECT_EQ(tier->get(key_of(1)).status().code(), StatusCode::kIoError);
  EXPECT_THAT(tier->put(key_of(1), entry_of(1, 10)).message(), HasSubstr("not asked, since it failed just before"));
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(is_absent(*tier, 1));
  EXPECT_EQ(tier->stats().num_errors, 1u);
  EXPECT_EQ(tier->stats().num_skipped, 1001u);
  time_ms = 100;
  EXPECT_EQ(tier->get(key_of(1)).status().code(), StatusCode::kIoError);  // one tries
  time_ms = 299;                                                          // the pause is twice as long
  EXPECT_TRUE(is_absent(*tier, 1));
  time_ms = 300;
  EXPECT_EQ(tier->get(key_of(1)).status().code(), StatusCode::kIoError);
  EXPECT_EQ(tier->stats().num_errors, 3u);
}

class RedisTierTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* path : {"/usr/bin/redis-server", "/usr/local/bin/redis-server"}) {
      if (::access(path, X_OK) == 0) program_ = path;
    }
    if (program_.empty()) GTEST_SKIP() << "no redis-server here (tools/packages_cache_tests.txt)";
    start_server();
  }
  void TearDown() override { stop_server(); }

  void start_server() {
    std::filesystem::remove(socket_);
    std::vector<std::string> words = {program_, "--port",       "0",  "--unixsocket", socket_,           "--save",
                                      "",       "--appendonly", "no", "--dir",        testing::TempDir()};
    words.insert(words.end(), settings_.begin(), settings_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ASSERT_EQ(::posix_spawn(&server_, program_.c_str(), &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    const Stopwatch watch;
    while (!RedisConnection::open({.host = socket_, .is_socket = true, .password = password_}, 1000)) {
      ASSERT_LT(watch.elapsed_ms(), 20'000) << "redis-server does not start";
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void stop_server() {
    if (server_ < 0) return;
    ::kill(server_, SIGCONT);
    ::kill(server_, SIGKILL);
    ::waitpid(server_, nullptr, 0);
    server_ = -1;
  }

  RedisTierOptions options() {
    return {.url = "unix://" + (password_.empty() ? "" : ":" + password_ + "@") + socket_,
            .connect_timeout_ms = 2000,  // of a machine that may be busy
            .timeout_ms = 5000,
            .backoff = {.first_pause_ms = 20, .longest_pause_ms = 50},
            .clock = clock_.clock()};
  }
  std::unique_ptr<RedisTier> make() { return *RedisTier::make(options()); }
  RedisReply ask(std::initializer_list<std::string_view> words) const {
    const auto connection = RedisConnection::open({.host = socket_, .is_socket = true, .password = password_}, 5000);
    return *(*connection)->ask(std::span(words.begin(), words.size()), 5000);
  }
  static std::string server_key(int number) {
    const CacheKey key = key_of(number);
    return "saccade:1:" + std::string(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  }

  const std::string socket_ = testing::TempDir() + "r.sock";
  std::string program_;
  std::string password_;
  std::vector<std::string> settings_;
  pid_t server_ = -1;
  test::FakeClock clock_;
};

TEST_F(RedisTierTest, GivesBackWhatWasPut) {
  const auto tier = make();
  for (const size_t num_bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{1'000'000}}) {
    const int number = static_cast<int>(num_bytes);
    EXPECT_TRUE(is_absent(*tier, number));
    ASSERT_TRUE(tier->put(key_of(number), entry_of(number, num_bytes)).is_ok());
    EXPECT_TRUE(holds(*tier, number, num_bytes));
  }
  EXPECT_TRUE(holds(*make(), 4096, 4096));  // another machine's
  ASSERT_TRUE(tier->erase(key_of(1)).is_ok());
  EXPECT_TRUE(is_absent(*tier, 1));
  EXPECT_EQ(tier->put(key_of(2), entry_of(2, 20'000'000)).code(), StatusCode::kResourceExhausted);
  const TierStats stats = tier->stats();
  EXPECT_EQ(stats.num_puts, 4u);
  EXPECT_EQ(stats.num_hits, 4u);
  EXPECT_EQ(stats.num_misses, 5u);
  EXPECT_EQ(stats.num_refused, 1u);
  EXPECT_EQ(stats.num_errors, 0u);
}

TEST_F(RedisTierTest, TheServerIsToldTheTime) {
  const auto tier = make();
  const int64_t expires_at_us = clock_.now_us() + 60'000'000;
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 100, expires_at_us)).is_ok());
  ASSERT_TRUE(tier->put(key_of(2), entry_of(2, 100, clock_.now_us() + 30'000)).is_ok());
  EXPECT_EQ((*tier->get(key_of(1)))->expires_at_us, expires_at_us);
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  EXPECT_TRUE(is_absent(*tier, 2));  // by the server's clock
  EXPECT_EQ(tier->stats().num_expired, 0u);
  clock_.advance_ms(60'000);
  EXPECT_TRUE(is_absent(*tier, 1));  // by ours
  EXPECT_EQ(tier->stats().num_expired, 1u);
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 100, clock_.now_us())).is_ok());
  EXPECT_TRUE(ask({"GET", server_key(1)}).is_nothing());
}

TEST_F(RedisTierTest, WhatOthersWroteIsNotHandedOut) {
  const auto tier = make();
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
  ASSERT_TRUE(tier->put(key_of(2), entry_of(2, 1000)).is_ok());
  ASSERT_TRUE(tier->put(key_of(3), entry_of(3, 1000)).is_ok());
  (void)ask({"SETRANGE", server_key(1), "500", "x"});
  (void)ask({"COPY", server_key(3), server_key(2), "REPLACE"});
  (void)ask({"DEL", server_key(3)});
  (void)ask({"LPUSH", server_key(3), "a list"});
  EXPECT_TRUE(is_absent(*tier, 1));
  EXPECT_TRUE(is_absent(*tier, 2));
  EXPECT_EQ(tier->stats().num_corrupt, 2u);
  EXPECT_TRUE(ask({"GET", server_key(1)}).is_nothing());
  EXPECT_EQ(tier->get(key_of(3)).status().code(), StatusCode::kIoError);  // WRONGTYPE
  ASSERT_TRUE(tier->put(key_of(3), entry_of(3, 1000)).is_ok());
  EXPECT_TRUE(holds(*tier, 3, 1000));
}

TEST_F(RedisTierTest, ClearTakesWhatIsOurs) {
  const auto tier = make();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(tier->put(key_of(i), entry_of(i, 10)).is_ok());
  (void)ask({"SET", "others", "stays"});
  ASSERT_TRUE(tier->clear().is_ok());
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(is_absent(*tier, i));
  EXPECT_EQ(ask({"GET", "others"}).text(), "stays");
}

TEST_F(RedisTierTest, AServerThatRestartsIsFoundAgain) {
  const auto tier = make();
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
  stop_server();
  EXPECT_EQ(tier->get(key_of(1)).status().code(), StatusCode::kIoError);
  EXPECT_TRUE(is_absent(*tier, 1));  // left alone
  start_server();
  Status status = io_error("not tried");
  for (int i = 0; i < 500 && !status.is_ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    status = tier->put(key_of(2), entry_of(2, 1000));
  }
  EXPECT_TRUE(status.is_ok()) << status.message();
  EXPECT_TRUE(holds(*tier, 2, 1000));
  EXPECT_TRUE(is_absent(*tier, 1));
  EXPECT_GE(tier->stats().num_errors, 1u);
  EXPECT_GE(tier->stats().num_skipped, 1u);
}

TEST_F(RedisTierTest, ARestartBetweenTwoCallsGoesUnnoticed) {
  const auto tier = make();
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
  stop_server();
  start_server();
  EXPECT_TRUE(is_absent(*tier, 1));  // over a new connection
  EXPECT_EQ(tier->stats().num_errors, 0u);
}

TEST_F(RedisTierTest, AServerThatHangsHoldsUpOneCallOnce) {
  RedisTierOptions quick = options();
  quick.connect_timeout_ms = 50;
  quick.timeout_ms = 50;
  quick.backoff = {.first_pause_ms = 60'000};
  const auto tier = *RedisTier::make(quick);
  (void)tier->put(key_of(1), entry_of(1, 1000));
  ::kill(server_, SIGSTOP);
  const Stopwatch watch;
  EXPECT_EQ(tier->get(key_of(1)).status().code(), StatusCode::kIoError);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(is_absent(*tier, 1));
  EXPECT_GE(watch.elapsed_ms(), 49);
  EXPECT_LT(watch.elapsed_ms(), 2000);
  EXPECT_EQ(tier->stats().num_errors, 1u);
}

TEST_F(RedisTierTest, AServerThatRefusesSaysSo) {
  stop_server();
  password_ = "pw";
  settings_ = {"--requirepass", password_, "--maxmemory", "1mb"};
  start_server();
  RedisTierOptions wrong = options();
  wrong.url = "unix://:guess@" + socket_;
  const auto refused = *RedisTier::make(wrong);
  const Status status = refused->get(key_of(1)).status();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("the server refuses: \"WRONGPASS"));
  EXPECT_THAT(status.message(), Not(HasSubstr("guess")));
  const auto tier = make();
  const Status full = tier->put(key_of(1), entry_of(1, 100'000));  // the server itself takes more than its megabyte
  EXPECT_THAT(full.message(), HasSubstr("the server refuses: \"OOM"));
  EXPECT_TRUE(is_absent(*tier, 1));  // it is asked all the same
  EXPECT_EQ(tier->stats().num_skipped, 0u);
}

TEST_F(RedisTierTest, ManyThreads) {
  const auto tier = make();
  std::atomic<int> num_wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 6; ++thread) {
      threads.emplace_back([&, thread] {
        std::minstd_rand random(static_cast<unsigned>(thread) + 1);
        for (int i = 0; i < 200; ++i) {
          const int number = static_cast<int>(random() % 20);
          const size_t num_bytes = static_cast<size_t>(number) * 1000;
          if (random() % 3 == 0) {
            num_wrong += !tier->put(key_of(number), entry_of(number, num_bytes)).is_ok();
            continue;
          }
          const auto found = tier->get(key_of(number));
          num_wrong += !found.is_ok();
          if (found && *found) {
            num_wrong += test::to_vector((*found)->value.bytes()) != test::bytes_of(number, num_bytes);
          }
        }
      });
    }
  }
  EXPECT_EQ(num_wrong, 0);
}

}  // namespace
}  // namespace saccade
