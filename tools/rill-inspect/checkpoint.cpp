//===- checkpoint.cpp - rill-inspect on checkpoints -----------------------===//
//
// Family, sizes, files and tensors of a folder, in words.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-inspect/parts.h"

#include "rill/Import/Inspect.h"

#include <cstdio>

using namespace rill;

static void printTensor(const rt::TensorStore &store,
                        const rt::TensorInfo &tensor, const char *use) {
  std::printf("%-60s %s %s %llu bytes, %s%s\n", tensor.name.c_str(),
              rt::dtypeName(tensor.dtype),
              tools::shapeText(tensor.shape).c_str(),
              (unsigned long long)tensor.bytes,
              store.fileNames()[tensor.file].c_str(), use);
}

static void printTotals(const rt::TensorStore &store) {
  unsigned long long bytes = 0;
  for (const rt::TensorInfo &tensor : store.tensors()) {
    bytes += tensor.bytes;
  }
  std::printf("tensors    %zu, %llu bytes in %zu file%s\n",
              store.tensors().size(), bytes, store.files().size(),
              store.files().size() == 1 ? "" : "s");
}

rt::Status tools::inspectFolder(const std::string &folder, bool tensors,
                                bool full) {
  RILL_ASSIGN(Checkpoint checkpoint, Checkpoint::open(folder));
  Inspection found = inspectCheckpoint(checkpoint, full);
  std::printf("%s\n", checkpoint.folder().c_str());
  if (!found.family.empty()) {
    std::printf("family     %s\n", found.family.c_str());
  }
  for (const std::string &line : found.sizes) {
    std::printf("%s\n", line.c_str());
  }
  printTotals(checkpoint.tensors());
  std::string present, absent;
  for (const AssetFile &asset : assetFiles()) {
    std::string &list = checkpoint.file(asset.file) ? present : absent;
    list += (list.empty() ? "" : ", ") + std::string(asset.file);
  }
  std::printf("files      %s\n", present.empty() ? "none" : present.c_str());
  if (!absent.empty()) {
    std::printf("absent     %s\n", absent.c_str());
  }
  for (const std::string &warning : found.warnings) {
    std::printf("warning    %s\n", warning.c_str());
  }
  const auto &all = checkpoint.tensors().tensors();
  for (size_t i = 0; tensors && i < all.size(); ++i) {
    bool known = i < found.names.size();
    printTensor(checkpoint.tensors(), all[i],
                !known                   ? ""
                : found.names[i].empty() ? ", not used"
                : found.names[i] == all[i].name
                    ? ""
                    : (", used as " + found.names[i]).c_str());
  }
  std::printf("import     %s\n",
              found.refusal.ok() ? "accepts it" : "refuses it, see below");
  std::fflush(stdout);
  return std::move(found.refusal);
}

rt::Status tools::inspectTensors(const std::string &file) {
  RILL_ASSIGN(rt::TensorStore store, rt::TensorStore::openFile(file));
  printTotals(store);
  for (const rt::TensorInfo &tensor : store.tensors()) {
    printTensor(store, tensor, "");
  }
  return {};
}
