#include "cli/printable_text.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(PrintableText, KeepsWhatIsNoControlCharacter) {
  const std::string text = "caf\u00e9 \u00a0 \u6f22 \U0001f600 ~ \\u001b";
  EXPECT_EQ(printable(text), text);
  EXPECT_EQ(one_line(text), text);
}

TEST(PrintableText, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("\x1b[31mred\r\x07\x7f"), "\\u001b[31mred\\u000d\\u0007\\u007f");
  EXPECT_EQ(printable("\u009b31m\u0080\u009f"), "\\u009b31m\\u0080\\u009f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\u0000b");
}

TEST(PrintableText, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("\x9b"
                      "31m \xc3"),
            "\\x9b31m \\xc3");
}

TEST(PrintableText, OnlyALineLosesItsNewlines) {
  EXPECT_EQ(printable("a\n\tb"), "a\n\tb");
  EXPECT_EQ(one_line("a\n\tb"), "a\\u000a\\u0009b");
}

}  // namespace
}  // namespace saccade
