//===- generator.cpp - From messages to streamed text ---------------------===//
//
// A prompt is chunks of exactly C rows and one rest; segment borders are not
// chunk borders.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/generator.h"

#include "runtime/core/c_helpers.h"

#include <algorithm>
#include <chrono>
#include <cstring>

using namespace rill::rt;

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Result<std::unique_ptr<Generator>> Generator::create(const rill_model *model,
                                                     rill_session *session) {
  std::unique_ptr<Generator> generator(new Generator());
  generator->model = model;
  generator->session = session;
  size_t bytes;
  const char *text = rill_manifest(model, &bytes);
  RILL_ASSIGN(generator->manifest, parseJson({text, bytes}, "manifest"));
  RILL_TRY(generator->readLimits());
  RILL_TRY(generator->readAssets());
  return generator;
}

/// The bytes of an asset by its file name; empty when there is none.
Result<std::string_view> Generator::asset(std::string_view file) const {
  JsonField root(manifest, "manifest");
  RILL_ASSIGN(JsonField list, root.at("assets"));
  RILL_ASSIGN(auto items, list.items());
  for (const JsonField &item : items) {
    RILL_ASSIGN(std::string name, item.stringOr("file", ""));
    if (name != file) {
      continue;
    }
    RILL_ASSIGN(JsonField section, item.at("section"));
    RILL_ASSIGN(int64_t index, section.asInt(0));
    const void *data;
    size_t bytes;
    RILL_TRY(statusFromC(
        rill_section(model, static_cast<size_t>(index), &data, &bytes)));
    return std::string_view(static_cast<const char *>(data), bytes);
  }
  return std::string_view();
}

/// Sizes, activation type and the largest chunk, from the manifest.
Status Generator::readLimits() {
  JsonField root(manifest, "manifest");
  RILL_ASSIGN(JsonField info, root.at("model"));
  RILL_ASSIGN(vocabulary, info.intOr("vocab", 0, 1));
  RILL_ASSIGN(hidden, info.intOr("hidden", 0, 1));
  RILL_ASSIGN(context, info.intOr("max_seq_len", 0, 1));
  RILL_ASSIGN(imageId, info.intOr("image_token", -1));
  RILL_ASSIGN(int64_t batch, info.intOr("batch", 1, 1));
  if (batch != 1) {
    return makeError(ErrorCode::CallUnsupported, "generate",
                     format("the artifact has batch %lld; generation runs one "
                            "sequence",
                            (long long)batch),
                     "compile with --batch-size 1");
  }
  RILL_ASSIGN(JsonField end, info.at("eos"));
  RILL_ASSIGN(ends, end.asInts());
  RILL_ASSIGN(JsonField methods, root.at("methods"));
  RILL_ASSIGN(auto list, methods.items());
  for (const JsonField &method : list) {
    RILL_ASSIGN(std::string name, method.stringOr("name", ""));
    if (name != "text_decoder") {
      continue;
    }
    RILL_ASSIGN(JsonField inputs, method.at("inputs"));
    RILL_ASSIGN(auto signatures, inputs.items());
    RILL_ASSIGN(std::string type, signatures.at(0).stringOr("dtype", "f32"));
    dtype = type == "bf16" ? RILL_BF16 : RILL_F32;
    elementSize = type == "bf16" ? 2 : 4;
    RILL_ASSIGN(JsonField variants, method.at("variants"));
    RILL_ASSIGN(auto entries, variants.items());
    for (const JsonField &entry : entries) {
      RILL_ASSIGN(JsonField when, entry.at("when"));
      RILL_ASSIGN(JsonField range, when.at("S"));
      RILL_ASSIGN(auto bounds, range.asInts());
      chunk = std::max(chunk, bounds.empty() ? 1 : bounds.back());
    }
  }
  logits.resize(vocabulary);
  return {};
}

Status Generator::readAssets() {
  RILL_ASSIGN(std::string_view file, asset("tokenizer.json"));
  if (file.empty()) {
    return makeError(ErrorCode::FileUnreadable, "tokenizer.json",
                     "the artifact carries no tokenizer",
                     "compile from a folder that holds tokenizer.json");
  }
  RILL_ASSIGN(words, Tokenizer::parse(file, "tokenizer.json"));
  RILL_ASSIGN(std::string_view config, asset("tokenizer_config.json"));
  JsonValue settings = JsonValue::Object{};
  if (!config.empty()) {
    RILL_ASSIGN(settings, parseJson(config, "tokenizer_config.json"));
  }
  RILL_ASSIGN(std::string_view source, asset("chat_template.jinja"));
  std::string text(source);
  JsonField fields(settings, "tokenizer_config.json");
  if (text.empty()) {
    RILL_ASSIGN(text, fields.stringOr("chat_template", ""));
  }
  if (!text.empty()) {
    RILL_ASSIGN(chat, ChatTemplate::parse(text, "chat template"));
  }
  for (const char *key : {"bos_token", "eos_token", "pad_token", "unk_token"}) {
    auto value = fields.findValue(key);
    if (!value) {
      continue;
    }
    // Either the text, or an AddedToken object with its content.
    RILL_ASSIGN(std::string token, value->isObject()
                                       ? value->stringOr("content", "")
                                       : value->asString());
    templateTokens.push_back({key, token});
  }
  RILL_ASSIGN(std::string_view defaults, asset("generation_config.json"));
  if (!defaults.empty()) {
    RILL_ASSIGN(JsonValue tree, parseJson(defaults, "generation_config.json"));
    RILL_ASSIGN(generation, GenerationConfig::parse(
                                JsonField(tree, "generation_config.json")));
    if (!generation.eosTokens.empty()) {
      ends.assign(generation.eosTokens.begin(), generation.eosTokens.end());
    }
  }
  return imageId < 0 ? Status() : readProcessor();
}

/// Image processor values and marker tokens of a model that sees pictures.
Status Generator::readProcessor() {
  std::vector<std::pair<std::string, JsonValue>> files;
  for (const char *file :
       {"processor_config.json", "preprocessor_config.json"}) {
    RILL_ASSIGN(std::string_view text, asset(file));
    if (!text.empty()) {
      RILL_ASSIGN(JsonValue root, parseJson(text, file));
      files.push_back({file, std::move(root)});
    }
  }
  if (files.empty()) {
    return {}; // pictures are then refused, text works
  }
  RILL_ASSIGN(processor, ImageProcessorConfig::parseFiles(files));
  std::string placeholder = "<image>";
  for (const AddedToken &token : words->addedTokens()) {
    if (token.id == imageId) {
      placeholder = token.content;
    }
  }
  RILL_ASSIGN(markers, ImageTokens::find(*words, placeholder));
  return {};
}

Result<std::vector<TextSpan>> Generator::render(const ChatInput &input) const {
  if (!chat) {
    return makeError(ErrorCode::FileUnreadable, "chat template",
                     "the artifact carries none", "use --raw");
  }
  ChatInput full = input;
  full.tokens.insert(full.tokens.end(), templateTokens.begin(),
                     templateTokens.end());
  return chat->render(full);
}

/// Rows of token_embedding, in calls of at most one chunk.
Status Generator::embed(std::span<const int64_t> ids, uint8_t *rows) {
  for (size_t done = 0; done < ids.size();) {
    size_t count = std::min(ids.size() - done, static_cast<size_t>(chunk));
    rill_tensor input = makeTensor(ids.data() + done, count * sizeof(int64_t),
                                   RILL_I64, {1, static_cast<int64_t>(count)});
    size_t size = count * hidden * elementSize;
    rill_tensor output =
        makeTensor(rows + done * hidden * elementSize, size, dtype, {});
    RILL_TRY(statusFromC(
        rill_invoke(session, "token_embedding", &input, 1, &output, 1)));
    done += count;
  }
  return {};
}

/// One text_decoder call; the last row's logits are in `logits`.
Status Generator::decode(const uint8_t *rows, int64_t count, int64_t first) {
  std::vector<int64_t> positions(count);
  for (int64_t s = 0; s < count; ++s) {
    positions[s] = first + s;
  }
  rill_tensor inputs[] = {
      makeTensor(rows, count * hidden * elementSize, dtype, {1, count, hidden}),
      makeTensor(positions.data(), count * sizeof(int64_t), RILL_I64,
                 {1, count})};
  rill_tensor output =
      makeTensor(logits.data(), logits.size() * sizeof(float), RILL_F32, {});
  return statusFromC(
      rill_invoke(session, "text_decoder", inputs, 2, &output, 1));
}

/// Features of one crop: (rows/f) * (columns/f) rows of H elements.
Result<std::vector<uint8_t>> Generator::encodeCrop(ImageCrop &crop) {
  int64_t square = processor->downsample * processor->downsample;
  int64_t rows = crop.rows * crop.columns / square;
  int64_t depth =
      static_cast<int64_t>(crop.patches.size()) / (crop.rows * crop.columns);
  std::vector<uint8_t> features(rows * hidden * elementSize);
  rill_tensor input =
      makeTensor(crop.patches.data(), crop.patches.size() * sizeof(float),
                 RILL_F32, {1, crop.rows, crop.columns, depth});
  rill_tensor output = makeTensor(features.data(), features.size(), dtype, {});
  RILL_TRY(statusFromC(
      rill_invoke(session, "vision_encoder", &input, 1, &output, 1)));
  return features;
}

Status Generator::addPicture(std::span<const uint8_t> bytes,
                             const std::string &name) {
  if (!processor) {
    return makeError(ErrorCode::CallUnsupported, name,
                     "the model takes no pictures");
  }
  RILL_ASSIGN(Image image, decodeImage(bytes, name));
  return addImage(std::move(image));
}

Status Generator::addImage(Image image) {
  if (!processor) {
    return makeError(ErrorCode::CallUnsupported, "picture",
                     "the model takes no pictures");
  }
  Picture picture;
  RILL_ASSIGN(picture.plan, planImage(*processor, image.width, image.height));
  RILL_ASSIGN(auto crops, processImage(*processor, picture.plan, image));
  for (ImageCrop &crop : crops) {
    RILL_ASSIGN(auto features, encodeCrop(crop));
    picture.crops.push_back(std::move(features));
  }
  pictures.push_back(std::move(picture));
  return {};
}

Result<std::vector<PromptSegment>>
Generator::prompt(std::span<const TextSpan> spans) const {
  if (processor) {
    std::vector<ImagePlan> plans;
    for (const Picture &picture : pictures) {
      plans.push_back(picture.plan);
    }
    return makePrompt(*words, *processor, markers, spans, plans);
  }
  RILL_ASSIGN(auto ids, words->encode(spans));
  return std::vector<PromptSegment>{{std::move(ids), -1, 0}};
}

/// Feeds the prompt in chunks; picture rows replace the placeholders' rows.
Status Generator::prefill(std::span<const PromptSegment> prompt,
                          std::span<const int64_t> ids,
                          const std::atomic<bool> *cancelled) {
  auto total = static_cast<int64_t>(ids.size());
  if (total == 0) {
    return makeError(ErrorCode::InputInvalid, "prompt", "is empty");
  }
  if (total > context) {
    return makeError(ErrorCode::ContextFull, "prompt",
                     format("has %lld tokens but the context holds %lld",
                            (long long)total, (long long)context),
                     "shorten it, or compile with a larger --max-seq-len");
  }
  std::vector<const uint8_t *> features(ids.size(), nullptr);
  size_t width = hidden * elementSize, at = 0;
  for (const PromptSegment &segment : prompt) {
    for (size_t r = 0; r < segment.ids.size(); ++r, ++at) {
      if (segment.image >= 0) {
        features[at] =
            pictures[segment.image].crops[segment.crop].data() + r * width;
      }
    }
  }
  RILL_TRY(statusFromC(rill_session_reset(session)));
  std::vector<uint8_t> rows(std::min(total, chunk) * width);
  for (int64_t first = 0; first < total && !(cancelled && *cancelled);
       first += chunk) {
    int64_t count = std::min(chunk, total - first);
    RILL_TRY(embed(ids.subspan(first, count), rows.data()));
    for (int64_t s = 0; s < count; ++s) {
      if (features[first + s]) {
        std::memcpy(rows.data() + s * width, features[first + s], width);
      }
    }
    RILL_TRY(decode(rows.data(), count, first));
  }
  return {};
}

Result<Generated>
Generator::generate(std::span<const PromptSegment> prompt,
                    const GenerateOptions &options,
                    const std::function<bool(std::string_view)> &text) {
  RILL_TRY(options.sampling.validate());
  std::vector<int32_t> ids = promptIds(prompt);
  std::vector<int64_t> history(ids.begin(), ids.end());
  double begin = now();
  RILL_TRY(prefill(prompt, history, options.cancelled));
  Generated result;
  double decodeBegin = now();
  result.promptSeconds = decodeBegin - begin;
  Sampler sampler(options.sampling, vocabulary);
  TextStream stream(*words, options.stop);
  std::vector<uint8_t> row(hidden * elementSize);
  bool cancelled = false;
  auto show = [&](const std::string &piece) {
    result.text += piece;
    cancelled = cancelled || (!piece.empty() && !text(piece));
  };
  while (static_cast<int64_t>(result.ids.size()) < options.maxNewTokens) {
    if (options.cancelled && *options.cancelled) {
      cancelled = true;
      result.reason = StopReason::Cancelled;
      break;
    }
    auto index = static_cast<int64_t>(history.size());
    int64_t id = sampler.draw(logits, history, index);
    if (!options.ignoreEos &&
        std::find(ends.begin(), ends.end(), id) != ends.end()) {
      result.reason = StopReason::EndToken;
      break;
    }
    result.ids.push_back(id);
    history.push_back(id);
    show(stream.push(static_cast<int32_t>(id)));
    if (stream.stopped() || cancelled) {
      result.reason =
          cancelled ? StopReason::Cancelled : StopReason::StopString;
      break;
    }
    if (index >= context) {
      result.reason = StopReason::Context;
      break;
    }
    if (static_cast<int64_t>(result.ids.size()) == options.maxNewTokens) {
      break;
    }
    RILL_TRY(embed({&id, 1}, row.data()));
    RILL_TRY(decode(row.data(), 1, index));
  }
  if (!stream.stopped() && !cancelled) {
    show(stream.finish());
  }
  result.decodeSeconds = now() - decodeBegin;
  return result;
}
