//===- SplitKeys.cpp - Attention over parts of the keys -------------------===//
//
// Few rows of few heads leave most of a chip without work when a block takes
// all keys of a head. The parts are merged where they are read.
//
//===----------------------------------------------------------------------===//
#include "SplitFused.h"

#include "rill/Dialect/Rill/Rill.h"

using namespace mlir;
using namespace rill;

/// The product whose rows y is and nobody else's; null: there is none.
static LinearOp readerOf(AttentionUpdateOp op) {
  auto user = op->hasOneUse() ? dyn_cast<LinearOp>(*op->user_begin()) : nullptr;
  return user && user.getX() == op.getY() &&
                 user.getPrologue() == Prologue::None
             ? user
             : LinearOp();
}

static void split(AttentionUpdateOp op, LinearOp reader, KeySplit by) {
  OpBuilder b(op);
  auto old = cast<RankedTensorType>(op.getY().getType());
  auto type = RankedTensorType::get({old.getDimSize(0), old.getDimSize(1),
                                     static_cast<int64_t>(op.getHeads()),
                                     by.parts, op.getHeadSize() + 2},
                                    b.getF32Type());
  auto parts = AttentionUpdateOp::create(
      b, op.getLoc(), type, op.getQkv(), op.getQNorm(), op.getKNorm(),
      op.getPositions(), op.getTable(), op.getKState(), op.getVState(),
      op.getHeads(), op.getEps(), op.getTheta(), op.getScale(), op.getLayout(),
      b.getI64IntegerAttr(by.chunk));
  reader.getXMutable().assign(parts);
  reader.setPrologue(Prologue::AttentionMerge);
  // What was rounded in memory is rounded behind the merge.
  reader.setRound(old.getElementType());
  op.erase();
}

void rill::splitKeys(func::FuncOp method, const TargetPolicy &policy) {
  method.walk([&](AttentionUpdateOp op) {
    KeySplit by = policy.splitKeys(op);
    LinearOp reader = readerOf(op);
    if (by.parts > 1 && reader) {
      split(op, reader, by);
    }
  });
}
