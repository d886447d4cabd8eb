// What the counters say about memory: sectors, bytes, bank passes, operands.
#include "TestApi.h"

#include "lib/Emulation/Core/Decoder.h"
#include "lib/Emulation/Core/Scheduler.h"
#include "lib/Emulation/Core/Traffic.h"

using namespace rill::emu;

namespace {

constexpr Mask kHalf = 0xffff;

/// Lane l touches `bytes` bytes from base + l * stride.
Coverage touched(uint64_t base, uint64_t stride, unsigned bytes, Mask mask) {
  uint64_t addresses[kLanes];
  unsigned each[kLanes];
  for (unsigned l = 0; l < kLanes; ++l) {
    addresses[l] = base + l * stride;
    each[l] = bytes;
  }
  return coverage(addresses, mask, each);
}

TEST(Counters, CoverageOfARequest) {
  struct {
    uint64_t base, stride;
    unsigned bytes;
    Mask mask;
    uint64_t wantBytes, wantSectors;
  } const cases[] = {{4096, 4, 4, kAllLanes, 128, 4},   // neighbours
                     {4096, 0, 4, kAllLanes, 4, 1},     // a broadcast
                     {4096, 0, 16, kAllLanes, 16, 1},   // of a wide word
                     {4096, 64, 4, kAllLanes, 128, 32}, // scattered
                     {4112, 4, 4, kAllLanes, 128, 5},   // off a sector's border
                     {4096, 16, 16, kAllLanes, 512, 16}, // wide words
                     {4096, 16, 16, kHalf, 256, 8},      // of half a warp
                     {4096, 2, 2, 1, 2, 1},
                     {4096, 4, 4, 0, 0, 0}};
  for (const auto &c : cases) {
    Coverage got = touched(c.base, c.stride, c.bytes, c.mask);
    EXPECT_EQ(got.bytes, c.wantBytes) << c.base << " + l * " << c.stride;
    EXPECT_EQ(got.sectors, c.wantSectors) << c.base << " + l * " << c.stride;
  }
  // Lanes that ask for nothing, and ranges that overlap in part.
  uint64_t addresses[kLanes] = {96, 100, 64, 4096};
  unsigned bytes[kLanes] = {8, 8, 4, 0};
  Coverage got = coverage(addresses, 0xf, bytes);
  EXPECT_EQ(got.bytes, 16u);
  EXPECT_EQ(got.sectors, 2u);
}

TEST(Counters, PassesOverTheBanks) {
  struct {
    uint32_t stride;
    unsigned bytes;
    Mask mask;
    unsigned taken, least;
  } const cases[] = {{4, 4, kAllLanes, 1, 1},   {0, 4, kAllLanes, 1, 1},
                     {8, 4, kAllLanes, 2, 1},   {128, 4, kAllLanes, 32, 1},
                     {2, 2, kAllLanes, 1, 1},   {8, 8, kAllLanes, 2, 2},
                     {16, 8, kAllLanes, 4, 2},  {16, 16, kAllLanes, 4, 4},
                     {32, 16, kAllLanes, 8, 4}, {0, 16, kAllLanes, 4, 4},
                     {16, 16, 0xff, 1, 1},      {4, 4, 1, 1, 1},
                     {136, 8, 0xff00ff, 2, 2},  {132, 4, kAllLanes, 1, 1}};
  for (const auto &c : cases) {
    uint32_t offsets[kLanes];
    for (unsigned l = 0; l < kLanes; ++l) {
      offsets[l] = l * c.stride;
    }
    Passes got = countPasses(offsets, c.mask, c.bytes);
    EXPECT_EQ(got.taken, c.taken) << c.bytes << " bytes every " << c.stride;
    EXPECT_EQ(got.least, c.least) << c.bytes << " bytes every " << c.stride;
  }
}

/// Two operands of one allocation: each lane reads its word of the first, all
/// lanes one word of the second; then a cp.async that reads nothing.
constexpr const char *kOperands = R"(.version 9.0
.target sm_90
.address_size 64
.visible .entry both(.param .u64 a, .param .u64 b, .param .u64 y)
{
  .reg .b64 %rd<8>;
  .reg .b32 %r<8>;
  .shared .align 16 .b8 room[512];
  ld.param.u64 %rd0, [a];
  ld.param.u64 %rd1, [b];
  ld.param.u64 %rd2, [y];
  mov.u32 %r0, %tid.x;
  mul.wide.u32 %rd3, %r0, 4;
  add.s64 %rd4, %rd0, %rd3;
  ld.global.b32 %r1, [%rd4];
  ld.global.b32 %r2, [%rd1+4];
  add.s32 %r3, %r1, %r2;
  mov.u32 %r4, room;
  shl.b32 %r5, %r0, 4;
  add.s32 %r4, %r4, %r5;
  mov.u32 %r6, 0;
  cp.async.cg.shared.global [%r4], [%rd0], 16, %r6;
  cp.async.wait_all;
  add.s64 %rd5, %rd2, %rd3;
  st.global.b32 [%rd5], %r3;
  ret;
}
)";

class OperandCounters : public testing::Test {
protected:
  void SetUp() override {
    a = memory.allocate(1024, Allocation::Device);
    y = memory.allocate(1024, Allocation::Device);
    module = parsePtx(kOperands, "both.ptx");
  }
  Grid &run(uint32_t blocks, bool count) {
    auto program = decodeKernel(*module, *module->find("both"),
                                [](uint32_t) { return uint64_t(0); });
    RunOptions options;
    options.checks = kCheckMemory;
    options.count = count;
    scheduler = std::make_unique<Scheduler>(memory, report, options);
    LaunchConfig config;
    config.grid = {blocks, 1, 1};
    config.block = {32, 1, 1};
    const uint64_t params[] = {a->address, a->address + 512, y->address};
    config.params.resize(sizeof params);
    std::memcpy(config.params.data(), params, sizeof params);
    Grid &grid = scheduler->add(program, config);
    EXPECT_EQ(scheduler->run(), 0);
    return grid;
  }
  DeviceMemory memory{1 << 20};
  Report report;
  std::unique_ptr<Module> module;
  std::unique_ptr<Scheduler> scheduler;
  Allocation *a = nullptr, *y = nullptr;
};

TEST_F(OperandCounters, TellOperandsAndInstructionsApart) {
  Grid &grid = run(3, true);
  const Counters &c = grid.counters;
  EXPECT_EQ(c.globalLoadRequests, 9u);
  EXPECT_EQ(c.globalLoadSectors, 3u * (4 + 1));
  EXPECT_EQ(c.globalLoadBytes, 3u * (128 + 4));
  EXPECT_EQ(c.globalLoadLaneBytes, 3u * (128 + 128));
  EXPECT_EQ(c.globalStoreSectors, 3u * 4);
  // The copies' destinations: a quarter of the warp at a time.
  EXPECT_EQ(c.sharedRequests, 3u);
  EXPECT_EQ(c.sharedPasses, 3u * 4);
  EXPECT_EQ(c.sharedLeastPasses, 3u * 4);
  std::string json = grid.traffic->json(*grid.program);
  for (const char *part :
       {// Three blocks read the same words: its sectors count once.
        R"({"parameter": 0, "bytes": 512, "read_sectors": 4})",
        R"({"parameter": 1, "bytes": 512, "read_sectors": 1})",
        R"({"parameter": 2, "bytes": 1024, "read_sectors": 0})",
        R"({"line": 15, "op": "ld.global.b32", "parameter": 0, )"
        R"("requests": 3, "sectors": 12, "bytes": 384})",
        R"({"line": 16, "op": "ld.global.b32", "parameter": 1, )"
        R"("requests": 3, "sectors": 3, "bytes": 12})",
        R"({"line": 25, "op": "st.global.b32", "parameter": 2, )"
        R"("requests": 3, "sectors": 12, "bytes": 384})"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
  }
}

TEST_F(OperandCounters, NothingIsCountedUnasked) {
  Grid &grid = run(1, false);
  EXPECT_EQ(grid.traffic, nullptr);
  EXPECT_EQ(grid.counters.globalLoadRequests, 0u);
  EXPECT_EQ(grid.counters.sharedRequests, 0u);
}

} // namespace
