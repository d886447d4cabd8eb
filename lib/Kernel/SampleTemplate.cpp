//===- SampleTemplate.cpp - Template "sample" for CPUs and CUDA -----------===//
//
// From logits to a token without a sort: the smallest logit that is kept is
// found bit by bit, the drawn id by halving. Weights are integers, so neither
// threads nor vectors change a sum.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

#include "rill-rt/kernel_abi.h"
#include "rill/Kernel/Templates.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

static constexpr int64_t kWordBits = 32;

namespace {
/// The draw of one sequence. Vectors hold `lanes` ids behind another.
class Draw {
public:
  Draw(KernelCode &code, SampleOp op, const Memory &penalised, Value tile);
  void emit();

private:
  /// `scalar` in every lane.
  Value all(Value scalar) { return code.spread(scalar, lanes); }
  Value word(int64_t value);
  Type lanesOf(Type element) const;
  Value toF32(Value real64);
  Value zeros();
  /// 0, 1, ... of the lanes; 0 for scalars.
  Value laneNumbers(Type element);
  Value flipped(Value bits);

  void markHistory();
  Value logits(Value id);
  Value weight(Value power);
  Value powers(Value logits, Value top);
  Value keys(Value logits);
  Value reaches(Value keys, Value least);
  Value sum(Value low, Value high, const std::function<Value(Value)> &f);
  /// The largest logit, and the first id that has it.
  std::pair<Value, Value> largest();

  Value leastKey(Value goal, const std::function<Value(Value)> &measure);
  Value topK();
  Value topP(Value top, Value least);
  Value random();
  Value drawn(const std::function<Value(Value)> &weights);

  KernelCode &code;
  OpBuilder &b;
  Location loc;
  SampleOp op;
  Memory penalised; ///< a bit per id
  Value sequence, row, ids, penalty, temperature;
  int64_t vocabulary, lanes;
};
} // namespace

Draw::Draw(KernelCode &code, SampleOp op, const Memory &penalised, Value tile)
    : code(code), b(code.b), loc(code.loc), op(op), penalised(penalised),
      sequence(tile) {
  vocabulary = cast<RankedTensorType>(op.getLogits().getType()).getDimSize(1);
  lanes = code.config("lanes");
  while (vocabulary % lanes) {
    lanes /= 2;
  }
  row = code.mul(tile, code.integer(vocabulary));
  ids = code.add(code.start(tile), code.controlWord(RILL_RT_CONTROL_S));
  penalty = toF32(code.controlReal(RILL_RT_CONTROL_REPEAT_PENALTY));
  temperature = toF32(code.controlReal(RILL_RT_CONTROL_TEMPERATURE));
}

Type Draw::lanesOf(Type element) const {
  return lanes == 1 ? element : Type(VectorType::get({lanes}, element));
}

Value Draw::toF32(Value real64) {
  return arith::TruncFOp::create(b, loc, b.getF32Type(), real64);
}

Value Draw::word(int64_t value) {
  return arith::ConstantOp::create(
      b, loc, b.getI32IntegerAttr(static_cast<int32_t>(value)));
}

Value Draw::zeros() { return all(code.integer(0)); }

Value Draw::laneNumbers(Type element) {
  auto type = VectorType::get({lanes}, element);
  SmallVector<Attribute> numbers;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    numbers.push_back(b.getIntegerAttr(element, lane));
  }
  Value vector =
      arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, numbers));
  return lanes == 1 ? code.extract(vector, 0) : vector;
}

/// Sets the bits of the ids in the history, when there is a penalty.
void Draw::markHistory() {
  Value words = code.integer(llvm::divideCeil(vocabulary, kWordBits));
  code.each(words, [&](Value i) {
    LLVM::StoreOp::create(
        b, loc, word(0), code.address(penalised.pointer, i, b.getI32Type()), 4);
  });
  code.sync();
  if (op.getHistoryAttr()) {
    Memory history = code.state(*op.getHistory());
    Value capacity = code.integer(history.type.getDimSize(1));
    Value rows = code.mul(sequence, capacity);
    Value plain = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                        penalty, code.real(1.0));
    Value count = code.select(plain, code.integer(0), code.min(ids, capacity));
    code.each(count, [&](Value n) {
      Value id = code.loadInteger(history, code.add(rows, n));
      // Rows that nobody wrote may hold anything.
      Value known = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, id,
                                          code.integer(vocabulary));
      code.when(known, [&] { code.setBit(penalised, id); });
    });
  }
  code.sync();
}

/// The logits of the ids from `id`, penalised; -inf for NaN, no -0.
Value Draw::logits(Value id) {
  Value plain =
      code.loadSome(code.memory(op.getLogits()), code.add(row, id), lanes);
  Value nan =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, plain, plain);
  plain = code.select(
      nan, all(code.real(-std::numeric_limits<double>::infinity())), plain);
  Value at = code.address(
      penalised.pointer, code.div(id, code.integer(kWordBits)), b.getI32Type());
  Value bits = LLVM::LoadOp::create(b, loc, b.getI32Type(), at, 4);
  Value place = arith::TruncIOp::create(b, loc, b.getI32Type(),
                                        code.rem(id, code.integer(kWordBits)));
  Value own =
      arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, place),
                            word((int64_t(1) << lanes) - 1));
  bits = arith::ShRUIOp::create(b, loc, all(own), laneNumbers(b.getI32Type()));
  Value marked = arith::TruncIOp::create(b, loc, lanesOf(b.getI1Type()), bits);
  // Few vectors hold a penalised id.
  Value nowhere =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, own, word(0));
  Value logits = code.selectBranch(
      code.equal(nowhere, code.flag(false)),
      [&]() -> SmallVector<Value> {
        Value positive = code.fless(all(code.real(0.0)), plain);
        Value other = code.select(positive, code.fdiv(plain, all(penalty)),
                                  code.fmul(plain, all(penalty)));
        return {code.select(marked, other, plain)};
      },
      plain)[0];
  return code.fadd(logits, all(code.real(0.0)));
}

/// exp((l - top) / temperature): 1 for the largest, even where it is infinite.
Value Draw::powers(Value logits, Value top) {
  // Below, weights are 0.
  constexpr double kLeast = -104;
  Value largest = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                        logits, all(top));
  Value x = code.fdiv(code.fsub(logits, all(top)), all(temperature));
  Value low = code.fless(x, all(code.real(kLeast)));
  x = code.select(low, all(code.real(kLeast)), x);
  return code.exp(code.select(largest, all(code.real(0.0)), x));
}

/// floor(2^40 e)
Value Draw::weight(Value power) {
  Value scaled = code.fmul(power, all(code.real(0x1p40)));
  return arith::FPToSIOp::create(b, loc, lanesOf(b.getI64Type()), scaled);
}

/// Turns the bits of floats into integers of the same order, and back.
Value Draw::flipped(Value bits) {
  auto like = [&](int64_t value) {
    return bits.getType().isInteger() ? word(value) : all(word(value));
  };
  Value sign = arith::ShRSIOp::create(b, loc, bits, like(31));
  return arith::XOrIOp::create(
      b, loc, bits, arith::AndIOp::create(b, loc, sign, like(0x7fffffff)));
}

/// Integers in the order of the logits.
Value Draw::keys(Value logits) {
  return flipped(
      arith::BitcastOp::create(b, loc, lanesOf(b.getI32Type()), logits));
}

Value Draw::reaches(Value keys, Value least) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, keys,
                               all(least));
}

Value Draw::sum(Value low, Value high, const std::function<Value(Value)> &f) {
  return code.foldSpan(low, high, lanes, zeros(), f,
                       [&](Value x, Value y) { return code.add(x, y); });
}

/// One pass: key, then the complement of the id, as one integer per id.
std::pair<Value, Value> Draw::largest() {
  constexpr int64_t kIdBits = 32, kIdMask = 0xffffffff;
  Type i64 = lanesOf(b.getI64Type());
  auto ranked = [&](Value id) -> Value {
    Value key = arith::ExtSIOp::create(b, loc, i64, keys(logits(id)));
    key = arith::ShLIOp::create(b, loc, key, all(code.integer(kIdBits)));
    Value rank = code.sub(all(code.sub(code.integer(kIdMask), id)),
                          laneNumbers(b.getI64Type()));
    return arith::OrIOp::create(b, loc, key, rank);
  };
  Value best =
      code.foldSpan(code.integer(0), code.integer(vocabulary), lanes,
                    all(code.integer(std::numeric_limits<int64_t>::min())),
                    ranked, [&](Value x, Value y) { return code.max(x, y); });
  Value id =
      code.sub(code.integer(kIdMask),
               arith::AndIOp::create(b, loc, best, code.integer(kIdMask)));
  Value key = arith::TruncIOp::create(
      b, loc, b.getI32Type(),
      arith::ShRSIOp::create(b, loc, best, code.integer(kIdBits)));
  return {arith::BitcastOp::create(b, loc, b.getF32Type(), flipped(key)), id};
}

/// The largest key at which `measure`, which falls with it, is `goal` at least;
/// the smallest of all when there is none.
Value Draw::leastKey(Value goal, const std::function<Value(Value)> &measure) {
  constexpr int64_t kSmallest = std::numeric_limits<int32_t>::min();
  return code.loop(
      code.integer(0), code.integer(kWordBits), 1, word(kSmallest),
      [&](Value i, ValueRange least) -> SmallVector<Value> {
        Value shift = arith::TruncIOp::create(b, loc, b.getI32Type(), i);
        Value step = arith::ShRUIOp::create(b, loc, word(kSmallest), shift);
        Value next = arith::AddIOp::create(b, loc, least[0], step);
        Value enough = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge,
                                             measure(next), goal);
        return {code.select(enough, next, least[0])};
      })[0];
}

/// The key of the k-th largest logit; the smallest when top-k is off.
Value Draw::topK() {
  Value k = code.controlWord(RILL_RT_CONTROL_TOP_K);
  Value size = code.integer(vocabulary);
  Value active = code.both(code.less(code.integer(0), k), code.less(k, size));
  Value every = word(std::numeric_limits<int32_t>::min());
  return code.selectBranch(
      active,
      [&]() -> SmallVector<Value> {
        return {leastKey(k, [&](Value least) {
          return sum(code.integer(0), size, [&](Value id) {
            return code.select(reaches(keys(logits(id)), least),
                               all(code.integer(1)), zeros());
          });
        })};
      },
      every)[0];
}

/// The key below which the larger logits weigh their share, not below `least`.
Value Draw::topP(Value top, Value least) {
  Value share = code.controlReal(RILL_RT_CONTROL_TOP_P);
  Type f64 = b.getF64Type();
  Value one = arith::ConstantOp::create(b, loc, b.getF64FloatAttr(1.0));
  Value active =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, share, one);
  auto heavier = [&](Value key) {
    Value bound = code.max(key, least);
    return sum(code.integer(0), code.integer(vocabulary), [&](Value id) {
      Value l = logits(id);
      return code.select(reaches(keys(l), bound), weight(powers(l, top)),
                         zeros());
    });
  };
  return code.selectBranch(
      active,
      [&]() -> SmallVector<Value> {
        Value total = arith::SIToFPOp::create(b, loc, f64, heavier(least));
        Value due = arith::MulFOp::create(b, loc, share, total);
        Value whole = arith::FPToSIOp::create(b, loc, b.getI64Type(), due);
        Value rest = arith::CmpFOp::create(
            b, loc, arith::CmpFPredicate::OLT,
            arith::SIToFPOp::create(b, loc, f64, whole), due);
        Value goal = code.add(
            whole, arith::ExtUIOp::create(b, loc, b.getI64Type(), rest));
        return {code.max(leastKey(goal, heavier), least)};
      },
      least)[0];
}

/// 64 bits of Philox4x32-10 (Salmon et al., SC 2011).
Value Draw::random() {
  Value mask = code.integer(0xffffffff), half = code.integer(32);
  auto low = [&](Value x) -> Value {
    return arith::AndIOp::create(b, loc, x, mask);
  };
  auto high = [&](Value x) -> Value {
    return arith::ShRUIOp::create(b, loc, x, half);
  };
  auto mix = [&](Value x, Value y, Value z) -> Value {
    return arith::XOrIOp::create(b, loc, arith::XOrIOp::create(b, loc, x, y),
                                 z);
  };
  Value seed = code.controlWord(RILL_RT_CONTROL_SEED);
  Value keyLow = low(seed), keyHigh = high(seed);
  Value c[4] = {low(ids), high(ids), sequence, code.integer(0)};
  for (int round = 0; round < 10; ++round) {
    Value x = code.mul(code.integer(0xD2511F53), c[0]);
    Value y = code.mul(code.integer(0xCD9E8D57), c[2]);
    Value next[4] = {mix(high(y), c[1], keyLow), low(y),
                     mix(high(x), c[3], keyHigh), low(x)};
    std::copy(next, next + 4, c);
    keyLow = low(code.add(keyLow, code.integer(0x9E3779B9)));
    keyHigh = low(code.add(keyHigh, code.integer(0xBB67AE85)));
  }
  Value upper = arith::ShLIOp::create(b, loc, c[0], half);
  return arith::OrIOp::create(b, loc, upper, c[1]);
}

/// The first id at which the running weight exceeds its random share.
Value Draw::drawn(const std::function<Value(Value)> &weights) {
  Value size = code.integer(vocabulary);
  Value total = sum(code.integer(0), size, weights);
  Value share =
      arith::MulUIExtendedOp::create(b, loc, random(), total).getHigh();
  // The vector that holds it, by halving; then its lanes.
  int64_t vectors = vocabulary / lanes;
  int64_t halvings = llvm::Log2_64_Ceil(vectors);
  auto place =
      code.loop(code.integer(0), code.integer(halvings), 1,
                {code.integer(0), code.integer(0)},
                [&](Value i, ValueRange at) -> SmallVector<Value> {
                  Value left = code.sub(code.integer(halvings - 1), i);
                  Value half =
                      arith::ShLIOp::create(b, loc, code.integer(lanes), left);
                  Value middle = code.min(code.add(at[0], half), size);
                  Value before = code.add(at[1], sum(at[0], middle, weights));
                  Value right = code.less(share, before);
                  return {code.select(right, at[0], middle),
                          code.select(right, at[1], before)};
                });
  // In bounds whatever the control block says.
  Value from = code.min(place[0], code.integer(vocabulary - lanes));
  Value seen = place[1], vector = weights(from), id = from;
  Value found = code.flag(false);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    seen = code.add(seen, lanes == 1 ? vector : code.extract(vector, lane));
    Value here =
        code.both(code.less(share, seen), code.equal(found, code.flag(false)));
    id = code.select(here, code.add(from, code.integer(lane)), id);
    found = code.either(found, here);
  }
  return id;
}

void Draw::emit() {
  markHistory();
  auto [top, first] = largest();
  Value cold = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                     temperature, code.real(0.0));
  Value empty = arith::CmpFOp::create(
      b, loc, arith::CmpFPredicate::OEQ, top,
      code.real(-std::numeric_limits<double>::infinity()));
  auto keep = [&](Value id) {
    code.once([&] { code.storeInteger(id, code.memory(op.getY()), sequence); });
  };
  Value greedy = code.either(cold, empty);
  code.when(greedy, [&] { keep(first); });
  code.when(code.equal(greedy, code.flag(false)), [&] {
    Value least = topP(top, topK());
    Value share = toF32(code.controlReal(RILL_RT_CONTROL_MIN_P));
    keep(drawn([&](Value id) {
      Value l = logits(id);
      Value power = powers(l, top);
      Value likely = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE,
                                           power, all(share));
      return code.select(code.both(reaches(keys(l), least), likely),
                         weight(power), zeros());
    }));
  });
}

EmitTile rill::kernel::beginSample(KernelCode &code, Operation *op) {
  auto sample = dyn_cast<SampleOp>(op);
  if (!sample) {
    return {};
  }
  Memory penalised = code.workspace(sampleBytes(sample) /
                                        static_cast<int64_t>(sizeof(int32_t)),
                                    code.b.getI32Type());
  return [&code, sample, penalised](Value tile) {
    Draw(code, sample, penalised, tile).emit();
  };
}
