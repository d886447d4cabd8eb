//===- image_test.cpp - Pictures: decoding, geometry, pixels --------------===//
//
// Decoders on pictures made here, the tables of lfm2_5_vl.md section 4, and the
// official processor's outputs when RILL_FIXTURES names their folder.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/safetensors.h"
#include "runtime/generate/image_processor.h"
#include "runtime/test/test_util.h"

#include <cmath>
#include <cstring>

using namespace rill::rt;
using rill::test::readAll;
using rill::test::refusal;

static std::span<const uint8_t> bytesOf(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

//===----------------------------------------------------------------------===//
// Geometry
//===----------------------------------------------------------------------===//

TEST(ImageGeometry, TableOfExactCounts) {
  struct Row {
    int64_t w, h, smartW, smartH, columns, rows, tokens;
  };
  static constexpr Row kRows[] = {
      {1, 1, 256, 256, 1, 1, 64},         {16, 16, 256, 256, 1, 1, 64},
      {64, 512, 96, 736, 1, 1, 69},       {512, 256, 512, 256, 1, 1, 128},
      {277, 512, 288, 512, 1, 1, 144},    {640, 480, 576, 416, 1, 1, 234},
      {333, 777, 320, 768, 1, 1, 240},    {512, 512, 512, 512, 1, 1, 256},
      {528, 528, 512, 512, 1, 1, 256},    {720, 720, 512, 512, 1, 1, 256},
      {720, 728, 480, 512, 1, 1, 240},    {1024, 512, 704, 352, 1, 1, 242},
      {1448, 362, 1024, 256, 1, 1, 256},  {736, 736, 512, 512, 2, 2, 1280},
      {752, 720, 512, 480, 2, 2, 1264},   {1280, 720, 672, 384, 2, 1, 764},
      {1100, 500, 736, 320, 2, 1, 742},   {1024, 768, 576, 416, 3, 2, 1770},
      {4000, 3000, 576, 416, 3, 2, 1770}, {1000, 700, 608, 416, 3, 2, 1783},
      {600, 900, 416, 608, 2, 3, 1783},   {1920, 1080, 672, 384, 4, 2, 2300},
      {1080, 1920, 384, 672, 2, 4, 2300}, {3022, 1644, 672, 352, 4, 2, 2279},
      {3000, 1000, 864, 288, 3, 1, 1011}, {1280, 1024, 544, 448, 3, 3, 2542},
      {2048, 2048, 512, 512, 3, 3, 2560}, {5000, 400, 1792, 128, 10, 1, 2784}};
  ImageProcessorConfig config;
  for (const Row &row : kRows) {
    auto plan = planImage(config, row.w, row.h);
    ASSERT_TRUE(plan.ok());
    int64_t tokens = 0;
    for (int64_t crop = 0; crop < plan->crops(); ++crop) {
      tokens += cropTokens(config, *plan, crop);
    }
    EXPECT_EQ(plan->smartWidth, row.smartW) << row.w << "x" << row.h;
    EXPECT_EQ(plan->smartHeight, row.smartH) << row.w << "x" << row.h;
    EXPECT_EQ(plan->columns, row.columns) << row.w << "x" << row.h;
    EXPECT_EQ(plan->rows, row.rows) << row.w << "x" << row.h;
    EXPECT_EQ(tokens, row.tokens) << row.w << "x" << row.h;
  }
}

TEST(ImageGeometry, RefusesExtremeShapes) {
  ImageProcessorConfig config;
  EXPECT_EQ(refusal(planImage(config, 30000, 10), ErrorCode::ImageShape,
                    "28032 x 32 gives 3504 patches"),
            "");
  EXPECT_EQ(refusal(planImage(config, 1, 2000), ErrorCode::ImageShape), "");
  EXPECT_EQ(refusal(planImage(config, 0, 5), ErrorCode::ImageShape), "");
  EXPECT_EQ(refusal(planImage(config, INT64_MAX, 5), ErrorCode::ImageShape),
            "");
}

TEST(ImageGeometry, ReadsBothFiles) {
  rill::test::TempDir dir;
  EXPECT_EQ(refusal(ImageProcessorConfig::openFolder(dir.path()),
                    ErrorCode::FileUnreadable, "neither"),
            "");
  dir.write("preprocessor_config.json",
            R"({"min_tiles":1,"max_tiles":4,"resample":3})");
  auto config = ImageProcessorConfig::openFolder(dir.path());
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(config->bicubic);
  dir.write("processor_config.json",
            R"({"image_processor":{"max_tiles":6,"resample":2}})");
  config = ImageProcessorConfig::openFolder(dir.path());
  ASSERT_TRUE(config.ok());
  EXPECT_FALSE(config->bicubic);
  EXPECT_EQ(config->maxTiles, 6);
  EXPECT_EQ(config->minTiles, 1);
  auto bad = [&](const char *values, ErrorCode code) {
    dir.write("processor_config.json",
              std::string("{\"image_processor\":") + values + "}");
    return refusal(ImageProcessorConfig::openFolder(dir.path()), code);
  };
  EXPECT_EQ(bad(R"({"resample":0})", ErrorCode::ProcessorUnsupported), "");
  EXPECT_EQ(bad(R"({"do_pad":false})", ErrorCode::ProcessorUnsupported), "");
  EXPECT_EQ(bad(R"({"tile_size":500})", ErrorCode::ProcessorInvalid), "");
  EXPECT_EQ(bad(R"({"image_std":[0,1,1]})", ErrorCode::ProcessorInvalid), "");
  EXPECT_EQ(bad(R"({"image_mean":[1]})", ErrorCode::ProcessorInvalid), "");
  EXPECT_EQ(bad(R"({"min_tiles":9})", ErrorCode::ProcessorInvalid), "");
  EXPECT_EQ(bad(R"({"downsample_factor":0})", ErrorCode::JsonField), "");
}

//===----------------------------------------------------------------------===//
// Pixels
//===----------------------------------------------------------------------===//

static std::vector<int> resizedRow(int64_t width, bool fixedPoint) {
  Image image;
  image.width = 4;
  image.height = 1;
  for (int value : {0, 100, 200, 255}) {
    image.rgb.insert(image.rgb.end(), 3, static_cast<uint8_t>(value));
  }
  Image out = fixedPoint ? resizeImageFixed(image, width, 1, false)
                         : resizeImage(image, width, 1, false);
  std::vector<int> row;
  for (int64_t x = 0; x < width; ++x) {
    row.push_back(*out.pixel(x, 0));
  }
  return row;
}

TEST(ImagePixels, ResizeMicroTests) {
  using Row = std::vector<int>;
  EXPECT_EQ(resizedRow(2, true), (Row{71, 209}));
  EXPECT_EQ(resizedRow(3, true), (Row{30, 150, 239}));
  EXPECT_EQ(resizedRow(6, true), (Row{0, 50, 117, 183, 228, 255}));
  EXPECT_EQ(resizedRow(2, false), (Row{71, 209}));
  Row three = resizedRow(3, false);
  EXPECT_TRUE(three == (Row{30, 150, 238}) || three == (Row{30, 150, 239}));
  EXPECT_EQ(resizedRow(4, false), (Row{0, 100, 200, 255}));
}

TEST(ImagePixels, PatchValues) {
  Image image;
  image.width = image.height = 512;
  for (int y = 0; y < 512; ++y) {
    for (int x = 0; x < 512; ++x) {
      for (int c = 0; c < 3; ++c) {
        image.rgb.push_back(static_cast<uint8_t>(7 * y + 13 * x + 29 * c));
      }
    }
  }
  ImageProcessorConfig config;
  auto plan = planImage(config, 512, 512);
  auto crops = processImage(config, *plan, image);
  ASSERT_TRUE(crops.ok());
  ASSERT_EQ(crops->size(), 1u);
  const float *row = (*crops)[0].patches.data() + 34 * 768;
  const std::pair<int, float> expected[] = {
      {0, -0.8745098f}, {1, -0.6470588f},  {2, -0.4196078f},
      {3, -0.7725490f}, {48, -0.8196078f}, {767, -0.0745098f}};
  for (auto [index, value] : expected) {
    EXPECT_NEAR(row[index], value, 1e-6f) << index;
  }
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// The pictures of test/data/pictures: 24 x 16 pixels, red top left, green top
/// right, blue bottom left, white bottom right (tools/dev/make_test_pictures).
static Result<Image> decodeSample(const std::string &name) {
  return decodeImage(bytesOf(readAll(RILL_TEST_DATA "/pictures/" + name)),
                     name);
}

/// One letter per corner: R, G, B, W, K (black) or '?'.
static std::string corners(const Image &image) {
  std::string letters;
  for (auto [x, y] : {std::pair<int64_t, int64_t>{0, 0},
                      {image.width - 1, 0},
                      {0, image.height - 1},
                      {image.width - 1, image.height - 1}}) {
    const uint8_t *p = image.pixel(x, y);
    auto is = [&](int r, int g, int b) {
      return std::abs(p[0] - r) < 40 && std::abs(p[1] - g) < 40 &&
             std::abs(p[2] - b) < 40;
    };
    letters += is(255, 0, 0)       ? 'R'
               : is(0, 255, 0)     ? 'G'
               : is(0, 0, 255)     ? 'B'
               : is(255, 255, 255) ? 'W'
               : is(0, 0, 0)       ? 'K'
                                   : '?';
  }
  return letters;
}

TEST(ImageDecode, ReadsEveryKind) {
  for (const char *name :
       {"rgb.png", "palette.png", "rgba.png", "rgb16.png", "interlaced.png",
        "rgb.jpg", "progressive.jpg", "cmyk.jpg", "lossless.webp", "lossy.webp",
        "alpha.webp", "animated.webp", "animated.png"}) {
    auto image = decodeSample(name);
    ASSERT_TRUE(image.ok()) << image.error().render();
    EXPECT_EQ(image->width, 24) << name;
    EXPECT_EQ(image->height, 16) << name;
    EXPECT_EQ(corners(*image), "RGBW") << name;
  }
  for (const char *name : {"grey.png", "grey.jpg", "grey16.png", "bits.png"}) {
    auto image = decodeSample(name);
    ASSERT_TRUE(image.ok()) << image.error().render();
    EXPECT_EQ(corners(*image), "KWWK") << name;
  }
}

TEST(ImageDecode, AppliesOrientation) {
  // The stored picture, turned as the orientation says.
  static constexpr const char *kTurned[] = {"RGBW", "GRWB", "WBGR", "BWRG",
                                            "RBGW", "BRWG", "WGBR", "GWRB"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const char *type : {"jpg", "png", "webp"}) {
      std::string name = format("orientation%d.%s", orientation, type);
      auto image = decodeSample(name);
      ASSERT_TRUE(image.ok()) << image.error().render();
      EXPECT_EQ(image->width, orientation < 5 ? 24 : 16) << name;
      EXPECT_EQ(corners(*image), kTurned[orientation - 1]) << name;
    }
  }
}

TEST(ImageDecode, RefusesTruncatedFiles) {
  for (const char *name :
       {"rgb.png", "rgb.jpg", "progressive.jpg", "lossless.webp"}) {
    std::string bytes =
        readAll(std::string(RILL_TEST_DATA "/pictures/") + name);
    for (size_t size :
         {bytes.size() / 3, bytes.size() / 2, bytes.size() - 14}) {
      EXPECT_EQ(refusal(decodeImage(bytesOf(bytes.substr(0, size)), name),
                        ErrorCode::ImageInvalid),
                "")
          << name << " cut to " << size;
    }
  }
}

TEST(ImageDecode, SurvivesFlippedBits) {
  for (const char *name : {"rgb.png", "progressive.jpg", "cmyk.jpg",
                           "orientation6.jpg", "lossy.webp", "animated.webp"}) {
    std::string bytes =
        readAll(std::string(RILL_TEST_DATA "/pictures/") + name);
    for (size_t bit = 0; bit < 8 * bytes.size(); bit += 3) {
      std::string bad = bytes;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      auto image = decodeImage(bytesOf(bad), name, {1 << 20, 1 << 20});
      EXPECT_TRUE(image.ok() || !image.error().why.empty());
    }
  }
}

TEST(ImageDecode, RefusesOtherTypes) {
  using enum ErrorCode;
  EXPECT_EQ(refusal(decodeImage(bytesOf("GIF89a..."), "x"), ImageUnsupported),
            "");
  EXPECT_EQ(refusal(decodeImage({}, "x"), ImageUnsupported, "empty"), "");
  EXPECT_EQ(refusal(decodeImage(bytesOf("<svg/>"), "x"), ImageUnsupported), "");
}

TEST(ImageDecode, RefusesBombsBeforeAllocation) {
  // A PNG header that declares 65,500 x 65,500 pixels, its checksum right.
  auto bomb = decodeSample("bomb.png");
  EXPECT_EQ(refusal(bomb, ErrorCode::ImageTooLarge, "65500 x 65500"), "");
  // The same in a JPEG frame header.
  std::string jpeg = readAll(RILL_TEST_DATA "/pictures/rgb.jpg");
  size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\xdc\xff\xdc");
  EXPECT_EQ(refusal(decodeImage(bytesOf(jpeg), "x"), ErrorCode::ImageTooLarge,
                    "65500"),
            "");
  jpeg.replace(frame + 5, 4, std::string(4, '\0'));
  EXPECT_EQ(refusal(decodeImage(bytesOf(jpeg), "x"), ErrorCode::ImageInvalid),
            "");
}

//===----------------------------------------------------------------------===//
// The official processor's outputs
//===----------------------------------------------------------------------===//

static const TensorInfo *tensor(const TensorStore &store,
                                const std::string &name) {
  const TensorInfo *info = store.find(name);
  EXPECT_TRUE(info) << name;
  return info;
}

static int64_t intAt(const TensorInfo &info, size_t index) {
  int64_t value = 0;
  memcpy(&value, info.data + index * dtypeBytes(info.dtype),
         dtypeBytes(info.dtype));
  return value;
}

/// Pictures of one case from its stored input [H,W,C] or [H,W].
static Image imageOf(const TensorInfo &info) {
  Image image;
  image.height = info.shape[0];
  image.width = info.shape[1];
  int64_t channels = info.shape.size() == 3 ? info.shape[2] : 1;
  for (int64_t i = 0; i < image.height * image.width; ++i) {
    for (int64_t c = 0; c < 3; ++c) {
      image.rgb.push_back(info.data[i * channels + (channels == 1 ? 0 : c)]);
    }
  }
  return image;
}

TEST(ImagePixels, OfficialProcessor) {
  const char *folder = getenv("RILL_FIXTURES");
  if (!folder) {
    GTEST_SKIP() << "RILL_FIXTURES is not set";
  }
  std::string root = std::string(folder) + "/lfm2_vl_processor_tiny";
  auto metadata = readJsonFile(root + "/metadata.json");
  auto store = TensorStore::openFile(root + "/tensors.safetensors");
  ASSERT_TRUE(metadata.ok() && store.ok());
  JsonField top(*metadata, "metadata.json");
  auto config = ImageProcessorConfig::parse(*top.at("processor_config"));
  ASSERT_TRUE(config.ok());
  auto cases = top.at("cases")->members();
  ASSERT_TRUE(cases.ok());
  for (const auto &[name, one] : *cases) {
    int64_t row = 0;
    size_t count = one.at("input_shapes")->items()->size();
    for (size_t i = 0; i < count; ++i) {
      std::string at = "input." + name + (count > 1 ? format(".%zu", i) : "");
      const TensorInfo *input = nullptr;
      for (const TensorInfo &info : store->tensors()) {
        input = info.name.starts_with(at + ".") ? &info : input;
      }
      ASSERT_TRUE(input) << name;
      Image image = imageOf(*input);
      auto plan = planImage(*config, image.width, image.height);
      ASSERT_TRUE(plan.ok()) << name;
      auto crops = processImage(*config, *plan, image);
      ASSERT_TRUE(crops.ok());
      const TensorInfo *shapes =
          tensor(*store, "output." + name + ".spatial_shapes");
      const TensorInfo *pixels =
          tensor(*store, "output." + name + ".pixel_values");
      for (const ImageCrop &crop : *crops) {
        EXPECT_EQ(crop.rows, intAt(*shapes, size_t(2 * row)));
        EXPECT_EQ(crop.columns, intAt(*shapes, size_t(2 * row + 1)));
        const float *expected = reinterpret_cast<const float *>(pixels->data) +
                                row * pixels->shape[1] * pixels->shape[2];
        for (size_t k = 0; k < crop.patches.size(); ++k) {
          float value;
          memcpy(&value, expected + k, 4);
          ASSERT_NEAR(crop.patches[k], value, 0.0079f) << name << " " << k;
        }
        ++row;
      }
    }
  }
}
