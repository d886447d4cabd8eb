//===- text_probe.cpp - Formats and pictures by lines of text -------------===//
//
// Lets `tools/dev/verify text` compare with other implementations: reads
// requests from standard input, one a line, and answers one line each.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/chat_template.h"
#include "runtime/formats/mapped_file.h"
#include "runtime/generate/image_processor.h"

#include <cstdio>
#include <iostream>
#include <sstream>

using namespace rill::rt;

static std::string fromHex(std::string_view hex) {
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  }
  return out;
}

static std::string toHex(std::string_view text) {
  std::string out;
  for (unsigned char byte : text) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

static std::string failure(const Error &error) {
  return "error " + std::to_string(static_cast<int>(error.code)) + " " +
         toHex(error.where + ": " + error.why);
}

/// "Thex Uhex ...": ids of spans of the template (T) and of the user (U).
static std::string encode(const Tokenizer &tokenizer, const std::string &line) {
  std::istringstream in(line);
  std::vector<TextSpan> spans;
  for (std::string word; in >> word;) {
    spans.push_back({fromHex(word.substr(1)), word[0] == 'T'});
  }
  auto ids = tokenizer.encode(spans);
  if (!ids.ok()) {
    return failure(ids.error());
  }
  std::string out;
  for (int32_t id : *ids) {
    out += std::to_string(id) + " ";
  }
  return out;
}

/// "id id ...": the text, in hex.
static std::string decode(const Tokenizer &tokenizer, const std::string &line) {
  std::istringstream in(line);
  std::vector<int32_t> ids;
  for (int32_t id; in >> id;) {
    ids.push_back(id);
  }
  return toHex(tokenizer.decode(ids, false));
}

/// {"messages", "tools", "add_generation_prompt", "bos", "variables", "now"}:
/// the prompt, in hex, every span after T or U.
static std::string render(const ChatTemplate &made, const std::string &line) {
  auto request = parseJson(line, "request");
  if (!request.ok()) {
    return failure(request.error());
  }
  ChatInput input;
  input.messages = *request->find("messages");
  input.tools = *request->find("tools");
  input.addGenerationPrompt = *request->find("add_generation_prompt")->asBool();
  input.tokens = {{"bos_token", *request->find("bos")->asString()}};
  input.variables = *request->find("variables")->asObject();
  input.now = *request->find("now")->asInt();
  auto spans = made.render(input);
  if (!spans.ok()) {
    return failure(spans.error());
  }
  std::string out;
  for (const TextSpan &span : *spans) {
    out += (span.isTemplate ? " T" : " U") + toHex(span.text);
  }
  return "ok" + out;
}

/// "width height": smart width and height, columns, rows, placeholder tokens.
static std::string plan(const ImageProcessorConfig &config,
                        const std::string &line) {
  std::istringstream in(line);
  int64_t width = 0, height = 0, tokens = 0;
  in >> width >> height;
  auto made = planImage(config, width, height);
  if (!made.ok()) {
    return failure(made.error());
  }
  for (int64_t crop = 0; crop < made->crops(); ++crop) {
    tokens += cropTokens(config, *made, crop);
  }
  std::ostringstream out;
  out << made->smartWidth << ' ' << made->smartHeight << ' ' << made->columns
      << ' ' << made->rows << ' ' << tokens;
  return out.str();
}

/// "picture output": rows and columns of every crop; the patches go to output
/// as f32.
static std::string pixels(const ImageProcessorConfig &config,
                          const std::string &line) {
  std::istringstream in(line);
  std::string source, target;
  in >> source >> target;
  auto file = MappedFile::open(source);
  if (!file.ok()) {
    return failure(file.error());
  }
  auto image = decodeImage(file->bytes(), source);
  if (!image.ok()) {
    return failure(image.error());
  }
  auto made = planImage(config, image->width, image->height);
  if (!made.ok()) {
    return failure(made.error());
  }
  auto crops = processImage(config, *made, *image);
  if (!crops.ok()) {
    return failure(crops.error());
  }
  FILE *out = fopen(target.c_str(), "wb");
  std::string shapes;
  for (const ImageCrop &crop : *crops) {
    fwrite(crop.patches.data(), sizeof(float), crop.patches.size(), out);
    shapes +=
        std::to_string(crop.rows) + " " + std::to_string(crop.columns) + " ";
  }
  fclose(out);
  return shapes;
}

template <typename Subject>
static int answerAll(Result<Subject> subject,
                     std::string (*answer)(const Subject &,
                                           const std::string &)) {
  if (!subject.ok()) {
    std::cerr << subject.error().render() << '\n';
    return subject.error().exitCode();
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << answer(*subject, line) << '\n';
  }
  return 0;
}

int main(int argc, char **argv) {
  std::ios::sync_with_stdio(false);
  std::string mode = argc == 3 ? argv[1] : "";
  std::string path = argc == 3 ? argv[2] : "";
  if (mode == "encode" || mode == "decode") {
    return answerAll(Tokenizer::open(path), mode == "encode" ? encode : decode);
  }
  if (mode == "render") {
    return answerAll(ChatTemplate::openFolder(path), render);
  }
  if (mode == "plan" || mode == "pixels") {
    return answerAll(ImageProcessorConfig::openFolder(path),
                     mode == "plan" ? plan : pixels);
  }
  std::cerr << "usage: text_probe encode|decode TOKENIZER | render|plan|pixels "
               "FOLDER\n";
  return 2;
}
