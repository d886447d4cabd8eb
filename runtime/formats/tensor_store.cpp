//===- tensor_store.cpp - One file or the shards of a folder --------------===//
//
// Opens checkpoints; the header itself is read in safetensors.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/json.h"
#include "runtime/formats/safetensors.h"

#include <algorithm>
#include <cstring>

using namespace rill::rt;

static std::string tensorAt(const std::string &file, const std::string &name) {
  return file + ", tensor \"" + name + "\"";
}

Result<WeightMap> rill::rt::parseWeightMap(const JsonField &root) {
  RILL_ASSIGN(JsonField field, root.at("weight_map"));
  RILL_ASSIGN(auto members, field.members());
  if (members.empty()) {
    return field.error("names no tensor");
  }
  WeightMap shardOf;
  for (const auto &[tensor, shard] : members) {
    RILL_ASSIGN(shardOf[tensor], shard.asString());
  }
  return shardOf;
}

Status TensorStore::addFile(const std::string &path, std::string name) {
  RILL_ASSIGN(MappedFile file, MappedFile::open(path));
  RILL_TRY(parseSafetensors(file.bytes(), path,
                            static_cast<uint32_t>(mappings.size()), all, meta));
  mappings.push_back(std::move(file));
  names.push_back(std::move(name));
  return {};
}

Status TensorStore::finish() {
  std::sort(
      all.begin(), all.end(),
      [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  for (size_t i = 1; i < all.size(); ++i) {
    if (all[i].name == all[i - 1].name) {
      return makeError(ErrorCode::TensorDuplicate,
                       tensorAt(names[all[i].file], all[i].name),
                       "the same name stands in " + names[all[i - 1].file]);
    }
  }
  return {};
}

const TensorInfo *TensorStore::find(std::string_view name) const {
  auto at = std::lower_bound(all.begin(), all.end(), name,
                             [](const TensorInfo &info, std::string_view key) {
                               return info.name < key;
                             });
  return at != all.end() && at->name == name ? &*at : nullptr;
}

Result<TensorStore> TensorStore::openFile(const std::string &path) {
  TensorStore store;
  size_t slash = path.rfind('/');
  RILL_TRY(store.addFile(
      path, slash == std::string::npos ? path : path.substr(slash + 1)));
  RILL_TRY(store.finish());
  return store;
}

/// Index and shards must say the same about every tensor.
static Status checkIndex(const std::string &path, const WeightMap &shardOf,
                         const TensorStore &store) {
  auto differ = [&](const std::string &tensor, std::string why) {
    return makeError(ErrorCode::IndexInvalid, tensorAt(path, tensor),
                     std::move(why), "index and shards must belong together");
  };
  for (const auto &[tensor, shard] : shardOf) {
    const TensorInfo *info = store.find(tensor);
    if (!info) {
      return differ(tensor, "no shard holds it");
    }
    if (store.fileNames()[info->file] != shard) {
      return differ(tensor, "the index says " + shard + ", it stands in " +
                                store.fileNames()[info->file]);
    }
  }
  for (const TensorInfo &info : store.tensors()) {
    if (!shardOf.contains(info.name)) {
      return differ(info.name, store.fileNames()[info.file] +
                                   " holds it, the index does not name it");
    }
  }
  return {};
}

Result<TensorStore> TensorStore::openFolder(const std::string &folder) {
  const std::string single = "model.safetensors";
  const std::string index = single + ".index.json";
  if (fileExists(folder + "/" + single)) {
    TensorStore store;
    RILL_ASSIGN(std::string path, resolveInFolder(folder, single));
    RILL_TRY(store.addFile(path, single));
    RILL_TRY(store.finish());
    return store;
  }
  if (!fileExists(folder + "/" + index)) {
    return makeError(ErrorCode::FileUnreadable, folder,
                     "holds neither " + single + " nor " + index,
                     "name the folder of a Hugging Face checkpoint");
  }
  RILL_ASSIGN(std::string indexPath, resolveInFolder(folder, index));
  RILL_ASSIGN(JsonValue root, readJsonFile(indexPath));
  RILL_ASSIGN(auto shardOf, parseWeightMap(JsonField(root, indexPath)));
  TensorStore store;
  for (const auto &[tensor, shard] : shardOf) {
    if (std::find(store.names.begin(), store.names.end(), shard) !=
        store.names.end()) {
      continue;
    }
    Result<std::string> path = resolveInFolder(folder, shard);
    if (!path.ok()) {
      if (path.error().code != ErrorCode::FileUnreadable) {
        return path.takeStatus();
      }
      return makeError(ErrorCode::ShardMissing, indexPath,
                       "names the shard \"" + shard + "\" (for \"" + tensor +
                           "\"), which cannot be opened: " + path.error().why,
                       "fetch the missing shard");
    }
    RILL_TRY(store.addFile(*path, shard));
  }
  RILL_TRY(store.finish());
  RILL_TRY(checkIndex(indexPath, shardOf, store));
  return store;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

template <typename Word>
static std::optional<int64_t> findExponent(const TensorInfo &tensor,
                                           Word mask) {
  int64_t count = static_cast<int64_t>(tensor.bytes / sizeof(Word));
  for (int64_t i = 0; i < count; ++i) {
    Word word;
    memcpy(&word, tensor.data + static_cast<size_t>(i) * sizeof(Word),
           sizeof(Word));
    if ((word & mask) == mask) {
      return i;
    }
  }
  return std::nullopt;
}

std::optional<int64_t> rill::rt::findNonFinite(const TensorInfo &tensor) {
  switch (tensor.dtype) {
  case Dtype::BF16:
    return findExponent<uint16_t>(tensor, 0x7f80);
  case Dtype::F16:
    return findExponent<uint16_t>(tensor, 0x7c00);
  case Dtype::F32:
    return findExponent<uint32_t>(tensor, 0x7f800000);
  case Dtype::F64:
    return findExponent<uint64_t>(tensor, 0x7ff0000000000000);
  default:
    return std::nullopt;
  }
}
