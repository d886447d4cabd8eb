// What is alive when its context is destroyed or the process ends.
#include "TestApi.h"

#include <cstdlib>

using namespace rill::emu;
using namespace rill::emu::cuda;

namespace {

const char kPtx[] = ".version 8.0\n.target sm_80\n.address_size 64\n"
                    ".visible .entry k() { ret; }\n";

/// One of each kind of thing a context holds.
struct Held {
  CUcontext context = nullptr;
  CUdeviceptr memory = 0;
  void *pinned = nullptr;
  CUstream stream = nullptr;
  CUevent event = nullptr;
  CUmodule module = nullptr;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;

  void take() {
    ASSERT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuMemAlloc_v2(&memory, 777), CUDA_SUCCESS);
    ASSERT_EQ(cuMemAllocHost_v2(&pinned, 4096), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamCreate(&stream, 1), CUDA_SUCCESS);
    ASSERT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleLoadData(&module, kPtx), CUDA_SUCCESS);
    ASSERT_EQ(cuGraphCreate(&graph, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
  }
};

class Leaks : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    driver().report.clear();
    driver().report.quiet = true;
    driver().leakCheck = true;
  }
  void TearDown() override { driver().leakCheck = false; }
  static size_t count(const std::string &part) {
    size_t n = 0;
    for (const Finding &f : driver().report.all()) {
      n += f.kind == Kind::Leak && f.message.find(part) != std::string::npos;
    }
    return n;
  }
};

TEST_F(Leaks, WhatAContextHoldsWhenItIsDestroyed) {
  Held h;
  h.take();
  ASSERT_EQ(cuCtxDestroy_v2(h.context), CUDA_SUCCESS);
  EXPECT_EQ(count("777 bytes of device memory"), 1u);
  EXPECT_EQ(count("4096 bytes of pinned host memory"), 1u);
  EXPECT_EQ(count("stream "), 1u);
  EXPECT_EQ(count("event 1 of context "), 1u);
  EXPECT_EQ(count("module "), 1u);
  EXPECT_EQ(count("executable graph 1 "), 1u);
  EXPECT_EQ(driver().report.count(), 6u);
  EXPECT_EQ(cuGraphExecDestroy(h.exec), CUDA_SUCCESS);
}

TEST_F(Leaks, NothingWhenAllIsGivenBack) {
  Held h;
  h.take();
  CUdeviceptr later = 0;
  EXPECT_EQ(cuMemAllocAsync(&later, 64, h.stream), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeAsync(later, h.stream), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree_v2(h.memory), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeHost(h.pinned), CUDA_SUCCESS);
  EXPECT_EQ(cuEventDestroy_v2(h.event), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy_v2(h.stream), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleUnload(h.module), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphExecDestroy(h.exec), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxDestroy_v2(h.context), CUDA_SUCCESS);
  for (const Finding &f : driver().report.all()) {
    ADD_FAILURE() << Report::text(f);
  }
}

TEST_F(Leaks, OffUnlessAskedFor) {
  driver().leakCheck = false;
  Held h;
  h.take();
  ASSERT_EQ(cuCtxDestroy_v2(h.context), CUDA_SUCCESS);
  EXPECT_EQ(driver().report.count(), 0u);
  EXPECT_EQ(cuGraphExecDestroy(h.exec), CUDA_SUCCESS);
}

/// A new process, which ends without giving anything back.
TEST(LeaksDeathTest, AtTheEndOfTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("RILL_EMU_LEAKS", "1", 1);
        CUcontext c = nullptr;
        CUdeviceptr p = 0;
        if (cuInit(0) || cuCtxCreate_v2(&c, 0, 0) || cuMemAlloc_v2(&p, 555)) {
          std::exit(3);
        }
        std::exit(0);
      },
      testing::ExitedWithCode(0),
      "leak: context [0-9]+ was never destroyed(.|\n)*"
      "leak: 555 bytes of device memory");
}

} // namespace
