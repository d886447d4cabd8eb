// Our declarations of the driver API against the toolkit's own header; built
// only where cuda.h exists.
#include "lib/Emulation/Driver/Api.h"

#include <cstddef>
#include <cuda.h>
#include <gtest/gtest.h>

namespace ours = rill::emu::cuda;

#define RILL_SAME_FIELD(type, field)                                           \
  static_assert(offsetof(::type, field) == offsetof(ours::type, field))
#define RILL_SAME_SIZE(type) static_assert(sizeof(::type) == sizeof(ours::type))
#define RILL_SAME_CODE(name)                                                   \
  static_assert(static_cast<int>(::name) == static_cast<int>(ours::name))

RILL_SAME_SIZE(CUtensorMap);
RILL_SAME_SIZE(CUlaunchConfig);
RILL_SAME_FIELD(CUlaunchConfig, hStream);
RILL_SAME_FIELD(CUlaunchConfig, attrs);
RILL_SAME_FIELD(CUlaunchConfig, numAttrs);
RILL_SAME_SIZE(CUlaunchAttribute);
RILL_SAME_FIELD(CUlaunchAttribute, value);
RILL_SAME_SIZE(CUDA_KERNEL_NODE_PARAMS);
RILL_SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, kernelParams);
RILL_SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, ctx);
RILL_SAME_SIZE(CUDA_MEMCPY2D);
RILL_SAME_FIELD(CUDA_MEMCPY2D, dstXInBytes);
RILL_SAME_FIELD(CUDA_MEMCPY2D, WidthInBytes);
RILL_SAME_SIZE(CUDA_MEMCPY3D);
RILL_SAME_FIELD(CUDA_MEMCPY3D, dstPitch);
RILL_SAME_FIELD(CUDA_MEMCPY3D, Depth);
RILL_SAME_SIZE(CUgraphNodeParams);
RILL_SAME_FIELD(CUgraphNodeParams, kernel);
RILL_SAME_FIELD(CUgraphNodeParams, reserved2);
RILL_SAME_SIZE(CUDA_GRAPH_INSTANTIATE_PARAMS);
RILL_SAME_SIZE(CUgraphExecUpdateResultInfo);
RILL_SAME_SIZE(CUmemPoolProps);
RILL_SAME_SIZE(CUuuid);
RILL_SAME_CODE(CUDA_ERROR_NO_BINARY_FOR_GPU);
RILL_SAME_CODE(CUDA_ERROR_INVALID_PTX);
RILL_SAME_CODE(CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
RILL_SAME_CODE(CUDA_ERROR_ILLEGAL_ADDRESS);
RILL_SAME_CODE(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
RILL_SAME_CODE(CUDA_ERROR_LAUNCH_FAILED);
RILL_SAME_CODE(CUDA_ERROR_MISALIGNED_ADDRESS);
RILL_SAME_CODE(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
RILL_SAME_CODE(CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
RILL_SAME_CODE(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
RILL_SAME_CODE(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
RILL_SAME_CODE(CUDA_ERROR_INVALID_CLUSTER_SIZE);
static_assert(int(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) == 16);
static_assert(int(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) == 75);
static_assert(int(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) == 97);
static_assert(int(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR) == 106);
static_assert(int(CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK) == 111);
static_assert(int(CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH) == 120);
static_assert(int(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) == 115);
static_assert(int(CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED) == 127);
static_assert(int(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH) == 95);
static_assert(int(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) ==
              int(ours::kAttrClusterDimension));
static_assert(int(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION) ==
              int(ours::kAttrProgrammaticStreamSerialization));
static_assert(int(CU_LAUNCH_ATTRIBUTE_COOPERATIVE) ==
              int(ours::kAttrCooperative));
static_assert(int(CU_GRAPH_NODE_TYPE_CONDITIONAL) ==
              int(ours::kNodeConditional));
static_assert(int(CU_TENSOR_MAP_SWIZZLE_128B) == 3);
static_assert(int(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16) == 9);
static_assert(int(CU_POINTER_ATTRIBUTE_RANGE_START_ADDR) == 11);
static_assert(int(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) == 8);

TEST(Layout, EqualsTheToolkitsHeader) { SUCCEED(); }
