//===- image_resize.cpp - Resampling pictures -----------------------------===//
//
// Separable antialiased filters as PyTorch computes them (lfm2_5_vl.md 4.3),
// and the cut into normalised patches.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/image_processor.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace rill::rt;

namespace {
/// For one output position: the first input and one weight per input.
struct Taps {
  int64_t first;
  std::vector<double> weights;
};
} // namespace

static double triangle(double x) {
  x = std::fabs(x);
  return x < 1 ? 1 - x : 0;
}

static double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) {
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  }
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/// The weights of an axis from `from` to `to` samples.
static std::vector<Taps> makeTaps(int64_t from, int64_t to, bool bicubic) {
  double scale = static_cast<double>(from) / static_cast<double>(to);
  double stretch = std::max(scale, 1.0);
  double support = (bicubic ? 2.0 : 1.0) * stretch;
  std::vector<Taps> taps(static_cast<size_t>(to));
  for (int64_t i = 0; i < to; ++i) {
    double centre = scale * (static_cast<double>(i) + 0.5);
    int64_t first =
        std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    int64_t last = std::min(static_cast<int64_t>(centre + support + 0.5), from);
    Taps &tap = taps[static_cast<size_t>(i)];
    tap.first = first;
    double sum = 0;
    for (int64_t j = first; j < last; ++j) {
      double x = (static_cast<double>(j) - centre + 0.5) / stretch;
      tap.weights.push_back(bicubic ? cubic(x) : triangle(x));
      sum += tap.weights.back();
    }
    for (double &weight : tap.weights) {
      weight = sum != 0 ? weight / sum : weight;
    }
  }
  return taps;
}

static uint8_t toByte(double value) {
  return static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0, 255.0));
}

Image rill::rt::resizeImage(const Image &image, int64_t width, int64_t height,
                            bool bicubic) {
  if (bicubic) {
    return resizeImageFixed(image, width, height, true);
  }
  if (width == image.width && height == image.height) {
    return image;
  }
  std::vector<Taps> across = makeTaps(image.width, width, false);
  std::vector<Taps> down = makeTaps(image.height, height, false);
  std::vector<float> rows(static_cast<size_t>(image.height * width * 3));
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const Taps &tap = across[static_cast<size_t>(x)];
      const uint8_t *pixel = image.pixel(tap.first, y);
      double sum[3] = {};
      for (double weight : tap.weights) {
        for (int c = 0; c < 3; ++c) {
          sum[c] += weight * *pixel++;
        }
      }
      for (int c = 0; c < 3; ++c) {
        rows[static_cast<size_t>(3 * (y * width + x) + c)] =
            static_cast<float>(sum[c]);
      }
    }
  }
  Image out;
  out.width = width;
  out.height = height;
  out.rgb.resize(static_cast<size_t>(3 * width * height));
  std::vector<double> sum(static_cast<size_t>(3 * width));
  for (int64_t y = 0; y < height; ++y) {
    const Taps &tap = down[static_cast<size_t>(y)];
    std::fill(sum.begin(), sum.end(), 0.0);
    for (size_t j = 0; j < tap.weights.size(); ++j) {
      const float *row =
          rows.data() + 3 * width * (tap.first + static_cast<int64_t>(j));
      for (size_t i = 0; i < sum.size(); ++i) {
        sum[i] += tap.weights[j] * row[i];
      }
    }
    for (size_t i = 0; i < sum.size(); ++i) {
      out.rgb[static_cast<size_t>(3 * width * y) + i] = toByte(sum[i]);
    }
  }
  return out;
}

//===----------------------------------------------------------------------===//
// Fixed point
//===----------------------------------------------------------------------===//

/// One pass over an axis: `count` samples of `stride` bytes become `to`.
static void resampleLine(const uint8_t *in, uint8_t *out, size_t stride,
                         const std::vector<Taps> &taps, int precision) {
  for (size_t i = 0; i < taps.size(); ++i) {
    int64_t sum = int64_t(1) << (precision - 1);
    const uint8_t *sample = in + static_cast<size_t>(taps[i].first) * stride;
    for (double weight : taps[i].weights) {
      sum += static_cast<int64_t>(weight) * *sample;
      sample += stride;
    }
    out[i * stride] =
        static_cast<uint8_t>(std::clamp<int64_t>(sum >> precision, 0, 255));
  }
}

/// Turns weights into whole numbers of 2^-precision; gives the precision.
static int quantize(std::vector<Taps> &taps) {
  double largest = 0;
  for (const Taps &tap : taps) {
    for (double weight : tap.weights) {
      largest = std::max(largest, weight);
    }
  }
  int precision = 0;
  while (precision < 22 &&
         std::floor(0.5 + std::ldexp(largest, precision + 1)) < 32768) {
    ++precision;
  }
  for (Taps &tap : taps) {
    for (double &weight : tap.weights) {
      weight = std::round(std::ldexp(weight, precision));
    }
  }
  return precision;
}

Image rill::rt::resizeImageFixed(const Image &image, int64_t width,
                                 int64_t height, bool bicubic) {
  Image wide = image;
  if (width != image.width) {
    std::vector<Taps> taps = makeTaps(image.width, width, bicubic);
    int precision = quantize(taps);
    wide.width = width;
    wide.rgb.assign(static_cast<size_t>(3 * width * image.height), 0);
    for (int64_t y = 0; y < image.height; ++y) {
      for (int c = 0; c < 3; ++c) {
        resampleLine(image.pixel(0, y) + c, wide.rgb.data() + 3 * y * width + c,
                     3, taps, precision);
      }
    }
  }
  if (height == wide.height) {
    return wide;
  }
  std::vector<Taps> taps = makeTaps(wide.height, height, bicubic);
  int precision = quantize(taps);
  Image out;
  out.width = width;
  out.height = height;
  out.rgb.resize(static_cast<size_t>(3 * width * height));
  size_t stride = static_cast<size_t>(3 * width);
  for (size_t i = 0; i < stride; ++i) {
    resampleLine(wide.rgb.data() + i, out.rgb.data() + i, stride, taps,
                 precision);
  }
  return out;
}

//===----------------------------------------------------------------------===//
// Patches
//===----------------------------------------------------------------------===//

/// The normalised value of every byte, per channel.
static void makeTables(const ImageProcessorConfig &config,
                       float (&tables)[3][256]) {
  for (int c = 0; c < 3; ++c) {
    // Rescaling is folded into mean and deviation, as transformers does.
    double factor = config.rescale ? config.rescaleFactor : 1.0;
    float mean = static_cast<float>(config.mean[c] * (1.0 / factor));
    float deviation = static_cast<float>(config.deviation[c] * (1.0 / factor));
    for (int value = 0; value < 256; ++value) {
      float number = static_cast<float>(value);
      tables[c][value] = config.normalize ? (number - mean) / deviation
                         : config.rescale ? number * static_cast<float>(factor)
                                          : number;
    }
  }
}

/// Cuts a rectangle of `image` whose sides are multiples of the patch size.
static ImageCrop cutPatches(const ImageProcessorConfig &config,
                            const float (&tables)[3][256], const Image &image,
                            int64_t left, int64_t top, int64_t width,
                            int64_t height) {
  int64_t side = config.patchSize;
  ImageCrop crop{height / side, width / side, {}};
  crop.patches.resize(static_cast<size_t>(width * height * 3));
  float *out = crop.patches.data();
  for (int64_t a = 0; a < crop.rows; ++a) {
    for (int64_t b = 0; b < crop.columns; ++b) {
      for (int64_t y = 0; y < side; ++y) {
        const uint8_t *in = image.pixel(left + b * side, top + a * side + y);
        for (int64_t i = 0; i < side; ++i) {
          for (int c = 0; c < 3; ++c) {
            *out++ = tables[c][*in++];
          }
        }
      }
    }
  }
  return crop;
}

Result<std::vector<ImageCrop>>
rill::rt::processImage(const ImageProcessorConfig &config,
                       const ImagePlan &plan, const Image &image) {
  if (image.width < 1 || image.height < 1 ||
      image.rgb.size() != static_cast<size_t>(3 * image.width * image.height)) {
    return makeError(ErrorCode::ImageInvalid, "picture",
                     format("%zu bytes for %lld x %lld pixels",
                            image.rgb.size(),
                            static_cast<long long>(image.width),
                            static_cast<long long>(image.height)));
  }
  float tables[3][256];
  makeTables(config, tables);
  std::vector<ImageCrop> crops;
  if (plan.tiled) {
    int64_t tile = config.tileSize;
    Image canvas = resizeImage(image, plan.columns * tile, plan.rows * tile,
                               config.bicubic);
    for (int64_t row = 0; row < plan.rows; ++row) {
      for (int64_t column = 0; column < plan.columns; ++column) {
        crops.push_back(cutPatches(config, tables, canvas, column * tile,
                                   row * tile, tile, tile));
      }
    }
  }
  if (!plan.tiled || plan.thumbnail) {
    Image small =
        resizeImage(image, plan.smartWidth, plan.smartHeight, config.bicubic);
    crops.push_back(
        cutPatches(config, tables, small, 0, 0, small.width, small.height));
  }
  return crops;
}
