//===- CheckPtxTest.cpp - The gate behind LLVM ----------------------------===//
//
// PTX that lost what its template emitted, and blocks too large for a chip.
//
//===----------------------------------------------------------------------===//
#include "rill/Target/NVVM/NVVM.h"

#include <gtest/gtest.h>

using namespace rill;
using namespace rill::nvvm;

static const char kPtx[] = R"(.visible .entry narrow(
	.param .u64 narrow_param_0
)
{
	ld.global.b32 	%r1, [%rd1];
	ld.shared.v2.b32 	{%r1, %r2}, [%rd1];
	st.shared.v4.b32 	[%rd1], {%r1, %r2, %r3, %r4};
	cp.async.ca.shared.global [%rd1], [%rd2], 8;
}
.visible .entry wide(
	.param .u64 wide_param_0
)
{
	ld.global.v4.b32 	{%r1, %r2, %r3, %r4}, [%rd1];
	cp.async.cg.shared.global [%rd1], [%rd2], 16, %r5;
	mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
		{%r1, %r2, %r3, %r4}, {%r1, %r2, %r3, %r4}, {%r1, %r2}, {%r1, %r2, %r3, %r4};
}
)";

/// "" when the gate lets the kernels pass, else why not.
static std::string judge(llvm::ArrayRef<KernelNeeds> kernels) {
  rt::Status status = checkPtx(*lookupChip("sm_90a"), kPtx, kernels);
  if (status.ok()) {
    return "";
  }
  EXPECT_EQ(status.get().code, rt::ErrorCode::KernelBudget);
  return status.get().where + ": " + status.get().why;
}

TEST(CheckPtx, LetsPassWhatIsThere) {
  EXPECT_EQ(judge({{"wide", {1, 2}, 0}, {"narrow", {0, 0}, 227 * 1024}}), "");
}

TEST(CheckPtx, RefusesWhatWasLost) {
  EXPECT_EQ(judge({{"narrow", {0, 1}, 0}}),
            "sm_90a, kernel narrow: its PTX has 0 tensor-core products and 0 "
            "16-byte loads; its template emitted 0 and 1");
  EXPECT_NE(judge({{"wide", {2, 2}, 0}}).find("1 tensor-core products and 2"),
            std::string::npos);
  EXPECT_NE(judge({{"wide", {1, 3}, 0}}), "");
  EXPECT_NE(judge({{"absent", {1, 0}, 0}}), "");
}

TEST(CheckPtx, RefusesBlocksTooLargeForTheChip) {
  EXPECT_EQ(judge({{"wide", {1, 2}, 227 * 1024 + 1}}),
            "sm_90a, kernel wide: a block asks for 232449 bytes of shared "
            "memory; the chip has 232448 for one");
}
