//===- ceiling_kernels.cpp - Kernels that a CUDA device is measured by
//-----===//
//
// PTX text; lists of registers are written by loops.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-bench/ceiling_kernels.h"

#include "runtime/formats/status.h"

using namespace rill::tools;
using rill::rt::format;

/// %address = data + block * 32768 + thread * 16; %stride is the grid's.
static const char kAddress[] = R"(
  ld.param.u64 %address, [data];
  ld.param.u32 %rounds, [rounds];
  mov.u32 %thread, %tid.x;
  mov.u32 %block, %ctaid.x;
  mov.u32 %blocks, %nctaid.x;
  mul.wide.u32 %stride, %block, 32768;
  add.u64 %address, %address, %stride;
  mul.wide.u32 %stride, %thread, 16;
  add.u64 %address, %address, %stride;
  mul.wide.u32 %stride, %blocks, 32768;
)";

static const char kRegisters[] = R"(
  .reg .u64 %address, %stride, %out;
  .reg .u32 %rounds, %thread, %block, %blocks, %sum, %hash;
  .reg .pred %more, %hit;
)";

/// Another value of a sequence of 2^32.
static const char kNextHash[] = R"(
  mad.lo.u32 %hash, %hash, 1664525, 1013904223;
)";

static const char kLoopEnd[] = R"(
  sub.u32 %rounds, %rounds, 1;
  setp.ne.u32 %more, %rounds, 0;
  @%more bra LOOP;
)";

/// Keeps %sum alive.
static const char kSink[] = R"(
  setp.eq.u32 %hit, %sum, 0x9e3779b9;
  ld.param.u64 %out, [sink];
  @%hit st.global.u32 [%out], %sum;
  ret;
}
)";

static std::string fillKernel() {
  std::string text = R"(
.visible .entry rill_fill(.param .u64 data, .param .u32 rounds)
.maxntid 256, 1, 1
{)";
  text += std::string(kRegisters) + "  .reg .u32 %w<4>;\n" + kAddress;
  text += "  mad.lo.u32 %hash, %block, 256, %thread;\nLOOP:\n";
  for (int load = 0; load < 8; ++load) {
    for (int word = 0; word < 4; ++word) {
      text += kNextHash + format("  mov.u32 %%w%d, %%hash;\n", word);
    }
    text += format("  st.global.v4.u32 [%%address+%d], {%%w0, %%w1, %%w2, "
                   "%%w3};\n",
                   4096 * load);
  }
  return text + "  add.u64 %address, %address, %stride;\n" + kLoopEnd +
         "  ret;\n}\n";
}

/// Eight loads of 16 bytes a thread before the first use.
static std::string readKernel() {
  std::string text = R"(
.visible .entry rill_read(.param .u64 data, .param .u64 sink,
                          .param .u32 rounds)
.maxntid 256, 1, 1
{)";
  text += std::string(kRegisters) + "  .reg .u32 %w<32>;\n" + kAddress;
  text += "  mov.u32 %sum, 0;\nLOOP:\n";
  for (int load = 0; load < 8; ++load) {
    text +=
        format("  ld.global.nc.L1::no_allocate.v4.u32 {%%w%d, %%w%d, "
               "%%w%d, %%w%d}, [%%address+%d];\n",
               4 * load, 4 * load + 1, 4 * load + 2, 4 * load + 3, 4096 * load);
  }
  for (int word = 0; word < 32; ++word) {
    text += format("  xor.b32 %%sum, %%sum, %%w%d;\n", word);
  }
  return text + "  add.u64 %address, %address, %stride;\n" + kLoopEnd + kSink;
}

/// Two bf16 of +-[0.5, 1) in each of `count` registers %<name>0...
static std::string fragments(const char *name, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += kNextHash + format("  and.b32 %%%s%d, %%hash, 0x807f807f;\n"
                               "  or.b32 %%%s%d, %%%s%d, 0x3f003f00;\n",
                               name, i, name, i, name, i);
  }
  return text;
}

/// %sum over the bits of `count` accumulators.
static std::string sumOf(int count) {
  std::string text = "  mov.u32 %sum, 0;\n";
  for (int i = 0; i < count; ++i) {
    text += format("  mov.b32 %%hash, %%f%d;\n  xor.b32 %%sum, %%sum, "
                   "%%hash;\n",
                   i);
  }
  return text;
}

static std::string zeroed(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += format("  mov.f32 %%f%d, 0f00000000;\n", i);
  }
  return text;
}

static const char kSeed[] = R"(
  ld.param.u32 %rounds, [rounds];
  mov.u32 %thread, %tid.x;
  mov.u32 %block, %ctaid.x;
  mad.lo.u32 %hash, %block, 256, %thread;
)";

/// 8 independent products of 2 x 4 fragments, 4 times a round.
static std::string mmaKernel() {
  constexpr int kA = 2, kB = 4, kUnroll = 4;
  std::string text = R"(
.visible .entry rill_mma(.param .u64 sink, .param .u32 rounds)
.maxntid 256, 1, 1
{)";
  text += kRegisters;
  text += "  .reg .b32 %a<8>, %b<8>;\n  .reg .f32 %f<32>;\n";
  text += kSeed + fragments("a", 4 * kA) + fragments("b", 2 * kB) + zeroed(32) +
          "LOOP:\n";
  for (int i = 0; i < kUnroll * kA * kB; ++i) {
    int a = 4 * (i / kB % kA), b = 2 * (i % kB), f = 4 * (i % (kA * kB));
    text += format(
        "  mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%%f%d, %%f%d, "
        "%%f%d, %%f%d}, {%%a%d, %%a%d, %%a%d, %%a%d}, {%%b%d, %%b%d}, {%%f%d, "
        "%%f%d, %%f%d, %%f%d};\n",
        f, f + 1, f + 2, f + 3, a, a + 1, a + 2, a + 3, b, b + 1, f, f + 1,
        f + 2, f + 3);
  }
  return text + kLoopEnd + sumOf(32) + kSink;
}

std::string rill::tools::ceilingPtx() {
  return ".version 7.8\n.target sm_80\n.address_size 64\n" + fillKernel() +
         readKernel() + mmaKernel();
}

/// Descriptors of tiles of 128-byte rows, 8 rows apart by 1,024 bytes, in the
/// 128-byte swizzle: A of each group of warps (8 KB), behind both B (32 KB).
static const char kDescriptors[] = R"(
  mov.u32 %at, tile;
  shr.u32 %group, %thread, 7;
  mad.lo.u32 %hash, %group, 8192, %at;
  shr.u32 %hash, %hash, 4;
  cvt.u64.u32 %da, %hash;
  or.b64 %da, %da, 0x4000004000010000;
  add.u32 %hash, %at, 16384;
  shr.u32 %hash, %hash, 4;
  cvt.u64.u32 %db, %hash;
  or.b64 %db, %db, 0x4000004000010000;
)";

std::string rill::tools::wgmmaPtx() {
  constexpr int kAccumulators = 128, kUnroll = 4, kSteps = 4;
  std::string list;
  for (int i = 0; i < kAccumulators; ++i) {
    list += format("%s%%f%d", i ? ", " : "", i);
  }
  std::string text = ".version 8.0\n.target sm_90a\n.address_size 64\n"
                     ".shared .align 1024 .b8 tile[49152];\n"
                     ".visible .entry rill_wgmma(.param .u64 sink, .param .u32 "
                     "rounds)\n.maxntid 256, 1, 1\n{";
  text += kRegisters;
  text += "  .reg .u32 %at, %end, %group;\n  .reg .b32 %b<1>;\n"
          "  .reg .u64 %da, %db, %ka, %kb;\n  .reg .pred %yes;\n" +
          format("  .reg .f32 %%f<%d>;\n", kAccumulators) + kSeed;
  // Every thread fills its words of the tile.
  text += "  mov.u32 %at, tile;\n  mad.lo.u32 %at, %thread, 4, %at;\n"
          "  add.u32 %end, %at, 49152;\nFILL:\n" +
          fragments("b", 1) +
          "  st.shared.u32 [%at], %b0;\n  add.u32 %at, %at, 1024;\n"
          "  setp.ne.u32 %more, %at, %end;\n  @%more bra FILL;\n"
          "  fence.proxy.async.shared::cta;\n  bar.sync 0;\n";
  text += kDescriptors + zeroed(kAccumulators) +
          "  setp.eq.u32 %yes, %thread, %thread;\nLOOP:\n"
          "  wgmma.fence.sync.aligned;\n";
  for (int i = 0; i < kUnroll * kSteps; ++i) {
    // 16 columns are 32 bytes.
    text += format("  add.u64 %%ka, %%da, %d;\n  add.u64 %%kb, %%db, %d;\n",
                   2 * (i % kSteps), 2 * (i % kSteps));
    text += "  wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" + list +
            "}, %ka, %kb, %yes, 1, 1, 0, 0;\n";
  }
  return text +
         "  wgmma.commit_group.sync.aligned;\n"
         "  wgmma.wait_group.sync.aligned 0;\n" +
         kLoopEnd + sumOf(kAccumulators) + kSink;
}
