//===- image_jpeg.cpp - JPEG ----------------------------------------------===//
//
// libjpeg-turbo reports errors by longjmp; no object with a destructor lives in
// the function that may be left that way.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/image.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <jerror.h>
#include <jpeglib.h>

using namespace rill::rt;

/// Scans of a progressive file; more than any encoder writes.
static constexpr int kMaxScans = 256;

namespace {
struct JpegState {
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jpeg_decompress_struct codec;
  jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
};

/// What the decoder gives back before its memory is released.
struct JpegHeader {
  int components = 0;
  bool isCmyk = false;
  int orientation = 1;
};
} // namespace

static JpegState *stateOf(j_common_ptr codec) {
  return static_cast<JpegState *>(codec->client_data);
}

[[noreturn]] static void onError(j_common_ptr codec) {
  JpegState *state = stateOf(codec);
  codec->err->format_message(codec, state->message);
  longjmp(state->leave, 1);
}

static void onMessage(j_common_ptr codec, int level) {
  // A file that ends early is filled with grey; Pillow refuses it, and so do
  // we. Other damage shows in the picture only.
  if (level < 0 && codec->err->msg_code == JWRN_JPEG_EOF) {
    onError(codec);
  }
}

static void onProgress(j_common_ptr codec) {
  JpegState *state = stateOf(codec);
  if (state->codec.input_scan_number > kMaxScans) {
    snprintf(state->message, sizeof(state->message), "more than %d scans",
             kMaxScans);
    longjmp(state->leave, 1);
  }
}

/// Reads the header. False after an error, with state.message set.
static bool readHeader(JpegState &state, std::span<const uint8_t> bytes,
                       JpegHeader &header) {
  if (setjmp(state.leave)) {
    return false;
  }
  jpeg_create_decompress(&state.codec);
  state.codec.progress = &state.progress;
  jpeg_mem_src(&state.codec, bytes.data(),
               static_cast<unsigned long>(bytes.size()));
  jpeg_save_markers(&state.codec, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&state.codec, TRUE);
  for (jpeg_saved_marker_ptr marker = state.codec.marker_list; marker;
       marker = marker->next) {
    if (marker->data_length >= 6 && memcmp(marker->data, "Exif\0\0", 6) == 0) {
      header.orientation = exifOrientation({marker->data, marker->data_length});
      break;
    }
  }
  header.isCmyk = state.codec.jpeg_color_space == JCS_CMYK ||
                  state.codec.jpeg_color_space == JCS_YCCK;
  state.codec.out_color_space = header.isCmyk ? JCS_CMYK : JCS_RGB;
  header.components = header.isCmyk ? 4 : 3;
  return true;
}

/// Decodes all rows into `out` of components * width bytes each.
static bool readRows(JpegState &state, uint8_t *out, size_t rowBytes) {
  if (setjmp(state.leave)) {
    return false;
  }
  jpeg_start_decompress(&state.codec);
  while (state.codec.output_scanline < state.codec.output_height) {
    JSAMPROW row = out + state.codec.output_scanline * rowBytes;
    jpeg_read_scanlines(&state.codec, &row, 1);
  }
  jpeg_finish_decompress(&state.codec);
  return true;
}

/// Pillow's CMYK conversion; Adobe files store the inks inverted.
static std::vector<uint8_t> fromCmyk(const std::vector<uint8_t> &inks) {
  std::vector<uint8_t> rgb(inks.size() / 4 * 3);
  for (size_t i = 0; i < inks.size() / 4; ++i) {
    int black = inks[4 * i + 3]; // 255 - (255 - stored)
    for (size_t c = 0; c < 3; ++c) {
      int product = (255 - inks[4 * i + c]) * black + 128;
      rgb[3 * i + c] =
          static_cast<uint8_t>(black - (((product >> 8) + product) >> 8));
    }
  }
  return rgb;
}

Result<Image> detail::decodeJpeg(std::span<const uint8_t> bytes,
                                 const std::string &name,
                                 const ImageLimits &limits) {
  JpegState state = {};
  state.codec.err = jpeg_std_error(&state.errors);
  state.errors.error_exit = onError;
  state.errors.emit_message = onMessage;
  state.progress.progress_monitor = onProgress;
  state.codec.client_data = &state;
  JpegHeader header;
  Image image;
  Status status;
  auto corrupt = [&] {
    return makeError(ErrorCode::ImageInvalid, name,
                     std::string("JPEG: ") + state.message);
  };
  if (!readHeader(state, bytes, header)) {
    status = corrupt();
  } else {
    status = checkImageSize(state.codec.image_width, state.codec.image_height,
                            name, limits);
  }
  if (status.ok()) {
    image.width = state.codec.image_width;
    image.height = state.codec.image_height;
    size_t rowBytes = static_cast<size_t>(header.components) *
                      static_cast<size_t>(image.width);
    image.rgb.resize(rowBytes * static_cast<size_t>(image.height));
    if (!readRows(state, image.rgb.data(), rowBytes)) {
      status = corrupt();
    }
  }
  jpeg_destroy_decompress(&state.codec);
  RILL_TRY(std::move(status));
  if (header.isCmyk) {
    image.rgb = fromCmyk(image.rgb);
  }
  return applyOrientation(std::move(image), header.orientation);
}
