#include "weights/safetensors_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "weights/test_files.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;
using testing_files::as_bytes;
using testing_files::safetensors_bytes;
using testing_files::TempDir;

std::string with_header(const std::string& header, size_t data_bytes = 64) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(data_bytes, 'x');
}

std::string message_of(const std::string& bytes) {
  const auto tensors = parse_safetensors(as_bytes(bytes));
  return tensors ? "no error" : tensors.status().message();
}

TEST(Safetensors, ReadsASingleFile) {
  const TempDir dir;
  dir.write("model.safetensors", safetensors_bytes({{"a", {{2, 3}, {1, 2, 3, 4, 5, 6}}}, {"b", {{1}, {7}}}}));
  const auto checkpoint = SafetensorsCheckpoint::open(dir.root());
  ASSERT_TRUE(checkpoint) << checkpoint.status().message();
  ASSERT_EQ(checkpoint->tensors().size(), 2u);
  const SafeTensor& a = checkpoint->tensors().find("a")->second;
  EXPECT_EQ(a.dims, (std::vector<int64_t>{2, 3}));
  float last = 0;
  std::memcpy(&last, a.data + 20, 4);
  EXPECT_EQ(last, 6);
}

TEST(Safetensors, ReadsShardsAndRefusesATensorInTwo) {
  const TempDir dir;
  dir.write("one.safetensors", safetensors_bytes({{"a", {{1}, {1}}}}));
  dir.write("two.safetensors", safetensors_bytes({{"b", {{1}, {2}}}}));
  dir.write("model.safetensors.index.json", R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  const auto checkpoint = SafetensorsCheckpoint::open(dir.root());
  ASSERT_TRUE(checkpoint) << checkpoint.status().message();
  EXPECT_EQ(checkpoint->tensors().size(), 2u);
  dir.write("two.safetensors", safetensors_bytes({{"a", {{1}, {2}}}}));
  EXPECT_THAT(SafetensorsCheckpoint::open(dir.root()).status().message(), HasSubstr("another shard"));
  dir.write("model.safetensors.index.json", R"({"weight_map": {"a": "../one.safetensors"}})");
  EXPECT_THAT(SafetensorsCheckpoint::open(dir.root()).status().message(), HasSubstr("not the name of a file"));
  dir.write("model.safetensors.index.json", R"({"weight_map": {"a": "three.safetensors"}})");
  EXPECT_EQ(SafetensorsCheckpoint::open(dir.root()).status().code(), StatusCode::kNotFound);
}

TEST(Safetensors, SaysWhatAFolderWithoutThemNeeds) {
  const TempDir dir;
  EXPECT_THAT(SafetensorsCheckpoint::open(dir.root()).status().message(), HasSubstr("model.safetensors"));
  dir.write("pytorch_model.bin", "x");
  EXPECT_THAT(SafetensorsCheckpoint::open(dir.root()).status().message(), HasSubstr("safe_serialization"));
  EXPECT_THAT(SafetensorsCheckpoint::open(dir.path("none")).status().message(), HasSubstr("no such folder"));
}

TEST(Safetensors, RefusesBadHeaders) {
  EXPECT_THAT(message_of("short"), HasSubstr("only 5 bytes"));
  EXPECT_THAT(message_of(std::string(8, '\xff') + "{}"), HasSubstr("does not fit"));
  EXPECT_THAT(message_of(with_header("{\"a\": ")), HasSubstr("not valid JSON"));
  EXPECT_THAT(message_of(with_header("[1]")), HasSubstr("not a JSON object"));
  EXPECT_THAT(message_of(with_header("{}").substr(0, 9)), HasSubstr("is the download complete?"));
  const uint64_t too_long = (32 << 20) + 1;
  std::string long_header(8 + too_long, '{');
  std::memcpy(long_header.data(), &too_long, sizeof(too_long));
  EXPECT_THAT(message_of(long_header), HasSubstr("a header of 33.6 MB; at most 33.6 MB"));
  EXPECT_THAT(message_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(message_of("<html><body>Not found</body></html>"), HasSubstr("a web page"));
  // Headers of 640 and 35615 bytes begin like a Python pickle and a gzip archive.
  for (const size_t num_bytes : {size_t{0x280}, size_t{0x8b1f}}) {
    EXPECT_EQ(message_of(with_header("{" + std::string(num_bytes - 2, ' ') + "}")), "no error");
  }
  EXPECT_THAT(message_of(with_header(std::string(100000, '['))), HasSubstr("nested"));
  const auto entry = [](const char* body) { return with_header(std::string("{\"t\": ") + body + "}"); };
  EXPECT_EQ(message_of(entry(R"({"dtype":"F32","shape":[2,8],"data_offsets":[0,64]})")), "no error");
  EXPECT_THAT(message_of(entry("7")), HasSubstr("\"t\": no dtype"));
  EXPECT_THAT(message_of(entry(R"({"dtype":"Q9","shape":[1],"data_offsets":[0,4]})")), HasSubstr("not known"));
  EXPECT_THAT(message_of(entry(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})")), HasSubstr("sensible"));
  EXPECT_THAT(message_of(entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]})")),
              HasSubstr("sensible"));
  EXPECT_THAT(message_of(entry(R"({"dtype":"F32","shape":[1.5],"data_offsets":[0,4]})")), HasSubstr("sensible"));
  EXPECT_THAT(message_of(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})")), HasSubstr("does not take"));
  EXPECT_THAT(message_of(entry(R"({"dtype":"F32","shape":[20],"data_offsets":[0,80]})")), HasSubstr("outside"));
  EXPECT_THAT(message_of(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[8,4]})")), HasSubstr("outside"));
  EXPECT_THAT(message_of(entry(R"({"dtype":"F32","shape":[1]})")), HasSubstr("data_offsets"));
  EXPECT_THAT(message_of(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                     R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})")),
              HasSubstr("overlap"));
}

TEST(Safetensors, MutatedFilesAreReadOrRefused) {
  const std::string good = safetensors_bytes(
      {{"model.layers.0.weight", {{2, 3}, {1, 2, 3, 4, 5, 6}}}, {"b", {{1}, {7}}}, {"c", {{4}, {1, 2, 3, 4}}}});
  std::mt19937 random(7);
  const auto below = [&](size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random); };
  constexpr std::string_view kBytes = "0123456789{}[]\",:-.e\\ \x80\xff";
  for (int i = 0; i < 1000; ++i) {
    std::string mutant = good;
    for (size_t change = 0; change <= below(3); ++change) {
      const size_t at = below(good.size() - 44);
      mutant[at] = at < 8 ? static_cast<char>(random()) : kBytes[below(kBytes.size())];
    }
    if (below(8) == 0) mutant.resize(below(mutant.size()));
    const std::string exact(mutant);
    const auto tensors = parse_safetensors(as_bytes(exact));
    if (!tensors) continue;
    for (const SafeTensor& tensor : *tensors) {
      if (!tensor.dtype) continue;
      unsigned sum = 0;
      for (int64_t k = 0; k < row_bytes(*tensor.dtype, tensor.num_elements); ++k) {
        sum += static_cast<unsigned>(tensor.data[k]);
      }
      [[maybe_unused]] const volatile unsigned sink = sum;
    }
  }
}

}  // namespace
}  // namespace saccade
