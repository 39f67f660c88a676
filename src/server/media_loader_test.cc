#include "server/media_loader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/chat_request.h"

namespace saccade {
namespace {

namespace fs = std::filesystem;

class MediaLoaderTest : public ::testing::Test {
 protected:
  MediaLoaderTest()
      : root_(fs::path(::testing::TempDir()) /
              (std::string("media_loader_test.") + ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "open" / "inner");
    fs::create_directories(root_ / "open-too");
    std::ofstream(root_ / "open" / "a b.png") << "picture";
    std::ofstream(root_ / "open" / "inner" / "c.png") << "other";
    std::ofstream(root_ / "open" / "empty.png") << "";
    std::ofstream(root_ / "secret.png") << "secret";
    std::ofstream(root_ / "open-too" / "d.png") << "secret";
    fs::create_symlink(root_ / "secret.png", root_ / "open" / "link.png");
    fs::create_symlink(root_, root_ / "open" / "up");
    fs::create_symlink(root_ / "open" / "inner", root_ / "open" / "within");
  }
  ~MediaLoaderTest() override { fs::remove_all(root_); }

  std::string folder() const { return (root_ / "open").string(); }
  std::string read(const std::string& url) const {
    const auto path = path_below(folder(), url);
    if (!path) return path.status().code() == StatusCode::kNotFound ? "not found" : "refused";
    std::ifstream in(*path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  static ChatRequest chat_of(const std::string& url, const std::string& uuid = "", const std::string& account = "") {
    ChatRequest chat;
    chat.request.account = account;
    Message& message = chat.request.messages.emplace_back();
    message.content.emplace_back().kind = ContentPart::Kind::kImage;
    chat.media.push_back({.url = url, .uuid = uuid, .param = "the.field"});
    return chat;
  }

  const fs::path root_;
};

TEST_F(MediaLoaderTest, FindsFilesBelowTheFolder) {
  EXPECT_EQ(read("a b.png"), "picture");
  EXPECT_EQ(read(folder() + "/a b.png"), "picture");
  EXPECT_EQ(read("file://" + folder() + "/a%20b.png"), "picture");
  EXPECT_EQ(read("file:" + folder() + "/a%20b.png"), "picture");
  EXPECT_EQ(read("file://localhost" + folder() + "/inner/c.png"), "other");
  EXPECT_EQ(read("inner/../inner/c.png"), "other");
  EXPECT_EQ(read("within/c.png"), "other");
}

TEST_F(MediaLoaderTest, RefusesWhatIsOutside) {
  for (const std::string& url :
       {std::string("../secret.png"), std::string("/etc/passwd"), std::string("file:///etc/passwd"),
        root_.string() + "/secret.png", std::string("inner/../../secret.png"), std::string("link.png"),
        std::string("up/secret.png"), root_.string() + "/open-too/d.png", std::string("../open-too/d.png"),
        "file://" + folder() + "/%2e%2e/secret.png", "file://elsewhere" + folder() + "/a%20b.png", std::string("."),
        std::string(""), std::string("file:"), std::string("file:///a%zz"), std::string("file:///a%2"),
        "file://" + folder() + "/a%00b.png", std::string("../nothing.png"), std::string("up/nothing.png")}) {
    EXPECT_EQ(read(url), "refused") << url;
  }
  EXPECT_EQ(read("nothing.png"), "not found");
  EXPECT_EQ(path_below("", "a.png").status().code(), StatusCode::kInvalidArgument);
}

TEST_F(MediaLoaderTest, FillsInWhatIsNamed) {
  MediaLoader loader({.folder = folder(), .fetch = {}});
  const auto never = [] { return false; };
  ChatRequest chat = chat_of("a b.png", "name");
  ASSERT_FALSE(loader.load(chat.request, chat.media, never));
  EXPECT_EQ(chat.request.messages[0].content[0].bytes.size(), 7u);
  ChatRequest again = chat_of("", "name");
  ASSERT_FALSE(loader.load(again.request, again.media, never));
  EXPECT_EQ(again.request.messages[0].content[0].bytes, chat.request.messages[0].content[0].bytes);
  ChatRequest other = chat_of("", "name", "another account");
  EXPECT_EQ(loader.load(other.request, other.media, never).value().code, "unknown_uuid");
}

TEST_F(MediaLoaderTest, SaysWhichFieldNamesWhatIsNotThere) {
  MediaOptions options = {.folder = folder(), .fetch = {}};
  options.fetch.max_bytes = 6;
  MediaLoader loader(options);
  for (const char* url :
       {"nothing.png", "empty.png", "a b.png", "inner", "http://example.com/a.png", "ftp://a/b.png"}) {
    ChatRequest chat = chat_of(url);
    const auto error = loader.load(chat.request, chat.media, [] { return false; });
    ASSERT_TRUE(error) << url;
    EXPECT_EQ(error->param, "the.field");
    EXPECT_EQ(error->status, std::string(url) == "a b.png" ? 413 : 400) << error->message;
    EXPECT_EQ(error->message.find(root_.string()), std::string::npos) << error->message;
  }
}

}  // namespace
}  // namespace saccade
