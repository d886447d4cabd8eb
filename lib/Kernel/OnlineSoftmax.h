//===- OnlineSoftmax.h - One query head over runs of keys -------*- C++ -*-===//
//
// What the attention templates share.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_ONLINESOFTMAX_H
#define RILL_LIB_KERNEL_ONLINESOFTMAX_H

#include "KernelCode.h"

namespace rill::kernel {

/// Keys that one query sees: rows first .. end - 1 of a run, and of those, when
/// `mask` is given, row `self` and the rows whose bit is set.
struct Keys {
  KernelCode::Memory keys, values;
  Value base, stride; ///< element index of key t: base + t * stride
  Value first, end;
  Value mask, self;
};

/// All keys of segment `index` for a query head of a sequence.
Keys wholeSegment(KernelCode &code, AttentionOp op, size_t index,
                  Value sequence, Value head);

/// One query head of a call.
struct Query {
  Value sequence, s, head, line; ///< line = sequence * S + s
};

/// The query head whose number, over all rows of q [B,S,heads,width], is
/// `index`.
Query queryOf(KernelCode &code, const KernelCode::Memory &q, Value index);

/// Narrows `keys` of `segment` to what the query sees. `bound` counts the
/// bounds operands used so far.
void restrictKeys(KernelCode &code, AttentionOp op, SegmentAttr segment,
                  const Query &query, Keys &keys, size_t &bound);

/// Score of a key that is not seen: e^(kUnseen - m) is 0 beside any seen key.
inline constexpr double kUnseen = -1e30;

/// Softmax of one query head, keys taken run by run. Vectors are as wide as
/// the target's; a head whose width is no multiple is padded with zeros.
/// Blocks of `lanes` keys: scores, block maximum, one rescale, weights,
/// values; the keys behind the last whole block one by one. So the result
/// depends on the order of the runs and on nothing else.
class OnlineSoftmax {
public:
  OnlineSoftmax(KernelCode &code, int64_t width, int64_t lanes);

  /// The head in vectors, padded; element `at` of `memory` is its first.
  mlir::SmallVector<Value> load(const KernelCode::Memory &memory, Value at);
  void store(mlir::ArrayRef<Value> head, const KernelCode::Memory &memory,
             Value at);

  /// Sets the (already scaled) query and forgets all keys.
  void begin(mlir::SmallVector<Value> query);
  void add(const Keys &keys);
  /// The weighted mean of the values; zeros when no key was seen.
  mlir::SmallVector<Value> finish();

private:
  Value products(const Keys &keys, Value at);
  mlir::SmallVector<Value> oneKey(const Keys &keys, Value t,
                                  mlir::ValueRange state);
  mlir::SmallVector<Value> block(const Keys &keys, Value t,
                                 mlir::ValueRange state);

  KernelCode &code;
  int64_t width, lanes, vectors;
  mlir::SmallVector<Value> query;
  mlir::SmallVector<Value> state; ///< maximum, sum, then the head's sums
};

} // namespace rill::kernel

#endif
