//===- Harness.h - A module compiled and by Reference -----------*- C++ -*-===//
//
// Compiles rill methods from text and compares call after call.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TEST_UNIT_KERNEL_HARNESS_H
#define RILL_TEST_UNIT_KERNEL_HARNESS_H

#include "rill.h"
#include "rill/Pipeline/Pipeline.h"
#include "rill/Pipeline/Register.h"
#include "rill/Reference/Evaluator.h"
#include "runtime/core/c_helpers.h"
#include "runtime/device/cpu/code.h"
#include "runtime/formats/file_writer.h"
#include "runtime/formats/safetensors.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <unistd.h>

namespace rill::test {

using reference::Tensor;

/// Reproducible values in [-0.5, 0.5], exact in bf16.
inline float value(uint64_t i) {
  i = (i + 1) * 0x9e3779b97f4a7c15u;
  return static_cast<float>(static_cast<int>(i >> 56) - 128) / 256.0f;
}

inline uint16_t toBf16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return static_cast<uint16_t>(bits >> 16);
}

/// A tensor of such values; other seeds give other values.
inline Tensor filled(Tensor::Kind kind, llvm::ArrayRef<int64_t> shape,
                     uint64_t seed) {
  Tensor tensor(kind, shape);
  for (size_t i = 0; i < tensor.f.size(); ++i) {
    tensor.f[i] = value(seed * 100003 + i);
  }
  return tensor;
}

inline Tensor integers(llvm::ArrayRef<int64_t> shape,
                       const std::function<int64_t(int64_t)> &f) {
  Tensor tensor(Tensor::I64, shape);
  for (size_t i = 0; i < tensor.i.size(); ++i) {
    tensor.i[i] = f(static_cast<int64_t>(i));
  }
  return tensor;
}

/// bf16 weights of `w.safetensors`, by name and shape; values by order.
using WeightShapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

/// A module compiled for one target beside the evaluator of its imported form.
class Harness {
public:
  Harness(const std::string &text, const WeightShapes &weights) {
    setenv("RILL_CUDA_LIB", RILL_EMU_LIB, 0);
    folder = std::filesystem::temp_directory_path() /
             ("rill-kernel-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    std::vector<std::vector<uint16_t>> data;
    std::vector<rt::TensorToWrite> stored;
    for (auto &[name, shape] : weights) {
      int64_t count = 1;
      for (int64_t dim : shape) {
        count *= dim;
      }
      std::vector<uint16_t> values;
      for (int64_t i = 0; i < count; ++i) {
        values.push_back(toBf16(value(data.size() * 7919 + i)));
      }
      data.push_back(std::move(values));
      stored.push_back({name, rt::Dtype::BF16, shape, nullptr});
    }
    for (size_t i = 0; i < data.size(); ++i) {
      stored[i].data = data[i].data();
    }
    // An odd header moves the data to an odd address.
    EXPECT_TRUE(
        rt::writeSafetensors(file("w.safetensors"), stored, {}, 1).ok());
    EXPECT_TRUE(rt::writeFile(file("m.mlir"), text).ok());
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context = std::make_unique<mlir::MLIRContext>(registry);
    module = mlir::parseSourceFile<mlir::ModuleOp>(
        file("m.mlir"), mlir::ParserConfig(context.get()));
    EXPECT_TRUE(module);
  }
  ~Harness() { std::filesystem::remove_all(folder); }

  std::string file(const std::string &name) { return (folder / name).string(); }

  /// A fresh evaluator; empty states.
  std::unique_ptr<reference::Evaluator> evaluator() {
    auto source = reference::openWeights(*module, folder.string());
    EXPECT_TRUE(source.ok());
    return std::make_unique<reference::Evaluator>(*module, *source);
  }

  struct Session {
    rill_model *model = nullptr;
    rill_session *session = nullptr;
    ~Session() {
      rill_session_free(session);
      rill_close(model);
    }
    /// `from` for the C API; bf16 values are narrowed into `half`.
    static rill_tensor input(const Tensor &from, std::vector<uint16_t> &half) {
      if (from.kind == Tensor::BF16) {
        for (float f : from.f) {
          half.push_back(toBf16(f));
        }
        return rt::makeTensor(half.data(), half.size() * 2, RILL_BF16,
                              from.shape);
      }
      if (from.kind == Tensor::I64) {
        return rt::makeTensor(from.i.data(), from.i.size() * 8, RILL_I64,
                              from.shape);
      }
      return rt::makeTensor(from.f.data(), from.f.size() * 4, RILL_F32,
                            from.shape);
    }
    /// The one output of a method, `count` f32 values.
    std::vector<float> call(const char *method,
                            const std::vector<Tensor> &inputs, size_t count) {
      std::vector<std::vector<uint16_t>> halves(inputs.size());
      std::vector<rill_tensor> tensors;
      for (size_t n = 0; n < inputs.size(); ++n) {
        tensors.push_back(input(inputs[n], halves[n]));
      }
      std::vector<float> got(count, NAN);
      rill_tensor output =
          rt::makeTensor(got.data(), got.size() * 4, RILL_F32, {});
      auto called = rt::statusFromC(rill_invoke(session, method, tensors.data(),
                                                tensors.size(), &output, 1));
      EXPECT_TRUE(called.ok()) << called.get().render();
      return got;
    }
  };

  /// What this processor runs, and CUDA code on the emulated driver.
  static std::vector<std::string> targets() {
    std::vector<std::string> list = rt::cpuTargets();
    list.push_back("sm_90a");
    return list;
  }

  /// The same and CUDA code for chips without wgmma.
  static std::vector<std::string> gemmTargets() {
    std::vector<std::string> list = targets();
    list.push_back("compute_90");
    return list;
  }

  /// Compiles for `target` and opens a session.
  std::unique_ptr<Session> compiled(const std::string &target) {
    CompileOptions options;
    options.input = file("m.mlir");
    options.output = file(target + ".rill");
    options.artifact.folder = folder.string();
    options.artifact.weights = WeightsMode::External;
    options.pipeline.targets = {target};
    options.pipeline.noGeneric = true;
    options.pipeline.prefillChunk = 2048; // max_seq_len alone limits the rows
    auto status = compile(options, [](const std::string &) {});
    EXPECT_TRUE(status.ok()) << status.get().render();
    auto session = std::make_unique<Session>();
    rill_open_options open = {};
    open.size = sizeof(open);
    open.device = target.starts_with("x86") ? "cpu" : "cuda";
    open.allow_jit = 1;
    auto opened = rt::statusFromC(
        rill_open(options.output.c_str(), &open, &session->model));
    EXPECT_TRUE(opened.ok()) << opened.get().render();
    EXPECT_TRUE(rt::statusFromC(rill_session_create(session->model, nullptr,
                                                    &session->session))
                    .ok());
    return session;
  }

  /// Runs the calls, in order, on every target and by Reference.
  void compare(const char *method,
               const std::vector<std::vector<Tensor>> &calls, float tolerance,
               const std::vector<std::string> &on = targets()) {
    for (const std::string &target : on) {
      auto judge = evaluator();
      auto session = compiled(target);
      for (size_t n = 0; n < calls.size(); ++n) {
        auto wanted = judge->call(method, calls[n]);
        ASSERT_TRUE(wanted.ok()) << wanted.error().render();
        const std::vector<float> &f = (*wanted)[0].f;
        std::vector<float> got = session->call(method, calls[n], f.size());
        float worst = 0;
        for (size_t i = 0; i < f.size(); ++i) {
          worst = std::max(worst, std::isnan(got[i]) ? INFINITY
                                                     : std::abs(got[i] - f[i]));
        }
        EXPECT_LE(worst, tolerance) << target << ", call " << n;
      }
    }
  }

private:
  std::filesystem::path folder;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace rill::test

#endif
