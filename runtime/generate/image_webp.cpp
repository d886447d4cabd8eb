//===- image_webp.cpp - WebP ----------------------------------------------===//
//
// Still pictures and the first frame of animations.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/image.h"

#include <cstring>
#include <memory>
#include <webp/decode.h>
#include <webp/demux.h>

using namespace rill::rt;

namespace {
struct DemuxDelete {
  void operator()(WebPDemuxer *demuxer) const { WebPDemuxDelete(demuxer); }
};
} // namespace

static int orientationOf(WebPDemuxer *demuxer) {
  WebPChunkIterator chunk;
  int orientation = 1;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
    orientation = exifOrientation({chunk.chunk.bytes, chunk.chunk.size});
    WebPDemuxReleaseChunkIterator(&chunk);
  }
  return orientation;
}

/// Places the first frame on a black canvas; alpha is dropped.
static bool decodeFrame(const WebPIterator &frame, Image &image) {
  int64_t right = int64_t(frame.x_offset) + frame.width;
  int64_t bottom = int64_t(frame.y_offset) + frame.height;
  if (frame.x_offset < 0 || frame.y_offset < 0 || right > image.width ||
      bottom > image.height) {
    return false;
  }
  int stride = static_cast<int>(3 * image.width);
  uint8_t *begin =
      image.rgb.data() + 3 * (frame.y_offset * image.width + frame.x_offset);
  size_t left =
      image.rgb.size() - static_cast<size_t>(begin - image.rgb.data());
  return WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, begin,
                           left, stride) != nullptr;
}

Result<Image> detail::decodeWebp(std::span<const uint8_t> bytes,
                                 const std::string &name,
                                 const ImageLimits &limits) {
  WebPData data{bytes.data(), bytes.size()};
  std::unique_ptr<WebPDemuxer, DemuxDelete> demuxer(WebPDemux(&data));
  auto corrupt = [&](const char *why) {
    return makeError(ErrorCode::ImageInvalid, name,
                     std::string("WebP: ") + why);
  };
  if (!demuxer) {
    return corrupt("the container is damaged or truncated");
  }
  uint32_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  uint32_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  RILL_TRY(checkImageSize(width, height, name, limits));
  WebPIterator frame;
  if (!WebPDemuxGetFrame(demuxer.get(), 1, &frame)) {
    return corrupt("the file holds no frame");
  }
  Image image;
  image.width = width;
  image.height = height;
  image.rgb.resize(3 * size_t(width) * height);
  bool decoded = frame.complete && decodeFrame(frame, image);
  WebPDemuxReleaseIterator(&frame);
  if (!decoded) {
    return corrupt("the picture data are damaged or truncated");
  }
  return applyOrientation(std::move(image), orientationOf(demuxer.get()));
}
