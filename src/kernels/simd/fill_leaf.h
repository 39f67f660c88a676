// Every entry of a Leaf that the templates give, for one register type.
#pragma once

#include "kernels/leaf.h"
#include "kernels/simd/elementwise.h"
#include "kernels/simd/products.h"

namespace saccade::simd {

template <typename V, typename Block>
void fill_dtype(Leaf& leaf, DType dtype) {
  leaf.dequantize[static_cast<size_t>(dtype)] = Rows<V, Block>::dequantize;
  leaf.dot_rows[static_cast<size_t>(dtype)] = Rows<V, Block>::dot_rows;
}

template <typename V>
void fill_leaf(Leaf& leaf) {
  leaf.tile_rows = Gemm<V>::kTileRows;
  leaf.tile_cols = Gemm<V>::kTileCols;
  leaf.gemm_tile = Gemm<V>::gemm_tile;
  leaf.pack_panel = Gemm<V>::pack_panel;
  fill_dtype<V, F32Block<V>>(leaf, DType::kF32);
  fill_dtype<V, F16Block<V>>(leaf, DType::kF16);
  fill_dtype<V, BF16Block<V>>(leaf, DType::kBF16);
  fill_dtype<V, Q8_0Block<V>>(leaf, DType::kQ8_0);
  fill_dtype<V, Q4_0Block<V>>(leaf, DType::kQ4_0);
  fill_dtype<V, Q4_1Block<V>>(leaf, DType::kQ4_1);
  fill_dtype<V, Q5_0Block<V>>(leaf, DType::kQ5_0);
  fill_dtype<V, Q5_1Block<V>>(leaf, DType::kQ5_1);
  fill_dtype<V, Q4_KBlock<V>>(leaf, DType::kQ4_K);
  fill_dtype<V, Q5_KBlock<V>>(leaf, DType::kQ5_K);
  fill_dtype<V, Q6_KBlock<V>>(leaf, DType::kQ6_K);
  leaf.add_rows[static_cast<size_t>(DType::kF32)] = Rows<V, F32Block<V>>::add_rows;
  leaf.add_rows[static_cast<size_t>(DType::kF16)] = Rows<V, F16Block<V>>::add_rows;
  leaf.add_rows[static_cast<size_t>(DType::kQ8_0)] = Rows<V, Q8_0Block<V>>::add_rows;
  leaf.dot_all[static_cast<size_t>(DType::kF32)] = Rows<V, F32Block<V>>::dot_all;
  leaf.dot_all[static_cast<size_t>(DType::kF16)] = Rows<V, F16Block<V>>::dot_all;
  leaf.dot_all[static_cast<size_t>(DType::kQ8_0)] = Rows<V, Q8_0Block<V>>::dot_all;
  leaf.encode[static_cast<size_t>(DType::kF16)] = Elementwise<V>::encode_f16;
  leaf.add_scaled = Elementwise<V>::add_scaled;
  leaf.scale = Elementwise<V>::scale;
  leaf.max = Elementwise<V>::max;
  leaf.exp_sum = Elementwise<V>::exp_sum;
  leaf.sum_squares = Elementwise<V>::sum_squares;
  leaf.sum = Elementwise<V>::sum;
  leaf.normalize = Elementwise<V>::normalize;
  leaf.activate = Elementwise<V>::activate;
  leaf.silu_times = Elementwise<V>::silu_times;
  leaf.finish_tile = Elementwise<V>::finish_tile;
  leaf.rotate = Elementwise<V>::rotate;
  leaf.rotate_pairs = Elementwise<V>::rotate_pairs;
}

}  // namespace saccade::simd
