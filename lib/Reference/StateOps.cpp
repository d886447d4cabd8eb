//===- StateOps.cpp - Reference: weights, states, control -----------------===//
//
// RillStateOps.td in plain loops.
//
//===----------------------------------------------------------------------===//
#include "Frame.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::reference;

/// The "file" of weights that are computed.
static constexpr StringLiteral kGenerated = "generated";

/// "rope theta=T width=d": d/2 cosines and d/2 sines per row, as
/// rill-materialize-rope-tables defines them.
static rt::Result<Tensor> generate(WeightOp op, StringRef recipe) {
  auto type = cast<RankedTensorType>(op.getType());
  double theta;
  int64_t width;
  auto [first, second] = recipe.split(" width=");
  if (!first.consume_front("rope theta=") || first.getAsDouble(theta) ||
      second.getAsInteger(10, width) || width < 2 || type.getRank() != 2 ||
      type.getDimSize(1) != width) {
    return rt::makeError(rt::ErrorCode::TensorMissing, op.getSource().str(),
                         "no such weight can be generated");
  }
  Tensor table(kindOf(type.getElementType()), type.getShape());
  for (int64_t p = 0; p < type.getDimSize(0); ++p) {
    for (int64_t i = 0; i < width / 2; ++i) {
      double angle = static_cast<double>(p) *
                     std::pow(theta, -2.0 * static_cast<double>(i) /
                                         static_cast<double>(width));
      table.set(p * width + i, static_cast<float>(std::cos(angle)));
      table.set(p * width + width / 2 + i, static_cast<float>(std::sin(angle)));
    }
  }
  return table;
}

rt::Result<WeightSource>
rill::reference::openWeights(ModuleOp module, const std::string &folder) {
  std::map<std::string, std::shared_ptr<rt::TensorStore>> stores;
  rt::Status failed;
  module.walk([&](WeightOp op) {
    std::string file = op.getSource().split('#').first.str();
    if (!failed.ok() || file == kGenerated || stores.count(file)) {
      return;
    }
    auto store =
        rt::TensorStore::openFile(weightFilePath(module, folder, file));
    if (!store.ok()) {
      failed = store.takeStatus();
      return;
    }
    stores[file] = std::make_shared<rt::TensorStore>(std::move(*store));
  });
  RILL_TRY(std::move(failed));
  return WeightSource([stores](WeightOp op) -> rt::Result<Tensor> {
    auto [file, name] = op.getSource().split('#');
    if (file == kGenerated) {
      return generate(op, name);
    }
    const rt::TensorInfo *info = stores.at(file.str())->find(name.str());
    auto type = cast<RankedTensorType>(op.getType());
    if (!info || info->elements() != type.getNumElements()) {
      return rt::makeError(rt::ErrorCode::TensorMissing, op.getSource().str(),
                           "no tensor of that name and size");
    }
    return fromStored(*info, type.getShape());
  });
}

StateOp Frame::stateOf(Operation *op, FlatSymbolRefAttr symbol) {
  if (auto bound = boundStates.find(symbol.getAttr());
      bound != boundStates.end()) {
    return bound->second;
  }
  return SymbolTable::lookupNearestSymbolFrom<StateOp>(op, symbol);
}

rt::Status Frame::weightRead(WeightReadOp op) {
  auto weight =
      SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, op.getWeightAttr());
  RILL_ASSIGN(const Tensor *whole, session.weight(weight));
  if (!op.getRows()) {
    values[op] = *whole;
    return {};
  }
  auto type = cast<RankedTensorType>(op.getType());
  Tensor part(whole->kind, type.getShape());
  int64_t size = whole->elements() / whole->dim(0);
  auto from = whole->f.begin() + (*op.getRows())[0] * size;
  std::copy(from, from + part.elements(), part.f.begin());
  values[op] = std::move(part);
  return {};
}

Tensor Frame::stateRead(StateReadOp op) {
  return session.state(stateOf(op, op.getStateAttr()));
}

Tensor Frame::stateWindow(StateWindowOp op) {
  StateOp state = stateOf(op, op.getStateAttr());
  const Tensor &all = session.state(state);
  auto shape = cast<RankedTensorType>(op.getType()).getShape();
  Tensor y = make(op, shape);
  int64_t rows = shape[1], size = y.elements() / (shape[0] * rows);
  for (int64_t b = 0; b < shape[0]; ++b) {
    for (int64_t r = 0; r < rows; ++r) {
      int64_t index = starts()[b] - rows + r;
      if (index < 0) {
        continue;
      }
      if (state.getLayout() == StateLayout::Ring) {
        index %= state.getCapacity();
      }
      auto from = all.f.begin() + (b * state.getCapacity() + index) * size;
      std::copy(from, from + size, y.f.begin() + (b * rows + r) * size);
    }
  }
  return y;
}

static void setElement(Tensor &tensor, int64_t index, float value) {
  tensor.set(index, value);
}

static void setElement(Tensor &tensor, int64_t index, int64_t value) {
  tensor.i[index] = value;
}

template <typename T>
rt::Status Frame::appendRow(Operation *op, StateOp state, int64_t b, int64_t s,
                            const T *row) {
  Tensor &all = session.state(state);
  int64_t dim = state.getRowDim(), capacity = state.getCapacity();
  int64_t index = starts()[b] + s;
  if (state.getLayout() == StateLayout::Ring) {
    index %= capacity;
  } else if (index >= capacity) {
    return error(op, rt::format("row %lld does not fit the %lld rows of %s",
                                (long long)index, (long long)capacity,
                                state.getSymName().str().c_str()));
  }
  int64_t outer = 1, inner = 1;
  for (int64_t d = 1; d < static_cast<int64_t>(all.shape.size()); ++d) {
    if (d != dim) {
      (d < dim ? outer : inner) *= all.dim(d);
    }
  }
  for (int64_t o = 0; o < outer; ++o) {
    int64_t to = ((b * outer + o) * capacity + index) * inner;
    for (int64_t i = 0; i < inner; ++i) {
      setElement(all, to + i, row[o * inner + i]);
    }
  }
  appended = true;
  return {};
}

template rt::Status Frame::appendRow(Operation *, StateOp, int64_t, int64_t,
                                     const float *);

rt::Status Frame::stateAppend(StateAppendOp op) {
  StateOp state = stateOf(op, op.getStateAttr());
  const Tensor &rows = get(op.getRows());
  int64_t size = rows.elements() / (rows.dim(0) * rows.dim(1));
  for (int64_t b = 0; b < rows.dim(0); ++b) {
    for (int64_t s = 0; s < rows.dim(1); ++s) {
      int64_t at = (b * rows.dim(1) + s) * size;
      RILL_TRY(rows.kind == Tensor::I64
                   ? appendRow(op, state, b, s, rows.i.data() + at)
                   : appendRow(op, state, b, s, rows.f.data() + at));
    }
  }
  return {};
}

Tensor Frame::control(ControlOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  Tensor y = make(op, type.getShape());
  ArrayRef<int64_t> field = op.getField() == ControlField::Start ? starts()
                            : op.getField() == ControlField::Token
                                ? ArrayRef<int64_t>(session.tokens)
                                : ArrayRef<int64_t>(session.positions);
  for (auto [value, entry] : llvm::zip(y.i, field)) {
    value = entry;
  }
  return y;
}

/// The lengths grow when the call is finished.
rt::Status Frame::controlCommit(ControlCommitOp op) {
  session.tokens.assign(get(op.getTokens()).i.begin(),
                        get(op.getTokens()).i.end());
  for (int64_t &position : session.positions) {
    ++position;
  }
  return {};
}
