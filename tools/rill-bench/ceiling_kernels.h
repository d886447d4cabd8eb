//===- ceiling_kernels.h - Kernels that a CUDA device is measured by
//-------===//
//
// PTX of our own, assembled by the driver: no compiler is needed where
// rill-bench runs.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_BENCH_CEILING_KERNELS_H
#define RILL_TOOLS_RILL_BENCH_CEILING_KERNELS_H

#include <string>

namespace rill::tools {

/// Threads of a block, in all of them.
inline constexpr unsigned kCeilingThreads = 256;
/// Bytes that a block reads or writes in a round.
inline constexpr double kRoundBytes = 32768;
/// FLOPs of a block in a round, a multiply-add counting as two: 8 warps with 32
/// products of 16x8x16; 2 groups of warps with 16 products of 64x256x16.
inline constexpr double kMmaFlops = 8 * 32 * 2.0 * 16 * 8 * 16;
inline constexpr double kWgmmaFlops = 2 * 16 * 2.0 * 64 * 256 * 16;

/// For any chip from sm_80: rill_fill(data, rounds), rill_read(data, sink,
/// rounds), rill_mma(sink, rounds). Block b takes bytes [b * 32768, + 32768) of
/// every stretch of grid * 32768 bytes. Nothing is written to `sink` but when a
/// sum has one value of 2^32.
std::string ceilingPtx();

/// For sm_90a: rill_wgmma(sink, rounds), operands in shared memory.
std::string wgmmaPtx();

} // namespace rill::tools

#endif
