//===- TensorOps.cpp - Reference: rows in, rows out -----------------------===//
//
// RillTensorOps.td in plain loops; sums in double, values in f32.
//
//===----------------------------------------------------------------------===//
#include "Frame.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::reference;

rt::Result<Tensor> Frame::embedding(EmbeddingOp op) {
  const Tensor &table = get(op.getTable()), &ids = get(op.getIds());
  SmallVector<int64_t> shape(ids.shape);
  shape.push_back(table.dim(1));
  Tensor y = make(op, shape);
  for (int64_t r = 0; r < ids.elements(); ++r) {
    if (ids.i[r] < 0 || ids.i[r] >= table.dim(0)) {
      return error(op,
                   rt::format("id %lld is outside 0..%lld", (long long)ids.i[r],
                              (long long)table.dim(0) - 1));
    }
    for (int64_t c = 0; c < table.dim(1); ++c) {
      y.set(r * table.dim(1) + c, table.row(ids.i[r])[c]);
    }
  }
  return y;
}

static float evaluateScalar(Operation &op, ArrayRef<float> x) {
  return llvm::TypeSwitch<Operation *, float>(&op)
      .Case([&](arith::AddFOp) { return x[0] + x[1]; })
      .Case([&](arith::SubFOp) { return x[0] - x[1]; })
      .Case([&](arith::MulFOp) { return x[0] * x[1]; })
      .Case([&](arith::DivFOp) { return x[0] / x[1]; })
      .Case([&](arith::NegFOp) { return -x[0]; })
      .Case([&](arith::MaximumFOp) { return std::max(x[0], x[1]); })
      .Case([&](arith::MinimumFOp) { return std::min(x[0], x[1]); })
      .Case([&](math::ExpOp) { return std::exp(x[0]); })
      .Case([&](math::TanhOp) { return std::tanh(x[0]); })
      .Case([&](math::ErfOp) { return std::erf(x[0]); })
      .Case([&](math::RsqrtOp) { return 1.0f / std::sqrt(x[0]); })
      .Case([&](math::SqrtOp) { return std::sqrt(x[0]); })
      .Case([&](arith::ConstantOp o) {
        return cast<FloatAttr>(o.getValue()).getValue().convertToFloat();
      })
      .Default([](Operation *) -> float {
        llvm_unreachable("the verifier admits listed ops only");
      });
}

float Frame::scalar(Region &body, ArrayRef<float> arguments) {
  llvm::SmallDenseMap<Value, float, 16> local;
  Block &block = body.front();
  for (auto [argument, value] :
       llvm::zip_equal(block.getArguments(), arguments)) {
    local[argument] = value;
  }
  for (Operation &op : block.without_terminator()) {
    SmallVector<float, 2> operands;
    for (Value operand : op.getOperands()) {
      operands.push_back(local.find(operand)->second);
    }
    local[op.getResult(0)] = evaluateScalar(op, operands);
  }
  return local.find(block.getTerminator()->getOperand(0))->second;
}

void rill::reference::rmsNormRow(const float *x, const float *g, int64_t count,
                                 double eps, float *y) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += static_cast<double>(x[i]) * x[i];
  }
  auto scale = static_cast<float>(
      1.0 / std::sqrt(sum / static_cast<double>(count) + eps));
  for (int64_t i = 0; i < count; ++i) {
    y[i] = x[i] * scale * g[i];
  }
}

static void layerNormRow(const float *x, const float *g, const float *b,
                         int64_t count, double eps, float *y) {
  double mean = 0, var = 0;
  for (int64_t i = 0; i < count; ++i) {
    mean += x[i];
  }
  mean /= static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) {
    var += (x[i] - mean) * (x[i] - mean);
  }
  double scale = 1.0 / std::sqrt(var / static_cast<double>(count) + eps);
  for (int64_t i = 0; i < count; ++i) {
    y[i] = static_cast<float>((x[i] - mean) * scale) * g[i] + b[i];
  }
}

static double dot(const float *a, const float *b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += static_cast<double>(a[i]) * b[i];
  }
  return sum;
}

/// Merges the chunks of one head of a tiled attention into `width` values.
static void mergeChunks(const float *x, int64_t chunks, int64_t width,
                        float *y) {
  float top = -INFINITY;
  for (int64_t c = 0; c < chunks; ++c) {
    top = std::max(top, x[c * (width + 2) + width]);
  }
  std::vector<double> sums(width, 0.0);
  double total = 0;
  for (int64_t c = 0; c < chunks; ++c) {
    const float *chunk = x + c * (width + 2);
    if (chunk[width] == -INFINITY) {
      continue;
    }
    double scale = std::exp(static_cast<double>(chunk[width]) - top);
    total += scale * chunk[width + 1];
    for (int64_t i = 0; i < width; ++i) {
      sums[i] += scale * chunk[i];
    }
  }
  for (int64_t i = 0; i < width; ++i) {
    y[i] = total > 0 ? static_cast<float>(sums[i] / total) : 0.0f;
  }
}

Tensor Frame::attentionMerge(AttentionMergeOp op) {
  const Tensor &x = get(op.getX());
  int64_t chunks = x.dim(3), width = x.dim(4) - 2;
  Tensor y = make(op, {x.dim(0), x.dim(1), x.dim(2), width});
  std::vector<float> row(width);
  for (int64_t r = 0; r < y.rows(); ++r) {
    mergeChunks(x.f.data() + r * chunks * (width + 2), chunks, width,
                row.data());
    for (int64_t i = 0; i < width; ++i) {
      y.set(r * width + i, row[i]);
    }
  }
  return y;
}

/// The rows a linear multiplies, after its prologue, rounded to `round`.
static std::vector<float> prologueRow(LinearOp op, const Tensor &x, int64_t r,
                                      int64_t inner,
                                      ArrayRef<const Tensor *> norm) {
  std::vector<float> row(inner);
  double eps = op.getEps().convertToDouble();
  switch (op.getPrologue()) {
  case Prologue::None:
    std::copy(x.row(r), x.row(r) + inner, row.begin());
    return row;
  case Prologue::RmsNorm:
    rmsNormRow(x.row(r), norm[0]->f.data(), inner, eps, row.data());
    break;
  case Prologue::LayerNorm:
    layerNormRow(x.row(r), norm[0]->f.data(), norm[1]->f.data(), inner, eps,
                 row.data());
    break;
  case Prologue::AttentionMerge: {
    int64_t rank = x.shape.size(), width = x.shape.back() - 2;
    int64_t chunks = x.dim(rank - 2), heads = x.dim(rank - 3);
    for (int64_t j = 0; j < heads; ++j) {
      mergeChunks(x.f.data() + (r * heads + j) * chunks * (width + 2), chunks,
                  width, row.data() + j * width);
    }
    break;
  }
  }
  if (op.getRound()) {
    for (float &value : row) {
      value = roundTo(kindOf(*op.getRound()), value);
    }
  }
  return row;
}

Tensor Frame::linear(LinearOp op) {
  const Tensor &x = get(op.getX());
  SmallVector<const Tensor *> weights, aux, norm;
  for (Value v : op.getWeights()) {
    weights.push_back(&get(v));
  }
  for (Value v : op.getAux()) {
    aux.push_back(&get(v));
  }
  for (Value v : op.getNorm()) {
    norm.push_back(&get(v));
  }
  int64_t inner = weights[0]->dim(1);
  int64_t columns = cast<RankedTensorType>(op.getType()).getShape().back();
  size_t inside = op.getPrologue() == Prologue::AttentionMerge ? 3 : 1;
  SmallVector<int64_t> shape(x.shape.begin(), x.shape.end() - inside);
  shape.push_back(columns);
  Tensor y = make(op, shape);
  bool zip = op.getCombine() == Combine::Zip;
  for (int64_t r = 0; r < y.rows(); ++r) {
    std::vector<float> row = prologueRow(op, x, r, inner, norm);
    int64_t matrix = 0, first = 0;
    for (int64_t n = 0; n < columns; ++n) {
      SmallVector<float, 4> arguments;
      if (zip) {
        for (const Tensor *w : weights) {
          arguments.push_back(
              static_cast<float>(dot(row.data(), w->row(n), inner)));
        }
      } else {
        while (n - first >= weights[matrix]->dim(0)) {
          first += weights[matrix++]->dim(0);
        }
        arguments.push_back(static_cast<float>(
            dot(row.data(), weights[matrix]->row(n - first), inner)));
      }
      for (const Tensor *a : aux) {
        arguments.push_back(a->shape.size() == 1 ? a->f[n] : a->row(r)[n]);
      }
      y.set(r * columns + n, scalar(op.getBody(), arguments));
    }
  }
  return y;
}

Tensor Frame::elementwise(ElementwiseOp op) {
  SmallVector<const Tensor *> inputs;
  const Tensor *largest = nullptr;
  for (Value v : op.getInputs()) {
    inputs.push_back(&get(v));
    if (!largest || inputs.back()->shape.size() > largest->shape.size()) {
      largest = inputs.back();
    }
  }
  Tensor y = make(op, largest->shape);
  SmallVector<float, 4> arguments(inputs.size());
  for (int64_t e = 0; e < y.elements(); ++e) {
    for (auto [argument, input] : llvm::zip_equal(arguments, inputs)) {
      argument = input->f[e % input->elements()];
    }
    y.set(e, scalar(op.getBody(), arguments));
  }
  return y;
}

Tensor Frame::rmsNorm(RmsNormOp op) {
  const Tensor &x = get(op.getX()), &g = get(op.getWeight());
  Tensor y = make(op, x.shape);
  std::vector<float> row(x.shape.back());
  for (int64_t r = 0; r < x.rows(); ++r) {
    rmsNormRow(x.row(r), g.f.data(), row.size(), op.getEps().convertToDouble(),
               row.data());
    for (size_t c = 0; c < row.size(); ++c) {
      y.set(r * row.size() + c, row[c]);
    }
  }
  return y;
}

Tensor Frame::layerNorm(LayerNormOp op) {
  const Tensor &x = get(op.getX()), &g = get(op.getWeight()),
               &b = get(op.getBias());
  Tensor y = make(op, x.shape);
  std::vector<float> row(x.shape.back());
  for (int64_t r = 0; r < x.rows(); ++r) {
    layerNormRow(x.row(r), g.f.data(), b.f.data(), row.size(),
                 op.getEps().convertToDouble(), row.data());
    for (size_t c = 0; c < row.size(); ++c) {
      y.set(r * row.size() + c, row[c]);
    }
  }
  return y;
}

Tensor Frame::lastRow(LastRowOp op) {
  const Tensor &x = get(op.getX());
  Tensor y = make(op, {x.dim(0), x.dim(2)});
  for (int64_t b = 0; b < x.dim(0); ++b) {
    const float *from = x.row((b + 1) * x.dim(1) - 1);
    for (int64_t c = 0; c < x.dim(2); ++c) {
      y.set(b * x.dim(2) + c, from[c]);
    }
  }
  return y;
}

Tensor Frame::stack(StackOp op) {
  const Tensor &first = get(op.getInputs()[0]);
  auto count = static_cast<int64_t>(op.getInputs().size());
  int64_t rows = first.rows(), width = first.shape.back();
  bool behind = cast<RankedTensorType>(op.getType()).getRank() == 4;
  std::vector<int64_t> shape(first.shape.begin(), first.shape.end());
  if (behind) {
    shape.insert(shape.begin(), count);
  } else {
    shape.back() *= count;
  }
  Tensor y = make(op, shape);
  for (auto [k, input] : llvm::enumerate(op.getInputs())) {
    const Tensor &x = get(input);
    auto number = static_cast<int64_t>(k);
    for (int64_t r = 0; r < rows; ++r) {
      int64_t line = behind ? number * rows + r : r * count + number;
      for (int64_t i = 0; i < width; ++i) {
        y.set(line * width + i, x.row(r)[i]);
      }
    }
  }
  return y;
}

/// torch's antialiased triangle filter for one axis (lfm2_5_vl.md 3.2): the
/// first source index and the weights of output `index`.
static std::pair<int64_t, std::vector<float>>
resizeWeights(int64_t from, int64_t to, int64_t index) {
  double scale = static_cast<double>(from) / static_cast<double>(to);
  double support = std::max(scale, 1.0);
  double center = scale * (static_cast<double>(index) + 0.5);
  int64_t low =
      std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
  int64_t high =
      std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), from);
  std::vector<double> weights;
  double sum = 0;
  for (int64_t j = low; j < high; ++j) {
    double distance = std::abs(static_cast<double>(j) - center + 0.5);
    weights.push_back(std::max(0.0, 1.0 - distance / support));
    sum += weights.back();
  }
  std::vector<float> result;
  for (double weight : weights) {
    result.push_back(static_cast<float>(weight / sum));
  }
  return {low, result};
}

Tensor Frame::positionResize(PositionResizeOp op) {
  const Tensor &table = get(op.getTable());
  int64_t height = indices[op.getHeight()], width = indices[op.getWidth()];
  auto side = static_cast<int64_t>(std::llround(std::sqrt(table.dim(0))));
  int64_t depth = table.dim(1);
  std::vector<double> wide(side * width * depth, 0.0); // width first
  for (int64_t x = 0; x < width; ++x) {
    auto [low, weights] = resizeWeights(side, width, x);
    for (int64_t y = 0; y < side; ++y) {
      for (size_t j = 0; j < weights.size(); ++j) {
        for (int64_t c = 0; c < depth; ++c) {
          wide[(y * width + x) * depth + c] += static_cast<double>(weights[j]) *
                                               table.row(y * side + low + j)[c];
        }
      }
    }
  }
  Tensor result = make(op, {height * width, depth});
  for (int64_t y = 0; y < height; ++y) {
    auto [low, weights] = resizeWeights(side, height, y);
    for (int64_t e = 0; e < width * depth; ++e) {
      double sum = 0;
      for (size_t j = 0; j < weights.size(); ++j) {
        sum += weights[j] * wide[(low + j) * width * depth + e];
      }
      result.set(y * width * depth + e, static_cast<float>(sum));
    }
  }
  return result;
}

rt::Result<Tensor> Frame::pixelUnshuffle(PixelUnshuffleOp op) {
  const Tensor &x = get(op.getX());
  int64_t height = indices[op.getHeight()], width = indices[op.getWidth()];
  int64_t f = op.getFactor(), depth = x.dim(2);
  if (height % f || width % f) {
    return error(op,
                 rt::format("%lld x %lld is no multiple of %lld",
                            (long long)height, (long long)width, (long long)f));
  }
  int64_t rows = height / f, columns = width / f;
  Tensor y = make(op, {x.dim(0), rows * columns, f * f * depth});
  for (int64_t r = 0; r < y.rows(); ++r) {
    int64_t b = r / (rows * columns), a = r / columns % rows, c = r % columns;
    for (int64_t part = 0; part < f * f; ++part) {
      int64_t patch = (f * a + part / f) * width + f * c + part % f;
      const float *from = x.row(b * height * width + patch);
      std::copy(from, from + depth, y.row(r) + part * depth);
    }
  }
  return y;
}
