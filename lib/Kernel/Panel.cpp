//===- Panel.cpp - Blocked products over packed panels --------------------===//
//
// Outer products: a vector of panel columns times one value of each row.
//
//===----------------------------------------------------------------------===//
#include "Panel.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

PanelShape rill::kernel::panelShape(KernelCode &code) {
  return {code.config("lanes"), code.config("vectors"), code.config("rows")};
}

Memory Scratch::take(int64_t count) {
  Memory memory;
  memory.type = RankedTensorType::get({count}, code.b.getF32Type());
  memory.pointer =
      code.address(code.scratch(), code.integer(used), code.b.getF32Type());
  used += count;
  return memory;
}

/// Lane l of result i is lane i of vectors[l]; as many vectors as lanes. Each
/// step swaps the blocks beside the diagonal of blocks twice as large.
static SmallVector<Value> transposed(KernelCode &code,
                                     SmallVector<Value> vectors) {
  auto lanes = static_cast<int64_t>(vectors.size());
  for (int64_t size = 1; size < lanes; size *= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t l = 0; l < lanes; ++l) {
      bool second = l & size;
      low.push_back(second ? lanes + l - size : l);
      high.push_back(second ? lanes + l : l + size);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      if (i & size) {
        continue;
      }
      Value a = vectors[i], b = vectors[i + size];
      vectors[i] = vector::ShuffleOp::create(code.b, code.loc, a, b, low);
      vectors[i + size] =
          vector::ShuffleOp::create(code.b, code.loc, a, b, high);
    }
  }
  return vectors;
}

void rill::kernel::packTransposed(KernelCode &code, const Memory &from,
                                  const RowAt &rowAt, int64_t columns,
                                  Value count, const Memory &panel) {
  int64_t lanes = code.config("lanes");
  Value size = code.integer(lanes);
  Value whole = code.mul(code.div(count, size), size);
  auto to = [&](Value k, Value c) {
    return code.add(code.mul(k, code.integer(columns)), c);
  };
  code.loop(code.integer(0), code.integer(columns), lanes, ValueRange(),
            [&](Value first, ValueRange) {
              SmallVector<Value> rows;
              for (int64_t i = 0; i < lanes; ++i) {
                rows.push_back(rowAt(code.add(first, code.integer(i))));
              }
              code.loop(code.integer(0), whole, lanes, ValueRange(),
                        [&](Value k, ValueRange) {
                          SmallVector<Value> block;
                          for (Value row : rows) {
                            block.push_back(
                                code.loadVector(from, code.add(row, k), lanes));
                          }
                          block = transposed(code, block);
                          for (int64_t i = 0; i < lanes; ++i) {
                            Value line = code.add(k, code.integer(i));
                            code.storeVector(block[i], panel, to(line, first));
                          }
                          return SmallVector<Value>();
                        });
              return SmallVector<Value>();
            });
  code.loop(whole, count, [&](Value k) {
    code.loop(code.integer(0), code.integer(columns), [&](Value c) {
      code.store(code.load(from, code.add(rowAt(c), k)), panel, to(k, c));
    });
  });
}

/// One register block: shape.rows rows times `vectors` vectors from `first`.
static void multiplyBlock(KernelCode &code, PanelShape shape, const Rows &a,
                          Value row, Value count, const Memory &panel,
                          int64_t panelWidth, int64_t first, int64_t vectors,
                          const Rows &sums) {
  SmallVector<Value> aAt, sumAt, init;
  for (int64_t r = 0; r < shape.rows; ++r) {
    Value own = code.add(row, code.integer(r));
    aAt.push_back(a.at(own));
    sumAt.push_back(code.add(sums.at(own), code.integer(first)));
    for (int64_t v = 0; v < vectors; ++v) {
      Value at = code.add(sumAt[r], code.integer(v * shape.lanes));
      init.push_back(code.loadVector(sums.memory, at, shape.lanes));
    }
  }
  SmallVector<Value> result =
      code.loop(code.integer(0), count, 1, init, [&](Value k, ValueRange old) {
        SmallVector<Value> next(old), columns;
        Value line = code.add(code.mul(k, code.integer(panelWidth)),
                              code.integer(first));
        for (int64_t v = 0; v < vectors; ++v) {
          Value at = code.add(line, code.integer(v * shape.lanes));
          columns.push_back(code.loadVector(panel, at, shape.lanes));
        }
        for (int64_t r = 0; r < shape.rows; ++r) {
          Value value =
              code.splat(code.load(a.memory, code.add(aAt[r], k)), shape.lanes);
          for (int64_t v = 0; v < vectors; ++v) {
            Value &sum = next[r * vectors + v];
            sum = code.fma(value, columns[v], sum);
          }
        }
        return next;
      });
  for (int64_t r = 0; r < shape.rows; ++r) {
    for (int64_t v = 0; v < vectors; ++v) {
      Value at = code.add(sumAt[r], code.integer(v * shape.lanes));
      code.storeVector(result[r * vectors + v], sums.memory, at);
    }
  }
}

void rill::kernel::multiplyPanel(KernelCode &code, PanelShape shape,
                                 const Rows &a, Value row, Value count,
                                 const Memory &panel, int64_t panelWidth,
                                 int64_t columns, const Rows &sums) {
  int64_t all = columns / shape.lanes;
  for (int64_t v = 0; v < all; v += shape.vectors) {
    multiplyBlock(code, shape, a, row, count, panel, panelWidth,
                  v * shape.lanes, std::min(shape.vectors, all - v), sums);
  }
}
