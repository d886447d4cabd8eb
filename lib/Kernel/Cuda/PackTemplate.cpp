//===- PackTemplate.cpp - Template "cuda_pack" ----------------------------===//
//
// A row-major matrix into blocks of 8 rows by 32 columns (#rill.packed). A tile
// is a row of blocks; a thread writes 16 bytes at a time.
//
//===----------------------------------------------------------------------===//
#include "CudaCode.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// The bits of two neighbouring elements from k of a row on; zeros outside.
static Value pairAt(CudaCode &code, const Memory &w, Value row, Value k) {
  int64_t rows = w.type.getDimSize(0), width = w.type.getDimSize(1);
  Value inRows = code.less(row, code.integer(rows));
  auto there = [&](Value column) {
    return code.both(inRows, code.less(column, code.integer(width)));
  };
  auto index = [&](Value inside, Value column) {
    Value at = code.add(code.mul(row, code.integer(width)), column);
    return code.select(inside, at, code.integer(0));
  };
  if (width % 2 == 0) {
    Value inside = there(k);
    return code.select(inside, code.loadWord(w, index(inside, k)),
                       code.word(0));
  }
  Value pair = code.word(0);
  for (int64_t i : {0, 1}) {
    Value column = code.add(k, code.integer(i)), inside = there(column);
    Value at =
        code.address(w.pointer, index(inside, column), w.type.getElementType());
    Value bits =
        LLVM::LoadOp::create(code.b, code.loc, code.b.getI16Type(), at, 2);
    bits = arith::ExtUIOp::create(code.b, code.loc, code.b.getI32Type(), bits);
    bits = code.select(inside, bits, code.word(0));
    pair = arith::OrIOp::create(
        code.b, code.loc, pair,
        arith::ShLIOp::create(code.b, code.loc, bits,
                              code.word(static_cast<int32_t>(16 * i))));
  }
  return pair;
}

EmitCudaTile rill::kernel::beginCudaPack(CudaCode &code, Operation *operation) {
  auto op = dyn_cast<PackOp>(operation);
  if (!op) {
    return nullptr;
  }
  return [&code, op](Value tile) mutable {
    const Memory &w = code.memory(op.getW()), &y = code.memory(op.getY());
    int64_t across = llvm::divideCeil(w.type.getDimSize(1), kPackedColumns);
    Value begin = code.packedBlock(y, tile, code.integer(0));
    code.eachThread(code.integer(across * kWarp), [&](Value i) {
      Value lane = code.rem(i, code.integer(kWarp));
      Value row = code.add(code.mul(tile, code.integer(kPackedRows)),
                           code.div(lane, code.integer(4)));
      Value k =
          code.add(code.mul(code.div(i, code.integer(kWarp)),
                            code.integer(kPackedColumns)),
                   code.mul(code.rem(lane, code.integer(4)), code.integer(2)));
      Value words = code.splat(code.word(0), 4);
      for (int64_t j = 0; j < 4; ++j) {
        Value pair = pairAt(code, w, row, code.add(k, code.integer(8 * j)));
        words = code.insert(pair, words, j);
      }
      constexpr unsigned kAlign = 16;
      Value at = code.add(begin, code.mul(i, code.integer(8)));
      LLVM::StoreOp::create(
          code.b, code.loc, words,
          code.address(y.pointer, at, y.type.getElementType()), kAlign);
    });
  };
}
