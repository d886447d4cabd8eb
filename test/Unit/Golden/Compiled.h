//===- Compiled.h - A golden variant as an artifact -------------*- C++ -*-===//
//
// Compiles a golden checkpoint and drives it through the C API.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TEST_UNIT_GOLDEN_COMPILED_H
#define RILL_TEST_UNIT_GOLDEN_COMPILED_H

#include "Golden.h"

#include "rill.h"
#include "rill/Pipeline/Pipeline.h"
#include "runtime/core/c_helpers.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <sstream>

namespace rill {

/// A compiled golden variant, opened and with one session.
struct Compiled {
  Compiled(const std::string &variant, const char *target, int threads,
           bool bf16 = false)
      : bf16(bf16), path(artifact(variant, target, bf16)) {
    rill_open_options open = {};
    open.size = sizeof(open);
    open.device = std::strncmp(target, "sm_", 3) == 0 ? "cuda" : "cpu";
    expectOk(rill_open(path.c_str(), &open, &model));
    rill_session_options options = {};
    options.size = sizeof(options);
    options.threads = threads;
    if (model) {
      expectOk(rill_session_create(model, &options, &session));
    }
  }
  ~Compiled() {
    rill_session_free(session);
    rill_close(model);
  }

  /// Compiles once per process, for one target or several with commas; the
  /// folder goes at exit.
  static std::string artifact(const std::string &variant, const char *target,
                              bool bf16 = false) {
    struct Folders : std::map<std::string, std::string> {
      ~Folders() {
        for (auto &[key, file] : *this) {
          std::filesystem::remove_all(
              std::filesystem::path(file).parent_path().parent_path());
        }
      }
    };
    static Folders made;
    std::string &file = made[variant + target + (bf16 ? " bf16" : "")];
    if (!file.empty()) {
      return file;
    }
    CompileOptions options;
    options.input = golden::makeCheckpoint(variant);
    file = options.output = options.input + "/model.rill";
    options.import.bf16 = bf16;
    options.import.strict = true;
    options.import.maxSeqLen = 32;
    std::istringstream list(target);
    for (std::string one; std::getline(list, one, ',');) {
      options.pipeline.targets.push_back(one);
    }
    options.pipeline.noGeneric = true;
    auto status = compile(
        options, [](const std::string &line) { ADD_FAILURE() << line; });
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
    return file;
  }

  static void expectOk(rill_status error) {
    EXPECT_EQ(error, nullptr) << rill_error_what(error) << "\n"
                              << rill_error_where(error) << "\n"
                              << rill_error_why(error);
    rill_error_free(error);
  }

  /// A tensor of floats, narrowed into `half` when the artifact is bf16.
  static rill_tensor floats(const golden::Floats &values, bool bf16,
                            std::vector<uint16_t> &half,
                            const std::vector<int64_t> &shape) {
    if (!bf16) {
      return rt::makeTensor(values.data(), values.size() * 4, RILL_F32, shape);
    }
    for (float value : values) {
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      half.push_back(
          static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16));
    }
    return rt::makeTensor(half.data(), half.size() * 2, RILL_BF16, shape);
  }

  /// The one output of a method, widened when it is bf16.
  static golden::Floats call(rill_session *session, const char *method,
                             std::vector<rill_tensor> inputs, size_t size) {
    golden::Floats result(size, NAN);
    rill_tensor output = rt::makeTensor(result.data(), size * 4, RILL_F32, {});
    expectOk(
        rill_invoke(session, method, inputs.data(), inputs.size(), &output, 1));
    if (output.dtype == RILL_BF16) {
      std::vector<uint16_t> half(size);
      std::memcpy(half.data(), result.data(), size * 2);
      for (size_t i = 0; i < size; ++i) {
        uint32_t bits = static_cast<uint32_t>(half[i]) << 16;
        std::memcpy(&result[i], &bits, 4);
      }
    }
    return result;
  }

  golden::Backend backend() { return backend(session, bf16); }

  static golden::Backend backend(rill_session *session, bool bf16 = false) {
    return {[session](const golden::Floats &patches, int64_t h, int64_t w) {
              return call(session, "vision_encoder",
                          {rt::makeTensor(patches.data(), patches.size() * 4,
                                          RILL_F32, {1, h, w, 48})},
                          h * w / 4 * 24);
            },
            [session](const golden::Ids &ids) {
              auto rows = static_cast<int64_t>(ids.size());
              return call(session, "token_embedding",
                          {rt::makeTensor(ids.data(), ids.size() * 8, RILL_I64,
                                          {1, rows})},
                          rows * 24);
            },
            [session, bf16](const golden::Floats &embeds, int64_t position) {
              auto rows = static_cast<int64_t>(embeds.size() / 24);
              golden::Ids positions;
              for (int64_t s = 0; s < rows; ++s) {
                positions.push_back(position + s);
              }
              std::vector<uint16_t> half;
              return call(session, "text_decoder",
                          {floats(embeds, bf16, half, {1, rows, 24}),
                           rt::makeTensor(positions.data(), rows * 8, RILL_I64,
                                          {1, rows})},
                          40);
            },
            [session] { expectOk(rill_session_reset(session)); }};
  }

  bool bf16;
  std::string path;
  rill_model *model = nullptr;
  rill_session *session = nullptr;
};

} // namespace rill

#endif
