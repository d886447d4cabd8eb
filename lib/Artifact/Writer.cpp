//===- Writer.cpp - Planned module -> model.rill --------------------------===//
//
// Collects sections, writes manifest, table and file (artifact_format.h).
//
//===----------------------------------------------------------------------===//
#include "DispatchSection.h"
#include "Manifest.h"
#include "PlanSection.h"

#include "rill-rt/artifact_format.h"
#include "rill/Artifact/Artifact.h"
#include "rill/Checkpoint/Checkpoint.h"
#include "runtime/formats/file_writer.h"
#include "runtime/formats/mapped_file.h"
#include "runtime/formats/safetensors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SHA256.h"

#define XXH_INLINE_ALL
#include <cmath>
#include <deque>
#include <xxhash.h>

using namespace mlir;
using namespace rill;

namespace {
/// A section as pieces that follow each other, each padded to 64 bytes.
struct Section {
  uint32_t kind, alignLog2;
  std::vector<std::pair<const void *, uint64_t>> pieces;
  uint64_t length = 0, hash = 0;
  std::string sha256;
};

class Writer {
public:
  Writer(ModuleOp module, const ArtifactOptions &options)
      : module(module), options(options) {}

  rt::Status addWeights();
  rt::Status addAssets();
  void addCode(const std::vector<TargetCode> &code);
  rt::Status write(const std::string &path);

private:
  uint32_t addSection(uint32_t kind, uint32_t alignLog2);
  /// Keeps `bytes` alive and makes it the section's one piece.
  uint32_t addBytes(uint32_t kind, std::string bytes);
  uint64_t addPiece(uint32_t section, const void *data, uint64_t bytes);
  rt::Status openStores();
  rt::Status addWeight(WeightOp op, ManifestWeight &entry);
  void addPlans(ManifestTarget &target, PlanIndex &index);
  void finishSections();

  ModuleOp module;
  const ArtifactOptions &options;
  Manifest manifest;
  std::vector<Section> sections;
  std::deque<std::string> owned;
  std::map<std::string, rt::TensorStore> stores;
  std::optional<uint32_t> weightSection;
};
} // namespace

static constexpr uint64_t kPieceAlign = 64;

uint32_t Writer::addSection(uint32_t kind, uint32_t alignLog2) {
  sections.push_back({kind, alignLog2, {}, 0, 0, {}});
  return static_cast<uint32_t>(sections.size() - 1);
}

uint64_t Writer::addPiece(uint32_t number, const void *data, uint64_t bytes) {
  static const char kZeros[kPieceAlign] = {};
  Section &section = sections[number];
  uint64_t offset = llvm::alignTo(section.length, kPieceAlign);
  if (offset != section.length) {
    section.pieces.push_back({kZeros, offset - section.length});
  }
  section.pieces.push_back({data, bytes});
  section.length = offset + bytes;
  return offset;
}

uint32_t Writer::addBytes(uint32_t kind, std::string bytes) {
  owned.push_back(std::move(bytes));
  uint32_t number = addSection(kind, 12);
  addPiece(number, owned.back().data(), owned.back().size());
  return number;
}

/// "rope theta=1000000 width=64": cosines and sines, computed in double.
static rt::Result<std::string> generate(WeightOp op) {
  StringRef recipe = op.getSource().split('#').second;
  double theta;
  int64_t width;
  StringRef fields = recipe;
  auto type = cast<RankedTensorType>(op.getType());
  bool known =
      fields.consume_front("rope theta=") &&
      !fields.take_until([](char c) { return c == ' '; }).getAsDouble(theta) &&
      !fields.split(" width=").second.getAsInteger(10, width) &&
      type.getRank() == 2 && type.getDimSize(1) == width;
  if (!known) {
    return rt::makeError(rt::ErrorCode::Internal, op.getSymName().str(),
                         "unknown generated weight \"" + recipe.str() + "\"");
  }
  std::vector<float> table(type.getNumElements());
  for (int64_t p = 0; p < type.getDimSize(0); ++p) {
    for (int64_t i = 0; i < width / 2; ++i) {
      double angle = static_cast<double>(p) *
                     std::pow(theta, -2.0 * static_cast<double>(i) /
                                         static_cast<double>(width));
      table[p * width + i] = static_cast<float>(std::cos(angle));
      table[p * width + width / 2 + i] = static_cast<float>(std::sin(angle));
    }
  }
  return std::string(reinterpret_cast<const char *>(table.data()),
                     table.size() * sizeof(float));
}

rt::Status Writer::openStores() {
  for (auto op : module.getOps<rill::WeightOp>()) {
    std::string file = op.getSource().split('#').first.str();
    if (file == "generated" || stores.count(file)) {
      continue;
    }
    RILL_ASSIGN(rt::TensorStore store, rt::TensorStore::openFile(weightFilePath(
                                           module, options.folder, file)));
    stores.emplace(file, std::move(store));
  }
  return {};
}

rt::Status Writer::addWeight(WeightOp op, ManifestWeight &entry) {
  auto type = cast<RankedTensorType>(op.getType());
  auto [file, tensor] = op.getSource().split('#');
  entry.name = op.getSymName().str();
  entry.dtype = dtypeText(type.getElementType());
  entry.shape.assign(type.getShape().begin(), type.getShape().end());
  entry.bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  if (!weightSection) {
    weightSection = addSection(RILL_RT_SECTION_WEIGHTS, 16);
  }
  if (file == "generated") {
    RILL_ASSIGN(std::string data, generate(op));
    owned.push_back(std::move(data));
    entry.section = *weightSection;
    entry.offset = addPiece(*weightSection, owned.back().data(), entry.bytes);
    return {};
  }
  entry.from = tensor.str();
  if (options.weights == WeightsMode::Synthetic) {
    entry.seed = options.seed;
    return {};
  }
  entry.file = file.str();
  if (options.weights == WeightsMode::External) {
    return {};
  }
  const rt::TensorInfo *info = stores.at(file.str()).find(tensor.str());
  if (!info || static_cast<int64_t>(info->bytes) != entry.bytes) {
    return rt::makeError(rt::ErrorCode::TensorMissing, op.getSource().str(),
                         "the checkpoint has changed since it was imported");
  }
  entry.section = *weightSection;
  entry.offset = addPiece(*weightSection, info->data, info->bytes);
  return {};
}

rt::Status Writer::addWeights() {
  if (options.weights == WeightsMode::Embed) {
    RILL_TRY(openStores());
  }
  for (auto op : module.getOps<rill::WeightOp>()) {
    manifest.weights.emplace_back();
    RILL_TRY(addWeight(op, manifest.weights.back()));
  }
  return {};
}

rt::Status Writer::addAssets() {
  constexpr size_t kMaxAsset = size_t(64) << 20;
  for (auto op : module.getOps<AssetOp>()) {
    std::string file = op.getSource().str();
    RILL_ASSIGN(std::string text,
                rt::readTextFile(options.folder + "/" + file, kMaxAsset));
    manifest.assets.push_back(
        {op.getSymName().str(), stringifyAssetKind(op.getKind()).str(), file,
         addBytes(RILL_RT_SECTION_ASSET, std::move(text))});
  }
  return {};
}

/// Weights that variants of the target read as they are in the file.
static llvm::StringSet<> weightsReadPlain(ModuleOp module, StringRef target) {
  llvm::StringSet<> names;
  for (auto variant : module.getOps<plan::VariantOp>()) {
    if (variant.getTarget() != target || variant.getMethod() == kInitMethod) {
      continue;
    }
    for (auto weight : variant.getBody().getOps<plan::WeightOp>()) {
      if (!isPacked(weight.getType())) {
        names.insert(weight.getWeight());
      }
    }
  }
  return names;
}

/// The variant "init" first, whose outputs the others read.
void Writer::addPlans(ManifestTarget &target, PlanIndex &index) {
  SmallVector<plan::VariantOp> variants;
  for (auto variant : module.getOps<plan::VariantOp>()) {
    if (variant.getTarget() == target.arch) {
      variants.push_back(variant);
    }
  }
  std::stable_partition(variants.begin(), variants.end(),
                        [](plan::VariantOp variant) {
                          return variant.getMethod() == kInitMethod;
                        });
  index.packed.clear();
  for (plan::VariantOp variant : variants) {
    uint32_t section =
        addBytes(RILL_RT_SECTION_PLAN, encodePlan(variant, index));
    if (variant.getMethod() != kInitMethod) {
      manifest.plans.push_back({variant, section});
      continue;
    }
    target.init = {section, {}, {}};
    llvm::StringSet<> plain = weightsReadPlain(module, target.arch);
    Operation *ret = variant.getBody().front().getTerminator();
    for (Value packed : ret->getOperands()) {
      auto from =
          packed.getDefiningOp()->getOperand(0).getDefiningOp<plan::WeightOp>();
      StringRef name = from.getWeight();
      index.packed.try_emplace(name, index.packed.size());
      auto type = cast<RankedTensorType>(packed.getType());
      target.init->packed.push_back(2 * storedElements(type));
      if (!plain.contains(name)) {
        target.init->released.push_back(index.weights.lookup(name));
      }
    }
  }
}

void Writer::addCode(const std::vector<TargetCode> &code) {
  PlanIndex index;
  for (auto op : module.getOps<rill::WeightOp>()) {
    index.weights.try_emplace(op.getSymName(), index.weights.size());
  }
  for (auto op : module.getOps<rill::StateOp>()) {
    index.states.try_emplace(op.getSymName(), index.states.size());
  }
  for (const TargetCode &target : code) {
    SmallVector<std::string> kernels;
    index.kernels = &kernels;
    ManifestTarget entry;
    entry.arch = target.arch;
    if (!target.elf.empty()) {
      entry.elf = addBytes(RILL_RT_SECTION_ELF, target.elf);
    }
    if (!target.cubin.empty()) {
      entry.cubin = addBytes(RILL_RT_SECTION_CUBIN, target.cubin);
    }
    if (!target.ptx.empty()) {
      entry.ptx = addBytes(RILL_RT_SECTION_PTX, target.ptx);
    }
    addPlans(entry, index);
    for (const std::string &kernel : kernels) {
      auto config = module.lookupSymbol<plan::KernelOp>(kernel).getConfig();
      auto number = [&](StringRef key) {
        auto value = config.getAs<IntegerAttr>(key);
        return value ? value.getInt() : 0;
      };
      entry.threads.push_back(number("threads"));
      entry.shared.push_back(number("shared"));
      entry.dependent = number("dependent");
    }
    entry.kernels.assign(kernels.begin(), kernels.end());
    manifest.targets.push_back(std::move(entry));
  }
  manifest.dispatches =
      addBytes(RILL_RT_SECTION_DISPATCHES, encodeDispatches(manifest.plans));
}

/// Lengths are known; hashes over the pieces.
void Writer::finishSections() {
  for (Section &section : sections) {
    XXH3_state_t *fast = XXH3_createState();
    XXH3_64bits_reset(fast);
    llvm::SHA256 strong;
    for (auto [data, bytes] : section.pieces) {
      XXH3_64bits_update(fast, data, bytes);
      strong.update(
          ArrayRef<uint8_t>(static_cast<const uint8_t *>(data), bytes));
    }
    section.hash = XXH3_64bits_digest(fast);
    XXH3_freeState(fast);
    section.sha256 = llvm::toHex(strong.final(), /*LowerCase=*/true);
    manifest.sectionHashes.push_back(section.sha256);
  }
}

static rt::Status writeZeros(rt::FileWriter &file, uint64_t until) {
  static const uint8_t kZeros[4096] = {};
  while (file.size() < until) {
    RILL_TRY(file.write(
        kZeros, std::min<uint64_t>(until - file.size(), sizeof(kZeros))));
  }
  return {};
}

rt::Status Writer::write(const std::string &path) {
  finishSections();
  std::string text = manifest.print(module);
  rill_rt_header header = {};
  std::copy_n(RILL_RT_MAGIC, sizeof(header.magic), header.magic);
  header.major = RILL_RT_FORMAT_MAJOR;
  header.minor = RILL_RT_FORMAT_MINOR;
  header.section_count = static_cast<uint32_t>(sections.size());
  header.manifest_offset =
      sizeof(header) + sections.size() * sizeof(rill_rt_section);
  header.manifest_length = text.size();
  std::vector<rill_rt_section> table;
  uint64_t end = header.manifest_offset + text.size();
  for (const Section &section : sections) {
    rill_rt_section record = {};
    record.kind = section.kind;
    record.align_log2 = section.alignLog2;
    record.offset = llvm::alignTo(end, uint64_t(1) << section.alignLog2);
    record.length = section.length;
    record.hash = section.hash;
    end = record.offset + record.length;
    table.push_back(record);
  }
  header.file_length = end;
  XXH3_state_t *state = XXH3_createState();
  XXH3_64bits_reset(state);
  XXH3_64bits_update(state, &header, sizeof(header));
  XXH3_64bits_update(state, table.data(), table.size() * sizeof(table[0]));
  XXH3_64bits_update(state, text.data(), text.size());
  header.hash = XXH3_64bits_digest(state);
  XXH3_freeState(state);

  RILL_ASSIGN(rt::FileWriter file, rt::FileWriter::create(path));
  RILL_TRY(file.write(&header, sizeof(header)));
  RILL_TRY(file.write(table.data(), table.size() * sizeof(table[0])));
  RILL_TRY(file.write(text.data(), text.size()));
  for (auto [section, record] : llvm::zip_equal(sections, table)) {
    RILL_TRY(writeZeros(file, record.offset));
    for (auto [data, bytes] : section.pieces) {
      RILL_TRY(file.write(data, bytes));
    }
  }
  return file.commit();
}

rt::Status rill::writeArtifact(ModuleOp planned,
                               const std::vector<TargetCode> &code,
                               const ArtifactOptions &options,
                               const std::string &path) {
  Writer writer(planned, options);
  RILL_TRY(writer.addWeights());
  RILL_TRY(writer.addAssets());
  writer.addCode(code);
  return writer.write(path);
}
