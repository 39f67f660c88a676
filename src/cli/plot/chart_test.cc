#include "cli/plot/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "cli/plot/cairo_paint.h"
#include "cli/plot/svg.h"

// Fontconfig keeps some patterns to the program's end without a pointer that the leak check could follow.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT: the name that the sanitizer asks for
  return "leak:libfontconfig";
}

namespace saccade::plot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Twenty points close together, all with labels, in two series.
Chart crowded_chart() {
  Chart chart;
  chart.title = "Crowd <&>";
  chart.x_title = "cost";
  chart.y_title = "quality";
  chart.is_y_percent = true;
  for (const char* name : {"a series", "another"}) {
    Series series = {.name = name, .is_joined = true, .points = {}};
    for (int i = 0; i < 10; ++i)
      series.points.push_back({1 + 0.01 * i, 0.5 + 0.003 * i, "point-" + std::to_string(i), ""});
    chart.series.push_back(series);
  }
  return chart;
}

Drawing draw(const Chart& chart) {
  Drawing drawing = {.width = 800, .height = 500, .title = chart.title, .shapes = {}};
  draw_chart(chart, {0, 0, 800, 500}, drawing);
  return drawing;
}

TEST(Chart, TicksAreRoundNumbersAroundTheData) {
  EXPECT_THAT(nice_ticks(0, 10, 6), ElementsAre(0, 2, 4, 6, 8, 10));
  const std::vector<double> ticks = nice_ticks(0.113, 0.977, 7);
  EXPECT_LE(ticks.front(), 0.113);
  EXPECT_GE(ticks.back(), 0.977);
  EXPECT_GE(ticks.size(), 2u);
  EXPECT_GE(nice_ticks(5, 5, 7).size(), 2u) << "one value";
  EXPECT_GE(nice_ticks(0, 0, 7).size(), 2u);
  EXPECT_THAT(nice_ticks(20001, 20003, 7, /*is_whole=*/true), ElementsAre(20001, 20002, 20003));
  EXPECT_THAT(nice_ticks(20001, 20001, 7, /*is_whole=*/true), ElementsAre(20000, 20001, 20002));
  EXPECT_THAT(nice_ticks(0, 14, 7, /*is_whole=*/true), ElementsAre(0, 5, 10, 15)) << "2.5 is not whole";
  EXPECT_EQ(tick_text(0.25, 0.25), "0.25");
  EXPECT_EQ(tick_text(0.5, 0.25), "0.50");
  EXPECT_EQ(tick_text(2000, 500), "2000");
  EXPECT_EQ(tick_text(-1e-17, 0.1), "0.0");
}

TEST(Chart, NoWordsLieOnOthersOrLeaveThePicture) {
  const Drawing drawing = draw(crowded_chart());
  std::vector<Box> boxes;
  for (const auto& shape : drawing.shapes) {
    if (const auto* words = std::get_if<Words>(&shape)) boxes.push_back(extent_of(*words));
  }
  EXPECT_GT(boxes.size(), 15u);
  const Box picture = {0, 0, drawing.width, drawing.height};
  for (size_t i = 0; i < boxes.size(); ++i) {
    EXPECT_TRUE(picture.contains(boxes[i])) << i;
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(boxes[i].overlaps(boxes[j])) << i << " and " << j;
  }
}

TEST(Chart, ASingleAndNoPointAreDrawn) {
  Chart chart;
  EXPECT_FALSE(draw(chart).shapes.empty());
  chart.series.push_back({.name = "one", .points = {{3, 3, "here", ""}}});
  EXPECT_FALSE(draw(chart).shapes.empty());
}

TEST(Chart, IsWrittenAsPng) {
  const std::string path = ::testing::TempDir() + "chart_test.png";
  ASSERT_TRUE(write_png(draw(crowded_chart()), path).is_ok());
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_THAT(bytes, StartsWith("\x89PNG"));
  EXPECT_GT(bytes.size(), 5000u);
  std::filesystem::remove(path);
  EXPECT_EQ(write_png(draw(crowded_chart()), "/nowhere/chart.png").code(), StatusCode::kIoError);
}

TEST(Chart, SvgHasTextAndNoColoursOfItsOwn) {
  const std::string svg = to_svg(draw(crowded_chart()));
  EXPECT_THAT(svg, HasSubstr("Crowd &lt;&amp;&gt;"));
  EXPECT_THAT(svg, HasSubstr("var(--blue)"));
  EXPECT_THAT(svg, Not(HasSubstr("#")));
  EXPECT_THAT(ink_style(), HasSubstr("prefers-color-scheme: dark"));
  EXPECT_EQ(escape_html("a\x1b\"<"), "a &quot;&lt;");
}

}  // namespace
}  // namespace saccade::plot
