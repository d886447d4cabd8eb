//===- image_processor.h - From pictures to patches -------------*- C++ -*-===//
//
// The geometry, resampling and normalisation of the official LFM2-VL image
// processor, for any values of its configuration (lfm2_5_vl.md section 4).
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_IMAGE_PROCESSOR_H
#define RILL_RUNTIME_GENERATE_IMAGE_PROCESSOR_H

#include "runtime/formats/json.h"
#include "runtime/generate/image.h"

namespace rill::rt {

/// Values of processor_config.json (or preprocessor_config.json).
struct ImageProcessorConfig {
  bool splitImages = true;
  bool useThumbnail = true;
  bool useSpecialTokens = true; ///< markers around and inside pictures
  bool rescale = true, normalize = true;
  int64_t patchSize = 16; ///< pixels
  int64_t downsample = 2; ///< patches per token and axis
  int64_t tileSize = 512; ///< pixels
  int64_t minTiles = 2, maxTiles = 10;
  int64_t minTokens = 64, maxTokens = 256;
  double tolerance = 2.0;
  bool bicubic = false;
  double rescaleFactor = 1.0 / 255;
  double mean[3] = {0.5, 0.5, 0.5}, deviation[3] = {0.5, 0.5, 0.5};

  /// Pixels per token and axis.
  int64_t tokenSize() const { return patchSize * downsample; }
  /// Patches of the largest crop that the model accepts.
  int64_t maxPatches() const;

  /// Reads one object of image processor values. Errors: JsonField,
  /// ProcessorInvalid (values that cannot be), ProcessorUnsupported (another
  /// resampling, padding off, and the like).
  static Result<ImageProcessorConfig> parse(const JsonField &values);
  /// Merges parsed files, the earlier winning; each has a name for errors.
  static Result<ImageProcessorConfig>
  parseFiles(std::span<const std::pair<std::string, JsonValue>> files);
  /// Merges the files of a checkpoint folder, processor_config.json winning.
  static Result<ImageProcessorConfig> openFolder(const std::string &folder);
};

/// Where a picture goes, before any pixel is touched.
struct ImagePlan {
  int64_t smartWidth, smartHeight; ///< of the single crop or the thumbnail
  int64_t columns = 1, rows = 1;   ///< tiles; 1 x 1 is a single crop
  bool tiled = false;
  bool thumbnail = false;

  int64_t crops() const {
    return tiled ? rows * columns + (thumbnail ? 1 : 0) : 1;
  }
};

/// Plans a picture of `width` x `height` pixels. ImageShape when a side would
/// make a crop larger than the model accepts.
Result<ImagePlan> planImage(const ImageProcessorConfig &config, int64_t width,
                            int64_t height);

/// Placeholder tokens of crop `index` of a plan.
int64_t cropTokens(const ImageProcessorConfig &config, const ImagePlan &plan,
                   int64_t index);

/// One crop, normalised: `patches` is [rows * columns, 3 * P * P] f32,
/// row-major over patches, [y][x][channel] inside.
struct ImageCrop {
  int64_t rows, columns; ///< in patches
  std::vector<float> patches;
};

/// All crops of a picture in the order of the prompt.
Result<std::vector<ImageCrop>> processImage(const ImageProcessorConfig &config,
                                            const ImagePlan &plan,
                                            const Image &image);

/// Resamples to 8 bits as torchvision does with antialiasing: bilinear in
/// floating point, bicubic (a = -0.5) in fixed point.
Image resizeImage(const Image &image, int64_t width, int64_t height,
                  bool bicubic);
/// The fixed-point path for bilinear as well, which torchvision takes on
/// machines with AVX2 and no more.
Image resizeImageFixed(const Image &image, int64_t width, int64_t height,
                       bool bicubic);

} // namespace rill::rt

#endif
