//===- HfCase.cpp - A random checkpoint and its official values -----------===//
//
// Reading the folder; checkpoint -> rill::compile -> .rill -> C API.
//
//===----------------------------------------------------------------------===//
#include "HfCase.h"

#include "rill/Pipeline/Pipeline.h"
#include "runtime/core/c_helpers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace rill;
using namespace rill::hf;

/// An integer member of `value`, or `fallback`.
static int64_t intOf(const rt::JsonValue *value, const char *key,
                     int64_t fallback) {
  const rt::JsonValue *member = value ? value->find(key) : nullptr;
  return member && member->asInt() ? *member->asInt() : fallback;
}

Case::Case(const std::filesystem::path &folder)
    : name(folder.filename().string()), folder(folder) {
  auto readConfig = rt::readJsonFile((folder / "config.json").string());
  auto readInfo = rt::readJsonFile((folder / "case.json").string());
  auto store =
      rt::TensorStore::openFile((folder / "reference.safetensors").string());
  if (!readConfig.ok() || !readInfo.ok() || !store.ok()) {
    ADD_FAILURE() << folder << " is no case";
    return;
  }
  config = std::move(*readConfig);
  info = std::move(*readInfo);
  reference = std::move(*store);
  const rt::JsonValue *text = config.find("text_config");
  const rt::JsonValue *vision = config.find("vision_config");
  text = text ? text : &config;
  hidden = intOf(text, "hidden_size", 0);
  vocab = intOf(text, "vocab_size", 0);
  imageToken = intOf(&config, "image_token_id", -1);
  factor = intOf(&config, "downsample_factor", 2);
  patch = intOf(vision, "patch_size", 0);
  batch = intOf(&info, "batch", 1);
  for (const rt::JsonValue &grid : *info.find("pictures")->asArray()) {
    pictures.emplace_back(*(*grid.asArray())[0].asInt(),
                          *(*grid.asArray())[1].asInt());
  }
  loaded = true;
}

Floats Case::floats(const std::string &name) const {
  const rt::TensorInfo *tensor = reference.find(name);
  if (!tensor || tensor->dtype == rt::Dtype::I64) {
    ADD_FAILURE() << name << " is missing or no float tensor";
    return {};
  }
  Floats values(tensor->elements());
  std::memcpy(values.data(), tensor->data, tensor->bytes);
  return values;
}

Ids Case::ids(const std::string &name) const {
  const rt::TensorInfo *tensor = reference.find(name);
  if (!tensor || tensor->dtype != rt::Dtype::I64) {
    ADD_FAILURE() << name << " is missing or no integer tensor";
    return {};
  }
  Ids values(tensor->elements());
  std::memcpy(values.data(), tensor->data, tensor->bytes);
  return values;
}

std::vector<std::string> rill::hf::caseFolders(const std::string &root) {
  std::vector<std::string> folders;
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator(root, error)) {
    if (std::filesystem::exists(entry.path() / "case.json")) {
      folders.push_back(entry.path().string());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// The weights of the case: in its folder, or made anew from its seed.
static std::string checkpointOf(const Case &source,
                                const std::filesystem::path &scratch) {
  if (!rt::TensorStore::openFolder(source.folder.string()).ok()) {
    std::string folder = (scratch / "checkpoint").string();
    std::string dtype = *source.info.find("dtype")->asString() == "F32"
                            ? " --dtype f32"
                            : " --dtype bf16";
    std::string command =
        "/usr/bin/python3 " RILL_SOURCE_ROOT
        "/tools/dev/make_checkpoint --config '" +
        (source.folder / "config.json").string() + "'" + dtype + " --seed " +
        std::to_string(intOf(&source.info, "weights_seed", 0)) + " --shards " +
        std::to_string(intOf(&source.info, "shards", 1)) + " -o " + folder;
    return std::system(command.c_str()) == 0 ? folder : "";
  }
  return source.folder.string();
}

static bool expectOk(rill_status error) {
  EXPECT_EQ(error, nullptr) << rill_error_what(error) << "\n"
                            << rill_error_where(error) << "\n"
                            << rill_error_why(error);
  bool ok = !error;
  rill_error_free(error);
  return ok;
}

Model::Model(const Case &source, bool bf16, const std::string &target)
    : source(source), bf16(bf16) {
  open(target);
}

void Model::open(const std::string &target) {
  std::string folder =
      (std::filesystem::temp_directory_path() / "rill-hf-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  scratch = folder;
  CompileOptions options;
  options.input = checkpointOf(source, scratch);
  ASSERT_NE(options.input, "");
  options.output = (scratch / "model.rill").string();
  options.import.bf16 = bf16;
  options.import.strict = true;
  options.import.batch = source.batch;
  options.import.maxSeqLen = 512;
  options.pipeline.targets = {target};
  auto status =
      compile(options, [](const std::string &line) { ADD_FAILURE() << line; });
  ASSERT_TRUE(status.ok()) << status.get().render();
  if (expectOk(rill_open(options.output.c_str(), nullptr, &model))) {
    rill_session_options session_options = {};
    session_options.size = sizeof(session_options);
    session_options.threads = 2;
    expectOk(rill_session_create(model, &session_options, &session));
  }
}

Model::~Model() {
  rill_session_free(session);
  rill_close(model);
  std::error_code error;
  std::filesystem::remove_all(scratch, error);
}

/// Calls a method with one output of `elements`, f32 when `wide`, else of the
/// activations' type; the result is widened.
Floats Model::call(const char *method, const std::vector<rill_tensor> &inputs,
                   size_t elements, bool wide) {
  Floats result(elements, NAN);
  if (wide || !bf16) {
    rill_tensor output =
        rt::makeTensor(result.data(), elements * 4, RILL_F32, {});
    expectOk(
        rill_invoke(session, method, inputs.data(), inputs.size(), &output, 1));
    return result;
  }
  std::vector<uint16_t> half(elements);
  rill_tensor output = rt::makeTensor(half.data(), elements * 2, RILL_BF16, {});
  if (expectOk(rill_invoke(session, method, inputs.data(), inputs.size(),
                           &output, 1))) {
    for (size_t i = 0; i < elements; ++i) {
      uint32_t bits = uint32_t(half[i]) << 16;
      std::memcpy(&result[i], &bits, 4);
    }
  }
  return result;
}

Floats Model::features(int64_t k) {
  auto [rows, columns] = source.pictures[k];
  Floats one = source.floats("patches." + std::to_string(k)), patches;
  for (int64_t b = 0; b < source.batch; ++b) {
    patches.insert(patches.end(), one.begin(), one.end());
  }
  int64_t merged = rows * columns / (source.factor * source.factor);
  return call("vision_encoder",
              {rt::makeTensor(patches.data(), patches.size() * 4, RILL_F32,
                              {source.batch, rows, columns,
                               3 * source.patch * source.patch})},
              source.batch * merged * source.hidden, false);
}

/// embeds [B,S,H] in f32; those of a bf16 model are bf16 values already.
Floats Model::decode(const Floats &embeds, int64_t rows) {
  Ids positions;
  for (int64_t b = 0; b < source.batch; ++b) {
    for (int64_t s = 0; s < rows; ++s) {
      positions.push_back(length + s);
    }
  }
  std::vector<uint16_t> half;
  for (float value : embeds) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    half.push_back(static_cast<uint16_t>(bits >> 16));
  }
  rill_tensor input =
      bf16 ? rt::makeTensor(half.data(), half.size() * 2, RILL_BF16,
                            {source.batch, rows, source.hidden})
           : rt::makeTensor(embeds.data(), embeds.size() * 4, RILL_F32,
                            {source.batch, rows, source.hidden});
  Floats logits =
      call("text_decoder",
           {input, rt::makeTensor(positions.data(), positions.size() * 8,
                                  RILL_I64, {source.batch, rows})},
           source.batch * source.vocab, true);
  length += rows;
  return logits;
}

Floats Model::prefill(const Ids &ids, const std::vector<Floats> &features) {
  expectOk(rill_session_reset(session));
  length = 0;
  int64_t rows = static_cast<int64_t>(ids.size()) / source.batch;
  int64_t width = source.hidden;
  Floats embeds = call("token_embedding",
                       {rt::makeTensor(ids.data(), ids.size() * 8, RILL_I64,
                                       {source.batch, rows})},
                       ids.size() * width, false);
  for (int64_t b = 0; b < source.batch; ++b) {
    Floats all;
    for (const Floats &picture : features) {
      size_t size = picture.size() / source.batch;
      all.insert(all.end(), picture.begin() + b * size,
                 picture.begin() + (b + 1) * size);
    }
    auto next = all.begin();
    for (int64_t i = b * rows; i < (b + 1) * rows; ++i) {
      if (ids[i] == source.imageToken && next != all.end()) {
        std::copy(next, next + width, embeds.begin() + i * width);
        next += width;
      }
    }
    EXPECT_EQ(next, all.end()) << "placeholders and feature rows differ";
  }
  return decode(embeds, rows);
}

Floats Model::step(const Ids &ids) {
  return decode(call("token_embedding",
                     {rt::makeTensor(ids.data(), ids.size() * 8, RILL_I64,
                                     {source.batch, 1})},
                     ids.size() * source.hidden, false),
                1);
}
