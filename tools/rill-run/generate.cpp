//===- generate.cpp - Answering prompts from the command line -------------===//
//
// Messages from flags, files or a terminal; the work is rt::Generator.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-run/generate.h"

#include "runtime/formats/mapped_file.h"
#include "runtime/generate/generator.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <unistd.h>

using namespace rill;
using namespace rill::tools;
using rt::JsonValue;

static volatile std::sig_atomic_t interrupted = 0;

/// ^C once stops after the token; twice ends the program.
static void onInterrupt(int) {
  interrupted = 1;
  std::signal(SIGINT, SIG_DFL);
}

static rt::Result<std::string> readImage(const std::string &path) {
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  constexpr size_t kMaxBytes = size_t(256) << 20;
  return rt::readTextFile(path, kMaxBytes);
}

static rt::Status addPicture(rt::Generator &generator,
                             const std::string &path) {
  RILL_ASSIGN(std::string bytes, readImage(path));
  return generator.addPicture(
      {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, path);
}

/// A message whose pictures stand before its text, the order of training.
static JsonValue message(const char *role, size_t images,
                         const std::string &text) {
  if (images == 0) {
    return JsonValue::Object{{"role", role}, {"content", text}};
  }
  JsonValue::Array content;
  for (size_t i = 0; i < images; ++i) {
    content.push_back(JsonValue::Object{{"type", "image"}});
  }
  content.push_back(JsonValue::Object{{"type", "text"}, {"text", text}});
  return JsonValue::Object{{"role", role}, {"content", content}};
}

/// Adds the members of `object` to the template's variables; a name given
/// before keeps its place and takes the new value.
static rt::Status addVariables(const rt::JsonField &object,
                               JsonValue::Object &variables) {
  RILL_ASSIGN(auto members, object.members());
  for (const auto &[key, field] : members) {
    for (const char *own : {"messages", "tools", "add_generation_prompt"}) {
      if (key == own) {
        return field.error("the prompt's own variable cannot be set here");
      }
    }
    auto same = std::find_if(
        variables.begin(), variables.end(),
        [&, &key = key](const rt::JsonMember &m) { return m.key == key; });
    if (same == variables.end()) {
      same = variables.insert(same, {key, JsonValue()});
    }
    same->value = field.get();
  }
  return {};
}

/// The file of --messages: a list of messages, or an object with messages,
/// tools and chat_template_kwargs as in a request to a chat server.
static rt::Status readMessages(const std::string &path, rt::ChatInput &input) {
  RILL_ASSIGN(JsonValue root, rt::readJsonFile(path));
  if (!root.asObject()) {
    input.messages = std::move(root);
    return {};
  }
  rt::JsonField file(root, path);
  RILL_ASSIGN(rt::JsonField messages, file.at("messages"));
  input.messages = messages.get();
  if (auto tools = file.findValue("tools")) {
    input.tools = tools->get();
  }
  auto variables = file.findValue("chat_template_kwargs");
  return variables ? addVariables(*variables, input.variables) : rt::Status();
}

/// What --chat-template-kwargs says.
static rt::Status readVariables(const GenerateFlags &flags,
                                rt::ChatInput &input) {
  if (flags.templateVariables.empty()) {
    return {};
  }
  const std::string name = "--chat-template-kwargs";
  RILL_ASSIGN(JsonValue root, rt::parseJson(flags.templateVariables, name));
  return addVariables(rt::JsonField(root, name), input.variables);
}

static rt::Result<rt::ChatInput> buildInput(const GenerateFlags &flags,
                                            const std::string &text) {
  rt::ChatInput input;
  if (!flags.messagesFile.empty()) {
    RILL_TRY(readMessages(flags.messagesFile, input));
  } else {
    JsonValue::Array list;
    if (!flags.systemPrompt.empty()) {
      list.push_back(message("system", 0, flags.systemPrompt));
    }
    list.push_back(message("user", flags.images.size(), text));
    input.messages = std::move(list);
  }
  RILL_TRY(readVariables(flags, input));
  return input;
}

static rt::GenerateOptions optionsOf(const GenerateFlags &flags,
                                     const rt::Generator &generator) {
  rt::GenerateOptions options;
  options.sampling = generator.defaults().sampling;
  options.sampling.temperature =
      flags.temperature.value_or(options.sampling.temperature);
  options.sampling.topK = flags.topK.value_or(options.sampling.topK);
  options.sampling.topP = flags.topP.value_or(options.sampling.topP);
  options.sampling.minP = flags.minP.value_or(options.sampling.minP);
  options.sampling.repeatPenalty =
      flags.repeatPenalty.value_or(options.sampling.repeatPenalty);
  options.sampling.seed = flags.seed;
  options.maxNewTokens = flags.maxNewTokens;
  options.stop = flags.stop;
  options.ignoreEos = flags.ignoreEos;
  options.spec.enabled = flags.specType != "none";
  options.spec.draftMax =
      flags.specRows ? *flags.specRows - 1 : flags.specDraftMax;
  options.spec.draftMin = flags.specDraftMin;
  return options;
}

/// Totals, and how many verifies committed 1, 2, ... tokens.
static void printSpeculation(const rt::SpecStats &spec) {
  std::fprintf(stderr,
               "drafted %zu, accepted %zu in %zu verifies and %zu plain "
               "steps | mean length %.2f | lengths",
               spec.drafted, spec.accepted, spec.verifies, spec.plainSteps,
               spec.meanLength());
  for (size_t n = 1; n < spec.lengths.size(); ++n) {
    if (spec.lengths[n]) {
      std::fprintf(stderr, " %zu:%zu", n, spec.lengths[n]);
    }
  }
  std::fprintf(stderr, " | draft %.1f ms, verify %.1f ms\n",
               1e3 * spec.draftSeconds, 1e3 * spec.verifySeconds);
}

static const char *reasonText(rt::StopReason reason) {
  switch (reason) {
  case rt::StopReason::EndToken:
    return "end token";
  case rt::StopReason::StopString:
    return "stop string";
  case rt::StopReason::Limit:
    return "token limit";
  case rt::StopReason::Context:
    return "context full";
  case rt::StopReason::Cancelled:
    return "cancelled";
  }
  return "";
}

static void printStats(const rt::Generated &result, size_t promptTokens) {
  double count = static_cast<double>(result.ids.size());
  std::fprintf(stderr, "prompt %zu tok %.1f ms | %zu tok at %.1f tok/s | %s\n",
               promptTokens, 1e3 * result.promptSeconds, result.ids.size(),
               result.decodeSeconds > 0 ? count / result.decodeSeconds : 0.0,
               reasonText(result.reason));
  if (result.spec.verifies) {
    printSpeculation(result.spec);
  }
}

static void printTokens(std::span<const int64_t> ids) {
  std::printf("tokens:");
  for (int64_t id : ids) {
    std::printf(" %lld", (long long)id);
  }
  std::printf("\n");
}

/// Renders, generates, prints; with null `input`, `raw` is the prompt. Sets
/// `answer`.
static rt::Status answer(rt::Generator &generator, const GenerateFlags &flags,
                         Observer &observer, rt::ChatInput *input,
                         const std::string &raw, std::string &answer) {
  std::vector<rt::TextSpan> spans = {{raw, true}};
  if (input) {
    input->now = std::time(nullptr);
    RILL_ASSIGN(spans, generator.render(*input));
  }
  if (flags.printPrompt) {
    for (const rt::TextSpan &span : spans) {
      std::printf("%s", span.text.c_str());
    }
    std::printf("\n");
    if (!flags.tokens) {
      return {};
    }
  }
  RILL_ASSIGN(auto prompt, generator.prompt(spans));
  std::vector<int32_t> promptIds = rt::promptIds(prompt);
  std::vector<int64_t> ids(promptIds.begin(), promptIds.end());
  if (flags.printPrompt) {
    printTokens(ids);
    return {};
  }
  size_t count = ids.size();
  if (flags.countTokens) {
    for (const rt::PromptSegment &segment : prompt) {
      if (segment.image >= 0) {
        std::printf("image %lld crop %lld: %zu tokens\n",
                    (long long)segment.image, (long long)segment.crop,
                    segment.ids.size());
      } else {
        std::printf("text: %zu tokens\n", segment.ids.size());
      }
    }
    std::printf("total: %zu tokens\n", count);
    return {};
  }
  auto show = [](std::string_view piece) {
    bool written =
        std::fwrite(piece.data(), 1, piece.size(), stdout) == piece.size() &&
        std::fflush(stdout) == 0;
    return written && !interrupted;
  };
  rt::GenerateOptions options = optionsOf(flags, generator);
  Observer::Answer observed(observer);
  options.token = [&](int64_t id) { observed.token(id); };
  RILL_ASSIGN(auto result, generator.generate(prompt, options, show));
  std::printf("\n");
  if (std::fflush(stdout) != 0) {
    return rt::makeError(rt::ErrorCode::WriteFailed, "standard output",
                         "it is closed or full");
  }
  if (flags.tokens) {
    printTokens(result.ids);
  }
  if (flags.stats) {
    printStats(result, count);
  }
  answer = result.text;
  return {};
}

/// /image F, /clear, /stats, /save F, /quit; anything else is a message.
static rt::Status chat(rt::Generator &generator, GenerateFlags flags,
                       Observer &observer) {
  rt::ChatInput input;
  RILL_TRY(readVariables(flags, input));
  JsonValue::Array messages;
  size_t images = 0;
  for (std::string line;
       std::printf("> "), std::fflush(stdout), std::getline(std::cin, line);) {
    interrupted = 0;
    std::signal(SIGINT, onInterrupt);
    std::string word = line.substr(0, line.find(' '));
    std::string rest =
        line.size() > word.size() ? line.substr(word.size() + 1) : "";
    if (word == "/quit") {
      break;
    }
    if (word == "/clear") {
      messages.clear();
      generator.clearPictures();
      images = 0;
      continue;
    }
    if (word == "/stats") {
      flags.stats = !flags.stats;
      continue;
    }
    if (word == "/save") {
      std::ofstream file(rest);
      file << rt::writeJson(messages, {", ", ": ", 2}) << "\n";
      std::fprintf(stderr, file ? "saved %s\n" : "cannot write %s\n",
                   rest.c_str());
      continue;
    }
    if (word == "/image") {
      rt::Status added = addPicture(generator, rest);
      images += added.ok();
      if (!added.ok()) {
        std::fprintf(stderr, "%s\n", added.get().render().c_str());
      }
      continue;
    }
    if (line.empty()) {
      continue;
    }
    messages.push_back(message("user", images, line));
    input.messages = messages;
    std::string text;
    rt::Status status = answer(generator, flags, observer, &input, "", text);
    if (!status.ok()) {
      messages.pop_back();
      std::fprintf(stderr, "%s\n", status.get().render().c_str());
      continue;
    }
    images = 0;
    messages.push_back(message("assistant", 0, text));
  }
  return {};
}

rt::Status rill::tools::runGenerate(const rill_model *model,
                                    rill_session *session,
                                    const GenerateFlags &flags,
                                    Observer &observer) {
  std::signal(SIGINT, onInterrupt);
  std::signal(SIGPIPE, SIG_IGN);
  RILL_ASSIGN(auto generator, rt::Generator::create(model, session));
  bool wanted = !flags.specType.empty() && flags.specType != "none";
  if (wanted && !generator->hasDrafter()) {
    return rt::makeError(rt::ErrorCode::CallUnsupported, "--spec-type",
                         "is " + flags.specType +
                             " but the artifact has no drafter",
                         "compile with --draft FOLDER");
  }
  for (const std::string &path : flags.images) {
    RILL_TRY(addPicture(*generator, path));
  }
  std::string text = flags.prompt.value_or("");
  if (!flags.promptFile.empty()) {
    constexpr size_t kMaxPrompt = size_t(16) << 20;
    RILL_ASSIGN(text, rt::readTextFile(flags.promptFile, kMaxPrompt));
  }
  bool given =
      flags.prompt || !flags.promptFile.empty() || !flags.messagesFile.empty();
  if (!given) {
    if (isatty(STDIN_FILENO)) {
      return chat(*generator, flags, observer);
    }
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  }
  std::string ignored;
  if (flags.raw) {
    return answer(*generator, flags, observer, nullptr, text, ignored);
  }
  RILL_ASSIGN(rt::ChatInput input, buildInput(flags, text));
  return answer(*generator, flags, observer, &input, "", ignored);
}
