// Files for the tests of this folder: a temporary folder, small GGUF and safetensors files.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weights/gguf_writer.h"
#include "weights/json_text.h"

namespace saccade::testing_files {

/// A folder of this test's own, empty at its start, removed at its end.
class TempDir {
 public:
  explicit TempDir(std::string_view suffix = "") {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    dir_ = std::filesystem::path(::testing::TempDir()) /
           ("saccade_" + std::string(info->test_suite_name()) + "_" + info->name() + std::string(suffix));
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string path(std::string_view name) const { return (dir_ / name).string(); }
  std::string root() const { return dir_.string(); }
  void write(std::string_view name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
  }
  std::string read(std::string_view name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t num_files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(dir_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path dir_;
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// Tensor number i is filled with bytes of value i + 1.
inline Status write_gguf(const std::string& path, const GgufKeys& keys, const std::vector<GgufTensorPlan>& tensors) {
  SACCADE_ASSIGN_OR_RETURN(GgufWriter writer, GgufWriter::create(path, keys, tensors));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView view{tensors[i].dtype, tensors[i].shape, nullptr};
    const std::vector<std::byte> bytes(static_cast<size_t>(view.num_bytes()), static_cast<std::byte>(i + 1));
    SACCADE_RETURN_IF_ERROR(writer.append(bytes));
  }
  return writer.finish();
}

/// A file with a key of every kind and three tensors, one of them quantised.
inline std::string sample_gguf(const TempDir& dir) {
  GgufKeys keys;
  keys.set_string("general.architecture", "llama");
  keys.set_u32("a.u32", 4000000000u);
  keys.set_i32("a.i32", -7);
  keys.set_f32("a.f32", 0.5F);
  keys.set_bool("a.bool", true);
  keys.set("a.u64", GgufValueType::kUint64, int64_t{1} << 40);
  keys.set("a.f64", GgufValueType::kFloat64, 0.1);
  keys.set("a.bools", GgufValueType::kBool, std::vector<bool>{true, false, true});
  keys.set_i32s("a.i32s", std::vector<int32_t>{1, -2, 3});
  keys.set_f32s("a.f32s", std::vector<float>{0.25F, -1.0F});
  keys.set_strings("a.strings", {"", "two", std::string("with\0zero", 9)});
  const Status status = write_gguf(dir.path("sample.gguf"), keys,
                                   {{"first", Shape{3}, DType::kF32},
                                    {"second", Shape{2, 64}, DType::kQ4_0},
                                    {"third", Shape{2, 3, 5, 7}, DType::kF16}});
  EXPECT_TRUE(status.is_ok()) << status.message();
  return dir.read("sample.gguf");
}

/// A safetensors file of f32 tensors.
struct FloatTensor {
  std::vector<int64_t> dims;
  std::vector<float> values;
};
inline std::string safetensors_bytes(const std::map<std::string, FloatTensor>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
    header[name] = {{"dtype", "F32"}, {"shape", tensor.dims}, {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  return bytes + text + data;
}

}  // namespace saccade::testing_files
