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
  if (options.inspect_only) {
    return {};
  }
  const TargetInfo *chosen = nullptr;
  std::string have, here;
  for (const TargetInfo &target : manifest().targets) {
    have += (have.empty() ? "" : ", ") + target.arch;
  }
  for (const std::string &arch : cpuTargets()) {
    here += (here.empty() ? "" : ", ") + arch;
    for (const TargetInfo &target : manifest().targets) {
      if (!chosen && target.arch == arch && target.kind == "elf") {
        chosen = &target;
      }
    }
  }
  if (!chosen) {
    return makeError(ErrorCode::NoCode, file.name(),
                     "the file has code for " + have +
                         "; this processor runs " +
                         (here.empty() ? "none of Rill's levels" : here),
                     "compile with --target x86-64-v3");
  }
  arch = chosen->arch;
  std::erase_if(loaded, [&](const LoadedVariant &entry) {
    return entry.variant->target != arch;
  });
  RILL_ASSIGN(native,
              CpuCode::load(file.bytes(chosen->section), chosen->kernels,
                            file.name() + ", code for " + arch));
  std::string folder =
      options.weights_folder ? options.weights_folder : folderOf(file.name());
  RILL_ASSIGN(bound, Weights::bind(file, folder));
  return {};
}
