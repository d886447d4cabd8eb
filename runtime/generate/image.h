//===- image.h - Pictures from files ----------------------------*- C++ -*-===//
//
// Decodes JPEG, PNG and WebP to 8-bit RGB the way Pillow does for the official
// processor: orientation applied, grey and CMYK converted, alpha dropped, 16
// bits cut to 8, the first frame of an animation.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_IMAGE_H
#define RILL_RUNTIME_GENERATE_IMAGE_H

#include "runtime/formats/status.h"

#include <span>
#include <vector>

namespace rill::rt {

/// An 8-bit RGB picture, rows from the top, 3 bytes a pixel.
struct Image {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb; ///< height * width * 3

  const uint8_t *pixel(int64_t x, int64_t y) const {
    return rgb.data() + 3 * (y * width + x);
  }
};

struct ImageLimits {
  int64_t maxPixels = int64_t(64) << 20; ///< checked before any allocation
  size_t maxBytes = size_t(256) << 20;   ///< of the file
};

/// Decodes a whole file; `name` stands for it in errors. Errors: ImageInvalid
/// (truncated, corrupt), ImageUnsupported (another type), ImageTooLarge.
Result<Image> decodeImage(std::span<const uint8_t> bytes,
                          const std::string &name,
                          const ImageLimits &limits = {});

/// Turns a picture as an EXIF orientation 1 to 8 says; other values do nothing.
Image applyOrientation(Image image, int orientation);

/// The orientation in a TIFF-structured EXIF block (with or without the leading
/// "Exif\0\0"); 1 when there is none or the block is broken.
int exifOrientation(std::span<const uint8_t> exif);

namespace detail {
/// The decoders behind decodeImage, one per type.
Result<Image> decodeJpeg(std::span<const uint8_t> bytes,
                         const std::string &name, const ImageLimits &limits);
Result<Image> decodePng(std::span<const uint8_t> bytes, const std::string &name,
                        const ImageLimits &limits);
Result<Image> decodeWebp(std::span<const uint8_t> bytes,
                         const std::string &name, const ImageLimits &limits);
/// ImageInvalid or ImageTooLarge for a declared size that cannot be taken.
Status checkImageSize(uint64_t width, uint64_t height, const std::string &name,
                      const ImageLimits &limits);
} // namespace detail

} // namespace rill::rt

#endif
