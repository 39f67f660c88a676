// Where tensors get their memory: large blocks are kept when a tensor is done with them and given to the next, since
// asking the system for zeroed pages takes longer than most of what is done with them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace saccade {

/// `num_bytes` > 0, aligned to 64, not initialised. Throws std::bad_alloc. Thread safety: any thread.
std::byte* take_tensor_memory(int64_t num_bytes);
/// Of the same size as was taken.
void give_back_tensor_memory(std::byte* data, int64_t num_bytes);

/// What is kept for the next tensors now.
uint64_t kept_tensor_bytes();

/// Gives what is kept back to the system.
void release_tensor_memory();

}  // namespace saccade
