// Registers and occupancy: our estimate, .maxnreg, and what ptxas says.
#include "TestApi.h"

#include "lib/CubinInfo/CubinInfo.h"

using namespace rill::emu;
using namespace rill::emu::cuda;

namespace {

class Registers : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    driver().report.clear();
    ASSERT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
  }
  void TearDown() override {
    driver().knownRegisters.clear();
    EXPECT_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);
  }
  static CUmodule load(const std::string &text) {
    CUmodule m = nullptr;
    EXPECT_EQ(cuModuleLoadData(&m, text.c_str()), CUDA_SUCCESS);
    return m;
  }
  static int registers(CUmodule m, const char *name) {
    CUfunction f = nullptr;
    int n = -1;
    EXPECT_EQ(cuModuleGetFunction(&f, m, name), CUDA_SUCCESS);
    EXPECT_EQ(cuFuncGetAttribute(&n, 4, f), CUDA_SUCCESS);
    return n;
  }
  static int blocks(CUmodule m, const char *name, int threads) {
    CUfunction f = nullptr;
    int n = -1;
    EXPECT_EQ(cuModuleGetFunction(&f, m, name), CUDA_SUCCESS);
    EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, threads, 0),
              CUDA_SUCCESS);
    return n;
  }
  CUcontext context = nullptr;
};

/// The log is ptxas 13.0's of the same file; an estimate that is off by more
/// than a factor of two would say little about occupancy.
TEST_F(Registers, EstimateIsNearPtxas) {
  CUmodule m = load(readText(EMU_TEST_DIR "/programs/kernels.ptx"));
  auto log = rill::cubin::parsePtxasLog(
      readText(EMU_TEST_DIR "/programs/kernels.ptxas.log"));
  ASSERT_EQ(log.kernels.size(), 12u);
  for (auto &k : log.kernels) {
    int ours = registers(m, k.name.c_str());
    std::printf("%-12s ptxas %3d, estimate %3d\n", k.name.c_str(), k.registers,
                ours);
    EXPECT_GE(2 * ours, k.registers) << k.name;
    // Below 16 registers nothing limits occupancy.
    EXPECT_LE(ours, 2 * std::max(k.registers, 16)) << k.name;
  }
}

TEST_F(Registers, ALogSaysThemExactly) {
  CUmodule m = load(readText(EMU_TEST_DIR "/programs/kernels.ptx"));
  driver().knownRegisters["matmul"] = 48;
  driver().knownRegisters["first"] = 200;
  EXPECT_EQ(registers(m, "matmul"), 48);
  EXPECT_EQ(registers(m, "first"), 200);
  // 128 threads x 200 registers: 65536 / 25600 blocks.
  EXPECT_EQ(blocks(m, "first", 128), 2);
  // 1024 x 200 do not fit at all, and the launch says so.
  EXPECT_EQ(blocks(m, "first", 1024), 0);
}

std::string manyRegisters(const std::string &directive) {
  std::string t = ".version 8.0\n.target sm_80\n.address_size 64\n"
                  ".visible .entry k(.param .u64 p) " +
                  directive +
                  "{\n  .reg .b64 %a;\n  .reg .b32 %r<200>;\n"
                  "  ld.param.u64 %a, [p];\n";
  for (int i = 0; i < 200; ++i) {
    t += "  ld.global.u32 %r" + std::to_string(i) + ", [%a+" +
         std::to_string(4 * i) + "];\n";
  }
  for (int i = 0; i < 200; ++i) {
    t += "  st.global.u32 [%a+" + std::to_string(4 * (199 - i)) + "], %r" +
         std::to_string(i) + ";\n";
  }
  return t + "  ret;\n}\n";
}

TEST_F(Registers, LiveValuesCount) {
  CUmodule m = load(manyRegisters(""));
  EXPECT_GE(registers(m, "k"), 200);
  EXPECT_LE(registers(m, "k"), 255);
  EXPECT_EQ(blocks(m, "k", 128), 2);
  // An estimate alone refuses nothing: ptxas might spill.
  EXPECT_EQ(blocks(m, "k", 1024), 1);
}

TEST_F(Registers, DirectivesBoundThem) {
  EXPECT_EQ(registers(load(manyRegisters(".maxnreg 64 ")), "k"), 64);
  EXPECT_EQ(registers(load(manyRegisters(".maxntid 1024, 1, 1 ")), "k"), 64);
}

} // namespace
