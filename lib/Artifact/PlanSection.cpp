//===- PlanSection.cpp - A variant as plan records ------------------------===//
//
// Encodes dispatches, operands and shape programs (artifact_format.h).
//
//===----------------------------------------------------------------------===//
#include "PlanSection.h"

#include "rill-rt/artifact_format.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"
#include "rill/Plan/Passes.h"

using namespace mlir;
using namespace rill;
using namespace rill::plan;

namespace {
class Encoder {
public:
  Encoder(VariantOp variant, const PlanIndex &index)
      : variant(variant), index(index),
        symbols(variant->getParentOfType<ModuleOp>()) {}

  std::string run();

private:
  uint32_t kernelNumber(StringRef name);
  /// Appends a program and returns (first pair, pairs).
  std::pair<uint32_t, uint32_t> program(StringRef text);
  void operand(Value value, uint32_t access, ArrayAttr dims);
  void dispatch(DispatchOp op);

  VariantOp variant;
  const PlanIndex &index;
  SymbolTable symbols;
  std::vector<rill_rt_dispatch> dispatches;
  std::vector<rill_rt_operand> operands;
  std::vector<int64_t> words;
  llvm::StringMap<std::pair<uint32_t, uint32_t>> known;
};
} // namespace

uint32_t Encoder::kernelNumber(StringRef name) {
  auto &list = *index.kernels;
  auto found = llvm::find(list, name);
  if (found == list.end()) {
    list.push_back(name.str());
    return static_cast<uint32_t>(list.size() - 1);
  }
  return static_cast<uint32_t>(found - list.begin());
}

std::pair<uint32_t, uint32_t> Encoder::program(StringRef text) {
  auto [entry, fresh] = known.try_emplace(text);
  if (fresh) {
    auto encoded = encodeProgram(text);
    entry->second = {static_cast<uint32_t>(words.size() / 2),
                     static_cast<uint32_t>(encoded.size() / 2)};
    words.insert(words.end(), encoded.begin(), encoded.end());
  }
  return entry->second;
}

void Encoder::operand(Value value, uint32_t access, ArrayAttr dims) {
  rill_rt_operand record = {};
  record.access = access;
  auto type = cast<RankedTensorType>(value.getType());
  std::tie(record.bytes_first, record.bytes_length) =
      program(bytesProgram(type, dims));
  Value root = rootOf(value);
  if (auto weight = root.getDefiningOp<plan::WeightOp>();
      weight && isPacked(type)) {
    // The offset counts whole rows of the row-major weight.
    int64_t columns = type.getDimSize(1);
    int64_t row = static_cast<int64_t>(weight.getOffset()) / (2 * columns);
    auto before = RankedTensorType::get({row, columns}, type.getElementType(),
                                        type.getEncoding());
    record.kind = RILL_RT_OPERAND_PACKED;
    record.index = index.packed.lookup(weight.getWeight());
    record.offset = static_cast<uint64_t>(2 * storedElements(before));
  } else if (weight) {
    record.kind = RILL_RT_OPERAND_WEIGHT;
    record.index = index.weights.lookup(weight.getWeight());
    record.offset = weight.getOffset();
  } else if (auto state = root.getDefiningOp<plan::StateOp>()) {
    record.kind = RILL_RT_OPERAND_STATE;
    record.index = index.states.lookup(state.getState());
  } else if (auto argument = dyn_cast<BlockArgument>(root)) {
    record.kind = RILL_RT_OPERAND_INPUT;
    record.index = argument.getArgNumber();
  } else {
    auto from = cast<OpResult>(root);
    int64_t offset = (*cast<DispatchOp>(from.getOwner())
                           .getOffsets())[from.getResultNumber()];
    record.kind = offset < 0 ? RILL_RT_OPERAND_OUTPUT : RILL_RT_OPERAND_ARENA;
    if (offset < 0) {
      record.index = static_cast<uint32_t>(-1 - offset);
    } else {
      record.offset = static_cast<uint64_t>(offset);
    }
  }
  operands.push_back(record);
}

void Encoder::dispatch(DispatchOp op) {
  auto kernel = symbols.lookup<KernelOp>(op.getKernel());
  rill_rt_dispatch record = {};
  record.kernel = kernelNumber(op.getKernel());
  record.first_operand = static_cast<uint32_t>(operands.size());
  std::tie(record.grid_first, record.grid_length) = program(op.getGrid());
  size_t arguments = kernel.getArgDims().size();
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    ArrayAttr dims =
        i < arguments ? cast<ArrayAttr>(kernel.getArgDims()[i]) : ArrayAttr();
    operand(value, static_cast<uint32_t>(op.getAccess()[i]), dims);
  }
  for (auto [i, value] : llvm::enumerate(op.getResults())) {
    operand(value, RILL_RT_WRITE, cast<ArrayAttr>(kernel.getResultDims()[i]));
  }
  for (const TensorBox &box : tensorBoxes(kernel)) {
    rill_rt_operand &mapped = operands[record.first_operand + box.argument];
    auto type = cast<RankedTensorType>(op.getOperand(box.argument).getType());
    mapped.map_width = static_cast<uint32_t>(type.getShape().back());
    mapped.map_columns = static_cast<uint16_t>(box.columns);
    mapped.map_rows = static_cast<uint16_t>(box.rows);
    mapped.map_swizzle = static_cast<uint32_t>(box.swizzle);
  }
  record.operand_count =
      static_cast<uint32_t>(operands.size()) - record.first_operand;
  dispatches.push_back(record);
}

std::string Encoder::run() {
  for (auto op : variant.getBody().getOps<DispatchOp>()) {
    dispatch(op);
  }
  rill_rt_plan header = {};
  header.magic = RILL_RT_PLAN_MAGIC;
  header.version = RILL_RT_PLAN_VERSION;
  static constexpr const char *kSymbols[] = {"S", "h", "w"};
  for (int i = 0; i < 3; ++i) {
    auto range = variant.getSymbols().getAs<DenseI64ArrayAttr>(kSymbols[i]);
    header.symbol_min[i] = range ? range[0] : 1;
    header.symbol_max[i] = range ? range[1] : 1;
  }
  if (variant.getSymbols().contains("h")) {
    header.max_patches = static_cast<uint32_t>(header.symbol_max[1]);
  }
  header.arena_bytes =
      static_cast<uint64_t>(variant.getArenaBytes().value_or(0));
  header.scratch_bytes =
      static_cast<uint64_t>(variant.getScratchBytes().value_or(0));
  header.input_count = variant.getBody().getNumArguments();
  header.output_count =
      variant.getBody().front().getTerminator()->getNumOperands();
  header.dispatch_count = static_cast<uint32_t>(dispatches.size());
  header.operand_count = static_cast<uint32_t>(operands.size());
  header.program_count = static_cast<uint32_t>(words.size() / 2);
  std::string bytes(reinterpret_cast<const char *>(&header), sizeof(header));
  auto append = [&](const void *data, size_t size) {
    bytes.append(static_cast<const char *>(data), size);
  };
  append(dispatches.data(), dispatches.size() * sizeof(rill_rt_dispatch));
  append(operands.data(), operands.size() * sizeof(rill_rt_operand));
  append(words.data(), words.size() * sizeof(int64_t));
  return bytes;
}

std::string rill::encodePlan(VariantOp variant, const PlanIndex &index) {
  return Encoder(variant, index).run();
}
