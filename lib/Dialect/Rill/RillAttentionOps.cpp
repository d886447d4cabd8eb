//===- RillAttentionOps.cpp - RoPE and attention --------------------------===//
//
// Verifiers of the ops of RillAttentionOps.td.
//
//===----------------------------------------------------------------------===//
#include "VerifyHelpers.h"

using namespace mlir;
using namespace rill;

static bool isTableFor(Value table, int64_t width) {
  return tensorType(table).getRank() == 2 && lastDim(table) == width;
}

LogicalResult RopeOp::verify() {
  auto x = tensorType(getX()), positions = tensorType(getPositions());
  if (x.getRank() != 4 || x.getDimSize(3) % 2 != 0 ||
      !agree(x.getShape(), tensorType(getY()).getShape())) {
    return emitOpError("rope_c1: ") << x << " is not [B,S,n,d] with d even";
  }
  if (!agree(positions.getShape(), x.getShape().take_front(2))) {
    return emitOpError("rope_c2: positions ")
           << positions << " do not match the rows of " << x;
  }
  if (!(getTheta().convertToDouble() > 0)) {
    return emitOpError("rope_c3: theta is not positive");
  }
  if (getTable() && !isTableFor(getTable(), x.getDimSize(3))) {
    return emitOpError("rope_c4: the table ")
           << getTable().getType() << " has no rows of " << x.getDimSize(3);
  }
  return success();
}

static bool hasBounds(SegmentAttr segment) {
  return segment.getSource() == SegmentSource::State ||
         segment.getVisibility() == Visibility::Prefix ||
         segment.getVisibility() == Visibility::Ancestors;
}

static LogicalResult verifySegment(AttentionOp op, SegmentAttr segment,
                                   Value key, Value value) {
  auto q = tensorType(op.getQ()), k = tensorType(key);
  bool state = segment.getSource() == SegmentSource::State;
  if (k.getRank() != 4 || !agree(k.getShape(), tensorType(value).getShape()) ||
      !agree(k.getDimSize(0), q.getDimSize(0)) ||
      k.getDimSize(3) != q.getDimSize(3)) {
    return op.emitOpError("attention_c2: keys ")
           << k << " do not fit the queries " << q;
  }
  int64_t heads = q.getDimSize(2), groups = k.getDimSize(state ? 1 : 2);
  if (groups < 1 || heads % groups != 0) {
    return op.emitOpError("attention_c3: ")
           << groups << " key heads do not divide " << heads << " query heads";
  }
  Visibility seen = segment.getVisibility();
  bool valueOnly = seen == Visibility::Causal ||
                   seen == Visibility::SameBlock ||
                   seen == Visibility::Ancestors;
  bool wide = seen == Visibility::SameBlock || seen == Visibility::Window;
  if ((state && valueOnly) || wide != (segment.getWidth() > 0)) {
    return op.emitOpError("attention_c5: ")
           << segment << " has a source or width its visibility does not allow";
  }
  return success();
}

LogicalResult AttentionOp::verify() {
  size_t count = getSegments().size();
  if (getKeys().size() != count || getValues().size() != count || count == 0) {
    return emitOpError("attention_c1: ")
           << count << " segments but " << getKeys().size() << " keys and "
           << getValues().size() << " values";
  }
  auto q = tensorType(getQ());
  if (q.getRank() != 4 || !agree(q.getShape(), tensorType(getY()).getShape())) {
    return emitOpError("attention_c2: queries ") << q << " are not [B,S,h,d]";
  }
  size_t bound = 0;
  for (auto [i, attribute] : llvm::enumerate(getSegments())) {
    auto segment = cast<SegmentAttr>(attribute);
    if (failed(verifySegment(*this, segment, getKeys()[i], getValues()[i]))) {
      return failure();
    }
    if (!hasBounds(segment)) {
      continue;
    }
    int64_t rank = segment.getSource() == SegmentSource::State ? 1 : 2;
    if (bound >= getBounds().size() ||
        tensorType(getBounds()[bound]).getRank() != rank) {
      return emitOpError("attention_c4: segment ")
             << i << " needs a bounds operand of rank " << rank;
    }
    ++bound;
  }
  if (bound != getBounds().size()) {
    return emitOpError("attention_c4: ")
           << getBounds().size() << " bounds but the segments take " << bound;
  }
  return success();
}

int64_t AttentionUpdateOp::getHeadSize() {
  auto heads = static_cast<int64_t>(getHeads());
  return getChunk() ? lastDim(getY()) - 2
                    : (heads > 0 ? lastDim(getY()) / heads : 0);
}

int64_t AttentionUpdateOp::getParts() {
  return getChunk() ? tensorType(getY()).getDimSize(3) : 1;
}

LogicalResult AttentionUpdateOp::verify() {
  auto y = tensorType(getY());
  int64_t heads = getHeads();
  if (y.getRank() != (getChunk() ? 5 : 3) || (getChunk() && *getChunk() < 1) ||
      (getChunk() &&
       (y.getDimSize(2) != heads || !y.getElementType().isF32()))) {
    return emitOpError("attention_update_c5: ")
           << y << " is no result of " << heads << " heads "
           << (getChunk() ? "in chunks" : "without chunks");
  }
  int64_t size = getHeadSize();
  int64_t width = lastDim(getQkv()),
          out = getChunk() ? heads * size : lastDim(getY());
  if (heads < 1 || out != heads * size || width <= out ||
      (width - out) % (2 * size) != 0) {
    return emitOpError("attention_update_c1: rows of ")
           << width << " do not hold q, k and v for " << heads
           << " heads and results of " << out;
  }
  if (!isVectorOf(getQNorm(), size) || !isVectorOf(getKNorm(), size)) {
    return emitOpError("attention_update_c2: q_norm and k_norm are not of ")
           << size << " values";
  }
  if (getTable() && !isTableFor(getTable(), size)) {
    return emitOpError("attention_update_c4: the table ")
           << getTable().getType() << " has no rows of " << size;
  }
  return success();
}

static LogicalResult verifyKeyState(Operation *op, FlatSymbolRefAttr symbol,
                                    SymbolTableCollection &tables, int64_t kv,
                                    int64_t size, StringRef constraint) {
  StateOp state = lookupState(op, symbol, tables, constraint);
  if (!state) {
    return failure();
  }
  auto type = cast<RankedTensorType>(state.getType());
  if (state.getLayout() != StateLayout::Linear || state.getRowDim() != 2 ||
      type.getRank() != 4 || type.getDimSize(1) != kv ||
      type.getDimSize(3) != size) {
    return op->emitOpError(constraint)
           << ": " << symbol << " : " << type << " is no linear state of " << kv
           << " heads of " << size;
  }
  return success();
}

LogicalResult
AttentionUpdateOp::verifySymbolUses(SymbolTableCollection &tables) {
  int64_t size = getHeadSize();
  int64_t out = size * static_cast<int64_t>(getHeads());
  int64_t kv = (lastDim(getQkv()) - out) / (2 * size);
  for (FlatSymbolRefAttr symbol : {getKStateAttr(), getVStateAttr()}) {
    if (failed(verifyKeyState(*this, symbol, tables, kv, size,
                              "attention_update_c3"))) {
      return failure();
    }
  }
  return success();
}

LogicalResult AttentionTiledOp::verify() {
  auto q = tensorType(getQ()), y = tensorType(getY());
  if (getChunk() < 1) {
    return emitOpError("attention_tiled_c2: chunk is not positive");
  }
  if (q.getRank() != 4 || y.getRank() != 5 || !y.getElementType().isF32() ||
      !agree(q.getShape().take_front(3), y.getShape().take_front(3)) ||
      y.getDimSize(4) != q.getDimSize(3) + 2) {
    return emitOpError("attention_tiled_c1: ") << q << " does not give " << y;
  }
  return success();
}

LogicalResult
AttentionTiledOp::verifySymbolUses(SymbolTableCollection &tables) {
  for (FlatSymbolRefAttr symbol : {getKStateAttr(), getVStateAttr()}) {
    StateOp state = lookupState(*this, symbol, tables, "attention_tiled_c1");
    if (!state) {
      return failure();
    }
    int64_t chunks = tensorType(getY()).getDimSize(3);
    if (chunks * static_cast<int64_t>(getChunk()) < state.getCapacity()) {
      return emitOpError("attention_tiled_c1: ")
             << chunks << " chunks of " << getChunk() << " do not cover "
             << state.getCapacity() << " rows";
    }
  }
  return success();
}

LogicalResult AttentionMergeOp::verify() {
  auto x = tensorType(getX()), y = tensorType(getY());
  if (x.getRank() != 5 || y.getRank() != 4 || !x.getElementType().isF32() ||
      !agree(x.getShape().take_front(3), y.getShape().take_front(3)) ||
      x.getDimSize(4) != y.getDimSize(3) + 2) {
    return emitOpError("attention_merge_c1: ") << x << " does not give " << y;
  }
  return success();
}
