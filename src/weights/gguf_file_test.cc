#include "weights/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "weights/gguf_parser.h"
#include "weights/test_files.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;
using testing_files::as_bytes;
using testing_files::sample_gguf;
using testing_files::TempDir;

// Reads every key and every tensor byte, so that a sanitizer sees a view that points outside.
void use_everything(const GgufContents& contents) {
  unsigned sum = 0;
  for (const NamedTensor& tensor : contents.tensors) {
    for (int64_t i = 0; i < tensor.view.num_bytes(); ++i) sum += static_cast<unsigned>(tensor.view.data[i]);
  }
  for (const auto& [key, value] : contents.metadata.values()) sum += static_cast<unsigned>(key.size() + value.index());
  [[maybe_unused]] const volatile unsigned sink = sum;
}

template <typename T>
std::string with_value(std::string bytes, size_t position, T value) {
  std::memcpy(bytes.data() + position, &value, sizeof(T));
  return bytes;
}

std::string message_of(const std::string& bytes) {
  const auto contents = parse_gguf(as_bytes(bytes));
  return contents ? "no error" : contents.status().message();
}

TEST(GgufFile, ReadsWhatTheWriterWrote) {
  const TempDir dir;
  sample_gguf(dir);
  const auto file = GgufFile::open(dir.path("sample.gguf"));
  ASSERT_TRUE(file) << file.status().message();
  const Metadata& metadata = file->metadata();
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(*metadata.integer("a.u32", 0, int64_t{1} << 32), 4000000000);
  EXPECT_EQ(*metadata.integer("a.i32", -10, 0), -7);
  EXPECT_EQ(*metadata.number("a.f32"), 0.5);
  EXPECT_EQ(*metadata.number("a.f64"), 0.1);
  EXPECT_EQ(*metadata.integer("a.u64", 0, int64_t{1} << 50), int64_t{1} << 40);
  EXPECT_TRUE(*metadata.boolean("a.bool"));
  EXPECT_EQ(*metadata.integers("a.i32s"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(*metadata.numbers("a.f32s"), (std::vector<double>{0.25, -1}));
  EXPECT_EQ(*metadata.strings("a.strings"), (std::vector<std::string>{"", "two", std::string("with\0zero", 9)}));
  ASSERT_EQ(file->tensors().size(), 3u);
  const NamedTensor* third = file->find("third");
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->view.shape, (Shape{2, 3, 5, 7}));
  EXPECT_EQ(third->view.dtype, DType::kF16);
  EXPECT_EQ(third->view.data[0], std::byte{3});
  EXPECT_EQ(third->view.data[third->view.num_bytes() - 1], std::byte{3});
  EXPECT_EQ(file->find("second")->view.data[0], std::byte{2});
  EXPECT_EQ(file->find("fourth"), nullptr);
}

TEST(GgufFile, KeepsWorkingWhenMoved) {
  const TempDir dir;
  sample_gguf(dir);
  auto opened = GgufFile::open(dir.path("sample.gguf"));
  const GgufFile file = *std::move(opened);
  ASSERT_NE(file.find("first"), nullptr);
  EXPECT_EQ(file.find("first")->view.data[0], std::byte{1});
}

TEST(GgufFile, SaysWhatAForeignFileIs) {
  const TempDir dir;
  const std::vector<std::pair<std::string, const char*>> files = {
      {"\xff\xd8\xff\xe0 JFIF", "JPEG"},
      {"Dear reader, this is text.", "a text file"},
      {std::string("\x10\0\0\0\0\0\0\0{\"a\": 1}", 17), "safetensors"},
      {std::string("\x80\x02}q\x00", 5), "pickle"},
      {std::string("PK\x03\x04", 4), "PyTorch"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer; run `git lfs pull`"},
      {"{\"architectures\": [\"LlamaForCausalLM\"]}", "saccade convert FOLDER OUT.gguf"},
      {"GGU", "first bytes of a GGUF file"},
      {"<!DOCTYPE html>", "web page"},
      {std::string(64, '\0'), "not complete"},
      {"", "empty"},
  };
  for (const auto& [content, expected] : files) {
    dir.write("foreign", content);
    const auto file = GgufFile::open(dir.path("foreign"));
    ASSERT_FALSE(file) << expected;
    EXPECT_THAT(file.status().message(), HasSubstr("not a GGUF file"));
    EXPECT_THAT(file.status().message(), HasSubstr(expected));
    EXPECT_THAT(file.status().message(), HasSubstr(dir.path("foreign")));
  }
  EXPECT_EQ(GgufFile::open(dir.path("absent")).status().code(), StatusCode::kNotFound);
  const Status folder = GgufFile::open(dir.root()).status();
  EXPECT_EQ(folder.code(), StatusCode::kIoError);
  EXPECT_THAT(folder.message(), HasSubstr("is a directory"));
}

TEST(GgufFile, SaysHowACheckpointFolderBecomesAModel) {
  const TempDir dir;
  dir.write("config.json", "{}");
  const Status status = GgufFile::open(dir.root()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("`saccade convert " + dir.root() + " OUT.gguf`"));
}

TEST(GgufFile, RefusesOtherVersionsAndByteOrders) {
  const TempDir dir;
  const std::string good = sample_gguf(dir);
  EXPECT_THAT(message_of(with_value<uint32_t>(good, 4, 1)), HasSubstr("version 1"));
  EXPECT_THAT(message_of(with_value<uint32_t>(good, 4, 4)), HasSubstr("version 4"));
  EXPECT_THAT(message_of(with_value<uint32_t>(good, 4, 0x03000000)), HasSubstr("big-endian"));
  EXPECT_EQ(message_of(with_value<uint32_t>(good, 4, 2)), "no error");
}

TEST(GgufFile, RefusesHugeCountsWithoutAllocating) {
  const TempDir dir;
  const std::string good = sample_gguf(dir);
  for (const uint64_t count : {uint64_t{1} << 20, uint64_t{1} << 40, ~uint64_t{0}}) {
    EXPECT_THAT(message_of(with_value(good, 8, count)), HasSubstr("tensors at byte 8"));
    EXPECT_THAT(message_of(with_value(good, 16, count)), HasSubstr("keys at byte 16"));
    EXPECT_THAT(message_of(with_value(good, 24, count)), HasSubstr("runs past the end"));
  }
  const size_t array = good.find("a.strings") + 9;
  EXPECT_THAT(message_of(with_value(good, array + 8, ~uint64_t{0} / 8)), HasSubstr("\"a.strings\": array of"));
  EXPECT_THAT(message_of(with_value<uint32_t>(good, array + 4, 9)), HasSubstr("array of arrays"));
  EXPECT_THAT(message_of(with_value<uint32_t>(good, array + 4, 77)), HasSubstr("unknown value type 77"));
  EXPECT_THAT(message_of(with_value<uint32_t>(good, array, 13)), HasSubstr("unknown value type 13"));
}

TEST(GgufFile, RefusesTensorsThatMakeNoSense) {
  const TempDir dir;
  const std::string good = sample_gguf(dir);
  const size_t rank = good.find("second") + 6;
  EXPECT_THAT(message_of(with_value<uint32_t>(good, rank, 0)), HasSubstr("\"second\" has 0 dimensions"));
  EXPECT_THAT(message_of(with_value<uint32_t>(good, rank, 5)), HasSubstr("has 5 dimensions"));
  EXPECT_THAT(message_of(with_value<uint64_t>(good, rank + 4, 0)), HasSubstr("dimension 0"));
  EXPECT_THAT(message_of(with_value<uint64_t>(good, rank + 4, 63)), HasSubstr("no multiple of q4_0's block of 32"));
  EXPECT_THAT(message_of(with_value<uint64_t>(good, rank + 12, uint64_t{1} << 62)), HasSubstr("dimension 1"));
  EXPECT_THAT(message_of(with_value<uint64_t>(good, rank + 12, 1000)), HasSubstr("do not fit the file"));
  EXPECT_THAT(message_of(with_value<uint32_t>(good, rank + 20, 31)), HasSubstr("ggml type 31"));
  EXPECT_THAT(message_of(with_value<uint32_t>(good, rank + 20, 31)), HasSubstr("known: f32, f16, bf16, q8_0"));
  EXPECT_THAT(message_of(with_value<uint64_t>(good, rank + 24, 33)), HasSubstr("multiple of the alignment"));
  EXPECT_THAT(message_of(with_value<uint64_t>(good, rank + 24, ~uint64_t{31})), HasSubstr("do not fit the file"));
  std::string twice = good;
  twice.replace(good.find("a.f64"), 5, "a.f32");
  EXPECT_THAT(message_of(twice), HasSubstr("key \"a.f32\" at byte"));
  EXPECT_THAT(message_of(twice), HasSubstr("there twice"));
}

TEST(GgufFile, RefusesASillyAlignment) {
  const TempDir dir;
  for (const uint32_t alignment : {0u, 4u, 24u, 1u << 21}) {
    GgufKeys keys;
    keys.set_u32("general.alignment", alignment);
    ASSERT_TRUE(testing_files::write_gguf(dir.path("aligned"), keys, {}).is_ok());
    const auto file = GgufFile::open(dir.path("aligned"));
    ASSERT_FALSE(file);
    EXPECT_THAT(file.status().message(), HasSubstr("general.alignment"));
  }
}

// Every length up to the end of the tensor table and a bit into the data: an error at each, never a crash.
TEST(GgufFile, EveryTruncationIsAnError) {
  const TempDir dir;
  const std::string good = sample_gguf(dir);
  for (size_t length = 0; length < good.size() - 32; ++length) {
    const std::string cut(good.data(), length);  // its own allocation, so that reading past it is seen
    const std::string message = message_of(cut);
    EXPECT_NE(message, "no error") << "cut to " << length;
    EXPECT_THAT(message, HasSubstr(length == 0 ? "empty" : "download")) << "cut to " << length;
  }
}

TEST(GgufFile, MutatedFilesAreReadOrRefused) {
  const TempDir dir;
  const std::string good = sample_gguf(dir);
  std::mt19937 random(20240607);
  const auto below = [&](size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random); };
  const size_t header_end = good.find("third") + 60;
  int num_refused = 0;
  constexpr int kNumMutants = 2000;
  for (int i = 0; i < kNumMutants; ++i) {
    std::string mutant = good;
    const size_t num_changes = 1 + below(3);
    for (size_t change = 0; change < num_changes; ++change) {
      const size_t at = below(header_end - 8);
      switch (below(4)) {
        case 0:
          mutant[at] = static_cast<char>(mutant[at] ^ (1 << below(8)));
          break;
        case 1:
          mutant = with_value<uint64_t>(std::move(mutant), at, uint64_t{1} << below(64));
          break;
        case 2:
          mutant = with_value<uint32_t>(std::move(mutant), at, static_cast<uint32_t>(below(14)));
          break;
        default:
          mutant = with_value<uint64_t>(std::move(mutant), at, ~uint64_t{0} >> below(64));
      }
    }
    if (below(8) == 0) mutant.resize(below(mutant.size()));
    const std::string exact(mutant);
    const auto contents = parse_gguf(as_bytes(exact));
    if (contents) use_everything(*contents);
    if (!contents) {
      ++num_refused;
      EXPECT_FALSE(contents.status().message().empty());
    }
  }
  EXPECT_GT(num_refused, kNumMutants / 4);
  EXPECT_LT(num_refused, kNumMutants);
}

}  // namespace
}  // namespace saccade
