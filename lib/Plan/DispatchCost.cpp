//===- DispatchCost.cpp - What a dispatch has to move and compute ---------===//
//
// Arithmetic over a kernel's ops.
//
//===----------------------------------------------------------------------===//
#include "rill/Plan/DispatchCost.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"

using namespace mlir;
using namespace rill;
using namespace rill::plan;

/// With the padding of its layout.
static int64_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return storedElements(tensor) * tensor.getElementTypeBitWidth() / 8;
}

static std::string addPrograms(const std::string &a, const std::string &b) {
  return a == "0" ? b : b == "0" ? a : a + " " + b + " add";
}

static std::string times(const std::string &program, int64_t factor) {
  return factor ? multiplyPrograms(program, std::to_string(factor)) : "0";
}

/// The size of dimension `d`; `dims` names the dynamic ones.
static std::string sizeProgram(RankedTensorType type, ArrayAttr dims,
                               int64_t d) {
  if (!type.isDynamicDim(d)) {
    return std::to_string(type.getDimSize(d));
  }
  unsigned dynamic = 0;
  for (int64_t i = 0; i < d; ++i) {
    dynamic += type.isDynamicDim(i);
  }
  return cast<StringAttr>(dims[dynamic]).getValue().str();
}

/// The product of the first `count` sizes.
static std::string rowsProgram(RankedTensorType type, ArrayAttr dims,
                               int64_t count) {
  std::string rows = "1";
  for (int64_t d = 0; d < count; ++d) {
    rows = multiplyPrograms(rows, sizeProgram(type, dims, d));
  }
  return rows;
}

namespace {
/// The sums over a kernel's ops.
class Counter {
public:
  Counter(DispatchOp dispatch, KernelOp kernel)
      : dispatch(dispatch), kernel(kernel) {
    if (dispatch->getNumResults()) {
      result = cast<RankedTensorType>(dispatch->getResult(0).getType());
      dims = cast<ArrayAttr>(kernel.getResultDims()[0]);
    }
  }

  DispatchCost run();

private:
  /// Rows of the first result: [B,S,...], or all but the last size.
  std::string rows() const {
    return result ? rowsProgram(result, dims,
                                std::min<int64_t>(2, result.getRank() - 1))
                  : "1";
  }
  void addWeights();
  void addProduct(ValueRange weights);
  /// Attention of `width` = heads times head size: to own rows, and to those
  /// in front of the call.
  void addCausal(int64_t width);
  void addCached(int64_t width);
  void add(AttentionOp op);
  /// Bytes of a row of all sequences.
  int64_t rowBytes(FlatSymbolRefAttr name) const;
  void addState(std::string bytes) {
    cost.stateBytes = addPrograms(cost.stateBytes, bytes);
  }

  DispatchOp dispatch;
  KernelOp kernel;
  RankedTensorType result;
  ArrayAttr dims;
  DispatchCost cost{"0", "0", 0, "0", "0"};
};
} // namespace

/// Weights of which a kernel reads a row per row of its result.
static SmallVector<Value> gathered(KernelOp kernel) {
  SmallVector<Value> tables;
  kernel.getBody().walk([&](Operation *op) {
    if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
      tables.push_back(embedding.getTable());
    } else if (auto rope = dyn_cast<RopeOp>(op)) {
      tables.push_back(rope.getTable());
    } else if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
      tables.push_back(update.getTable());
    }
  });
  return tables;
}

void Counter::addWeights() {
  SmallVector<Value> tables = gathered(kernel);
  int64_t whole = 0, perRow = 0;
  for (auto [operand, argument] : llvm::zip(
           dispatch.getOperands(), kernel.getBody().front().getArguments())) {
    if (operand.getDefiningOp<plan::WeightOp>()) {
      auto type = cast<RankedTensorType>(operand.getType());
      bool table = llvm::is_contained(tables, argument);
      (table ? perRow : whole) +=
          table ? bytesOf(type) / type.getDimSize(0) : bytesOf(type);
    }
  }
  cost.weightBytes = addPrograms(times(rows(), perRow), std::to_string(whole));
}

void Counter::addProduct(ValueRange weights) {
  int64_t elements = 0;
  for (Value weight : weights) {
    elements += cast<RankedTensorType>(weight.getType()).getNumElements();
  }
  std::string rows = rowsProgram(result, dims, result.getRank() - 1);
  cost.flops = addPrograms(cost.flops, times(rows, 2 * elements));
}

/// Row s of a sequence sees s + 1 keys of the call; two products with each.
void Counter::addCausal(int64_t width) {
  std::string length = sizeProgram(result, dims, 1);
  std::string keys = length == "1" ? "2" : length + " 1 add";
  cost.flops =
      addPrograms(cost.flops, multiplyPrograms(times(rows(), 2 * width), keys));
}

/// Per row in front of one sequence.
void Counter::addCached(int64_t width) {
  cost.cachedRowFlops = addPrograms(
      cost.cachedRowFlops, times(sizeProgram(result, dims, 1), 4 * width));
}

void Counter::add(AttentionOp op) {
  auto shape = cast<RankedTensorType>(op.getQ().getType()).getShape();
  int64_t width = shape[2] * shape[3];
  for (auto [segment, keys] : llvm::zip_equal(op.getSegments(), op.getKeys())) {
    if (keys.getDefiningOp<StateReadOp>()) {
      addCached(width);
    } else if (cast<SegmentAttr>(segment).getVisibility() ==
               Visibility::Causal) {
      addCausal(width);
    } else if (auto own = dyn_cast<BlockArgument>(keys)) {
      auto type = cast<RankedTensorType>(own.getType());
      auto dims = cast<ArrayAttr>(kernel.getArgDims()[own.getArgNumber()]);
      cost.flops =
          addPrograms(cost.flops, multiplyPrograms(times(rows(), 4 * width),
                                                   sizeProgram(type, dims, 1)));
    }
  }
}

int64_t Counter::rowBytes(FlatSymbolRefAttr name) const {
  auto state =
      cast<rill::StateOp>(SymbolTable::lookupSymbolIn(kernel, name.getAttr()));
  auto type = cast<RankedTensorType>(state.getType());
  return bytesOf(type) / type.getDimSize(state.getRowDim());
}

DispatchCost Counter::run() {
  addWeights();
  kernel.getBody().walk([&](Operation *op) {
    if (auto linear = dyn_cast<LinearOp>(op)) {
      addProduct(linear.getWeights());
    } else if (auto mix = dyn_cast<ShortConvMixOp>(op)) {
      addProduct(mix.getWeights());
      int64_t taps =
          cast<RankedTensorType>(mix.getFilter().getType()).getDimSize(1);
      addState(std::to_string((taps - 1) * rowBytes(mix.getStateAttr())));
    } else if (auto window = dyn_cast<StateWindowOp>(op)) {
      addState(std::to_string(bytesOf(window.getType())));
    } else if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
      auto width =
          static_cast<int64_t>(update.getHeads()) * update.getHeadSize();
      addCausal(width);
      addCached(width);
      // It reads the rows that it appends, too.
      int64_t both =
          rowBytes(update.getKStateAttr()) + rowBytes(update.getVStateAttr());
      cost.cachedRowBytes += both / result.getDimSize(0);
      addState(times(sizeProgram(result, dims, 1), both));
    } else if (auto attention = dyn_cast<AttentionOp>(op)) {
      add(attention);
    } else if (auto read = dyn_cast<StateReadOp>(op)) {
      cost.cachedRowBytes +=
          rowBytes(read.getStateAttr()) /
          cast<RankedTensorType>(read.getType()).getDimSize(0);
    }
  });
  return cost;
}

DispatchCost rill::plan::costOf(DispatchOp dispatch, KernelOp kernel) {
  return Counter(dispatch, kernel).run();
}

std::string rill::plan::layerOf(Operation *op) {
  auto name = dyn_cast<NameLoc>(op->getLoc());
  return name ? name.getName().str() : "";
}
