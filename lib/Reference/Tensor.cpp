//===- Tensor.cpp - Values of the reference evaluator ---------------------===//
//
// Rounding and conversion.
//
//===----------------------------------------------------------------------===//
#include "rill/Reference/Tensor.h"

#include "llvm/ADT/APFloat.h"

#include <cmath>
#include <cstring>

using namespace rill::reference;

Tensor::Tensor(Kind kind, llvm::ArrayRef<int64_t> shape)
    : kind(kind), shape(shape.begin(), shape.end()) {
  if (kind == I64) {
    i.assign(elements(), 0);
  } else {
    f.assign(elements(), 0.0f);
  }
}

int64_t Tensor::elements() const {
  int64_t count = 1;
  for (int64_t size : shape) {
    count *= size;
  }
  return count;
}

void Tensor::set(int64_t index, float value) {
  f[index] = roundTo(kind, value);
}

Tensor::Kind rill::reference::kindOf(mlir::Type element) {
  if (element.isF32()) {
    return Tensor::F32;
  }
  if (element.isBF16()) {
    return Tensor::BF16;
  }
  return element.isF16() ? Tensor::F16 : Tensor::I64;
}

static float widenBf16(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

static float widenF16(uint16_t bits) {
  llvm::APFloat value(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits));
  bool lost;
  value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return value.convertToFloat();
}

float rill::reference::roundTo(Tensor::Kind kind, float value) {
  if (kind == Tensor::F32 || std::isnan(value)) {
    return value;
  }
  if (kind == Tensor::BF16) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    bits += 0x7fff + ((bits >> 16) & 1);
    return widenBf16(static_cast<uint16_t>(bits >> 16));
  }
  llvm::APFloat wide(value);
  bool lost;
  wide.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven,
               &lost);
  return widenF16(static_cast<uint16_t>(wide.bitcastToAPInt().getZExtValue()));
}

Tensor rill::reference::fromStored(const rill::rt::TensorInfo &info,
                                   llvm::ArrayRef<int64_t> shape) {
  Tensor::Kind kind = info.dtype == rt::Dtype::F32    ? Tensor::F32
                      : info.dtype == rt::Dtype::BF16 ? Tensor::BF16
                      : info.dtype == rt::Dtype::F16  ? Tensor::F16
                                                      : Tensor::I64;
  Tensor tensor(kind, shape);
  int64_t count = tensor.elements();
  if (kind == Tensor::I64) {
    std::memcpy(tensor.i.data(), info.data, count * sizeof(int64_t));
    return tensor;
  }
  if (kind == Tensor::F32) {
    std::memcpy(tensor.f.data(), info.data, count * sizeof(float));
    return tensor;
  }
  for (int64_t index = 0; index < count; ++index) {
    uint16_t bits;
    std::memcpy(&bits, info.data + 2 * index, sizeof(bits));
    tensor.f[index] = kind == Tensor::BF16 ? widenBf16(bits) : widenF16(bits);
  }
  return tensor;
}
