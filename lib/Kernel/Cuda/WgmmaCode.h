//===- WgmmaCode.h - mbarriers, bulk copies and wgmma -----------*- C++ -*-===//
//
// What kernels of sm_90a are made of beside CudaCode: copies that a barrier in
// shared memory waits for, and products of a warpgroup.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_CUDA_WGMMACODE_H
#define RILL_LIB_KERNEL_CUDA_WGMMACODE_H

#include "CudaCode.h"

namespace rill::kernel {

/// A row of `count` mbarriers in shared memory.
class Mbarriers {
public:
  /// Each phase of one ends after `arrivals` arrivals. One thread initialises
  /// them all; the block's barrier must follow.
  Mbarriers(CudaCode &code, int64_t count);
  void init(int64_t arrivals);

  /// One arrival, which also expects that many bytes of copies.
  void expect(Value index, int64_t bytes);
  void arrive(Value index);
  /// Until the phase of this parity (i32, 0 or 1) has ended.
  void wait(Value index, Value parity);
  Value at(Value index);

private:
  CudaCode &code;
  KernelCode::Memory words;
};

/// cp.async.bulk of `bytes` bytes to shared memory; 16-byte boundaries.
void copyBulk(CudaCode &code, Value to, Value from, int64_t bytes,
              Value barrier);
/// The box of the tensor map `map` that begins at a row and a column; outside
/// the matrix zeros.
void copyBox(CudaCode &code, Value to, Value map, Value column, Value row,
             Value barrier);

/// The four registers that hold A's 16 by 16 elements in a lane.
using Fragment = std::array<Value, 4>;

/// Begins sums += a * b for a warpgroup: m64nNk16 per fragment, N twice as many
/// as `sums`. B is a shared tile of rows of 128 bytes, 1024-byte aligned, with
/// the 128-byte swizzle; `tile` is its address. The registers of `sums` and `a`
/// belong to wgmma until waitProducts.
mlir::SmallVector<Value> beginProducts(CudaCode &code, mlir::ValueRange sums,
                                       mlir::ArrayRef<Fragment> a, Value tile);
void waitProducts(CudaCode &code);

/// A warpgroup's registers per thread from here on; all its threads come here.
void setRegisters(CudaCode &code, int32_t count, bool more);

} // namespace rill::kernel

#endif
