//===- image_geometry.cpp - Sizes and grids of pictures -------------------===//
//
// lfm2_5_vl.md 4.2 in double arithmetic, which decides the ties.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/mapped_file.h"
#include "runtime/generate/image_processor.h"

#include <algorithm>
#include <cmath>

using namespace rill::rt;

int64_t ImageProcessorConfig::maxPatches() const {
  int64_t side = tileSize / patchSize;
  return std::max(maxTokens * downsample * downsample,
                  splitImages ? side * side : 0);
}

/// `value` to the nearest multiple of `factor`, halves to even.
static int64_t roundTo(int64_t value, int64_t factor) {
  // std::nearbyint rounds halves to even in the default rounding mode.
  return factor *
         static_cast<int64_t>(std::nearbyint(static_cast<double>(value) /
                                             static_cast<double>(factor)));
}

static void smartSize(const ImageProcessorConfig &config, int64_t width,
                      int64_t height, ImagePlan &plan) {
  int64_t factor = config.tokenSize();
  int64_t least = config.minTokens * factor * factor;
  int64_t most = config.maxTokens * factor * factor;
  double w = static_cast<double>(width), h = static_cast<double>(height);
  double f = static_cast<double>(factor);
  plan.smartWidth = std::max(factor, roundTo(width, factor));
  plan.smartHeight = std::max(factor, roundTo(height, factor));
  int64_t area = plan.smartWidth * plan.smartHeight;
  if (area > most) {
    double beta = std::sqrt(h * w / static_cast<double>(most));
    auto shrink = [&](double side) {
      return std::max(
          factor, factor * static_cast<int64_t>(std::floor(side / beta / f)));
    };
    plan.smartHeight = shrink(h);
    plan.smartWidth = shrink(w);
  } else if (area < least) {
    double beta = std::sqrt(static_cast<double>(least) / (h * w));
    auto grow = [&](double side) {
      return factor * static_cast<int64_t>(std::ceil(side * beta / f));
    };
    plan.smartHeight = grow(h);
    plan.smartWidth = grow(w);
  }
}

static bool isTooLarge(const ImageProcessorConfig &config, int64_t width,
                       int64_t height) {
  int64_t factor = config.tokenSize();
  int64_t w = std::max(config.patchSize, roundTo(width, factor));
  int64_t h = std::max(config.patchSize, roundTo(height, factor));
  double most = static_cast<double>(config.maxTokens) *
                static_cast<double>(config.patchSize * config.patchSize) *
                static_cast<double>(config.downsample * config.downsample) *
                config.tolerance;
  return static_cast<double>(h * w) > most;
}

/// The grid whose aspect ratio is nearest; exact ties go by the area.
static void chooseGrid(const ImageProcessorConfig &config, int64_t width,
                       int64_t height, ImagePlan &plan) {
  double aspect = static_cast<double>(width) / static_cast<double>(height);
  double area = static_cast<double>(width) * static_cast<double>(height);
  double tile = static_cast<double>(config.tileSize);
  double best = INFINITY;
  for (int64_t tiles = config.minTiles; tiles <= config.maxTiles; ++tiles) {
    for (int64_t columns = 1; columns <= tiles; ++columns) {
      if (tiles % columns != 0) {
        continue;
      }
      int64_t rows = tiles / columns;
      double ratio = static_cast<double>(columns) / static_cast<double>(rows);
      double difference = std::fabs(aspect - ratio);
      bool larger = area > 0.5 * tile * tile * static_cast<double>(tiles);
      if (difference < best || (difference == best && larger)) {
        best = difference;
        plan.columns = columns;
        plan.rows = rows;
      }
    }
  }
}

Result<ImagePlan> rill::rt::planImage(const ImageProcessorConfig &config,
                                      int64_t width, int64_t height) {
  std::string where =
      format("a picture of %lld x %lld pixels", static_cast<long long>(width),
             static_cast<long long>(height));
  constexpr int64_t kMaxSide = int64_t(1) << 24;
  if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide) {
    return makeError(ErrorCode::ImageShape, where,
                     format("sides must be 1 to %lld pixels",
                            static_cast<long long>(kMaxSide)));
  }
  ImagePlan plan = {};
  plan.columns = plan.rows = 1;
  smartSize(config, width, height, plan);
  bool mayTile =
      config.splitImages && !(config.minTiles == 1 && config.maxTiles == 1);
  if (mayTile && isTooLarge(config, width, height)) {
    plan.tiled = true;
    chooseGrid(config, width, height, plan);
    plan.thumbnail = config.useThumbnail && plan.rows * plan.columns != 1;
  }
  int64_t patches = (plan.smartWidth / config.patchSize) *
                    (plan.smartHeight / config.patchSize);
  if ((!plan.tiled || plan.thumbnail) && patches > config.maxPatches()) {
    return makeError(
        ErrorCode::ImageShape, where,
        format("resizing to %lld x %lld gives %lld patches, the model takes "
               "%lld",
               static_cast<long long>(plan.smartWidth),
               static_cast<long long>(plan.smartHeight),
               static_cast<long long>(patches),
               static_cast<long long>(config.maxPatches())),
        "cut the picture into parts that are less long and narrow");
  }
  return plan;
}

int64_t rill::rt::cropTokens(const ImageProcessorConfig &config,
                             const ImagePlan &plan, int64_t index) {
  bool tile = plan.tiled && index < plan.rows * plan.columns;
  auto along = [&](int64_t pixels) {
    int64_t patches = pixels / config.patchSize;
    return (patches + config.downsample - 1) / config.downsample;
  };
  return tile ? along(config.tileSize) * along(config.tileSize)
              : along(plan.smartHeight) * along(plan.smartWidth);
}

//===----------------------------------------------------------------------===//
// Configuration
//===----------------------------------------------------------------------===//

static Status readTriple(const JsonField &values, const char *key,
                         double (&out)[3]) {
  std::optional<JsonField> field = values.findValue(key);
  if (!field) {
    return {};
  }
  RILL_ASSIGN(std::vector<double> list, field->asDoubles());
  if (list.size() != 3) {
    return makeError(ErrorCode::ProcessorInvalid, field->where(),
                     format("has %zu values for 3 channels", list.size()));
  }
  std::copy(list.begin(), list.end(), out);
  return {};
}

/// A value that this processor takes for granted.
static Status mustBe(const JsonField &values, const char *key, bool wanted) {
  RILL_ASSIGN(bool found, values.boolOr(key, wanted));
  if (found != wanted) {
    return makeError(ErrorCode::ProcessorUnsupported, values.where(),
                     format("\"%s\" is %s", key, found ? "true" : "false"));
  }
  return {};
}

static Status checkValues(const ImageProcessorConfig &config,
                          const JsonField &values) {
  auto bad = [&](std::string why) {
    return makeError(ErrorCode::ProcessorInvalid, values.where(),
                     std::move(why));
  };
  if (config.tileSize % config.tokenSize() != 0) {
    return bad("tile_size is no multiple of encoder_patch_size times "
               "downsample_factor");
  }
  if (config.minTiles > config.maxTiles ||
      config.minTokens > config.maxTokens) {
    return bad("a minimum exceeds its maximum");
  }
  if (!(config.tolerance > 0 && config.tolerance < 1e6)) {
    return bad("max_pixels_tolerance is out of range");
  }
  for (double deviation : config.deviation) {
    if (config.normalize && !(std::fabs(deviation) > 1e-12)) {
      return bad("image_std holds a zero");
    }
  }
  if (config.normalize && config.rescale &&
      !(std::fabs(config.rescaleFactor) > 1e-12)) {
    return bad("rescale_factor is zero");
  }
  return {};
}

Result<ImageProcessorConfig>
ImageProcessorConfig::parse(const JsonField &values) {
  ImageProcessorConfig config;
  RILL_ASSIGN(config.splitImages,
              values.boolOr("do_image_splitting", config.splitImages));
  RILL_ASSIGN(config.useThumbnail,
              values.boolOr("use_thumbnail", config.useThumbnail));
  RILL_ASSIGN(config.useSpecialTokens,
              values.boolOr("use_image_special_tokens", true));
  RILL_ASSIGN(config.rescale, values.boolOr("do_rescale", true));
  RILL_ASSIGN(config.normalize, values.boolOr("do_normalize", true));
  struct {
    const char *key;
    int64_t &value;
    int64_t most;
  } numbers[] = {{"encoder_patch_size", config.patchSize, 256},
                 {"downsample_factor", config.downsample, 16},
                 {"tile_size", config.tileSize, 16384},
                 {"min_tiles", config.minTiles, 100},
                 {"max_tiles", config.maxTiles, 100},
                 {"min_image_tokens", config.minTokens, 1 << 20},
                 {"max_image_tokens", config.maxTokens, 1 << 20}};
  for (auto &[key, value, most] : numbers) {
    RILL_ASSIGN(value, values.intOr(key, value, 1, most));
  }
  RILL_ASSIGN(config.tolerance,
              values.doubleOr("max_pixels_tolerance", config.tolerance));
  RILL_ASSIGN(config.rescaleFactor,
              values.doubleOr("rescale_factor", config.rescaleFactor));
  RILL_TRY(readTriple(values, "image_mean", config.mean));
  RILL_TRY(readTriple(values, "image_std", config.deviation));
  RILL_TRY(mustBe(values, "do_pad", true));
  RILL_ASSIGN(int64_t resample, values.intOr("resample", 2, 0, 5));
  if (resample != 2 && resample != 3) {
    return makeError(ErrorCode::ProcessorUnsupported, values.where(),
                     format("resample is %lld; 2 (bilinear) and 3 (bicubic) "
                            "are known",
                            static_cast<long long>(resample)));
  }
  config.bicubic = resample == 3;
  RILL_TRY(checkValues(config, values));
  return config;
}

Result<ImageProcessorConfig> ImageProcessorConfig::parseFiles(
    std::span<const std::pair<std::string, JsonValue>> files) {
  JsonValue::Object merged;
  std::string names;
  for (const auto &[file, root] : files) {
    names += (names.empty() ? "" : " and ") + file;
    // Nested values of the newer file win over flat ones.
    for (const JsonValue *values : {root.find("image_processor"), &root}) {
      const JsonValue::Object *members = values ? values->asObject() : nullptr;
      for (size_t i = 0; members && i < members->size(); ++i) {
        const JsonMember &member = (*members)[i];
        bool known =
            std::any_of(merged.begin(), merged.end(), [&](const JsonMember &m) {
              return m.key == member.key;
            });
        if (!known && member.key != "image_processor") {
          merged.push_back(member);
        }
      }
    }
  }
  JsonValue values(std::move(merged));
  return parse(JsonField(values, names));
}

Result<ImageProcessorConfig>
ImageProcessorConfig::openFolder(const std::string &folder) {
  std::vector<std::pair<std::string, JsonValue>> files;
  for (const char *file :
       {"processor_config.json", "preprocessor_config.json"}) {
    if (!fileExists(folder + "/" + file)) {
      continue;
    }
    RILL_ASSIGN(std::string path, resolveInFolder(folder, file));
    RILL_ASSIGN(JsonValue root, readJsonFile(path));
    files.push_back({folder + "/" + file, std::move(root)});
  }
  if (files.empty()) {
    return makeError(ErrorCode::FileUnreadable, folder,
                     "holds neither processor_config.json nor "
                     "preprocessor_config.json");
  }
  return parseFiles(files);
}
