//===- FlashAttentionTemplate.cpp - Template "flash_attention" ------------===//
//
// Attention of many rows. A tile is a run of rows of one key/value head with
// all its query heads. Blocks of kFlashKeys keys: scores as a product with the
// packed keys, online softmax per row, sums as a product with the values
// (arXiv 2205.14135, algorithm 1).
//
//===----------------------------------------------------------------------===//
#include "OnlineSoftmax.h"
#include "Panel.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

namespace {
/// The keys of one segment.
struct Segment : Keys {
  bool causal;
};

class FlashTile {
public:
  FlashTile(KernelCode &code, AttentionOp op, Value tile);
  void emit();

private:
  void loadQueries();
  void addBlock(const Segment &segment, Value first, Value count);
  using Seen = std::function<Value(Value)>;
  SmallVector<Value> maskedScores(Value row, const Seen &seen);
  void softmaxRows(Value row, const Seen &seen);
  void softmaxBlock(const Segment &segment, Value first, Value count,
                    Value row);
  void packValues(const Segment &segment, Value first, Value count);
  void store();
  /// Sequence row of this call, and query head, of a row of the tile.
  Value sequenceRow(Value row);
  Value headOf(Value row);

  KernelCode &code;
  AttentionOp op;
  PanelShape shape;
  const Memory &q, &y;
  int64_t heads, width, padded, groups, perGroup, blockRows;
  Memory queries, sums, scores, keys, values, tops, totals;
  Value sequence, group, firstRow, rows;
};
} // namespace

FlashTile::FlashTile(KernelCode &code, AttentionOp op, Value tile)
    : code(code), op(op), shape(panelShape(code)), q(code.memory(op.getQ())),
      y(code.memory(op.getY())), heads(q.type.getDimSize(2)),
      width(q.type.getDimSize(3)),
      padded((width + shape.lanes - 1) / shape.lanes * shape.lanes),
      groups(code.config("groups")), perGroup(heads / groups),
      blockRows(flashSequenceRows(perGroup)) {
  int64_t room = blockRows * perGroup + shape.rows;
  Scratch scratch(code);
  queries = scratch.take(room * width);
  sums = scratch.take(room * padded);
  scores = scratch.take(room * kFlashKeys);
  tops = scratch.take(room);
  totals = scratch.take(room);
  keys = scratch.take(kFlashKeys * width);
  values = scratch.take(kFlashKeys * padded);
  Value size = code.integer(blockRows);
  Value all = code.dim(q, 1);
  Value blocks = code.div(code.add(all, code.integer(blockRows - 1)), size);
  Value line = code.div(tile, blocks);
  firstRow = code.mul(code.rem(tile, blocks), size);
  group = code.rem(line, code.integer(groups));
  sequence = code.div(line, code.integer(groups));
  rows =
      code.mul(code.min(code.sub(all, firstRow), size), code.integer(perGroup));
}

Value FlashTile::sequenceRow(Value row) {
  return code.add(firstRow, code.div(row, code.integer(perGroup)));
}

Value FlashTile::headOf(Value row) {
  return code.add(code.mul(group, code.integer(perGroup)),
                  code.rem(row, code.integer(perGroup)));
}

/// Scaled queries; sums, maxima and totals of no key.
void FlashTile::loadQueries() {
  Value scale = code.real(op.getScale().convertToDouble());
  Value all = code.dim(q, 1);
  code.loop(code.integer(0), rows, [&](Value row) {
    Value line = code.add(code.mul(sequence, all), sequenceRow(row));
    Value head = code.add(code.mul(line, code.integer(heads)), headOf(row));
    Value from = code.mul(head, code.integer(width));
    Value to = code.mul(row, code.integer(width));
    code.eachVector(width, shape.lanes, [&](Value i, int64_t count) {
      Value part = code.loadSome(q, code.add(from, i), count);
      code.storeSome(code.fmul(part, code.spread(scale, count)), queries,
                     code.add(to, i));
    });
    Value sum = code.mul(row, code.integer(padded));
    code.eachVector(padded, shape.lanes, [&](Value i, int64_t count) {
      code.storeSome(code.spread(code.real(0.0), count), sums,
                     code.add(sum, i));
    });
    code.store(code.real(kUnseen), tops, row);
    code.store(code.real(0.0), totals, row);
  });
}

/// Values of a block as f32, rows padded with zeros to whole vectors; rows
/// behind the last key are zeros.
void FlashTile::packValues(const Segment &segment, Value first, Value count) {
  code.loop(code.integer(0), code.integer(kFlashKeys), [&](Value t) {
    Value seen = code.less(t, count);
    Value key = code.add(first, code.select(seen, t, code.integer(0)));
    Value from = code.add(segment.base, code.mul(key, segment.stride));
    Value to = code.mul(t, code.integer(padded));
    for (int64_t i = 0; i < width; i += shape.lanes) {
      int64_t size = std::min(shape.lanes, width - i);
      Value part = code.pad(
          code.loadSome(segment.values, code.add(from, code.integer(i)), size),
          shape.lanes);
      Value zero = code.splat(code.real(0.0), shape.lanes);
      code.storeVector(code.select(seen, part, zero), values,
                       code.add(to, code.integer(i)));
    }
  });
}

/// The scores of shape.rows rows from `row`, those of unseen keys lowered.
/// `seen(r)` is how many keys of the block row r sees; null: all.
SmallVector<Value> FlashTile::maskedScores(Value row, const Seen &seen) {
  int64_t lanes = shape.lanes;
  SmallVector<Value> parts;
  for (int64_t r = 0; r < shape.rows; ++r) {
    Value own = code.add(row, code.integer(r));
    Value at = code.mul(own, code.integer(kFlashKeys));
    Value count = seen ? seen(own) : Value();
    for (int64_t t = 0; t < kFlashKeys; t += lanes) {
      Value part =
          code.loadVector(scores, code.add(at, code.integer(t)), lanes);
      if (count) {
        part = code.select(
            code.lanesBelow(code.sub(count, code.integer(t)), lanes), part,
            code.splat(code.real(kUnseen), lanes));
      }
      parts.push_back(part);
    }
  }
  return parts;
}

/// Scores of shape.rows rows into weights; their sums shrink to the new
/// maxima. One exponential gives the factors of all these rows.
void FlashTile::softmaxRows(Value row, const Seen &seen) {
  int64_t lanes = shape.lanes, perRow = kFlashKeys / lanes;
  SmallVector<Value> parts = maskedScores(row, seen), rowTops, rowTotals;
  for (int64_t r = 0; r < shape.rows; ++r) {
    Value top = parts[r * perRow];
    for (int64_t i = 1; i < perRow; ++i) {
      top = code.fmax(top, parts[r * perRow + i]);
    }
    rowTops.push_back(top);
  }
  Value old = code.loadVector(tops, row, shape.rows);
  Value best = code.fmax(old, code.slice(code.maxMany(rowTops), 0, shape.rows));
  Value keep = code.exp(code.fsub(old, best));
  code.storeVector(best, tops, row);
  for (int64_t r = 0; r < shape.rows; ++r) {
    Value own = code.add(row, code.integer(r));
    Value at = code.mul(own, code.integer(kFlashKeys));
    Value top = code.splat(code.extract(best, r), lanes);
    Value total;
    for (int64_t i = 0; i < perRow; ++i) {
      Value weight = code.exp(code.fsub(parts[r * perRow + i], top));
      if (seen) {
        // A row that sees no key of the block has weight e^0 everywhere.
        Value inside = code.lanesBelow(
            code.sub(seen(own), code.integer(i * lanes)), lanes);
        weight = code.select(inside, weight, code.splat(code.real(0.0), lanes));
      }
      total = total ? code.fadd(total, weight) : weight;
      code.storeVector(weight, scores, code.add(at, code.integer(i * lanes)));
    }
    rowTotals.push_back(total);
    Value sum = code.mul(own, code.integer(padded));
    Value factor = code.splat(code.extract(keep, r), lanes);
    for (int64_t i = 0; i < padded; i += lanes) {
      Value to = code.add(sum, code.integer(i));
      code.storeVector(code.fmul(code.loadVector(sums, to, lanes), factor),
                       sums, to);
    }
  }
  Value added = code.slice(code.sumMany(rowTotals), 0, shape.rows);
  Value total = code.loadVector(totals, row, shape.rows);
  code.storeVector(code.fma(total, keep, added), totals, row);
}

/// Keys first .. first + count - 1. Only the last block, or one on the
/// diagonal, has keys that a row does not see.
void FlashTile::softmaxBlock(const Segment &segment, Value first, Value count,
                             Value row) {
  Value full = code.equal(count, code.integer(kFlashKeys));
  if (segment.causal) {
    Value own = code.add(sequenceRow(row), code.integer(1));
    Value end = code.add(first, code.integer(kFlashKeys - 1));
    full = code.both(full, code.less(end, own));
  }
  Value partly = code.equal(full, code.flag(false));
  code.when(full, [&] { softmaxRows(row, nullptr); });
  code.when(partly, [&] {
    softmaxRows(row, [&](Value r) {
      Value own = code.add(sequenceRow(r), code.integer(1));
      return segment.causal ? code.min(count, code.sub(own, first)) : count;
    });
  });
}

/// Keys first .. first + count - 1 of a segment.
void FlashTile::addBlock(const Segment &segment, Value first, Value count) {
  packTransposed(
      code, segment.keys,
      [&](Value t) {
        Value key = code.min(t, code.sub(count, code.integer(1)));
        return code.add(segment.base,
                        code.mul(code.add(first, key), segment.stride));
      },
      kFlashKeys, code.integer(width), keys);
  packValues(segment, first, count);
  auto rowsOf = [&](const Memory &memory, int64_t size) {
    return Rows{memory, [this, size](Value r) {
                  return code.mul(r, code.integer(size));
                }};
  };
  Value zero = code.splat(code.real(0.0), shape.lanes);
  code.loop(code.integer(0), rows, shape.rows, ValueRange(),
            [&](Value row, ValueRange) {
              Value from = code.mul(row, code.integer(kFlashKeys));
              code.eachVector(
                  shape.rows * kFlashKeys, shape.lanes, [&](Value i, int64_t) {
                    code.storeVector(zero, scores, code.add(from, i));
                  });
              multiplyPanel(code, shape, rowsOf(queries, width), row,
                            code.integer(width), keys, kFlashKeys, kFlashKeys,
                            rowsOf(scores, kFlashKeys));
              softmaxBlock(segment, first, count, row);
              multiplyPanel(code, shape, rowsOf(scores, kFlashKeys), row,
                            code.integer(kFlashKeys), values, padded, padded,
                            rowsOf(sums, padded));
              return SmallVector<Value>();
            });
}

void FlashTile::store() {
  Value all = code.dim(q, 1);
  code.loop(code.integer(0), rows, [&](Value row) {
    // A query that saw no key has total 0 and gives zeros.
    Value total = code.load(totals, row);
    Value some = code.fless(code.real(0.0), total);
    Value scale =
        code.fdiv(code.real(1.0), code.select(some, total, code.real(1.0)));
    Value from = code.mul(row, code.integer(padded));
    Value line = code.add(code.mul(sequence, all), sequenceRow(row));
    Value head = code.add(code.mul(line, code.integer(heads)), headOf(row));
    Value to = code.mul(head, code.integer(width));
    code.eachVector(width, shape.lanes, [&](Value i, int64_t count) {
      Value part = code.loadSome(sums, code.add(from, i), count);
      code.storeSome(code.fmul(part, code.spread(scale, count)), y,
                     code.add(to, i));
    });
  });
}

void FlashTile::emit() {
  loadQueries();
  Value lastRow = sequenceRow(code.sub(rows, code.integer(1)));
  for (size_t n = 0; n < op.getSegments().size(); ++n) {
    Value head = code.mul(group, code.integer(perGroup));
    Segment found{wholeSegment(code, op, n, sequence, head), false};
    found.causal = cast<SegmentAttr>(op.getSegments()[n]).getVisibility() ==
                   Visibility::Causal;
    Value end = found.causal
                    ? code.min(found.end, code.add(lastRow, code.integer(1)))
                    : found.end;
    code.loop(code.integer(0), end, kFlashKeys, ValueRange(),
              [&](Value first, ValueRange) {
                addBlock(
                    found, first,
                    code.min(code.sub(end, first), code.integer(kFlashKeys)));
                return SmallVector<Value>();
              });
  }
  store();
}

int64_t rill::kernel::flashGroups(AttentionOp op) {
  int64_t groups = 0;
  for (auto [attribute, keys] :
       llvm::zip_equal(op.getSegments(), op.getKeys())) {
    auto segment = cast<SegmentAttr>(attribute);
    bool state = segment.getSource() == SegmentSource::State;
    int64_t own =
        cast<RankedTensorType>(keys.getType()).getDimSize(state ? 1 : 2);
    bool visible = segment.getVisibility() == Visibility::All ||
                   segment.getVisibility() == Visibility::Causal;
    if (!visible || (groups && own != groups)) {
      return 0;
    }
    groups = own;
  }
  return groups;
}

EmitTile rill::kernel::beginFlashAttention(KernelCode &code,
                                           Operation *operation) {
  auto op = dyn_cast<AttentionOp>(operation);
  if (!op) {
    return nullptr;
  }
  return [&code, op](Value tile) { FlashTile(code, op, tile).emit(); };
}
