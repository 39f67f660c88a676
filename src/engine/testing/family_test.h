// An engine on the tiny checkpoints of tests/parity, one for every family.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/testing/temporary_model.h"
#include "saccade/engine.h"

namespace saccade::testing {

inline ContentPart text_part(std::string words) {
  return {ContentPart::Kind::kText, std::move(words), "", {}};
}

inline std::string family_name(const ::testing::TestParamInfo<const char*>& family) {
  return family.param;
}

/// Takes the name of a folder.
class FamilyTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto model = TemporaryModel::convert(folder() + "checkpoint");
    ASSERT_TRUE(model) << model.status().message();
    model_.emplace(*std::move(model));
  }

  static std::string folder() { return std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/" + GetParam() + "/"; }

  static ContentPart picture_part(int number) {
    return {ContentPart::Kind::kImage, "", folder() + "conversation_" + std::to_string(number) + ".png", {}};
  }

  /// Draws sixteen tokens by a seed: every one depends on the whole distribution before it.
  static Request ask(std::vector<ContentPart> content) {
    Request request;
    request.messages.push_back({"user", std::move(content)});
    request.sampling.temperature = 1;
    request.sampling.seed = 11;
    request.max_tokens = 16;
    return request;
  }

  static Request go_on(Request request, const std::string& answer, std::vector<ContentPart> content) {
    request.messages.push_back({"assistant", {text_part(answer)}});
    request.messages.push_back({"user", std::move(content)});
    return request;
  }

  EngineOptions engine_options() const {
    EngineOptions options;
    options.model_path = model_->path();
    options.threads = 2;
    options.kv_type = KvType::kF32;  // in f32, an answer does not depend on how its prompt was cut up
    return options;
  }

  std::unique_ptr<Engine> load() const {
    auto engine = Engine::load(engine_options());
    EXPECT_TRUE(engine) << engine.status().message();
    return *std::move(engine);
  }

  static Answer answer(Engine& engine, const Request& request, const AnswerCallbacks& callbacks = {}) {
    auto answer = engine.answer(request, callbacks);
    EXPECT_TRUE(answer) << answer.status().message();
    return answer ? *std::move(answer) : Answer();
  }

  /// The same text, token for token, as from an engine that has answered nothing yet.
  void expect_as_fresh(const Answer& answer, const Request& request) const {
    const Answer fresh = FamilyTest::answer(*load(), request);
    EXPECT_FALSE(fresh.text.empty());
    EXPECT_EQ(answer.text, fresh.text);
    EXPECT_EQ(answer.receipt.tokens.generated, fresh.receipt.tokens.generated);
    EXPECT_EQ(answer.receipt.tokens.text, fresh.receipt.tokens.text);
    EXPECT_EQ(answer.receipt.tokens.visual, fresh.receipt.tokens.visual);
    EXPECT_EQ(answer.receipt.finish_reason, fresh.receipt.finish_reason);
    EXPECT_EQ(fresh.receipt.tokens.cached, 0);
  }

  std::optional<TemporaryModel> model_;
};

}  // namespace saccade::testing
