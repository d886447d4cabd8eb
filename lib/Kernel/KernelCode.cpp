//===- KernelCode.cpp - The function being emitted for a kernel -----------===//
//
// Operand pointers, shape programs, scalars, loads and stores, loops.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

#include "rill-rt/kernel_abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

KernelCode::KernelCode(OpBuilder &builder, plan::KernelOp kernel,
                       LLVM::LLVMFuncOp function, KernelAbi abi)
    : b(builder), loc(kernel.getLoc()), kernel(kernel), function(function),
      abi(abi) {
  Block &body = kernel.getBody().front();
  unsigned operand = 0;
  for (auto [argument, dims] :
       llvm::zip_equal(body.getArguments(), kernel.getArgDims())) {
    memories[argument] =
        makeMemory(operand++, cast<RankedTensorType>(argument.getType()),
                   cast<ArrayAttr>(dims));
  }
  for (auto state : body.getOps<StateOp>()) {
    states[state.getSymName()] = makeMemory(
        operand++, cast<RankedTensorType>(state.getType()), b.getArrayAttr({}));
  }
  for (auto control : body.getOps<ControlOp>()) {
    auto type = cast<RankedTensorType>(control.getType());
    Memory field = controlField(control.getField(), type.getDimSize(0));
    field.type = type;
    memories[control] = field;
  }
  for (auto [result, dims] : llvm::zip_equal(
           body.getTerminator()->getOperands(), kernel.getResultDims())) {
    memories[result] =
        makeMemory(operand++, cast<RankedTensorType>(result.getType()),
                   cast<ArrayAttr>(dims));
  }
}

KernelCode::Memory KernelCode::makeMemory(unsigned operand,
                                          RankedTensorType type,
                                          ArrayAttr dims) {
  Memory memory;
  if (abi == KernelAbi::Cuda) {
    memory.pointer = function.getArgument(operand);
  } else {
    auto pointerType = LLVM::LLVMPointerType::get(b.getContext());
    Value slot =
        address(function.getArgument(0), integer(operand), pointerType);
    memory.pointer = LLVM::LoadOp::create(b, loc, pointerType, slot, 8);
  }
  memory.type = type;
  for (Attribute dim : dims) {
    memory.dims.push_back(cast<StringAttr>(dim).getValue().str());
  }
  return memory;
}

const KernelCode::Memory &KernelCode::memory(Value value) {
  return memories.find(value)->second;
}

KernelCode::Memory KernelCode::state(StringRef symbol) {
  return states.lookup(symbol);
}

int64_t KernelCode::config(StringRef name) {
  return cast<IntegerAttr>(kernel.getConfig().get(name)).getInt();
}

Value KernelCode::controlBlock() {
  return function.getArgument(
      abi == KernelAbi::Cuda ? function.getNumArguments() - 1 : 1);
}

Value KernelCode::controlWord(int64_t index) {
  Value slot = address(controlBlock(), integer(index), b.getI64Type());
  return LLVM::LoadOp::create(b, loc, b.getI64Type(), slot, 8);
}

Value KernelCode::controlReal(int64_t index) {
  return arith::BitcastOp::create(b, loc, b.getF64Type(), controlWord(index));
}

KernelCode::Memory KernelCode::controlWords(int64_t index, int64_t count) {
  Memory memory;
  memory.type = RankedTensorType::get({count}, b.getI64Type());
  memory.pointer = address(controlBlock(), integer(index), b.getI64Type());
  return memory;
}

KernelCode::Memory KernelCode::controlField(ControlField field, int64_t batch) {
  int64_t number = field == ControlField::Start   ? 0
                   : field == ControlField::Token ? 1
                                                  : 2;
  return controlWords(RILL_RT_CONTROL_HEAD_WORDS + number * batch, batch);
}

Value KernelCode::start(Value sequence) {
  Value index = add(integer(RILL_RT_CONTROL_HEAD_WORDS), sequence);
  Value slot = address(controlBlock(), index, b.getI64Type());
  return LLVM::LoadOp::create(b, loc, b.getI64Type(), slot, 8);
}

Value KernelCode::program(StringRef text) {
  SmallVector<Value> stack;
  for (StringRef word : llvm::split(text, ' ')) {
    int64_t number;
    if (!word.getAsInteger(10, number)) {
      stack.push_back(integer(number));
    } else if (word == "S") {
      stack.push_back(controlWord(RILL_RT_CONTROL_S));
    } else if (word == "h") {
      stack.push_back(controlWord(RILL_RT_CONTROL_H));
    } else if (word == "w") {
      stack.push_back(controlWord(RILL_RT_CONTROL_W));
    } else {
      Value right = stack.pop_back_val(), left = stack.pop_back_val();
      stack.push_back(word == "add"        ? add(left, right)
                      : word == "mul"      ? mul(left, right)
                      : word == "floordiv" ? div(left, right)
                      : word == "ceildiv"
                          ? div(add(left, sub(right, integer(1))), right)
                      : word == "min" ? min(left, right)
                                      : max(left, right));
    }
  }
  return stack.back();
}

Value KernelCode::symbol(Value index) {
  return program(index.getDefiningOp<plan::SymbolOp>().getSymbol());
}

Value KernelCode::dim(const Memory &memory, int64_t index) {
  if (!memory.type.isDynamicDim(index)) {
    return integer(memory.type.getDimSize(index));
  }
  return program(memory.dims[memory.type.getDynamicDimIndex(index)]);
}

Value KernelCode::rows(const Memory &memory, int64_t count) {
  Value product = integer(1);
  for (int64_t i = 0; i < count; ++i) {
    product = mul(product, dim(memory, i));
  }
  return product;
}

Value KernelCode::integer(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}
Value KernelCode::flag(bool value) {
  return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
}
Value KernelCode::real(double value) {
  return arith::ConstantOp::create(
      b, loc, b.getF32FloatAttr(static_cast<float>(value)));
}
Value KernelCode::add(Value x, Value y) {
  return arith::AddIOp::create(b, loc, x, y);
}
Value KernelCode::sub(Value x, Value y) {
  return arith::SubIOp::create(b, loc, x, y);
}
Value KernelCode::mul(Value x, Value y) {
  return arith::MulIOp::create(b, loc, x, y);
}
Value KernelCode::div(Value x, Value y) {
  return arith::DivUIOp::create(b, loc, x, y);
}
Value KernelCode::rem(Value x, Value y) {
  return arith::RemUIOp::create(b, loc, x, y);
}
Value KernelCode::min(Value x, Value y) {
  return arith::MinSIOp::create(b, loc, x, y);
}
Value KernelCode::max(Value x, Value y) {
  return arith::MaxSIOp::create(b, loc, x, y);
}
Value KernelCode::less(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
}
Value KernelCode::equal(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
}
Value KernelCode::both(Value x, Value y) {
  return arith::AndIOp::create(b, loc, x, y);
}
Value KernelCode::either(Value x, Value y) {
  return arith::OrIOp::create(b, loc, x, y);
}
Value KernelCode::bit(Value mask, Value index) {
  Value shifted = arith::ShRUIOp::create(b, loc, mask, index);
  return arith::TruncIOp::create(b, loc, b.getI1Type(), shifted);
}
Value KernelCode::fadd(Value x, Value y) {
  return arith::AddFOp::create(b, loc, x, y);
}
Value KernelCode::fsub(Value x, Value y) {
  return arith::SubFOp::create(b, loc, x, y);
}
Value KernelCode::fmul(Value x, Value y) {
  return arith::MulFOp::create(b, loc, x, y);
}
Value KernelCode::fdiv(Value x, Value y) {
  return arith::DivFOp::create(b, loc, x, y);
}
Value KernelCode::fma(Value x, Value y, Value z) {
  return math::FmaOp::create(b, loc, x, y, z);
}
Value KernelCode::fmax(Value x, Value y) {
  return arith::MaximumFOp::create(b, loc, x, y);
}
Value KernelCode::exp(Value x) { return math::ExpOp::create(b, loc, x); }
Value KernelCode::rsqrt(Value x) {
  return fdiv(real(1.0), math::SqrtOp::create(b, loc, x));
}
Value KernelCode::fless(Value x, Value y) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, y);
}
Value KernelCode::lanesBelow(Value count, int64_t lanes) {
  auto type = VectorType::get({lanes}, b.getI64Type());
  auto indices = llvm::to_vector(llvm::seq<int64_t>(0, lanes));
  Value index = arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(type, ArrayRef<int64_t>(indices)));
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, index,
                               splat(count, lanes));
}
Value KernelCode::toInteger(Value x) {
  return arith::FPToSIOp::create(b, loc, b.getI64Type(), x);
}
Value KernelCode::toFloat(Value x) {
  return arith::SIToFPOp::create(b, loc, b.getF32Type(), x);
}

Value KernelCode::address(Value pointer, Value index, Type element) {
  return LLVM::GEPOp::create(b, loc, pointer.getType(), element, pointer,
                             ArrayRef<LLVM::GEPArg>{index});
}

static unsigned bytesOf(Type element) {
  return element.getIntOrFloatBitWidth() / 8;
}

/// What memory is read and written as: bf16 as i16. A bf16 that LLVM keeps
/// across blocks is held as f32 on a target without bf16 registers, and
/// rounded by a library call when it is stored.
static Type storage(Type element) {
  return element.isBF16() ? IntegerType::get(element.getContext(), 16)
                          : element;
}

/// `type` with `element` for its element type.
static Type withElement(Type type, Type element) {
  if (auto vector = dyn_cast<VectorType>(type)) {
    return VectorType::get(vector.getShape(), element);
  }
  return element;
}

/// `value` with its elements taken as bits of `element`.
static Value asBits(OpBuilder &b, Location loc, Type element, Value value) {
  if (getElementTypeOrSelf(value) == element) {
    return value;
  }
  return arith::BitcastOp::create(b, loc, withElement(value.getType(), element),
                                  value);
}

/// Widens bf16 and f16 to f32, scalar or vector.
static Value widen(OpBuilder &b, Location loc, Value value) {
  Type element = getElementTypeOrSelf(value);
  if (element.isF32()) {
    return value;
  }
  Type wide = b.getF32Type();
  if (auto vector = dyn_cast<VectorType>(value.getType())) {
    wide = VectorType::get(vector.getShape(), wide);
  }
  return arith::ExtFOp::create(b, loc, wide, value);
}

static Value wordConstant(OpBuilder &b, Location loc, Type type, int32_t bits) {
  Attribute scalar = b.getI32IntegerAttr(bits);
  auto shaped = dyn_cast<ShapedType>(type);
  auto attribute = shaped
                       ? cast<TypedAttr>(DenseElementsAttr::get(shaped, scalar))
                       : cast<TypedAttr>(scalar);
  return arith::ConstantOp::create(b, loc, attribute);
}

/// The words of f32 values rounded to bf16, to nearest even; the low halves
/// are not cleared. NaN stays NaN. bf16 itself never appears: LLVM takes
/// vectors of it apart lane by lane.
static Value bf16Words(OpBuilder &b, Location loc, Value value) {
  Type word = withElement(value.getType(), b.getI32Type());
  auto constant = [&](int32_t bits) {
    return wordConstant(b, loc, word, bits);
  };
  Value bits = arith::BitcastOp::create(b, loc, word, value);
  Value high = arith::ShRUIOp::create(b, loc, bits, constant(16));
  Value odd = arith::AndIOp::create(b, loc, high, constant(1));
  Value up = arith::AddIOp::create(b, loc, bits, constant(0x7fff));
  up = arith::AddIOp::create(b, loc, up, odd);
  Value nan =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, value, value);
  return arith::SelectOp::create(b, loc, nan, constant(0x7fc00000), up);
}

/// What memory holds for f32 values stored as `element`. CUDA rounds to bf16
/// by one instruction.
static Value stored(OpBuilder &b, Location loc, Value value, Type element,
                    KernelAbi abi) {
  if (element.isF32()) {
    return value;
  }
  if (!element.isBF16() || abi == KernelAbi::Cuda) {
    Value narrow = arith::TruncFOp::create(
        b, loc, withElement(value.getType(), element), value);
    return asBits(b, loc, storage(element), narrow);
  }
  Value words = bf16Words(b, loc, value);
  Value sixteen = wordConstant(b, loc, words.getType(), 16);
  return arith::TruncIOp::create(
      b, loc, withElement(value.getType(), b.getI16Type()),
      arith::ShRUIOp::create(b, loc, words, sixteen));
}

unsigned KernelCode::alignment(Type element, int64_t count) const {
  return bytesOf(element) *
         (abi == KernelAbi::Cuda ? static_cast<unsigned>(count) : 1);
}

Value KernelCode::load(const Memory &memory, Value index) {
  Type element = memory.type.getElementType();
  Value value = LLVM::LoadOp::create(b, loc, storage(element),
                                     address(memory.pointer, index, element),
                                     bytesOf(element));
  return widen(b, loc, asBits(b, loc, element, value));
}

Value KernelCode::loadInteger(const Memory &memory, Value index) {
  return LLVM::LoadOp::create(b, loc, b.getI64Type(),
                              address(memory.pointer, index, b.getI64Type()),
                              8);
}

void KernelCode::storeInteger(Value value, const Memory &memory, Value index) {
  LLVM::StoreOp::create(b, loc, value,
                        address(memory.pointer, index, b.getI64Type()), 8);
}

void KernelCode::store(Value value, const Memory &memory, Value index) {
  Type element = memory.type.getElementType();
  LLVM::StoreOp::create(b, loc, stored(b, loc, value, element, abi),
                        address(memory.pointer, index, element),
                        bytesOf(element));
}

Value KernelCode::loadVector(const Memory &memory, Value index, int64_t lanes) {
  Type element = memory.type.getElementType();
  Value value = LLVM::LoadOp::create(
      b, loc, VectorType::get({lanes}, storage(element)),
      address(memory.pointer, index, element), alignment(element, lanes));
  return widen(b, loc, asBits(b, loc, element, value));
}

Value KernelCode::loadSome(const Memory &memory, Value index, int64_t count) {
  return count == 1 ? load(memory, index) : loadVector(memory, index, count);
}

Value KernelCode::loadColumns(const Memory &matrix, Value row, Value k,
                              int64_t count) {
  Value width = integer(matrix.type.getShape().back());
  return loadSome(matrix, add(mul(row, width), k), count);
}

void KernelCode::storeSome(Value value, const Memory &memory, Value index) {
  if (isa<VectorType>(value.getType())) {
    storeVector(value, memory, index);
  } else {
    store(value, memory, index);
  }
}

Value KernelCode::spread(Value scalar, int64_t count) {
  return count == 1 ? scalar : splat(scalar, count);
}

void KernelCode::eachVector(int64_t width, int64_t lanes,
                            const std::function<void(Value, int64_t)> &body) {
  int64_t whole = width / lanes * lanes;
  if (whole) {
    loop(integer(0), integer(whole), lanes, ValueRange(),
         [&](Value index, ValueRange) {
           body(index, lanes);
           return SmallVector<Value>();
         });
  }
  if (whole < width) {
    body(integer(whole), width - whole);
  }
}

Value KernelCode::sumRow(const Memory &x, Value at, int64_t width,
                         const std::function<Value(Value, int64_t)> &f) {
  int64_t lanes = config("lanes");
  int64_t whole = width / lanes * lanes;
  Value sum = loop(integer(0), integer(whole), lanes, splat(real(0.0), lanes),
                   [&](Value c, ValueRange acc) -> SmallVector<Value> {
                     Value part = loadSome(x, add(at, c), lanes);
                     return {fadd(acc[0], f(part, lanes))};
                   })[0];
  if (whole < width) {
    int64_t rest = width - whole;
    Value part = loadSome(x, add(at, integer(whole)), rest);
    sum = fadd(sum, pad(f(part, rest), lanes));
  }
  return sumLanes(sum);
}

Value KernelCode::foldSpan(Value low, Value high, int64_t step, Value init,
                           const std::function<Value(Value)> &f,
                           const Fold &fold) {
  Value folded = loop(low, high, step, init,
                      [&](Value i, ValueRange acc) -> SmallVector<Value> {
                        return {fold(acc[0], f(i))};
                      })[0];
  return foldLanes(folded, fold);
}

void KernelCode::each(Value count, const std::function<void(Value)> &body) {
  loop(integer(0), count, body);
}

KernelCode::Memory KernelCode::workspace(int64_t count, Type element) {
  Memory memory;
  memory.pointer = scratch();
  memory.type = RankedTensorType::get({count}, element);
  return memory;
}

void KernelCode::setBit(const Memory &words, Value bit) {
  Type word = b.getI32Type();
  Value at = address(words.pointer, div(bit, integer(32)), word);
  Value place = arith::TruncIOp::create(b, loc, word, rem(bit, integer(32)));
  Value one = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(1));
  Value mask = arith::ShLIOp::create(b, loc, one, place);
  Value old = LLVM::LoadOp::create(b, loc, word, at, 4);
  LLVM::StoreOp::create(b, loc, arith::OrIOp::create(b, loc, old, mask), at, 4);
}

void KernelCode::eachTile(Value first, int64_t count, int64_t total,
                          const std::function<void(Value, int64_t)> &body) {
  if (total % count == 0) {
    body(first, count);
    return;
  }
  Value fits = less(add(first, integer(count)), integer(total + 1));
  when(fits, [&] { body(first, count); });
  loop(select(fits, integer(total), first), integer(total),
       [&](Value column) { body(column, 1); });
}

std::pair<Value, Value> KernelCode::loadPairs(const Memory &memory, Value index,
                                              int64_t lanes) {
  Type element = memory.type.getElementType();
  auto bits = VectorType::get({lanes}, b.getI32Type());
  auto wide = VectorType::get({lanes}, b.getF32Type());
  Value both = LLVM::LoadOp::create(
      b, loc, bits, address(memory.pointer, index, element), bytesOf(element));
  auto constant = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(bits, b.getI32IntegerAttr(value)));
  };
  Value even = arith::ShLIOp::create(b, loc, both, constant(16));
  Value odd = arith::AndIOp::create(
      b, loc, both, constant(static_cast<int32_t>(0xffff0000u)));
  return {LLVM::BitcastOp::create(b, loc, wide, even),
          LLVM::BitcastOp::create(b, loc, wide, odd)};
}

void KernelCode::storeVector(Value value, const Memory &memory, Value index) {
  Type element = memory.type.getElementType();
  int64_t lanes = cast<VectorType>(value.getType()).getDimSize(0);
  LLVM::StoreOp::create(b, loc, stored(b, loc, value, element, abi),
                        address(memory.pointer, index, element),
                        alignment(element, lanes));
}

Value KernelCode::rounded(Value value, Type element) {
  if (element.isF32()) {
    return value;
  }
  if (!element.isBF16() || abi == KernelAbi::Cuda) {
    Value narrow = stored(b, loc, value, element, abi);
    return widen(b, loc, asBits(b, loc, element, narrow));
  }
  Value words = bf16Words(b, loc, value);
  Value mask =
      wordConstant(b, loc, words.getType(), static_cast<int32_t>(0xffff0000u));
  return arith::BitcastOp::create(b, loc, value.getType(),
                                  arith::AndIOp::create(b, loc, words, mask));
}

void KernelCode::prefetch(const Memory &memory, Value index) {
  Value at = address(memory.pointer, index, memory.type.getElementType());
  // Into the second level: the first holds the rows that all weights meet.
  constexpr uint32_t kRead = 0, kSecondLevel = 2, kData = 1;
  LLVM::Prefetch::create(b, loc, at, kRead, kSecondLevel, kData);
}

Value KernelCode::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(
      b, loc, VectorType::get({lanes}, scalar.getType()), scalar);
}

/// Halves, then quarters, ...: a fixed order.
Value KernelCode::foldLanes(Value vector, const Fold &fold) {
  auto type = dyn_cast<VectorType>(vector.getType());
  if (!type) {
    return vector;
  }
  int64_t lanes = type.getDimSize(0);
  while (lanes > 1) {
    lanes /= 2;
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < lanes; ++i) {
      low.push_back(i);
      high.push_back(lanes + i);
    }
    vector = fold(vector::ShuffleOp::create(b, loc, vector, vector, low),
                  vector::ShuffleOp::create(b, loc, vector, vector, high));
  }
  return extract(vector, 0);
}

Value KernelCode::sumLanes(Value vector) {
  return foldLanes(vector, [&](Value x, Value y) { return fadd(x, y); });
}

Value KernelCode::maxLanes(Value vector) {
  return foldLanes(vector, [&](Value x, Value y) { return fmax(x, y); });
}

using Fold = KernelCode::Fold;

/// Groups of `size` lanes of p, then of q, each folded to half its size.
static Value foldGroups(KernelCode &code, Value p, Value q, int64_t size,
                        int64_t lanes, const Fold &fold) {
  SmallVector<int64_t> low, high;
  for (int64_t from : {int64_t(0), lanes}) {
    for (int64_t group = 0; group < lanes; group += size) {
      for (int64_t i = 0; i < size / 2; ++i) {
        low.push_back(from + group + i);
        high.push_back(from + group + size / 2 + i);
      }
    }
  }
  return fold(vector::ShuffleOp::create(code.b, code.loc, p, q, low),
              vector::ShuffleOp::create(code.b, code.loc, p, q, high));
}

/// Lane i of the result: the lanes of vectors[i], folded.
static Value foldMany(KernelCode &code, ArrayRef<Value> vectors,
                      const Fold &fold) {
  int64_t lanes = cast<VectorType>(vectors[0].getType()).getDimSize(0);
  SmallVector<Value> level(vectors);
  level.resize(lanes, code.splat(code.real(0.0), lanes));
  for (int64_t size = lanes; size > 1; size /= 2) {
    SmallVector<Value> next;
    for (size_t i = 0; i < level.size(); i += 2) {
      next.push_back(
          foldGroups(code, level[i], level[i + 1], size, lanes, fold));
    }
    level = std::move(next);
  }
  return level[0];
}

Value KernelCode::sumMany(ArrayRef<Value> vectors) {
  return foldMany(*this, vectors, [&](Value x, Value y) { return fadd(x, y); });
}

Value KernelCode::maxMany(ArrayRef<Value> vectors) {
  return foldMany(*this, vectors, [&](Value x, Value y) { return fmax(x, y); });
}

Value KernelCode::pad(Value value, int64_t lanes) {
  if (!isa<VectorType>(value.getType())) {
    return insert(value, splat(real(0.0), lanes), 0);
  }
  int64_t count = cast<VectorType>(value.getType()).getDimSize(0);
  if (count == lanes) {
    return value;
  }
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < lanes; ++i) {
    order.push_back(std::min(i, count)); // lane `count` is a zero
  }
  return vector::ShuffleOp::create(b, loc, value, splat(real(0.0), count),
                                   order);
}

Value KernelCode::slice(Value vector, int64_t first, int64_t count) {
  if (count == 1) {
    return extract(vector, first);
  }
  SmallVector<int64_t> lanes;
  for (int64_t i = 0; i < count; ++i) {
    lanes.push_back(first + i);
  }
  return vector::ShuffleOp::create(b, loc, vector, vector, lanes);
}

Value KernelCode::extract(Value vector, int64_t lane) {
  return vector::ExtractOp::create(b, loc, vector, lane);
}

Value KernelCode::insert(Value scalar, Value vector, int64_t lane) {
  return vector::InsertOp::create(b, loc, scalar, vector, lane);
}

KernelCode::Memory KernelCode::local(int64_t count) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  Value size = integer(count);
  Memory memory;
  memory.pointer =
      LLVM::AllocaOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()),
                             b.getF32Type(), size, 64);
  memory.type = RankedTensorType::get({count}, b.getF32Type());
  return memory;
}

SmallVector<Value> KernelCode::loop(Value low, Value high, int64_t step,
                                    ValueRange init, const Body &body) {
  auto op = scf::ForOp::create(
      b, loc, low, high, integer(step), init,
      [&](OpBuilder &, Location, Value iv, ValueRange values) {
        SmallVector<Value> results = body(iv, values);
        scf::YieldOp::create(b, loc, results);
      });
  return op.getResults();
}

SmallVector<Value> KernelCode::rolledLoop(Value low, Value high, int64_t step,
                                          ValueRange init, const Body &body) {
  SmallVector<Value> results = loop(low, high, step, init, body);
  auto unroll = LLVM::LoopUnrollAttr::get(b.getContext(), b.getBoolAttr(true),
                                          {}, {}, {}, {}, {}, {});
  auto annotation =
      LLVM::LoopAnnotationAttr::get(b.getContext(), {}, {}, {}, unroll, {}, {},
                                    {}, {}, {}, {}, {}, {}, {}, {}, {});
  results[0].getDefiningOp()->setAttr("loop_annotation", annotation);
  return results;
}

void KernelCode::loop(Value low, Value high,
                      const std::function<void(Value)> &body) {
  loop(low, high, 1, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

void KernelCode::when(Value condition, const std::function<void()> &body) {
  scf::IfOp::create(b, loc, condition, [&](OpBuilder &, Location) {
    body();
    scf::YieldOp::create(b, loc);
  });
}

Value KernelCode::select(Value condition, Value yes, Value no) {
  return arith::SelectOp::create(b, loc, condition, yes, no);
}

SmallVector<Value>
KernelCode::selectBranch(Value condition,
                         const std::function<SmallVector<Value>()> &body,
                         ValueRange otherwise) {
  auto op = scf::IfOp::create(
      b, loc, condition,
      [&](OpBuilder &, Location) { scf::YieldOp::create(b, loc, body()); },
      [&](OpBuilder &, Location) { scf::YieldOp::create(b, loc, otherwise); });
  return op.getResults();
}

Value KernelCode::inlineRegion(Region &body, ValueRange arguments) {
  IRMapping map;
  Block &block = body.front();
  map.map(block.getArguments(), arguments);
  auto vector = dyn_cast<VectorType>(arguments[0].getType());
  for (Operation &op : block.without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && vector) {
      Value scalar = b.clone(op)->getResult(0);
      map.map(op.getResult(0), splat(scalar, vector.getDimSize(0)));
      continue;
    }
    Operation *copy = b.clone(op, map);
    copy->setLoc(loc);
    if (vector) {
      copy->getResult(0).setType(vector);
    }
  }
  return map.lookup(block.getTerminator()->getOperand(0));
}

std::pair<int64_t, int64_t> rill::kernel::stateExtents(StateOp state) {
  auto type = cast<RankedTensorType>(state.getType());
  int64_t outer = 1, inner = 1;
  for (int64_t d = 1; d < type.getRank(); ++d) {
    if (d != static_cast<int64_t>(state.getRowDim())) {
      (d < static_cast<int64_t>(state.getRowDim()) ? outer : inner) *=
          type.getDimSize(d);
    }
  }
  return {outer, inner};
}

Value rill::kernel::stateRow(KernelCode &code, StateOp state, Value b,
                             Value outer, Value index) {
  auto [outerSize, inner] = stateExtents(state);
  int64_t capacity = state.getCapacity();
  if (state.getLayout() == StateLayout::Ring) {
    index = code.rem(index, code.integer(capacity));
  }
  Value line = code.add(code.mul(b, code.integer(outerSize)), outer);
  Value row = code.add(code.mul(line, code.integer(capacity)), index);
  return code.mul(row, code.integer(inner));
}
