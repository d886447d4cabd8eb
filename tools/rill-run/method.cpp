//===- method.cpp - Calling one method from the command line --------------===//
//
// Reads inputs, sizes outputs by the manifest, compares.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-run/method.h"

#include "runtime/core/c_helpers.h"
#include "runtime/core/manifest.h"
#include "runtime/core/shape_program.h"
#include "runtime/formats/npy.h"
#include "runtime/formats/safetensors.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <sstream>

using namespace rill;
using namespace rill::tools;
using rt::ErrorCode;

namespace {
/// A tensor with its bytes.
struct Value {
  std::string name;
  rt::Dtype dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};
} // namespace

static int32_t toC(rt::Dtype dtype) {
  switch (dtype) {
  case rt::Dtype::F32:
    return RILL_F32;
  case rt::Dtype::BF16:
  case rt::Dtype::U16:
    return RILL_BF16;
  case rt::Dtype::F16:
    return RILL_F16;
  case rt::Dtype::I64:
    return RILL_I64;
  default:
    return -1;
  }
}

static rt::Result<Value> readFile(const std::string &spec) {
  std::string path = spec.substr(0, spec.find('#'));
  if (path.size() > 4 && path.compare(path.size() - 4, 4, ".npy") == 0) {
    RILL_ASSIGN(rt::NpyArray array, rt::readNpy(path));
    return Value{path, array.dtype, array.shape, std::move(array.bytes)};
  }
  RILL_ASSIGN(rt::TensorStore store, rt::TensorStore::openFile(path));
  std::string name =
      spec.size() > path.size() ? spec.substr(path.size() + 1) : "";
  const rt::TensorInfo *tensor = name.empty() && store.tensors().size() == 1
                                     ? &store.tensors()[0]
                                     : store.find(name);
  if (!tensor) {
    return rt::makeError(ErrorCode::InputInvalid, spec,
                         "holds no tensor \"" + name + "\"",
                         "name one as file.safetensors#tensor");
  }
  return Value{tensor->name,
               tensor->dtype,
               tensor->shape,
               {tensor->data, tensor->data + tensor->bytes}};
}

/// "1x4xi64=1,2,3,4"
static rt::Result<Value> parseText(const std::string &spec) {
  auto bad = [&](const char *why) {
    return rt::makeError(ErrorCode::InputInvalid, "--input=" + spec, why,
                         "write @file.npy or 1x4xi64=1,2,3,4");
  };
  size_t equals = spec.find('=');
  if (equals == std::string::npos) {
    return bad("has no '='");
  }
  Value value;
  std::istringstream head(spec.substr(0, equals)),
      tail(spec.substr(equals + 1));
  int64_t elements = 1;
  bool typed = false;
  for (std::string part; std::getline(head, part, 'x');) {
    if (part == "i64" || part == "f32") {
      value.dtype = part == "i64" ? rt::Dtype::I64 : rt::Dtype::F32;
      typed = true;
      continue;
    }
    char *end;
    long long size = std::strtoll(part.c_str(), &end, 10);
    if (typed || *end || size < 1 || size > (1 << 24)) {
      return bad("has no valid shape and type");
    }
    value.shape.push_back(size);
    elements *= size;
  }
  int64_t count = 0;
  for (std::string part; typed && std::getline(tail, part, ','); ++count) {
    char *end;
    uint8_t raw[8];
    size_t size = value.dtype == rt::Dtype::I64 ? 8 : 4;
    if (size == 8) {
      int64_t number = std::strtoll(part.c_str(), &end, 10);
      std::memcpy(raw, &number, 8);
    } else {
      float number = std::strtof(part.c_str(), &end);
      std::memcpy(raw, &number, 4);
    }
    if (part.empty() || *end) {
      return bad("has a value that is no number");
    }
    value.bytes.insert(value.bytes.end(), raw, raw + size);
  }
  if (!typed || count != elements) {
    return bad("has another number of values than its shape");
  }
  return value;
}

static rill_tensor tensorOf(const Value &value) {
  return rt::makeTensor(value.bytes.data(), value.bytes.size(),
                        toC(value.dtype), value.shape);
}

/// Bytes of an output in a call with these inputs.
static uint64_t outputBytes(const rt::Method &method,
                            const rt::Signature &output,
                            const std::vector<rill_tensor> &inputs) {
  rt::Symbols symbols;
  for (size_t i = 0; i < inputs.size() && i < method.inputs.size(); ++i) {
    for (size_t d = 0; d < method.inputs[i].shape.size(); ++d) {
      int symbol = method.inputs[i].shape[d].symbol;
      if (symbol >= 0 && inputs[i].rank > static_cast<int>(d)) {
        symbols.values[symbol] = inputs[i].shape[d];
      }
    }
  }
  uint64_t bytes = rt::elementBytes(output.type);
  for (const rt::SignatureDim &dim : output.shape) {
    bytes *=
        static_cast<uint64_t>(rt::runProgram(dim.program, symbols).value_or(0));
  }
  return bytes;
}

static float element(rt::Dtype dtype, const uint8_t *data, int64_t index) {
  if (dtype == rt::Dtype::F32) {
    float value;
    std::memcpy(&value, data + 4 * index, 4);
    return value;
  }
  if (dtype == rt::Dtype::I64) {
    int64_t value;
    std::memcpy(&value, data + 8 * index, 8);
    return static_cast<float>(value);
  }
  uint16_t half;
  std::memcpy(&half, data + 2 * index, 2);
  uint32_t wide = static_cast<uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

static rt::Status compare(const std::vector<Value> &outputs,
                          const MethodCall &call) {
  RILL_ASSIGN(rt::TensorStore expected,
              rt::TensorStore::openFile(call.compareWith));
  for (const Value &output : outputs) {
    const rt::TensorInfo *other = expected.find(output.name);
    if (!other || other->shape != output.shape) {
      return rt::makeError(ErrorCode::OutputsDiffer,
                           call.method + ", " + output.name,
                           call.compareWith + " holds no tensor of that name "
                                              "and shape");
    }
    float worst = 0;
    int64_t at = 0, wrong = 0;
    for (int64_t e = 0; e < other->elements(); ++e) {
      float have = element(output.dtype, output.bytes.data(), e);
      float want = element(other->dtype, other->data, e);
      float difference = std::abs(have - want);
      if (!(difference <= call.atol + call.rtol * std::abs(want))) {
        ++wrong;
        if (!(difference <= worst)) {
          worst = difference;
          at = e;
        }
      }
    }
    if (wrong) {
      return rt::makeError(
          ErrorCode::OutputsDiffer, call.method + ", " + output.name,
          rt::format("max abs %g > %g at element %lld; %.3g %% of elements",
                     worst, call.atol, (long long)at,
                     100.0 * static_cast<double>(wrong) /
                         static_cast<double>(other->elements())),
          "compare phase by phase: rill-compile --dump-compilation-phases-to");
    }
  }
  std::printf("equal within atol %g, rtol %g\n", call.atol, call.rtol);
  return {};
}

static void print(const Value &value) {
  std::string shape;
  for (int64_t size : value.shape) {
    shape += std::to_string(size) + "x";
  }
  std::printf("%s: %s%s\n", value.name.c_str(), shape.c_str(),
              rt::dtypeName(value.dtype));
}

rt::Status rill::tools::callMethod(const rill_model *model,
                                   rill_session *session,
                                   const MethodCall &call) {
  size_t size;
  const char *text = rill_manifest(model, &size);
  RILL_ASSIGN(rt::Manifest manifest,
              rt::parseManifest({text, size}, "manifest"));
  const rt::Method *method = manifest.method(call.method);
  if (!method) {
    return rt::makeError(ErrorCode::InputInvalid, call.method,
                         "is no method of the model",
                         "rill-inspect --methods lists them");
  }
  std::vector<Value> inputs, outputs;
  std::vector<rill_tensor> in, out;
  for (const std::string &spec : call.inputs) {
    auto value = !spec.empty() && spec[0] == '@' ? readFile(spec.substr(1))
                                                 : parseText(spec);
    RILL_ASSIGN(Value taken, std::move(value));
    inputs.push_back(std::move(taken));
  }
  for (const Value &value : inputs) {
    in.push_back(tensorOf(value));
  }
  for (const rt::Signature &signature : method->outputs) {
    rt::Dtype dtype = signature.type == rt::ElementType::F32 ? rt::Dtype::F32
                      : signature.type == rt::ElementType::BF16
                          ? rt::Dtype::BF16
                          : rt::Dtype::I64;
    outputs.push_back({signature.name, dtype, {}, {}});
    outputs.back().bytes.resize(outputBytes(*method, signature, in));
    out.push_back(tensorOf(outputs.back()));
  }
  RILL_TRY(rt::statusFromC(rill_invoke(session, call.method.c_str(), in.data(),
                                       in.size(), out.data(), out.size())));
  std::vector<rt::TensorToWrite> files;
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].shape.assign(out[i].shape, out[i].shape + out[i].rank);
    print(outputs[i]);
    files.push_back({outputs[i].name, outputs[i].dtype, outputs[i].shape,
                     outputs[i].bytes.data()});
  }
  if (!call.saveOutput.empty()) {
    RILL_TRY(rt::writeSafetensors(call.saveOutput, files));
  }
  return call.compareWith.empty() ? rt::Status() : compare(outputs, call);
}
