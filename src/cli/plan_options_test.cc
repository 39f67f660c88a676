#include "cli/plan_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "request/plan_text.h"

namespace saccade {
namespace {

TEST(PlanOptions, AreCalledAsThePartsOfAPlanAre) {
  CLI::App app;
  Plan plan;
  add_plan_options(app, plan);
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_lnames().front();
    if (name == "help") continue;
    EXPECT_THAT(known_plan_parts(), testing::Contains(name));
  }
}

}  // namespace
}  // namespace saccade
