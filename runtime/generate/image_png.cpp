//===- image_png.cpp - PNG ------------------------------------------------===//
//
// libpng reports errors by longjmp; no object with a destructor lives in the
// function that may be left that way.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/image.h"

#include <csetjmp>
#include <cstring>
#include <png.h>

using namespace rill::rt;

namespace {
struct PngState {
  std::span<const uint8_t> rest;
  png_structp codec = nullptr;
  png_infop info = nullptr;
  char message[128] = "";
};
} // namespace

static void onError(png_structp codec, png_const_charp message) {
  PngState *state = static_cast<PngState *>(png_get_error_ptr(codec));
  strncpy(state->message, message, sizeof(state->message) - 1);
  png_longjmp(codec, 1);
}

static void onWarning(png_structp, png_const_charp) {}

static void onRead(png_structp codec, png_bytep out, size_t count) {
  PngState *state = static_cast<PngState *>(png_get_io_ptr(codec));
  if (count > state->rest.size()) {
    png_error(codec, "the file ends early");
  }
  memcpy(out, state->rest.data(), count);
  state->rest = state->rest.subspan(count);
}

static bool readHeader(PngState &state) {
  if (setjmp(png_jmpbuf(state.codec))) {
    return false;
  }
  png_set_read_fn(state.codec, &state, onRead);
  png_read_info(state.codec, state.info);
  return true;
}

/// Asks for 8-bit RGB whatever the file holds, and reads all rows.
static bool readRows(PngState &state, uint8_t *out, size_t rowBytes) {
  if (setjmp(png_jmpbuf(state.codec))) {
    return false;
  }
  png_set_expand(state.codec); // palettes, few bits, transparency
  png_set_strip_16(state.codec);
  png_set_strip_alpha(state.codec);
  png_set_gray_to_rgb(state.codec);
  int passes = png_set_interlace_handling(state.codec);
  png_read_update_info(state.codec, state.info);
  if (png_get_rowbytes(state.codec, state.info) != rowBytes) {
    png_error(state.codec, "unexpected row size");
  }
  png_uint_32 height = png_get_image_height(state.codec, state.info);
  for (int pass = 0; pass < passes; ++pass) {
    for (png_uint_32 y = 0; y < height; ++y) {
      png_read_row(state.codec, out + y * rowBytes, nullptr);
    }
  }
  png_read_end(state.codec, state.info);
  return true;
}

static int orientationOf(PngState &state) {
  png_bytep exif = nullptr;
  png_uint_32 size = 0;
  return png_get_eXIf_1(state.codec, state.info, &size, &exif) && exif
             ? exifOrientation({exif, size})
             : 1;
}

Result<Image> detail::decodePng(std::span<const uint8_t> bytes,
                                const std::string &name,
                                const ImageLimits &limits) {
  PngState state;
  state.rest = bytes;
  state.codec =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, onError, onWarning);
  state.info = state.codec ? png_create_info_struct(state.codec) : nullptr;
  if (!state.info) {
    png_destroy_read_struct(&state.codec, nullptr, nullptr);
    return makeError(ErrorCode::OutOfMemory, name, "no memory for the decoder");
  }
  png_set_user_limits(state.codec, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(state.codec, 16 << 20);
  Image image;
  int orientation = 1;
  Status status;
  auto corrupt = [&] {
    return makeError(ErrorCode::ImageInvalid, name,
                     std::string("PNG: ") + state.message);
  };
  if (!readHeader(state)) {
    status = corrupt();
  } else {
    image.width = png_get_image_width(state.codec, state.info);
    image.height = png_get_image_height(state.codec, state.info);
    status = checkImageSize(static_cast<uint64_t>(image.width),
                            static_cast<uint64_t>(image.height), name, limits);
  }
  if (status.ok()) {
    size_t rowBytes = 3 * static_cast<size_t>(image.width);
    image.rgb.resize(rowBytes * static_cast<size_t>(image.height));
    if (!readRows(state, image.rgb.data(), rowBytes)) {
      status = corrupt();
    }
    orientation = orientationOf(state);
  }
  png_destroy_read_struct(&state.codec, &state.info, nullptr);
  RILL_TRY(std::move(status));
  return applyOrientation(std::move(image), orientation);
}
