//===- AttentionTemplate.cpp - Template "cuda_attention" ------------------===//
//
// Any segments and visibilities; a warp takes one query head.
//
//===----------------------------------------------------------------------===//
#include "WarpSoftmax.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

static void attend(CudaCode &code, AttentionOp op, const Memory &queries,
                   Value index) {
  const Memory &q = code.memory(op.getQ());
  int64_t width = q.type.getDimSize(3);
  Query query = queryOf(code, q, index);
  Value at = code.mul(index, code.integer(width));
  Value own = code.mul(code.warp(), code.integer(width));
  Value scale = code.real(op.getScale().convertToDouble());
  code.eachLane(code.integer(width), [&](Value d) {
    code.store(code.fmul(code.load(q, code.add(at, d)), scale), queries,
               code.add(own, d));
  });
  code.warpBarrier();
  WarpSoftmax softmax(code, width, {queries, own});
  size_t bound = 0;
  for (size_t n = 0; n < op.getSegments().size(); ++n) {
    Keys keys = wholeSegment(code, op, n, query.sequence, query.head);
    restrictKeys(code, op, cast<SegmentAttr>(op.getSegments()[n]), query, keys,
                 bound);
    softmax.add(keys);
  }
  softmax.finish(code.memory(op.getY()), at);
}

EmitCudaTile rill::kernel::beginCudaAttention(CudaCode &code,
                                              Operation *operation) {
  auto op = dyn_cast<AttentionOp>(operation);
  if (!op) {
    return nullptr;
  }
  int64_t width = code.memory(op.getQ()).type.getDimSize(3);
  Memory queries = code.shared(code.warps() * width, code.b.getF32Type());
  return [&code, op, queries](Value tile) mutable {
    Value index =
        code.add(code.mul(tile, code.integer(code.warps())), code.warp());
    code.when(code.less(index, code.rows(code.memory(op.getQ()), 3)),
              [&] { attend(code, op, queries, index); });
  };
}
