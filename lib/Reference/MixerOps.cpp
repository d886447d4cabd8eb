//===- MixerOps.cpp - Reference: short convolution and attention ----------===//
//
// RillConvOps.td and RillAttentionOps.td in plain loops.
//
//===----------------------------------------------------------------------===//
#include "Frame.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::reference;

Tensor Frame::shortConv(ShortConvOp op) {
  const Tensor &window = get(op.getWindow()), &x = get(op.getX()),
               &filter = get(op.getFilter());
  const Tensor *bias = op.getBias() ? &get(op.getBias()) : nullptr;
  int64_t rows = x.dim(1), channels = x.dim(2), taps = filter.dim(1);
  Tensor y = make(op, x.shape);
  for (int64_t b = 0; b < x.dim(0); ++b) {
    for (int64_t s = 0; s < rows; ++s) {
      for (int64_t c = 0; c < channels; ++c) {
        double sum = bias ? bias->f[c] : 0.0;
        for (int64_t j = 0; j < taps; ++j) {
          int64_t at = s + j - (taps - 1);
          float value = at < 0 ? window.row(b * (taps - 1) + at + taps - 1)[c]
                               : x.row(b * rows + at)[c];
          sum += static_cast<double>(filter.row(c)[j]) * value;
        }
        y.set((b * rows + s) * channels + c, static_cast<float>(sum));
      }
    }
  }
  return y;
}

static double dot(const float *a, const float *b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += static_cast<double>(a[i]) * b[i];
  }
  return sum;
}

rt::Result<Tensor> Frame::shortConvMix(ShortConvMixOp op) {
  const Tensor &x = get(op.getX()), &norm = get(op.getNorm()),
               &filter = get(op.getFilter());
  StateOp state = stateOf(op, op.getStateAttr());
  Tensor::Kind kind = session.state(state).kind;
  int64_t rows = x.dim(1), channels = x.dim(2), taps = filter.dim(1);
  Tensor y = make(op, x.shape);
  std::vector<float> u(channels), gated(channels);
  std::array<std::vector<float>, 3> parts;
  for (int64_t b = 0; b < x.dim(0); ++b) {
    RILL_ASSIGN(Tensor past,
                session.stateRows(state.getSymName(), b,
                                  starts()[b] - (taps - 1), taps - 1));
    std::vector<float> history = past.f; // taps-1 rows, then this call's
    for (int64_t s = 0; s < rows; ++s) {
      rmsNormRow(x.row(b * rows + s), norm.f.data(), channels,
                 op.getEps().convertToDouble(), u.data());
      for (float &value : u) {
        value = roundTo(kind, value);
      }
      for (int p = 0; p < 3; ++p) {
        parts[p].resize(channels);
        const Tensor &w = get(op.getWeights()[p]);
        for (int64_t c = 0; c < channels; ++c) {
          float bias =
              op.getBiases().empty() ? 0.0f : get(op.getBiases()[p]).f[c];
          parts[p][c] =
              static_cast<float>(dot(u.data(), w.row(c), channels)) + bias;
        }
      }
      for (int64_t c = 0; c < channels; ++c) {
        gated[c] = roundTo(kind, parts[0][c] * parts[2][c]);
      }
      history.insert(history.end(), gated.begin(), gated.end());
      RILL_TRY(appendRow(op, state, b, s, gated.data()));
      for (int64_t c = 0; c < channels; ++c) {
        double sum = op.getConvBias() ? get(op.getConvBias()).f[c] : 0.0;
        for (int64_t j = 0; j < taps; ++j) {
          sum += static_cast<double>(filter.row(c)[j]) *
                 history[(s + j) * channels + c];
        }
        y.set((b * rows + s) * channels + c,
              parts[1][c] * static_cast<float>(sum));
      }
    }
  }
  return y;
}

void rill::reference::ropeRow(float *x, int64_t width, int64_t position,
                              double theta, RopeLayout layout) {
  int64_t half = width / 2;
  for (int64_t i = 0; i < half; ++i) {
    double angle = static_cast<double>(position) *
                   std::pow(theta, -2.0 * static_cast<double>(i) /
                                       static_cast<double>(width));
    auto cosine = static_cast<float>(std::cos(angle));
    auto sine = static_cast<float>(std::sin(angle));
    float *u = layout == RopeLayout::Half ? x + i : x + 2 * i;
    float *v = layout == RopeLayout::Half ? x + i + half : x + 2 * i + 1;
    float first = *u * cosine - *v * sine;
    *v = *v * cosine + *u * sine;
    *u = first;
  }
}

Tensor Frame::rope(RopeOp op) {
  const Tensor &x = get(op.getX()), &positions = get(op.getPositions());
  Tensor y = make(op, x.shape);
  int64_t heads = x.dim(2), width = x.dim(3);
  std::vector<float> row(width);
  for (int64_t r = 0; r < x.rows(); ++r) {
    row.assign(x.row(r), x.row(r) + width);
    ropeRow(row.data(), width, positions.i[r / heads],
            op.getTheta().convertToDouble(), op.getLayout());
    for (int64_t i = 0; i < width; ++i) {
      y.set(r * width + i, row[i]);
    }
  }
  return y;
}

namespace {
/// Keys and values gathered for one query; softmax over all of them.
struct Softmax {
  std::vector<double> scores;
  std::vector<const float *> values;

  void add(const float *q, const float *k, const float *v, int64_t width,
           double scale) {
    scores.push_back(dot(q, k, width) * scale);
    values.push_back(v);
  }
  void finish(int64_t width, std::vector<double> &sums, double &top,
              double &total) {
    top = -INFINITY;
    total = 0;
    sums.assign(width, 0.0);
    for (double score : scores) {
      top = std::max(top, score);
    }
    for (size_t t = 0; t < scores.size(); ++t) {
      double p = std::exp(scores[t] - top);
      total += p;
      for (int64_t i = 0; i < width; ++i) {
        sums[i] += p * values[t][i];
      }
    }
  }
};
} // namespace

/// `#rill.segment`: does query s see key t?
static bool visible(SegmentAttr segment, int64_t s, int64_t t, int64_t rows,
                    const int64_t *bounds) {
  int64_t width = segment.getWidth();
  switch (segment.getVisibility()) {
  case Visibility::All:
    return true;
  case Visibility::Causal:
    return t <= s;
  case Visibility::Prefix:
    return t < bounds[s];
  case Visibility::SameBlock:
    return t / width == s / width;
  case Visibility::Window:
    return segment.getSource() == SegmentSource::State
               ? rows + s - t < width
               : t <= s && s - t < width;
  case Visibility::Ancestors:
    return t == s || (bounds[s] >> t & 1);
  }
  llvm_unreachable("all visibilities handled");
}

Tensor Frame::attention(AttentionOp op) {
  const Tensor &q = get(op.getQ());
  int64_t rows = q.dim(1), heads = q.dim(2), width = q.dim(3);
  double scale = op.getScale().convertToDouble();
  Tensor y = make(op, q.shape);
  std::vector<double> sums;
  for (int64_t r = 0; r < q.rows(); ++r) {
    int64_t b = r / (rows * heads), s = r / heads % rows, j = r % heads;
    Softmax softmax;
    size_t bound = 0;
    for (auto [n, attribute] : llvm::enumerate(op.getSegments())) {
      auto segment = cast<SegmentAttr>(attribute);
      const Tensor &k = get(op.getKeys()[n]), &v = get(op.getValues()[n]);
      bool state = segment.getSource() == SegmentSource::State;
      int64_t groups = k.dim(state ? 1 : 2), keys = k.dim(state ? 2 : 1);
      int64_t g = j / (heads / groups), count = keys;
      const int64_t *bounds = nullptr;
      if (state) {
        count = get(op.getBounds()[bound++]).i[b];
      } else if (segment.getVisibility() == Visibility::Prefix ||
                 segment.getVisibility() == Visibility::Ancestors) {
        bounds = get(op.getBounds()[bound++]).i.data() + b * rows;
      }
      for (int64_t t = 0; t < count; ++t) {
        if (visible(segment, s, t, count, bounds)) {
          int64_t at =
              state ? (b * groups + g) * keys + t : (b * keys + t) * groups + g;
          softmax.add(q.row(r), k.row(at), v.row(at), width, scale);
        }
      }
    }
    double top, total;
    softmax.finish(width, sums, top, total);
    for (int64_t i = 0; i < width; ++i) {
      y.set(r * width + i, total > 0 ? static_cast<float>(sums[i] / total) : 0);
    }
  }
  return y;
}

rt::Result<Tensor> Frame::attentionUpdate(AttentionUpdateOp op) {
  const Tensor &qkv = get(op.getQkv()), &qNorm = get(op.getQNorm()),
               &kNorm = get(op.getKNorm()), &positions = get(op.getPositions());
  int64_t batch = qkv.dim(0), rows = qkv.dim(1), heads = op.getHeads();
  int64_t width = op.getHeadSize(), out = heads * width;
  int64_t groups = (qkv.dim(2) - out) / (2 * width);
  double eps = op.getEps().convertToDouble();
  double theta = op.getTheta().convertToDouble();
  StateOp keyState = stateOf(op, op.getKStateAttr());
  StateOp valueState = stateOf(op, op.getVStateAttr());
  const Tensor &keys = session.state(keyState),
               &values = session.state(valueState);
  int64_t capacity = keyState.getCapacity();
  int64_t parts = op.getParts();
  Tensor y = op.getChunk() ? make(op, {batch, rows, heads, parts, width + 2})
                           : make(op, {batch, rows, out});
  std::vector<float> head(width), keyRow(groups * width);
  std::vector<double> sums;
  for (int64_t r = 0; r < batch * rows; ++r) {
    int64_t b = r / rows, s = r % rows;
    const float *row = qkv.row(r);
    for (int64_t g = 0; g < groups; ++g) {
      float *key = keyRow.data() + g * width;
      rmsNormRow(row + out + g * width, kNorm.f.data(), width, eps, key);
      ropeRow(key, width, positions.i[r], theta, op.getLayout());
    }
    RILL_TRY(appendRow(op, keyState, b, s, keyRow.data()));
    RILL_TRY(appendRow(op, valueState, b, s, row + out + groups * width));
    for (int64_t j = 0; j < heads; ++j) {
      rmsNormRow(row + j * width, qNorm.f.data(), width, eps, head.data());
      ropeRow(head.data(), width, positions.i[r], theta, op.getLayout());
      for (float &value : head) {
        value = roundTo(keys.kind, value);
      }
      int64_t base = (b * groups + j / (heads / groups)) * capacity;
      for (int64_t part = 0; part < parts; ++part) {
        Softmax softmax;
        for (int64_t t = 0; t <= starts()[b] + s; ++t) {
          if (!op.getChunk() || t / *op.getChunk() % parts == part) {
            softmax.add(head.data(), keys.row(base + t), values.row(base + t),
                        width, op.getScale().convertToDouble());
          }
        }
        double top, total;
        softmax.finish(width, sums, top, total);
        if (op.getChunk()) {
          float *to =
              y.f.data() + ((r * heads + j) * parts + part) * (width + 2);
          std::copy(sums.begin(), sums.end(), to);
          to[width] = static_cast<float>(top);
          to[width + 1] = static_cast<float>(total);
          continue;
        }
        for (int64_t i = 0; i < width; ++i) {
          y.set(r * out + j * width + i, static_cast<float>(sums[i] / total));
        }
      }
    }
  }
  return y;
}

Tensor Frame::attentionTiled(AttentionTiledOp op) {
  const Tensor &q = get(op.getQ());
  const Tensor &keys = session.state(stateOf(op, op.getKStateAttr()));
  const Tensor &values = session.state(stateOf(op, op.getVStateAttr()));
  int64_t rows = q.dim(1), heads = q.dim(2), width = q.dim(3);
  int64_t groups = keys.dim(1), capacity = keys.dim(2), chunk = op.getChunk();
  int64_t chunks = cast<RankedTensorType>(op.getType()).getDimSize(3);
  Tensor y = make(op, {q.dim(0), rows, heads, chunks, width + 2});
  std::vector<double> sums;
  for (int64_t r = 0; r < q.rows(); ++r) {
    int64_t b = r / (rows * heads), s = r / heads % rows, j = r % heads;
    int64_t base = (b * groups + j / (heads / groups)) * capacity;
    for (int64_t c = 0; c < chunks; ++c) {
      Softmax softmax;
      int64_t end = std::min((c + 1) * chunk, starts()[b] + s + 1);
      for (int64_t t = c * chunk; t < end; ++t) {
        softmax.add(q.row(r), keys.row(base + t), values.row(base + t), width,
                    op.getScale().convertToDouble());
      }
      double top, total;
      softmax.finish(width, sums, top, total);
      float *to = y.f.data() + (r * chunks + c) * (width + 2);
      std::copy(sums.begin(), sums.end(), to);
      to[width] = static_cast<float>(top);
      to[width + 1] = static_cast<float>(total);
    }
  }
  return y;
}
