//===- manifest.cpp - The manifest of an artifact -------------------------===//
//
// Every field is checked; unknown names in `requires` are refused.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/manifest.h"

#include "rill-rt/artifact_format.h"
#include "runtime/core/shape_program.h"

using namespace rill::rt;

size_t rill::rt::elementBytes(ElementType type) {
  return type == ElementType::I64 ? 8 : type == ElementType::F32 ? 4 : 2;
}

const char *rill::rt::elementName(ElementType type) {
  switch (type) {
  case ElementType::F32:
    return "f32";
  case ElementType::BF16:
    return "bf16";
  case ElementType::F16:
    return "f16";
  case ElementType::I64:
    return "i64";
  }
  return "";
}

static Result<ElementType> readType(const JsonField &field) {
  RILL_ASSIGN(std::string name, field.asString());
  for (ElementType type : {ElementType::F32, ElementType::BF16,
                           ElementType::I64, ElementType::F16}) {
    if (name == elementName(type)) {
      return type;
    }
  }
  return field.error("\"" + name + "\" is no element type");
}

/// Product of sizes, each >= 1, times `unit`; nothing on overflow.
static std::optional<uint64_t> product(const std::vector<int64_t> &shape,
                                       uint64_t unit) {
  uint64_t total = unit;
  for (int64_t size : shape) {
    if (size < 1 ||
        __builtin_mul_overflow(total, static_cast<uint64_t>(size), &total) ||
        total > (uint64_t(1) << 48)) {
      return std::nullopt;
    }
  }
  return total;
}

static Status readShape(const JsonField &parent, ElementType type,
                        std::vector<int64_t> &shape, uint64_t &bytes) {
  RILL_ASSIGN(JsonField field, parent.at("shape"));
  RILL_ASSIGN(shape, field.asInts());
  auto total = product(shape, elementBytes(type));
  if (shape.size() > 8 || !total) {
    return field.error("is no shape of at most 8 positive sizes");
  }
  bytes = *total;
  return {};
}

static Status readSignature(const JsonField &list,
                            std::vector<Signature> &out) {
  RILL_ASSIGN(auto items, list.items());
  for (const JsonField &item : items) {
    Signature entry;
    RILL_ASSIGN(JsonField name, item.at("name"));
    RILL_ASSIGN(entry.name, name.asString());
    RILL_ASSIGN(JsonField dtype, item.at("dtype"));
    RILL_ASSIGN(entry.type, readType(dtype));
    RILL_ASSIGN(entry.limit, item.intOr("limit", 0, 0));
    RILL_ASSIGN(JsonField shape, item.at("shape"));
    RILL_ASSIGN(auto dims, shape.items());
    if (dims.empty() || dims.size() > 8) {
      return shape.error("has no or more than 8 dimensions");
    }
    for (const JsonField &dim : dims) {
      SignatureDim parsed;
      if (const int64_t *size = dim.get().asInt()) {
        if (*size < 1) {
          return dim.error("is no positive size");
        }
        parsed.program = {RILL_RT_OP_CONST, *size};
      } else {
        RILL_ASSIGN(std::string text, dim.asString());
        parsed.program = parseProgram(text);
        if (parsed.program.empty()) {
          return dim.error("\"" + text + "\" is no shape program");
        }
        if (parsed.program.size() == 2 &&
            parsed.program[0] == RILL_RT_OP_SYMBOL) {
          parsed.symbol = static_cast<int>(parsed.program[1]);
        }
      }
      entry.shape.push_back(std::move(parsed));
    }
    out.push_back(std::move(entry));
  }
  return {};
}

static Status readVariant(const JsonField &field, MethodVariant &variant) {
  RILL_ASSIGN(JsonField target, field.at("target"));
  RILL_ASSIGN(variant.target, target.asString());
  RILL_ASSIGN(JsonField plan, field.at("plan"));
  RILL_ASSIGN(int64_t section, plan.asInt(0, RILL_RT_MAX_SECTIONS));
  variant.plan = static_cast<uint32_t>(section);
  RILL_ASSIGN(JsonField when, field.at("when"));
  RILL_ASSIGN(auto members, when.members());
  for (auto &[symbol, range] : members) {
    size_t index = std::string_view("Shw").find(symbol);
    RILL_ASSIGN(auto ends, range.asInts());
    if (ends.size() == 2) {
      ends.push_back(1);
    }
    if (symbol.size() != 1 || index > 2 || ends.size() != 3 || ends[0] < 1 ||
        ends[0] > ends[1] || ends[2] < 1 || ends[0] % ends[2]) {
      return range.error("is no symbol with a range [min, max] or [min, max, "
                         "step]");
    }
    variant.step[index] = ends[2];
    variant.min[index] = ends[0];
    variant.max[index] = ends[1];
    variant.bound[index] = true;
  }
  return {};
}

static Status readMethods(const JsonField &list, std::vector<Method> &out) {
  RILL_ASSIGN(auto items, list.items());
  for (const JsonField &item : items) {
    Method method;
    RILL_ASSIGN(JsonField name, item.at("name"));
    RILL_ASSIGN(method.name, name.asString());
    RILL_ASSIGN(JsonField inputs, item.at("inputs"));
    RILL_TRY(readSignature(inputs, method.inputs));
    RILL_ASSIGN(JsonField outputs, item.at("outputs"));
    RILL_TRY(readSignature(outputs, method.outputs));
    RILL_ASSIGN(JsonField appends, item.at("appends"));
    RILL_ASSIGN(method.appends, appends.asBool());
    RILL_ASSIGN(method.commits, item.boolOr("commits", false));
    if (method.commits &&
        (!method.inputs.empty() || method.outputs.size() != 1 ||
         method.outputs[0].type != ElementType::I64)) {
      return makeError(ErrorCode::JsonField, item.where(),
                       "commits a step but is not from nothing to tokens");
    }
    RILL_ASSIGN(JsonField variants, item.at("variants"));
    RILL_ASSIGN(auto entries, variants.items());
    for (const JsonField &entry : entries) {
      method.variants.emplace_back();
      RILL_TRY(readVariant(entry, method.variants.back()));
    }
    out.push_back(std::move(method));
  }
  return {};
}

static Status readStates(const JsonField &list, std::vector<StateInfo> &out) {
  constexpr uint64_t kMaxStateBytes = uint64_t(1) << 48;
  uint64_t total = 0;
  RILL_ASSIGN(auto items, list.items());
  for (const JsonField &item : items) {
    StateInfo state;
    RILL_ASSIGN(JsonField name, item.at("name"));
    RILL_ASSIGN(state.name, name.asString());
    RILL_ASSIGN(JsonField dtype, item.at("dtype"));
    RILL_ASSIGN(state.type, readType(dtype));
    RILL_TRY(readShape(item, state.type, state.shape, state.bytes));
    RILL_ASSIGN(std::string kind, item.stringOr("kind", ""));
    RILL_ASSIGN(std::string layout, item.stringOr("layout", ""));
    RILL_ASSIGN(state.rowDim, item.intOr("row_dim", -1));
    RILL_ASSIGN(state.history, item.intOr("history", -1));
    state.rows = kind == "rows";
    state.ring = layout == "ring";
    bool valid =
        (state.rows || kind == "cell") && (state.ring || layout == "linear");
    if (state.rows) {
      valid = valid && state.rowDim >= 1 &&
              state.rowDim < static_cast<int64_t>(state.shape.size()) &&
              state.history >= 0 && state.history < state.capacity();
    }
    total += state.bytes;
    if (!valid || total > kMaxStateBytes) {
      return item.error(valid ? "makes the states larger than 2^48 bytes"
                              : "is no valid state");
    }
    out.push_back(std::move(state));
  }
  return {};
}

static Status readWeights(const JsonField &list, std::vector<WeightInfo> &out) {
  RILL_ASSIGN(auto items, list.items());
  for (const JsonField &item : items) {
    WeightInfo weight;
    RILL_ASSIGN(JsonField name, item.at("name"));
    RILL_ASSIGN(weight.name, name.asString());
    RILL_ASSIGN(JsonField dtype, item.at("dtype"));
    RILL_ASSIGN(weight.type, readType(dtype));
    RILL_TRY(readShape(item, weight.type, weight.shape, weight.bytes));
    RILL_ASSIGN(weight.from, item.stringOr("from", ""));
    RILL_ASSIGN(weight.file, item.stringOr("file", ""));
    RILL_ASSIGN(int64_t offset, item.intOr("offset", 0, 0));
    weight.offset = static_cast<uint64_t>(offset);
    if (auto section = item.findValue("section")) {
      RILL_ASSIGN(int64_t number, section->asInt(0, RILL_RT_MAX_SECTIONS));
      weight.section = static_cast<uint32_t>(number);
    } else if (auto seed = item.findValue("seed")) {
      RILL_ASSIGN(int64_t number, seed->asInt());
      weight.seed = static_cast<uint64_t>(number);
    } else if (weight.file.empty()) {
      return item.error("has neither section, seed nor file");
    }
    out.push_back(std::move(weight));
  }
  return {};
}

/// A section number, when the key is there.
static Result<std::optional<uint32_t>> readSection(const JsonField &item,
                                                   const char *key) {
  std::optional<uint32_t> section;
  if (auto value = item.findValue(key)) {
    RILL_ASSIGN(int64_t number, value->asInt(0, RILL_RT_MAX_SECTIONS));
    section = static_cast<uint32_t>(number);
  }
  return section;
}

/// One number per kernel, from `least` to `most`.
static Status readPerKernel(const JsonField &item, const char *key,
                            int64_t least, int64_t most, size_t kernels,
                            std::vector<int64_t> &numbers) {
  RILL_ASSIGN(JsonField list, item.at(key));
  RILL_ASSIGN(numbers, list.asInts());
  bool valid = numbers.size() == kernels;
  for (int64_t number : numbers) {
    valid = valid && number >= least && number <= most;
  }
  return valid ? Status()
               : Status(list.error(format("is not %lld to %lld for each kernel",
                                          (long long)least, (long long)most)));
}

/// The outputs of an init method are bytes in pairs.
static Status readInit(const JsonField &item, size_t weights,
                       TargetInfo &target) {
  constexpr int64_t kMostBytes = int64_t(1) << 48;
  auto field = item.findValue("init");
  if (!field) {
    return {};
  }
  InitInfo init;
  init.method.name = "init";
  init.method.appends = false;
  MethodVariant &variant = init.method.variants.emplace_back();
  variant.target = target.arch;
  RILL_ASSIGN(JsonField plan, field->at("plan"));
  RILL_ASSIGN(int64_t section, plan.asInt(0, RILL_RT_MAX_SECTIONS));
  variant.plan = static_cast<uint32_t>(section);
  RILL_ASSIGN(JsonField list, field->at("packed"));
  RILL_ASSIGN(auto sizes, list.asInts());
  for (int64_t bytes : sizes) {
    if (bytes < 2 || bytes % 2 || bytes > kMostBytes) {
      return list.error("is no list of even sizes");
    }
    init.packed.push_back(static_cast<uint64_t>(bytes));
    Signature output;
    output.name = "packed";
    output.type = ElementType::BF16;
    output.shape.emplace_back().program = {RILL_RT_OP_CONST, bytes / 2};
    init.method.outputs.push_back(std::move(output));
  }
  RILL_ASSIGN(JsonField released, field->at("released"));
  RILL_ASSIGN(auto numbers, released.asInts());
  for (int64_t number : numbers) {
    if (number < 0 || static_cast<size_t>(number) >= weights) {
      return released.error("names no weight");
    }
    init.released.push_back(static_cast<size_t>(number));
  }
  if (target.kind != "cuda") {
    return field->error("belongs to CUDA targets alone");
  }
  target.init = std::move(init);
  return {};
}

static Status readTargets(const JsonField &list, size_t weights,
                          std::vector<TargetInfo> &out) {
  RILL_ASSIGN(auto items, list.items());
  for (const JsonField &item : items) {
    TargetInfo target;
    RILL_ASSIGN(JsonField arch, item.at("arch"));
    RILL_ASSIGN(target.arch, arch.asString());
    RILL_ASSIGN(target.kind, item.stringOr("kind", ""));
    RILL_ASSIGN(target.elf, readSection(item, "section"));
    RILL_ASSIGN(target.ptx, readSection(item, "ptx"));
    RILL_ASSIGN(target.cubin, readSection(item, "cubin"));
    RILL_ASSIGN(JsonField kernels, item.at("kernels"));
    RILL_ASSIGN(target.kernels, kernels.asStrings());
    bool cuda = target.kind == "cuda";
    if (cuda ? !target.ptx || target.elf
             : !target.elf || target.ptx || target.cubin) {
      return item.error("names other sections than its kind has");
    }
    if (cuda) {
      constexpr int64_t kMaxThreads = 1024, kMaxShared = 1 << 20;
      size_t count = target.kernels.size();
      RILL_TRY(readPerKernel(item, "threads", 1, kMaxThreads, count,
                             target.threads));
      RILL_TRY(
          readPerKernel(item, "shared", 0, kMaxShared, count, target.shared));
      RILL_ASSIGN(JsonField dependent, item.at("dependent"));
      RILL_ASSIGN(target.dependent, dependent.asBool());
    }
    RILL_TRY(readInit(item, weights, target));
    out.push_back(std::move(target));
  }
  return {};
}

static Status readAssets(const JsonField &list, std::vector<AssetInfo> &out) {
  RILL_ASSIGN(auto items, list.items());
  for (const JsonField &item : items) {
    AssetInfo asset;
    RILL_ASSIGN(asset.name, item.stringOr("name", ""));
    RILL_ASSIGN(asset.kind, item.stringOr("kind", ""));
    RILL_ASSIGN(asset.file, item.stringOr("file", ""));
    RILL_ASSIGN(JsonField section, item.at("section"));
    RILL_ASSIGN(int64_t number, section.asInt(0, RILL_RT_MAX_SECTIONS));
    asset.section = static_cast<uint32_t>(number);
    out.push_back(std::move(asset));
  }
  return {};
}

/// The drafter, with the methods and the mask token that it needs.
static Status readDraft(const JsonField &root, Manifest &manifest) {
  auto field = root.findValue("draft");
  if (!field) {
    return {};
  }
  DraftInfo draft;
  RILL_ASSIGN(draft.kind, field->stringOr("kind", ""));
  if (draft.kind != "dflash") {
    return field->error("the kind \"" + draft.kind + "\" is not \"dflash\"");
  }
  RILL_ASSIGN(JsonField model, root.at("model"));
  RILL_ASSIGN(int64_t vocabulary, model.intOr("vocab", 1, 1));
  RILL_ASSIGN(JsonField block, field->at("block_size"));
  RILL_ASSIGN(draft.block, block.asInt(2, 4096));
  RILL_ASSIGN(JsonField mask, field->at("mask_token_id"));
  RILL_ASSIGN(draft.maskToken, mask.asInt(0, vocabulary - 1));
  RILL_ASSIGN(JsonField taps, field->at("target_layer_ids"));
  RILL_ASSIGN(draft.taps, taps.asInts());
  for (const char *name : {"draft_prefill", "draft", "draft_verify"}) {
    if (!manifest.method(name)) {
      return field->error(std::string("needs the method ") + name +
                          ", which the file does not have");
    }
  }
  manifest.draft = std::move(draft);
  return {};
}

const Method *Manifest::method(std::string_view name) const {
  for (const Method &entry : methods) {
    if (entry.name == name) {
      return &entry;
    }
  }
  return nullptr;
}

static Status readRequires(const JsonField &root) {
  RILL_ASSIGN(JsonField list, root.at("requires"));
  RILL_ASSIGN(auto names, list.asStrings());
  for (const std::string &name : names) {
    if (name != "plans" && name != "init") {
      return makeError(ErrorCode::ArtifactRequires, list.where(),
                       "the file needs \"" + name +
                           "\", which this version of Rill does not know",
                       "use a newer version of Rill");
    }
  }
  return {};
}

Result<Manifest> rill::rt::parseManifest(std::string_view text,
                                         const std::string &file) {
  Manifest manifest;
  JsonLimits limits;
  limits.maxBytes = RILL_RT_MAX_MANIFEST;
  RILL_ASSIGN(manifest.tree, parseJson(text, file, limits));
  JsonField root(manifest.tree, file);
  RILL_ASSIGN(std::string schema, root.stringOr("schema", ""));
  if (schema != "rill.manifest/1") {
    return root.error("the schema is \"" + schema +
                      "\" but \"rill.manifest/1\" is due");
  }
  RILL_TRY(readRequires(root));
  RILL_ASSIGN(manifest.contentId, root.stringOr("content_id", ""));
  RILL_ASSIGN(JsonField model, root.at("model"));
  RILL_ASSIGN(manifest.batch, model.intOr("batch", 1, 1, 4096));
  RILL_ASSIGN(JsonField states, root.at("states"));
  RILL_TRY(readStates(states, manifest.states));
  RILL_ASSIGN(JsonField methods, root.at("methods"));
  RILL_TRY(readMethods(methods, manifest.methods));
  RILL_ASSIGN(JsonField weights, root.at("weights"));
  RILL_TRY(readWeights(weights, manifest.weights));
  RILL_ASSIGN(JsonField targets, root.at("targets"));
  RILL_TRY(readTargets(targets, manifest.weights.size(), manifest.targets));
  RILL_ASSIGN(JsonField assets, root.at("assets"));
  RILL_TRY(readAssets(assets, manifest.assets));
  RILL_ASSIGN(JsonField hashes, root.at("sections"));
  RILL_ASSIGN(manifest.sectionHashes, hashes.asStrings());
  RILL_ASSIGN(manifest.dispatches, readSection(root, "dispatches"));
  RILL_TRY(readDraft(root, manifest));
  return manifest;
}
