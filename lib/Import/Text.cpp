//===- Text.cpp - Whether tokenizer and template can be used --------------===//
//
// Both travel into the artifact as they are; a checkpoint is compiled without
// them, or with ones that only other programs understand, but not in silence.
//
//===----------------------------------------------------------------------===//
#include "Text.h"

#include "runtime/formats/chat_template.h"
#include "runtime/formats/mapped_file.h"
#include "runtime/formats/tokenizer.h"

using namespace rill;

static std::string warningOf(const rt::Error &error) {
  return rt::format("rill-run will refuse %s: RILL-%d, ", error.where.c_str(),
                    static_cast<int>(error.code)) +
         error.why;
}

void rill::families::checkText(const std::string &folder,
                               std::vector<std::string> &warnings) {
  const std::string tokenizer = folder + "/tokenizer.json";
  if (rt::fileExists(tokenizer)) {
    auto words = rt::Tokenizer::open(tokenizer);
    if (!words.ok()) {
      warnings.push_back(warningOf(words.error()));
    }
  }
  auto chat = rt::ChatTemplate::openFolder(folder);
  // With none at all, rill-run works with --raw and says so without.
  if (!chat.ok() && chat.error().code != rt::ErrorCode::FileUnreadable) {
    warnings.push_back(warningOf(chat.error()));
  }
}
