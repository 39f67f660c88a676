// A tiny model file with random weights, written for one test: complete for its family until the test takes something
// away, renames it or gives it another shape.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"
#include "weights/gguf_writer.h"
#include "weights/model_files.h"

namespace saccade::testing {

struct TinyTensor {
  Shape shape;
  std::vector<float> values;
};

class TinyModelFile {
 public:
  GgufKeys keys;
  std::map<std::string, TinyTensor> tensors;

  void add(const std::string& name, const Shape& shape) {
    TinyTensor tensor{shape, std::vector<float>(static_cast<size_t>(shape.num_elements()))};
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(shape.row_size())));
    std::ranges::generate(tensor.values, [&] { return normal(random_); });
    tensors[name] = std::move(tensor);
  }

  void add_linear(const std::string& name, int64_t out_dim, int64_t in_dim) {
    add(name + ".weight", Shape{out_dim, in_dim});
    add(name + ".bias", Shape{out_dim});
  }

  void rename(const std::string& from, const std::string& to) {
    auto node = tensors.extract(from);
    node.key() = to;
    tensors.insert(std::move(node));
  }

  /// GgufKeys can set a key again, not take it away.
  void remove_key(std::string_view name) {
    GgufKeys kept;
    for (const GgufKeys::Entry& entry : keys.entries()) {
      if (entry.key != name) kept.set(entry.key, entry.type, entry.value);
    }
    keys = kept;
  }

  /// Writes the file, opens it as a model of one file and removes it.
  ModelFiles open() const {
    static int num_files = 0;
    const std::string path =
        format("%stiny_model_%d_%d.gguf", ::testing::TempDir().c_str(), static_cast<int>(getpid()), num_files++);
    std::vector<GgufTensorPlan> plan;
    for (const auto& [name, tensor] : tensors) plan.push_back({name, tensor.shape, DType::kF32});
    Expected<GgufWriter> writer = GgufWriter::create(path, keys, plan);
    EXPECT_TRUE(writer.is_ok()) << writer.status().message();
    for (const auto& [name, tensor] : tensors) {
      EXPECT_TRUE(writer->append(std::as_bytes(std::span(tensor.values))).is_ok());
    }
    EXPECT_TRUE(writer->finish().is_ok());
    Expected<ModelFiles> files = ModelFiles::open(path, "");
    EXPECT_TRUE(files.is_ok()) << files.status().message();
    std::remove(path.c_str());  // what is mapped stays readable
    return *files;
  }

 private:
  std::mt19937 random_{7};
};

}  // namespace saccade::testing
