#include "server/key_gate.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace saccade {
namespace {

class KeyGateTest : public ::testing::Test {
 protected:
  static KeyFile file(const std::string& limits) {
    const auto parsed = parse_keys(*key_section("acme", "sk-1") + limits + "\n" + *key_section("free", "sk-2"), "k");
    EXPECT_TRUE(parsed) << parsed.status().message();
    return *parsed;
  }
  KeyGate& gate(const std::string& limits) {
    gate_ =
        std::make_unique<KeyGate>(file(limits), KeyGate::Clocks{[this] { return now_ms_; }, [this] { return us_; }});
    return *gate_;
  }

  static HttpRequest request(std::optional<std::string> authorization) {
    HttpRequest request;
    if (authorization) request.fields.emplace_back("authorization", *authorization);
    return request;
  }
  std::unique_ptr<KeyGate::Ticket> enter(const std::string& key = "sk-1") {
    auto entered = gate_->enter(request("Bearer " + key));
    if (auto* refusal = std::get_if<KeyGate::Refusal>(&entered)) {
      refusal_ = *refusal;
      const auto checked = gate_->check(request("Bearer " + key), true);
      EXPECT_TRUE(checked && checked->error.message == refusal->error.message);
      return nullptr;
    }
    return std::get<0>(std::move(entered));
  }
  static std::string field(const HttpFields& fields, const std::string& name) {
    const auto found = std::ranges::find(fields, name, &HttpFields::value_type::first);
    return found == fields.end() ? "none" : found->second;
  }

  double now_ms_ = 1e6;
  int64_t us_ = 1'800'000'000'000'000;  // 2027-01-15
  std::unique_ptr<KeyGate> gate_;
  KeyGate::Refusal refusal_;
};

TEST_F(KeyGateTest, LetsInThoseWithAKey) {
  gate("");
  EXPECT_EQ(enter("sk-1")->key().name, "acme");
  EXPECT_EQ(enter("sk-2")->key().name, "free");
  EXPECT_FALSE(gate_->check(request("bearer  sk-1 "), true)) << "schemes have no case";
  for (const auto& wrong :
       {std::optional<std::string>(), std::optional<std::string>("sk-1"), std::optional<std::string>("Basic sk-1"),
        std::optional<std::string>("Bearer "), std::optional<std::string>("Bearer"),
        std::optional<std::string>("Bearer sk-3"), std::optional<std::string>("Bearer sk-1x")}) {
    const auto refusal = gate_->check(request(wrong), false);
    ASSERT_TRUE(refusal) << wrong.value_or("none");
    EXPECT_EQ(refusal->error.status, 401);
    EXPECT_EQ(refusal->error.code, "invalid_api_key");
    EXPECT_EQ(field(refusal->response().fields, "www-authenticate"), "Bearer");
    EXPECT_EQ(refusal->error.message.find("sk-"), std::string::npos) << "no key goes into a log";
  }
}

TEST_F(KeyGateTest, RefusesKeysThatExpired) {
  gate("expires = 2027-01-16");
  EXPECT_TRUE(enter());
  us_ += 86'400'000'000;
  EXPECT_FALSE(enter());
  EXPECT_EQ(refusal_.error.status, 401);
  EXPECT_NE(refusal_.error.message.find("expired"), std::string::npos);
  EXPECT_TRUE(enter("sk-2"));
}

TEST_F(KeyGateTest, CountsRequestsOfAMinute) {
  gate("requests_per_minute = 2");
  EXPECT_TRUE(enter());
  const auto second = enter();
  ASSERT_TRUE(second);
  const HttpFields fields = second->limits().fields();
  EXPECT_EQ(field(fields, "x-ratelimit-limit-requests"), "2");
  EXPECT_EQ(field(fields, "x-ratelimit-remaining-requests"), "0");
  EXPECT_EQ(field(fields, "x-ratelimit-reset-requests"), "1m0s");
  EXPECT_EQ(field(fields, "x-ratelimit-limit-tokens"), "none");
  EXPECT_FALSE(enter());
  EXPECT_EQ(refusal_.error.status, 429);
  EXPECT_EQ(refusal_.error.code, "rate_limit_exceeded");
  EXPECT_NE(refusal_.error.message.find("2 requests a minute"), std::string::npos);
  EXPECT_EQ(field(refusal_.response().fields, "retry-after"), "30");
  EXPECT_EQ(field(refusal_.response().fields, "x-ratelimit-remaining-requests"), "0");
  EXPECT_FALSE(gate_->check(request("Bearer sk-1"), false)) << "the key is good";
  EXPECT_TRUE(enter("sk-2")) << "another account's";
  now_ms_ += 30'000;
  EXPECT_TRUE(enter());
  EXPECT_FALSE(enter());
}

TEST_F(KeyGateTest, CountsTokensOnceTheyAreKnown) {
  gate("tokens_per_minute = 100");
  const auto ticket = enter();
  ASSERT_TRUE(ticket);
  ticket->set_used_tokens(60);
  EXPECT_EQ(field(ticket->limits().fields(), "x-ratelimit-remaining-tokens"), "40");
  EXPECT_EQ(field(ticket->limits().fields(), "x-ratelimit-reset-tokens"), "36s");
  EXPECT_TRUE(enter()) << "some are left";
  ticket->set_used_tokens(150);
  EXPECT_FALSE(enter());
  EXPECT_NE(refusal_.error.message.find("100 tokens a minute"), std::string::npos);
  EXPECT_EQ(field(refusal_.response().fields, "retry-after"), "31");
  now_ms_ += 31'000;
  EXPECT_TRUE(enter());
}

TEST_F(KeyGateTest, CountsRequestsAtATime) {
  gate("max_concurrent = 2");
  auto first = enter();
  const auto second = enter();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(enter());
  EXPECT_NE(refusal_.error.message.find("2 requests at a time"), std::string::npos);
  EXPECT_EQ(field(refusal_.response().fields, "retry-after"), "1");
  first.reset();
  EXPECT_TRUE(enter());
}

TEST_F(KeyGateTest, KeepsWhatWasUsedWhenTheFileIsReplaced) {
  gate("requests_per_minute = 2\nmax_concurrent = 2");
  auto first = enter();
  ASSERT_TRUE(first);
  gate_->replace(file("requests_per_minute = 3\nmax_concurrent = 2"));
  EXPECT_EQ(first->key().requests_per_minute, 2) << "what was let in is as it was";
  auto second = enter();
  EXPECT_TRUE(second);
  EXPECT_FALSE(enter()) << "two are running";
  first.reset();
  EXPECT_TRUE(enter());
  EXPECT_FALSE(enter()) << "three were asked";
  const auto others = parse_keys(*key_section("other", "sk-9"), "k");
  gate_->replace(*others);
  EXPECT_TRUE(enter("sk-9"));
  EXPECT_FALSE(enter("sk-1"));
  EXPECT_EQ(refusal_.error.status, 401);
  second.reset();
}

}  // namespace
}  // namespace saccade
