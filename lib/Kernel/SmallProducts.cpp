//===- SmallProducts.cpp - Dot products of few rows -----------------------===//
//
// Preparation of the rows, then blocks of rows times weight rows.
//
//===----------------------------------------------------------------------===//
#include "SmallProducts.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

SmallProducts::SmallProducts(KernelCode &code, Value value,
                             const RowsPrologue &prologue, bool pairs)
    : code(code), x(code.memory(value)), inner(x.type.getShape().back()),
      lanes(code.config("lanes")), step(pairs ? 2 * lanes : lanes),
      whole(inner / step * step), maxRows(code.config("rows")),
      maxSums(code.config("sums")), streams(code.config("streams")),
      tileColumns(code.config("columns")),
      rowCount(code.rows(x, x.type.getRank() - 1)), pairs(pairs) {
  Type f32 = code.b.getF32Type();
  prepared.type = parts.type = RankedTensorType::get({inner}, f32);
  prepared.pointer = code.scratch();
  parts.pointer = code.address(code.scratch(),
                               code.mul(rowCount, code.integer(inner)), f32);
  code.loop(code.integer(0), rowCount,
            [&](Value row) { prepareRow(row, prologue); });
}

void SmallProducts::prepareRow(Value row, const RowsPrologue &prologue) {
  Value at = code.mul(row, code.integer(inner));
  Value scale =
      prologue.norm ? rmsScale(code, x, at, inner, prologue.eps) : Value();
  prepareWhole(at, scale, prologue);
  prepareRest(at, scale, prologue);
}

Value SmallProducts::normalised(Value value, Value scale, Value k, int64_t size,
                                const RowsPrologue &prologue) {
  if (!scale) {
    return value;
  }
  Value weight = code.loadSome(code.memory(prologue.norm), k, size);
  value = code.fmul(code.fmul(value, code.spread(scale, size)), weight);
  return prologue.round ? code.rounded(value, prologue.round) : value;
}

/// The values of whole steps; pairs stand as even places, then odd places.
void SmallProducts::prepareWhole(Value row, Value scale,
                                 const RowsPrologue &prologue) {
  SmallVector<int64_t> even, odd;
  for (int64_t i = 0; i < lanes; ++i) {
    even.push_back(2 * i);
    odd.push_back(2 * i + 1);
  }
  code.loop(
      code.integer(0), code.integer(whole), step, ValueRange(),
      [&](Value k, ValueRange) {
        SmallVector<Value> parts;
        for (int64_t at = 0; at < step; at += lanes) {
          Value index = code.add(k, code.integer(at));
          Value part = code.loadSome(x, code.add(row, index), lanes);
          parts.push_back(normalised(part, scale, index, lanes, prologue));
        }
        if (pairs) {
          Value first = parts[0], second = parts[1];
          parts = {
              vector::ShuffleOp::create(code.b, code.loc, first, second, even),
              vector::ShuffleOp::create(code.b, code.loc, first, second, odd)};
        }
        for (auto [i, part] : llvm::enumerate(parts)) {
          Value index = code.add(k, code.integer(i * lanes));
          code.storeSome(part, prepared, code.add(row, index));
        }
        return SmallVector<Value>();
      });
}

void SmallProducts::prepareRest(Value row, Value scale,
                                const RowsPrologue &prologue) {
  code.loop(code.integer(whole), code.integer(inner), [&](Value k) {
    Value value = code.load(x, code.add(row, k));
    code.store(normalised(value, scale, k, 1, prologue), prepared,
               code.add(row, k));
  });
}

SmallVector<Value, 2> SmallProducts::loadWeight(const WeightRow &row, Value k) {
  Value at = code.add(row.at, k);
  if (!pairs) {
    return {code.loadVector(row.memory, at, lanes)};
  }
  auto [even, odd] = code.loadPairs(row.memory, at, lanes);
  return {even, odd};
}

/// A vector of partial sums per (row, weight row), ordered by row.
SmallVector<Value> SmallProducts::sumsOf(ArrayRef<WeightRow> weightRows,
                                         ArrayRef<Value> rowAt) {
  // The next tile, unless that is too far ahead to stay in a cache.
  int64_t distance = std::min(tileColumns * inner, int64_t(8192));
  SmallVector<Value> init(weightRows.size() * rowAt.size(),
                          code.splat(code.real(0.0), lanes));
  return code.loop(
      code.integer(0), code.integer(whole), step, init,
      [&](Value k, ValueRange old) {
        SmallVector<Value> sums(old);
        SmallVector<SmallVector<Value, 2>> weights;
        for (const WeightRow &row : weightRows) {
          weights.push_back(loadWeight(row, k));
          code.prefetch(row.memory,
                        code.add(code.add(row.at, k), code.integer(distance)));
        }
        for (auto [r, at] : llvm::enumerate(rowAt)) {
          for (int64_t half = 0; half < (pairs ? 2 : 1); ++half) {
            Value index = code.add(code.add(at, k), code.integer(half * lanes));
            Value value = code.loadVector(prepared, index, lanes);
            for (size_t w = 0; w < weights.size(); ++w) {
              Value &sum = sums[r * weights.size() + w];
              sum = code.fma(value, weights[w][half], sum);
            }
          }
        }
        return sums;
      });
}

/// Adds the products of k >= whole to the sums' scalars.
void SmallProducts::addRest(MutableArrayRef<Value> sums,
                            ArrayRef<WeightRow> weightRows,
                            ArrayRef<Value> rowAt) {
  SmallVector<Value> added = code.loop(
      code.integer(whole), code.integer(inner), 1, ValueRange(sums),
      [&](Value k, ValueRange old) {
        SmallVector<Value> next(old);
        for (auto [r, at] : llvm::enumerate(rowAt)) {
          Value value = code.load(prepared, code.add(at, k));
          for (auto [w, row] : llvm::enumerate(weightRows)) {
            Value &sum = next[r * weightRows.size() + w];
            sum = code.fma(value, code.load(row.memory, code.add(row.at, k)),
                           sum);
          }
        }
        return next;
      });
  llvm::copy(added, sums.begin());
}

Value SmallProducts::partAt(int64_t part, Value row, Value column) {
  Value line = code.add(code.mul(code.integer(part), rowCount), row);
  return code.add(code.mul(line, code.integer(tileColumns)), column);
}

Value SmallProducts::part(int64_t part, Value row, Value column,
                          int64_t count) {
  return code.loadSome(parts, partAt(part, row, column), count);
}

void SmallProducts::emitBlock(ArrayRef<Memory> weights, const Block &block) {
  SmallVector<WeightRow> weightRows;
  for (const Memory &weight : weights) {
    for (int64_t c = 0; c < block.columns; ++c) {
      Value column = code.add(block.first, code.integer(c));
      weightRows.push_back({weight, code.mul(column, code.integer(inner))});
    }
  }
  SmallVector<Value> rowAt;
  for (int64_t r = 0; r < block.rows; ++r) {
    rowAt.push_back(
        code.mul(code.add(block.row, code.integer(r)), code.integer(inner)));
  }
  SmallVector<Value> vectors = sumsOf(weightRows, rowAt);
  // Packed: sum i is lane i % size of vector i / size. The columns of one row
  // stay in one vector.
  int64_t size = lanes / block.columns * block.columns;
  SmallVector<Value> packed;
  for (size_t i = 0; i < vectors.size(); i += size) {
    size_t some = std::min<size_t>(size, vectors.size() - i);
    packed.push_back(code.sumMany(ArrayRef(vectors).slice(i, some)));
  }
  if (whole < inner) {
    SmallVector<Value> scalars;
    for (size_t i = 0; i < vectors.size(); ++i) {
      scalars.push_back(code.extract(packed[i / size], i % size));
    }
    addRest(scalars, weightRows, rowAt);
    for (size_t i = 0; i < vectors.size(); ++i) {
      packed[i / size] = code.insert(scalars[i], packed[i / size], i % size);
    }
  }
  auto count = static_cast<int64_t>(weights.size());
  for (int64_t i = 0; i < block.rows * count; ++i) {
    Value sums = code.slice(packed[i * block.columns / size],
                            i * block.columns % size, block.columns);
    Value row = code.add(block.row, code.integer(i / count));
    code.storeSome(sums, parts,
                   partAt(block.part + i % count, row, block.column));
  }
}

/// As many columns as accumulators and streams allow; a divisor of `count`.
int64_t SmallProducts::blockColumns(int64_t rows, int64_t weights,
                                    int64_t count) const {
  int64_t fit = std::min(maxSums / (rows * weights), streams / weights);
  int64_t columns = std::min(count, std::max<int64_t>(1, fit));
  while (count % columns) {
    --columns;
  }
  return columns;
}

void SmallProducts::emit(ArrayRef<Memory> weights, Value first, int64_t count,
                         int64_t part) {
  bool one = x.type.hasStaticShape() &&
             x.type.getNumElements() == inner; // a single row
  Value row = code.integer(0);
  for (int64_t size = one ? 1 : maxRows; size >= 1; size /= 2) {
    Value end = code.sub(rowCount, code.integer(size - 1));
    int64_t columns = blockColumns(size, weights.size(), count);
    row = code.loop(row, end, size, row, [&](Value at, ValueRange) {
      code.loop(code.integer(0), code.integer(count), columns, ValueRange(),
                [&](Value c, ValueRange) {
                  emitBlock(weights,
                            {at, code.add(first, c), c, size, columns, part});
                  return SmallVector<Value>();
                });
      return SmallVector<Value>{code.add(at, code.integer(size))};
    })[0];
  }
}
