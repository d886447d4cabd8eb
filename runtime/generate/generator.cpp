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
  RILL_ASSIGN(
      generator->decoder,
      Decoder::create(JsonField(generator->manifest, "manifest"), session));
  generator->ends = generator->decoder->endTokens();
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
  return decoder->imageToken() < 0 ? Status() : readProcessor();
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
    if (token.id == decoder->imageToken()) {
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

/// Features of one crop: (rows/f) * (columns/f) rows of H elements.
Result<std::vector<uint8_t>> Generator::encodeCrop(ImageCrop &crop) {
  int64_t square = processor->downsample * processor->downsample;
  int64_t rows = crop.rows * crop.columns / square;
  int64_t depth =
      static_cast<int64_t>(crop.patches.size()) / (crop.rows * crop.columns);
  std::vector<uint8_t> features(rows * decoder->rowBytes());
  rill_tensor input =
      makeTensor(crop.patches.data(), crop.patches.size() * sizeof(float),
                 RILL_F32, {1, crop.rows, crop.columns, depth});
  rill_tensor output =
      makeTensor(features.data(), features.size(), decoder->dtype(), {});
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
                          const GenerateOptions &options) {
  auto total = static_cast<int64_t>(ids.size());
  if (total == 0) {
    return makeError(ErrorCode::InputInvalid, "prompt", "is empty");
  }
  if (total > decoder->context()) {
    return makeError(ErrorCode::ContextFull, "prompt",
                     format("has %lld tokens but the context holds %lld",
                            (long long)total, (long long)decoder->context()),
                     "shorten it, or compile with a larger --max-seq-len");
  }
  std::vector<const uint8_t *> features(ids.size(), nullptr);
  size_t width = decoder->rowBytes(), at = 0;
  for (const PromptSegment &segment : prompt) {
    for (size_t r = 0; r < segment.ids.size(); ++r, ++at) {
      if (segment.image >= 0) {
        features[at] =
            pictures[segment.image].crops[segment.crop].data() + r * width;
      }
    }
  }
  RILL_TRY(statusFromC(rill_session_reset(session)));
  int64_t chunk = decoder->chunk();
  bool context = options.spec.enabled && decoder->hasDrafter();
  std::vector<uint8_t> rows(std::min(total, chunk) * width);
  for (int64_t first = 0;
       first < total && !(options.cancelled && *options.cancelled);
       first += chunk) {
    int64_t count = std::min(chunk, total - first);
    RILL_TRY(decoder->embed(ids.subspan(first, count), rows.data()));
    for (int64_t s = 0; s < count; ++s) {
      if (features[first + s]) {
        std::memcpy(rows.data() + s * width, features[first + s], width);
      }
    }
    RILL_TRY(decoder->decode(rows.data(), count, first, context));
  }
  return {};
}

namespace {
/// Turns tokens into text and knows when an answer ends.
class Answer {
public:
  Answer(const Tokenizer &words, const std::vector<int64_t> &ends,
         int64_t context, const GenerateOptions &options,
         const std::function<bool(std::string_view)> &text, Generated &result)
      : ends(ends), context(context), options(options), text(text),
        result(result), stream(words, options.stop) {}

  /// Takes the token at `index`; true when the answer ends with it.
  bool take(int64_t id, int64_t index);
  /// What is still held back, unless the answer was cut off.
  void finish();

  bool wasCancelled() const {
    return stopped || (options.cancelled && *options.cancelled);
  }

private:
  bool end(StopReason reason) {
    result.reason = reason;
    return true;
  }
  void show(const std::string &piece) {
    result.text += piece;
    stopped = stopped || (!piece.empty() && !text(piece));
  }

  const std::vector<int64_t> &ends;
  int64_t context;
  const GenerateOptions &options;
  const std::function<bool(std::string_view)> &text;
  Generated &result;
  TextStream stream;
  bool stopped = false; ///< by the receiver of the text
};
} // namespace

bool Answer::take(int64_t id, int64_t index) {
  if (options.token) {
    options.token(id);
  }
  if (wasCancelled()) {
    return end(StopReason::Cancelled);
  }
  if (!options.ignoreEos &&
      std::find(ends.begin(), ends.end(), id) != ends.end()) {
    return end(StopReason::EndToken);
  }
  result.ids.push_back(id);
  show(stream.push(static_cast<int32_t>(id)));
  if (stopped) {
    return end(StopReason::Cancelled);
  }
  if (stream.stopped()) {
    return end(StopReason::StopString);
  }
  if (index >= context) {
    return end(StopReason::Context);
  }
  return static_cast<int64_t>(result.ids.size()) == options.maxNewTokens;
}

void Answer::finish() {
  if (!stream.stopped() && !wasCancelled()) {
    show(stream.finish());
  }
}

Result<Generated>
Generator::generate(std::span<const PromptSegment> prompt,
                    const GenerateOptions &options,
                    const std::function<bool(std::string_view)> &text) {
  RILL_TRY(options.sampling.validate());
  RILL_TRY(options.spec.validate());
  std::vector<int32_t> ids = promptIds(prompt);
  std::vector<int64_t> history(ids.begin(), ids.end());
  double begin = now();
  RILL_TRY(prefill(prompt, history, options));
  Generated result;
  double decodeBegin = now();
  result.promptSeconds = decodeBegin - begin;
  Sampler sampler(options.sampling, decoder->vocabulary());
  Answer answer(*words, ends, decoder->context(), options, text, result);
  if (answer.wasCancelled()) {
    result.reason = StopReason::Cancelled;
  } else if (options.maxNewTokens > 0) {
    RILL_TRY(decoder->run(
        sampler, options.spec, history,
        [&](int64_t id, int64_t index) { return answer.take(id, index); },
        result.spec));
  }
  answer.finish();
  result.decodeSeconds = now() - decodeBegin;
  return result;
}
