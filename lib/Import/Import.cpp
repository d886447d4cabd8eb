//===- Import.cpp - Checkpoint -> rill ------------------------------------===//
//
// Reads config and tensors, builds and verifies the module.
//
//===----------------------------------------------------------------------===//
#include "rill/Import/Import.h"

#include "Graph.h"
#include "Text.h"

#include "rill/Checkpoint/Checkpoint.h"
#include "rill/Import/Inspect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace rill;
using families::kDraftFolder;

static rt::Status checkFinite(const families::TensorMap &tensors) {
  for (auto &[name, tensor] : tensors) {
    if (auto index = rt::findNonFinite(*tensor.info)) {
      auto [file, stored] = StringRef(tensor.source).split('#');
      return rt::makeError(
          rt::ErrorCode::TensorNonFinite,
          (file + ", tensor \"" + stored + "\"").str(),
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
                                     const families::ModelConfig &config,
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

/// rill.checkpoint: folders, and the sizes of the files in them; the drafter's
/// files have the prefix that its weights' sources have.
static DictionaryAttr checkpointAttribute(OpBuilder &b,
                                          const Checkpoint &checkpoint,
                                          const Checkpoint *draft) {
  NamedAttrList list;
  list.set("folder", b.getStringAttr(checkpoint.folder()));
  SmallVector<NamedAttribute> files;
  auto addFiles = [&](const rt::TensorStore &store, const std::string &prefix) {
    for (auto [name, file] :
         llvm::zip_equal(store.fileNames(), store.files())) {
      files.push_back(b.getNamedAttr(
          prefix + name,
          b.getI64IntegerAttr(static_cast<int64_t>(file.bytes().size()))));
    }
  };
  addFiles(checkpoint.tensors(), "");
  if (draft) {
    NamedAttribute part =
        b.getNamedAttr(kDraftFolder, b.getStringAttr(draft->folder()));
    list.set("parts", b.getDictionaryAttr(part));
    addFiles(draft->tensors(), kDraftFolder);
  }
  list.set("files", b.getDictionaryAttr(files));
  return list.getDictionary(b.getContext());
}

/// rill.draft: what the artifact's manifest says about the drafter.
static DictionaryAttr draftAttribute(OpBuilder &b,
                                     const dflash::DraftConfig &draft) {
  NamedAttrList list;
  list.set("kind", b.getStringAttr("dflash"));
  list.set("block_size", b.getI64IntegerAttr(draft.block));
  list.set("mask_token_id", b.getI64IntegerAttr(draft.maskToken));
  list.set("target_layer_ids", b.getDenseI64ArrayAttr(draft.taps));
  list.set("layers",
           b.getI64IntegerAttr(static_cast<int64_t>(draft.layers.size())));
  return list.getDictionary(b.getContext());
}

static rt::Status checkTaps(const std::vector<int64_t> &taps, size_t layers) {
  for (int64_t tap : taps) {
    if (tap < 0 || tap >= static_cast<int64_t>(layers)) {
      return rt::makeError(rt::ErrorCode::BadUsage, "--taps",
                           rt::format("layer %lld is outside the %zu layers "
                                      "of the model",
                                      (long long)tap, layers));
    }
  }
  return {};
}

namespace {
/// An opened drafter that belongs to its target.
struct Drafter {
  Checkpoint folder;
  dflash::DraftConfig config;
};
} // namespace

static rt::Result<std::optional<Drafter>>
openDrafter(const ImportOptions &options, const Checkpoint &target,
            const families::ModelConfig &model) {
  if (options.draft.empty()) {
    return std::optional<Drafter>();
  }
  RILL_ASSIGN(Checkpoint folder, Checkpoint::open(options.draft));
  RILL_ASSIGN(dflash::DraftConfig config,
              dflash::readDraftConfig(folder.config(), options.strict));
  RILL_TRY(dflash::checkTarget(folder, config, target, model));
  return std::optional<Drafter>(Drafter{std::move(folder), std::move(config)});
}

static void buildMethods(families::Graph &graph) {
  if (graph.config.vision) {
    graph.buildVisionEncoder();
  }
  graph.buildTokenEmbedding();
  graph.buildTextDecoder({.name = "text_decoder"});
  graph.buildTextDecoder({.name = "text_decoder_rows",
                          .allRows = true,
                          .taps = !graph.options.taps.empty()});
  graph.buildStep();
  if (graph.draft) {
    graph.buildTextDecoder({.name = "draft_prefill", .context = true});
    graph.buildTextDecoder(
        {.name = "draft_verify", .allRows = true, .context = true});
    graph.buildDraft();
  }
}

rt::Result<OwningOpRef<ModuleOp>>
rill::importCheckpoint(MLIRContext &context, const std::string &folder,
                       const ImportOptions &options,
                       std::vector<std::string> &warnings) {
  RILL_ASSIGN(Checkpoint checkpoint, Checkpoint::open(folder));
  RILL_ASSIGN(families::ModelConfig config,
              families::readConfig(checkpoint.config(), options.strict));
  RILL_ASSIGN(
      families::TensorMap tensors,
      families::bindTensors(checkpoint.tensors(), config, options.strict));
  RILL_TRY(checkTaps(options.taps, config.text.isAttention.size()));
  RILL_ASSIGN(auto drafter, openDrafter(options, checkpoint, config));
  const dflash::DraftConfig *draft = drafter ? &drafter->config : nullptr;
  warnings.insert(warnings.end(), config.warnings.begin(),
                  config.warnings.end());
  families::checkText(checkpoint.folder(), warnings);
  if (draft) {
    RILL_TRY(
        dflash::bindDraftTensors(drafter->folder.tensors(), *draft, tensors));
    warnings.insert(warnings.end(), draft->warnings.begin(),
                    draft->warnings.end());
  }
  RILL_ASSIGN(int64_t patches, maxPatches(checkpoint));
  if (!options.allowNonFinite) {
    RILL_TRY(checkFinite(tensors));
  }
  context.loadDialect<RillDialect, arith::ArithDialect, math::MathDialect,
                      tensor::TensorDialect, func::FuncDialect>();
  OwningOpRef<ModuleOp> module =
      ModuleOp::create(NameLoc::get(StringAttr::get(&context, folder)));
  families::Graph graph(*module, config, draft, tensors, options);
  graph.declareWeights();
  graph.declareStates();
  declareAssets(graph.builder, checkpoint);
  buildMethods(graph);
  (*module)->setAttr("rill.model",
                     modelAttribute(graph.builder, config, options.batch,
                                    graph.capacity, patches));
  (*module)->setAttr("rill.checkpoint",
                     checkpointAttribute(graph.builder, checkpoint,
                                         drafter ? &drafter->folder : nullptr));
  if (draft) {
    (*module)->setAttr("rill.draft", draftAttribute(graph.builder, *draft));
  }
  if (failed(verify(*module))) {
    return rt::makeError(rt::ErrorCode::Internal, folder,
                         "the imported module does not verify");
  }
  return module;
}
