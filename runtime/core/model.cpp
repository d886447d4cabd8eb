//===- model.cpp - Opening a model ----------------------------------------===//
//
// Chooses code, verifies plans, binds weights.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/model.h"

using namespace rill::rt;

static std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

Result<std::unique_ptr<Model>> Model::open(Artifact artifact,
                                           const rill_open_options &options) {
  auto model = std::make_unique<Model>();
  model->file = std::move(artifact);
  const std::string &id = model->manifest().contentId;
  if (options.expected_content_id && id != options.expected_content_id) {
    return makeError(ErrorCode::ContentMismatch, model->file.name(),
                     "has content id " + id + " but " +
                         options.expected_content_id + " is expected");
  }
  RILL_TRY(model->load(options));
  return model;
}

Status Model::load(const rill_open_options &options) {
  for (const Method &method : manifest().methods) {
    for (const MethodVariant &variant : method.variants) {
      RILL_ASSIGN(Plan plan, readPlan(file, method, variant));
      loaded.push_back({&method, &variant, plan});
    }
  }
  for (const TargetInfo &target : manifest().targets) {
    if (target.init) {
      RILL_ASSIGN([[maybe_unused]] Plan plan, readInitPlan(file, target));
    }
  }
  if (options.inspect_only) {
    return {};
  }
  std::string folder =
      options.weights_folder ? options.weights_folder : folderOf(file.name());
  RILL_ASSIGN(bound, Weights::bind(file, folder));
  RILL_ASSIGN(chosen, openDevice(options));
  std::erase_if(loaded, [&](const LoadedVariant &entry) {
    return entry.variant->target != chosen->target();
  });
  return {};
}

Result<std::unique_ptr<Device>>
Model::openDevice(const rill_open_options &options) const {
  std::string_view device = options.device ? options.device : "auto";
  if (device != "auto" && device != "cpu" && device != "cuda") {
    return makeError(ErrorCode::NoDevice, std::string(device),
                     "the devices are auto, cpu and cuda");
  }
  bool hasCuda = false;
  for (const TargetInfo &target : manifest().targets) {
    hasCuda |= target.kind == "cuda";
  }
  if (device == "cuda" || (device == "auto" && hasCuda)) {
    auto cuda = openCuda(file, bound, options.allow_jit > 0);
    if (cuda.ok() || device == "cuda") {
      return cuda;
    }
    auto cpu = openCpu(file, bound);
    if (cpu.ok() || cpu.error().code != ErrorCode::NoCode) {
      return cpu;
    }
    // Nothing runs: say what both devices answered.
    return makeError(ErrorCode::NoCode, file.name(),
                     "CPU: " + cpu.error().why + "; CUDA: " +
                         cuda.error().what + ", " + cuda.error().why,
                     cpu.error().mend);
  }
  return openCpu(file, bound);
}
