//===- image.cpp - Pictures from files ------------------------------------===//
//
// Tells the types apart and applies what is common to them.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/image.h"

#include <cstring>

using namespace rill::rt;

Status detail::checkImageSize(uint64_t width, uint64_t height,
                              const std::string &name,
                              const ImageLimits &limits) {
  if (width == 0 || height == 0) {
    return makeError(ErrorCode::ImageInvalid, name,
                     format("declares %llu x %llu pixels",
                            static_cast<unsigned long long>(width),
                            static_cast<unsigned long long>(height)));
  }
  uint64_t most = static_cast<uint64_t>(limits.maxPixels);
  if (width > most || height > most / width) {
    return makeError(ErrorCode::ImageTooLarge, name,
                     format("declares %llu x %llu pixels, the limit is %llu "
                            "pixels",
                            static_cast<unsigned long long>(width),
                            static_cast<unsigned long long>(height),
                            static_cast<unsigned long long>(most)),
                     "scale the picture down first");
  }
  return {};
}

static bool startsWith(std::span<const uint8_t> bytes, const char *mark,
                       size_t length, size_t at = 0) {
  return bytes.size() >= at + length &&
         memcmp(bytes.data() + at, mark, length) == 0;
}

Result<Image> rill::rt::decodeImage(std::span<const uint8_t> bytes,
                                    const std::string &name,
                                    const ImageLimits &limits) {
  if (bytes.size() > limits.maxBytes) {
    return makeError(ErrorCode::ImageTooLarge, name,
                     format("has %zu bytes, the limit is %zu", bytes.size(),
                            limits.maxBytes));
  }
  if (startsWith(bytes, "\xff\xd8\xff", 3)) {
    return detail::decodeJpeg(bytes, name, limits);
  }
  if (startsWith(bytes, "\x89PNG\r\n\x1a\n", 8)) {
    return detail::decodePng(bytes, name, limits);
  }
  if (startsWith(bytes, "RIFF", 4) && startsWith(bytes, "WEBP", 4, 8)) {
    return detail::decodeWebp(bytes, name, limits);
  }
  return makeError(ErrorCode::ImageUnsupported, name,
                   bytes.empty() ? "the file is empty"
                                 : "the file begins like none of JPEG, PNG "
                                   "and WebP",
                   "convert the picture to PNG or JPEG");
}

int rill::rt::exifOrientation(std::span<const uint8_t> exif) {
  if (startsWith(exif, "Exif\0\0", 6)) {
    exif = exif.subspan(6);
  }
  bool little = startsWith(exif, "II*\0", 4);
  if (!little && !startsWith(exif, "MM\0*", 4)) {
    return 1;
  }
  auto read = [&](size_t at, size_t count) -> uint32_t {
    uint32_t value = 0;
    for (size_t i = 0; i < count && at + count <= exif.size(); ++i) {
      value = value << 8 | exif[at + (little ? count - 1 - i : i)];
    }
    return value;
  };
  size_t directory = read(4, 4);
  if (directory < 8 || directory + 2 > exif.size()) {
    return 1;
  }
  uint32_t entries = read(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    size_t at = directory + 2 + 12 * size_t(i);
    if (at + 12 > exif.size()) {
      return 1;
    }
    constexpr uint32_t kOrientation = 0x0112, kShort = 3;
    if (read(at, 2) == kOrientation) {
      uint32_t value =
          read(at + 2, 2) == kShort ? read(at + 8, 2) : read(at + 8, 4);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
  }
  return 1;
}

Image rill::rt::applyOrientation(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) {
    return image;
  }
  bool swapped = orientation >= 5;
  Image out;
  out.width = swapped ? image.height : image.width;
  out.height = swapped ? image.width : image.height;
  out.rgb.resize(image.rgb.size());
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      // Where the pixel comes from: 2 mirror, 3 half turn, 4 flip, 5 transpose,
      // 6 and 8 quarter turns, 7 transverse.
      int64_t u = swapped ? y : x, v = swapped ? x : y;
      if (orientation == 2 || orientation == 3 || orientation == 7 ||
          orientation == 8) {
        u = image.width - 1 - u;
      }
      if (orientation == 3 || orientation == 4 || orientation == 6 ||
          orientation == 7) {
        v = image.height - 1 - v;
      }
      memcpy(out.rgb.data() + 3 * (y * out.width + x), image.pixel(u, v), 3);
    }
  }
  return out;
}
