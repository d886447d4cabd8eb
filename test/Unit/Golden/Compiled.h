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
#include <filesystem>
#include <gtest/gtest.h>
#include <map>

namespace rill {

/// A compiled golden variant, opened and with one session.
struct Compiled {
  Compiled(const std::string &variant, const char *target, int threads)
      : path(artifact(variant, target)) {
    expectOk(rill_open(path.c_str(), nullptr, &model));
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

  /// Compiles once per process; the folder goes at exit.
  static std::string artifact(const std::string &variant, const char *target) {
    struct Folders : std::map<std::string, std::string> {
      ~Folders() {
        for (auto &[key, file] : *this) {
          std::filesystem::remove_all(
              std::filesystem::path(file).parent_path().parent_path());
        }
      }
    };
    static Folders made;
    std::string &file = made[variant + target];
    if (!file.empty()) {
      return file;
    }
    CompileOptions options;
    options.input = golden::makeCheckpoint(variant);
    file = options.output = options.input + "/model.rill";
    options.import.bf16 = false;
    options.import.strict = true;
    options.import.maxSeqLen = 32;
    options.pipeline.targets = {target};
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

  static golden::Floats call(rill_session *session, const char *method,
                             std::vector<rill_tensor> inputs, size_t size) {
    golden::Floats result(size, NAN);
    rill_tensor output = rt::makeTensor(result.data(), size * 4, RILL_F32, {});
    expectOk(
        rill_invoke(session, method, inputs.data(), inputs.size(), &output, 1));
    return result;
  }

  golden::Backend backend() { return backend(session); }

  static golden::Backend backend(rill_session *session) {
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
            [session](const golden::Floats &embeds, int64_t position) {
              auto rows = static_cast<int64_t>(embeds.size() / 24);
              golden::Ids positions;
              for (int64_t s = 0; s < rows; ++s) {
                positions.push_back(position + s);
              }
              return call(session, "text_decoder",
                          {rt::makeTensor(embeds.data(), embeds.size() * 4,
                                          RILL_F32, {1, rows, 24}),
                           rt::makeTensor(positions.data(), rows * 8, RILL_I64,
                                          {1, rows})},
                          40);
            },
            [session] { expectOk(rill_session_reset(session)); }};
  }

  std::string path;
  rill_model *model = nullptr;
  rill_session *session = nullptr;
};

} // namespace rill

#endif
