//===- Manifest.cpp - The JSON manifest of an artifact --------------------===//
//
// Spells what the writer collected; keys in a fixed order.
//
//===----------------------------------------------------------------------===//
#include "Manifest.h"

#include "runtime/formats/json.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"

using namespace mlir;
using namespace rill;
using rt::JsonValue;
using Object = JsonValue::Object;
using Array = JsonValue::Array;

std::string rill::dtypeText(Type element) {
  return element.isF32()    ? "f32"
         : element.isBF16() ? "bf16"
         : element.isF16()  ? "f16"
                            : "i64";
}

static Array integers(ArrayRef<int64_t> values) {
  Array array;
  for (int64_t value : values) {
    array.push_back(value);
  }
  return array;
}

/// An attribute of the module: integers, texts and lists of integers.
static Object moduleObject(ModuleOp module, StringRef name) {
  Object object;
  auto entries = module->getAttrOfType<DictionaryAttr>(name);
  for (NamedAttribute entry :
       entries ? entries.getValue() : ArrayRef<NamedAttribute>()) {
    JsonValue value;
    if (auto integer = dyn_cast<IntegerAttr>(entry.getValue())) {
      value = integer.getInt();
    } else if (auto text = dyn_cast<StringAttr>(entry.getValue())) {
      value = text.getValue().str();
    } else if (auto list = dyn_cast<DenseI64ArrayAttr>(entry.getValue())) {
      value = integers(list.asArrayRef());
    }
    object.push_back({entry.getName().str(), std::move(value)});
  }
  return object;
}

static Array statesArray(ModuleOp module) {
  Array states;
  for (auto op : module.getOps<rill::StateOp>()) {
    auto type = cast<RankedTensorType>(op.getType());
    states.push_back(
        Object{{"name", op.getSymName().str()},
               {"kind", stringifyStateKind(op.getKind()).str()},
               {"layout", stringifyStateLayout(op.getLayout()).str()},
               {"dtype", dtypeText(type.getElementType())},
               {"shape", integers(type.getShape())},
               {"row_dim", static_cast<int64_t>(op.getRowDim())},
               {"history", static_cast<int64_t>(op.getHistory())}});
  }
  return states;
}

/// Static sizes as numbers, dynamic ones as shape programs.
static Array shapeArray(RankedTensorType type, ArrayAttr dims) {
  Array shape;
  unsigned dynamic = 0;
  for (int64_t size : type.getShape()) {
    if (ShapedType::isDynamic(size)) {
      shape.push_back(cast<StringAttr>(dims[dynamic++]).getValue().str());
    } else {
      shape.push_back(size);
    }
  }
  return shape;
}

static Array signature(ArrayAttr names, TypeRange types, ArrayAttr dims,
                       ArrayRef<int64_t> limits) {
  Array list;
  for (auto [i, name] : llvm::enumerate(names)) {
    auto tensor = cast<RankedTensorType>(types[i]);
    Object entry{{"name", cast<StringAttr>(name).getValue().str()},
                 {"dtype", dtypeText(tensor.getElementType())},
                 {"shape", shapeArray(tensor, cast<ArrayAttr>(dims[i]))}};
    if (i < limits.size() && limits[i] > 0) {
      entry.push_back({"limit", limits[i]});
    }
    list.push_back(std::move(entry));
  }
  return list;
}

/// True when a dispatch of the variant writes a state.
static bool writesStates(plan::VariantOp variant) {
  bool writes = false;
  for (auto dispatch : variant.getBody().getOps<plan::DispatchOp>()) {
    for (auto [operand, access] :
         llvm::zip_equal(dispatch.getOperands(), dispatch.getAccess())) {
      writes |= (access & 2) && operand.getDefiningOp<plan::StateOp>();
    }
  }
  return writes;
}

/// True when a dispatch of the variant ends a decode step.
static bool commitsStep(plan::VariantOp variant) {
  SymbolTable symbols(variant->getParentOfType<ModuleOp>());
  return llvm::any_of(
      variant.getBody().getOps<plan::DispatchOp>(), [&](plan::DispatchOp op) {
        auto kernel = symbols.lookup<plan::KernelOp>(op.getKernel());
        return !kernel.getBody().getOps<ControlCommitOp>().empty();
      });
}

/// The variant that shows the method's signature: the last one whose symbols
/// have more than one value, since a fixed one is no symbol of its shapes.
static plan::VariantOp widestOf(ArrayRef<const ManifestPlan *> entries) {
  for (const ManifestPlan *entry : llvm::reverse(entries)) {
    plan::VariantOp variant = entry->variant;
    bool open = llvm::all_of(variant.getSymbols(), [](NamedAttribute symbol) {
      auto range = cast<DenseI64ArrayAttr>(symbol.getValue()).asArrayRef();
      return range[0] < range[1];
    });
    if (open) {
      return variant;
    }
  }
  return entries.back()->variant;
}

static Array methodsArray(const std::vector<ManifestPlan> &plans) {
  llvm::MapVector<StringAttr, std::vector<const ManifestPlan *>> methods;
  for (const ManifestPlan &entry : plans) {
    plan::VariantOp variant = entry.variant;
    methods[variant.getMethodAttr()].push_back(&entry);
  }
  Array list;
  for (auto &[name, entries] : methods) {
    plan::VariantOp widest = widestOf(entries);
    Operation *ret = widest.getBody().front().getTerminator();
    Array variants;
    for (const ManifestPlan *entry : entries) {
      plan::VariantOp variant = entry->variant;
      Object ranges;
      for (NamedAttribute symbol : variant.getSymbols()) {
        ranges.push_back(
            {symbol.getName().str(),
             integers(
                 cast<DenseI64ArrayAttr>(symbol.getValue()).asArrayRef())});
      }
      variants.push_back(
          Object{{"target", variant.getTarget().str()},
                 {"when", ranges},
                 {"plan", static_cast<int64_t>(entry->section)}});
    }
    list.push_back(Object{
        {"name", name.getValue().str()},
        {"inputs", signature(widest.getInputNames(),
                             widest.getBody().front().getArgumentTypes(),
                             widest.getInputDims(), widest.getInputLimits())},
        {"outputs", signature(widest.getOutputNames(), ret->getOperandTypes(),
                              widest.getOutputDims(), {})},
        {"appends", writesStates(widest)},
        {"commits", commitsStep(widest)},
        {"variants", variants}});
  }
  return list;
}

static Array weightsArray(const std::vector<ManifestWeight> &weights) {
  Array list;
  for (const ManifestWeight &weight : weights) {
    Object entry{{"name", weight.name},
                 {"dtype", weight.dtype},
                 {"shape", integers(weight.shape)},
                 {"bytes", weight.bytes}};
    if (weight.section) {
      entry.push_back({"section", static_cast<int64_t>(*weight.section)});
      entry.push_back({"offset", static_cast<int64_t>(weight.offset)});
    } else if (weight.seed) {
      entry.push_back({"seed", static_cast<int64_t>(*weight.seed)});
    } else {
      entry.push_back({"file", weight.file});
    }
    if (!weight.from.empty()) {
      entry.push_back({"from", weight.from});
    }
    list.push_back(std::move(entry));
  }
  return list;
}

static Object targetObject(const ManifestTarget &target) {
  Object object{{"arch", target.arch}, {"kind", target.elf ? "elf" : "cuda"}};
  std::pair<const char *, std::optional<uint32_t>> sections[] = {
      {"section", target.elf}, {"cubin", target.cubin}, {"ptx", target.ptx}};
  for (auto [key, section] : sections) {
    if (section) {
      object.push_back({key, static_cast<int64_t>(*section)});
    }
  }
  object.push_back(
      {"kernels", Array(target.kernels.begin(), target.kernels.end())});
  if (!target.elf) {
    object.push_back({"threads", integers(target.threads)});
    object.push_back({"shared", integers(target.shared)});
    object.push_back({"dependent", target.dependent});
  }
  if (target.init) {
    object.push_back(
        {"init", Object{{"plan", static_cast<int64_t>(target.init->plan)},
                        {"packed", integers(target.init->packed)},
                        {"released", integers(target.init->released)}}});
  }
  return object;
}

std::string Manifest::print(ModuleOp module) const {
  Array targetList, assetList, hashes, requirements{"plans"};
  for (const ManifestTarget &target : targets) {
    targetList.push_back(targetObject(target));
  }
  if (llvm::any_of(targets, [](auto &target) { return target.init; })) {
    requirements.push_back("init");
  }
  for (const ManifestAsset &asset : assets) {
    assetList.push_back(
        Object{{"name", asset.name},
               {"kind", asset.kind},
               {"file", asset.file},
               {"section", static_cast<int64_t>(asset.section)}});
  }
  for (const std::string &hash : sectionHashes) {
    hashes.push_back(hash);
  }
  Object root{{"schema", "rill.manifest/1"},
              {"requires", requirements},
              {"content_id", ""},
              {"producer", "rill-compile 0.1.0"},
              {"model", moduleObject(module, "rill.model")},
              {"states", statesArray(module)},
              {"methods", methodsArray(plans)},
              {"targets", targetList},
              {"weights", weightsArray(weights)},
              {"assets", assetList},
              {"sections", hashes},
              {"extensions", Object{}}};
  if (dispatches) {
    root.push_back({"dispatches", static_cast<int64_t>(*dispatches)});
  }
  if (module->hasAttr("rill.draft")) {
    root.push_back({"draft", moduleObject(module, "rill.draft")});
  }
  std::string text = rt::writeJson(root);
  llvm::SHA256 sha;
  sha.update(text);
  root[2].value = "sha256:" + llvm::toHex(sha.final(), /*LowerCase=*/true);
  return rt::writeJson(root);
}
