#include "platform/cpu_pressure.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace saccade {
namespace {

std::optional<double> pressure_in(const std::string& text) {
  const std::string path = testing::TempDir() + "cpu_pressure_test";
  std::ofstream(path) << text;
  const std::optional<double> pressure = cpu_pressure(path);
  std::filesystem::remove(path);
  return pressure;
}

TEST(CpuPressure, IsTheFirstAverage) {
  EXPECT_DOUBLE_EQ(*pressure_in("some avg10=12.50 avg60=44.38 avg300=23.15 total=7144162331\nfull avg10=0.00\n"),
                   0.125);
  EXPECT_EQ(pressure_in("some avg10=0.00 avg60=1.00 avg300=1.00 total=1\n"), 0.0);
}

TEST(CpuPressure, IsUnknownWhereTheSystemDoesNotSay) {
  EXPECT_EQ(cpu_pressure(testing::TempDir() + "cpu_pressure_absent"), std::nullopt);
  for (const char* text : {"", "some\n", "some avg10=\n", "some avg10=lots\n", "some avg10=300\n", "full avg10=1\n"}) {
    EXPECT_EQ(pressure_in(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace saccade
