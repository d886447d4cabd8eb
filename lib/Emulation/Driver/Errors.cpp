// Names and texts of results.
#include "State.h"

namespace rill::emu::cuda {

namespace {
struct Row {
  int code;
  const char *name, *text;
};
#define RILL_ROW(code, text) {code, #code, text}
constexpr Row kRows[] = {
    RILL_ROW(CUDA_SUCCESS, "no error"),
    RILL_ROW(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    RILL_ROW(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    RILL_ROW(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    RILL_ROW(CUDA_ERROR_DEINITIALIZED, "driver shutting down"),
    RILL_ROW(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    RILL_ROW(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    RILL_ROW(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    RILL_ROW(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    RILL_ROW(CUDA_ERROR_NO_BINARY_FOR_GPU,
             "no kernel image is available for execution on the device"),
    RILL_ROW(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed"),
    RILL_ROW(CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
             "the provided PTX was compiled with an unsupported toolchain"),
    RILL_ROW(CUDA_ERROR_INVALID_SOURCE, "device kernel image is invalid"),
    RILL_ROW(CUDA_ERROR_FILE_NOT_FOUND, "file not found"),
    RILL_ROW(CUDA_ERROR_OPERATING_SYSTEM, "OS call failed"),
    RILL_ROW(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    RILL_ROW(CUDA_ERROR_ILLEGAL_STATE,
             "the operation cannot be performed in the present state"),
    RILL_ROW(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    RILL_ROW(CUDA_ERROR_NOT_READY, "device not ready"),
    RILL_ROW(CUDA_ERROR_ILLEGAL_ADDRESS,
             "an illegal memory access was encountered"),
    RILL_ROW(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
             "too many resources requested for launch"),
    RILL_ROW(CUDA_ERROR_LAUNCH_TIMEOUT,
             "the launch timed out and was terminated"),
    RILL_ROW(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE,
             "cannot set while device is active in this process"),
    RILL_ROW(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"),
    RILL_ROW(CUDA_ERROR_ASSERT, "device-side assert triggered"),
    RILL_ROW(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED,
             "part or all of the requested memory range is already mapped"),
    RILL_ROW(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED,
             "pointer does not correspond to a registered memory region"),
    RILL_ROW(CUDA_ERROR_ILLEGAL_INSTRUCTION,
             "an illegal instruction was encountered"),
    RILL_ROW(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"),
    RILL_ROW(CUDA_ERROR_INVALID_ADDRESS_SPACE,
             "operation not supported on global/shared address space"),
    RILL_ROW(CUDA_ERROR_INVALID_PC, "invalid program counter"),
    RILL_ROW(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    RILL_ROW(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
             "too many blocks in cooperative launch"),
    RILL_ROW(CUDA_ERROR_NOT_PERMITTED, "operation not permitted"),
    RILL_ROW(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    RILL_ROW(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
             "operation not permitted when stream is capturing"),
    RILL_ROW(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
             "operation failed due to a previous error during capture"),
    RILL_ROW(CUDA_ERROR_STREAM_CAPTURE_MERGE,
             "operation would result in a merge of separate captures"),
    RILL_ROW(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED,
             "capture was not ended in the same stream as it began"),
    RILL_ROW(CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
             "capturing stream has unjoined work"),
    RILL_ROW(CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
             "dependency created on uncaptured work in another stream"),
    RILL_ROW(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
             "operation would make the legacy stream depend on a capturing "
             "blocking stream"),
    RILL_ROW(CUDA_ERROR_CAPTURED_EVENT,
             "operation not permitted on an event last recorded in a "
             "capturing stream"),
    RILL_ROW(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
             "attempt to terminate a thread-local capture sequence from "
             "another thread"),
    RILL_ROW(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE,
             "the graph update was not performed because it included changes "
             "which violated constraints"),
    RILL_ROW(CUDA_ERROR_INVALID_CLUSTER_SIZE, "invalid cluster size"),
    RILL_ROW(CUDA_ERROR_UNKNOWN, "unknown error")};
#undef RILL_ROW

const Row *findRow(int code) {
  for (const Row &r : kRows) {
    if (r.code == code) {
      return &r;
    }
  }
  return nullptr;
}
} // namespace

const char *errorName(int error) {
  const Row *r = findRow(error);
  return r ? r->name : nullptr;
}
const char *errorText(int error) {
  const Row *r = findRow(error);
  return r ? r->text : nullptr;
}

RILL_CUDA_API CUresult cuGetErrorName(CUresult error, const char **out) {
  if (!out) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *out = errorName(error);
  return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

RILL_CUDA_API CUresult cuGetErrorString(CUresult error, const char **out) {
  if (!out) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *out = errorText(error);
  return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

} // namespace rill::emu::cuda
