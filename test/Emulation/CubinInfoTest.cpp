// ptxas logs, cubins of the toolkit at hand, occupancy.
#include "lib/CubinInfo/CubinInfo.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

using namespace rill::cubin;

namespace {

TEST(Ptxas, ReadsALog) {
  PtxasLog log = parsePtxasLog(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'gemm' for 'sm_90a'\n"
      "ptxas info    : Function properties for gemm\n"
      "    16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\n"
      "ptxas info    : Used 125 registers, used 2 barriers, 49152 bytes smem\n"
      "ptxas info    : (C7514) Potential Performance Loss: wgmma\n");
  ASSERT_EQ(log.kernels.size(), 1u);
  const PtxasKernel &k = log.kernels[0];
  EXPECT_EQ(k.name, "gemm");
  EXPECT_EQ(k.chip, "sm_90a");
  EXPECT_EQ(k.registers, 125);
  EXPECT_EQ(k.barriers, 2);
  EXPECT_EQ(k.shared, 49152);
  EXPECT_EQ(k.stack, 16);
  EXPECT_EQ(k.spillStores, 8);
  EXPECT_EQ(k.spillLoads, 4);
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_EQ(log.warnings[0].first, "C7514");
}

std::string ptxas() {
  const char *given = std::getenv("RILL_PTXAS");
  for (const char *p : {given ? given : "", "/usr/local/cuda/bin/ptxas"}) {
    if (*p && access(p, X_OK) == 0) {
      return p;
    }
  }
  return "";
}

/// Assembles a kernel with `n` copies of a line; its opcode counts.
CubinKernel assemble(const std::string &exe, const std::string &line, int n) {
  std::string base =
      testing::TempDir() + "cubininfo" + std::to_string(getpid());
  std::ofstream ptx(base + ".ptx");
  ptx << ".version 8.0\n.target sm_90\n.address_size 64\n"
         ".visible .entry k(.param .u64 p) {\n"
         " .reg .b64 %rd<3>;\n .reg .b32 %r<9>;\n .reg .f32 %f<9>;\n"
         " .shared .align 16 .b8 s[1024];\n"
         " ld.param.u64 %rd1, [p];\n mov.u32 %r1, %tid.x;\n mov.u32 %r2, s;\n"
         " mad.lo.u32 %r3, %r1, 4, %r2;\n";
  for (int i = 0; i < n; ++i) {
    ptx << line << "\n";
  }
  ptx << " ret;\n}\n";
  ptx.close();
  std::string command =
      exe + " -arch=sm_90 " + base + ".ptx -o " + base + ".cubin";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream in(base + ".cubin", std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  std::remove((base + ".ptx").c_str());
  std::remove((base + ".cubin").c_str());
  Cubin c;
  std::string error;
  EXPECT_TRUE(readCubin(all.str(), c, error)) << error;
  EXPECT_EQ(c.kernels.size(), 1u);
  return c.kernels.empty() ? CubinKernel() : c.kernels[0];
}

/// The table calibrates itself: eleven more copies are eleven more counts.
TEST(Cubin, OpcodeTableHoldsForThisToolkit) {
  std::string exe = ptxas();
  if (exe.empty()) {
    GTEST_SKIP() << "ptxas not found";
  }
  struct {
    const char *line;
    Sass kind;
  } rows[] = {{"ld.volatile.shared.u32 %r4, [%r3];\n"
               "st.volatile.global.u32 [%rd1], %r4;",
               Sass::LoadShared},
              {"st.volatile.shared.u32 [%r3], %r1;", Sass::StoreShared},
              {"ld.volatile.global.u32 %r4, [%rd1];\n"
               "st.volatile.shared.u32 [%r3], %r4;",
               Sass::LoadGlobal},
              {"st.volatile.global.u32 [%rd1], %r1;", Sass::StoreGlobal},
              {"cp.async.ca.shared.global [%r3], [%rd1], 4;", Sass::CpAsync},
              {"bar.sync 0;", Sass::Barrier}};
  for (auto &row : rows) {
    CubinKernel few = assemble(exe, row.line, 1);
    CubinKernel many = assemble(exe, row.line, 12);
    EXPECT_EQ(many.histogram[row.kind], few.histogram[row.kind] + 11)
        << row.line;
  }
}

/// Registers, shared memory and stack as ptxas's own log gives them, for the
/// ABI before and after sm_90.
TEST(Cubin, ResourcesAreThoseOfTheLog) {
  std::string exe = ptxas();
  if (exe.empty()) {
    GTEST_SKIP() << "ptxas not found";
  }
  std::string base = testing::TempDir() + "cubinres" + std::to_string(getpid());
  for (const char *chip : {"sm_80", "sm_90"}) {
    std::string command = exe + " -v -arch=" + chip + " " + EMU_TEST_DIR +
                          "/modules/resources.ptx -o " + base + ".cubin 2>" +
                          base + ".log";
    ASSERT_EQ(std::system(command.c_str()), 0);
    auto text = [&](const char *suffix) {
      std::ifstream in(base + suffix, std::ios::binary);
      std::ostringstream all;
      all << in.rdbuf();
      std::remove((base + suffix).c_str());
      return all.str();
    };
    PtxasLog log = parsePtxasLog(text(".log"));
    Cubin c;
    std::string error;
    ASSERT_TRUE(readCubin(text(".cubin"), c, error)) << error;
    ASSERT_EQ(c.kernels.size(), 2u);
    ASSERT_EQ(log.kernels.size(), 2u);
    for (const PtxasKernel &want : log.kernels) {
      for (const CubinKernel &got : c.kernels) {
        if (got.name == want.name) {
          EXPECT_EQ(got.registers, want.registers) << chip << want.name;
          EXPECT_EQ(got.shared, want.shared) << chip << want.name;
          EXPECT_EQ(got.stack, want.stack) << chip << want.name;
          EXPECT_EQ(got.stack > 0, want.name == "a");
        }
      }
    }
  }
}

TEST(Cubin, DamagedFilesAreRefused) {
  Cubin c;
  std::string error;
  EXPECT_FALSE(readCubin("", c, error));
  EXPECT_FALSE(readCubin(std::string(63, 'x'), c, error));
  std::string elf = "\x7f"
                    "ELF\x02" +
                    std::string(200, '\xff');
  EXPECT_FALSE(readCubin(elf, c, error));
}

TEST(Occupancy, H200) {
  SmLimits h200;
  EXPECT_EQ(occupancy(h200, {128, 32, 0}), 16);
  EXPECT_EQ(occupancy(h200, {256, 128, 0}), 2);
  EXPECT_EQ(occupancy(h200, {128, 168, 100000}), 2);
  EXPECT_EQ(occupancy(h200, {2048, 32, 0}), 0);
}

} // namespace
