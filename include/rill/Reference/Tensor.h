//===- Tensor.h - Values of the reference evaluator -------------*- C++ -*-===//
//
// Dense row-major tensors; bf16 values are kept as the f32 they widen to.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_REFERENCE_TENSOR_H
#define RILL_REFERENCE_TENSOR_H

#include "runtime/formats/safetensors.h"

#include "mlir/IR/BuiltinTypes.h"

#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <vector>

namespace rill::reference {

/// A value. Floating-point kinds hold `f`, I64 holds `i`.
struct Tensor {
  enum Kind { F32, BF16, F16, I64 };

  Kind kind = F32;
  llvm::SmallVector<int64_t> shape;
  std::vector<float> f;
  std::vector<int64_t> i;

  Tensor() = default;
  /// Zeros.
  Tensor(Kind kind, llvm::ArrayRef<int64_t> shape);

  int64_t elements() const;
  int64_t dim(int64_t index) const { return shape[index]; }
  /// Product of all dimensions but the last.
  int64_t rows() const { return elements() / shape.back(); }
  float *row(int64_t index) { return f.data() + index * shape.back(); }
  const float *row(int64_t index) const {
    return f.data() + index * shape.back();
  }
  /// Stores `value` rounded to the kind (round to nearest even).
  void set(int64_t index, float value);
};

/// The kind of an element type f32, bf16, f16 or i64.
Tensor::Kind kindOf(mlir::Type element);

/// `value` rounded to bf16 or f16 and widened again; f32 unchanged.
float roundTo(Tensor::Kind kind, float value);

/// The values of a stored tensor (F32, BF16, F16 or I64), read with `shape`.
Tensor fromStored(const rt::TensorInfo &info, llvm::ArrayRef<int64_t> shape);

} // namespace rill::reference

#endif
