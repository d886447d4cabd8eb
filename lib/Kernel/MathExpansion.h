//===- MathExpansion.h - tanh and erf by polynomials ------------*- C++ -*-===//
//
// For every target.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_MATHEXPANSION_H
#define RILL_LIB_KERNEL_MATHEXPANSION_H

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace rill::kernel {

/// math.tanh and math.erf of f32 scalars and vectors -> arith, math.fma and
/// math.exp, within 2 ulp. NaN stays NaN; infinities give +1 and -1.
void populateMathExpansion(mlir::RewritePatternSet &patterns);

} // namespace rill::kernel

#endif
