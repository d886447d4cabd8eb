//===- Import.cpp - Checkpoint -> rill ------------------------------------===//
//
// Reads config and tensors, builds and verifies the module.
//
//===----------------------------------------------------------------------===//
#include "rill/Import/Import.h"

#include "Lfm2Vl/Graph.h"

#include "rill/Checkpoint/Checkpoint.h"
#include "rill/Import/Inspect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace rill;

static rt::Status checkFinite(const lfm2vl::TensorMap &tensors,
                              const rt::TensorStore &store) {
  for (auto &[name, tensor] : tensors) {
    if (auto index = rt::findNonFinite(*tensor.info)) {
      return rt::makeError(
          rt::ErrorCode::TensorNonFinite,
          store.fileNames()[tensor.info->file] + ", tensor \"" +
              tensor.info->name + "\"",
          rt::format("element %lld is NaN or infinite", (long long)*index),
          "--allow-nonfinite accepts it");
    }
  }
  return {};
}

/// The files of the checkpoint that are no tensors, as rill.asset ops.
static void declareAssets(OpBuilder &builder, const Checkpoint &checkpoint) {
  for (const AssetFile &asset : assetFiles()) {
    if (checkpoint.file(asset.file)) {
      AssetOp::create(builder, builder.getUnknownLoc(), asset.symbol,
                      *symbolizeAssetKind(asset.kind), asset.file);
    }
  }
}

/// The patches of the largest crop the processor of the folder makes
/// (lfm2_5_vl.md 4.1), from its files or their defaults.
static rt::Result<int64_t> maxPatches(const Checkpoint &checkpoint) {
  int64_t tokens = 256, tile = 512, patch = 16, factor = 2;
  for (const char *name :
       {"preprocessor_config.json", "processor_config.json"}) {
    if (!checkpoint.file(name)) {
      continue;
    }
    std::string path = checkpoint.folder() + "/" + name;
    RILL_ASSIGN(rt::JsonValue tree, rt::readJsonFile(path));
    rt::JsonField root(tree, path);
    rt::JsonField values = root.findValue("image_processor").value_or(root);
    RILL_ASSIGN(tokens, values.intOr("max_image_tokens", tokens, 1, 1 << 20));
    RILL_ASSIGN(tile, values.intOr("tile_size", tile, 1, 1 << 16));
    RILL_ASSIGN(patch, values.intOr("encoder_patch_size", patch, 1, 1 << 10));
    RILL_ASSIGN(factor, values.intOr("downsample_factor", factor, 1, 16));
  }
  return std::max(tokens * factor * factor, (tile / patch) * (tile / patch));
}

/// rill.model: what the artifact's manifest says about the model.
static DictionaryAttr modelAttribute(OpBuilder &b,
                                     const lfm2vl::ModelConfig &config,
                                     int64_t batch, int64_t capacity,
                                     int64_t patches) {
  NamedAttrList list;
  auto integer = [&](const char *name, int64_t value) {
    list.set(name, b.getI64IntegerAttr(value));
  };
  list.set("family", b.getStringAttr(config.family));
  list.set("eos", b.getDenseI64ArrayAttr(config.eosTokens));
  integer("bos", config.bosToken);
  integer("pad", config.padToken);
  integer("vocab", config.text.vocab);
  integer("hidden", config.text.hidden);
  integer("batch", batch);
  integer("max_seq_len", capacity);
  if (config.vision) {
    integer("image_token", config.projector->imageToken);
    integer("max_patches", patches);
    integer("patch", config.vision->patch);
    integer("channels", config.vision->channels);
    integer("downsample", config.projector->factor);
  }
  return list.getDictionary(b.getContext());
}

static DictionaryAttr checkpointAttribute(OpBuilder &b,
                                          const Checkpoint &checkpoint) {
  NamedAttrList list;
  list.set("folder", b.getStringAttr(checkpoint.folder()));
  SmallVector<NamedAttribute> files;
  const rt::TensorStore &store = checkpoint.tensors();
  for (auto [name, file] : llvm::zip_equal(store.fileNames(), store.files())) {
    files.push_back(b.getNamedAttr(
        name, b.getI64IntegerAttr(static_cast<int64_t>(file.bytes().size()))));
  }
  list.set("files", b.getDictionaryAttr(files));
  return list.getDictionary(b.getContext());
}

rt::Result<OwningOpRef<ModuleOp>>
rill::importCheckpoint(MLIRContext &context, const std::string &folder,
                       const ImportOptions &options,
                       std::vector<std::string> &warnings) {
  RILL_ASSIGN(Checkpoint checkpoint, Checkpoint::open(folder));
  RILL_ASSIGN(lfm2vl::ModelConfig config,
              lfm2vl::readConfig(checkpoint.config(), options.strict));
  RILL_ASSIGN(
      lfm2vl::TensorMap tensors,
      lfm2vl::bindTensors(checkpoint.tensors(), config, options.strict));
  RILL_ASSIGN(int64_t patches, maxPatches(checkpoint));
  if (!options.allowNonFinite) {
    RILL_TRY(checkFinite(tensors, checkpoint.tensors()));
  }
  warnings.insert(warnings.end(), config.warnings.begin(),
                  config.warnings.end());
  context.loadDialect<RillDialect, arith::ArithDialect, math::MathDialect,
                      tensor::TensorDialect, func::FuncDialect>();
  OwningOpRef<ModuleOp> module =
      ModuleOp::create(NameLoc::get(StringAttr::get(&context, folder)));
  lfm2vl::Graph graph(*module, config, tensors, checkpoint.tensors(), options);
  graph.declareWeights();
  graph.declareStates();
  declareAssets(graph.builder, checkpoint);
  if (config.vision) {
    graph.buildVisionEncoder();
  }
  graph.buildTokenEmbedding();
  graph.buildTextDecoder("text_decoder", /*allRows=*/false);
  graph.buildTextDecoder("text_decoder_rows", /*allRows=*/true);
  (*module)->setAttr("rill.model",
                     modelAttribute(graph.builder, config, options.batch,
                                    graph.capacity, patches));
  (*module)->setAttr("rill.checkpoint",
                     checkpointAttribute(graph.builder, checkpoint));
  if (failed(verify(*module))) {
    return rt::makeError(rt::ErrorCode::Internal, folder,
                         "the imported module does not verify");
  }
  return module;
}
