#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace saccade {
namespace {

TEST(Tensor, KeepsRowsApart) {
  Tensor tensor({2, 3});
  tensor.fill(0);
  tensor.row(1)[2] = 5;
  EXPECT_EQ(tensor.floats()[5], 5);
  const Tensor copy = tensor.clone();
  tensor.row(1)[2] = 6;
  EXPECT_EQ(copy.row(1)[2], 5);
}

TEST(Tensor, CopiesRowsOfAnyType) {
  Tensor floats({2, 2, 3});
  for (size_t i = 0; i < 12; ++i) floats.floats()[i] = static_cast<float>(i);
  const Tensor middle = copy_rows(floats, 1, 2);
  EXPECT_EQ(middle.shape(), (Shape{2, 3}));
  EXPECT_EQ(middle.floats().front(), 3);
  EXPECT_EQ(middle.floats().back(), 8);
  EXPECT_TRUE(copy_rows(floats, 4, 0).is_empty());
  Tensor blocks({3, 32}, DType::kQ4_0);
  std::fill_n(blocks.data(), 54, std::byte{1});
  std::fill_n(blocks.data() + 18, 18, std::byte{2});
  EXPECT_EQ(copy_rows(blocks, 1, 2).data()[17], std::byte{2});
  EXPECT_EQ(copy_rows(blocks, 1, 2).data()[18], std::byte{1});
}

TEST(Tensor, QuantisedRowsCountInBlocks) {
  const Tensor tensor({4, 64}, DType::kQ4_0);
  EXPECT_EQ(tensor.view().row_bytes(), 36);
  EXPECT_EQ(tensor.view().num_bytes(), 144);
  EXPECT_EQ(tensor.view().row(2) - tensor.data(), 72);
}

TEST(Tensor, EmptyShapesAreHarmless) {
  Tensor tensor({0, 8});
  EXPECT_TRUE(tensor.is_empty());
  EXPECT_EQ(tensor.floats().size(), 0u);
  EXPECT_EQ((Shape{0, 8}).num_rows(), 0);
}

TEST(DType, NamesAndIdsRoundTrip) {
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(traits_of(dtype).name), dtype);
    EXPECT_EQ(dtype_from_ggml(traits_of(dtype).ggml_type), dtype);
  }
  EXPECT_FALSE(dtype_from_ggml(4));  // q4_2, retired
}

}  // namespace
}  // namespace saccade
