//===- pre_tokenizer.h - From text to words ---------------------*- C++ -*-===//
//
// The pre_tokenizer section of tokenizer.json: Sequence, Split, Digits and
// ByteLevel, in the order of the file.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_PRE_TOKENIZER_H
#define RILL_RUNTIME_FORMATS_PRE_TOKENIZER_H

#include "runtime/formats/json.h"
#include "runtime/formats/split_pattern.h"

namespace rill::rt {

/// Cuts a text into words. Immutable once read.
class PreTokenizer {
public:
  /// Reads the section; TokenizerUnsupported names what is not known.
  static Result<PreTokenizer> parse(const JsonField &section);

  /// The words of well-formed `text`, in order; no word is empty.
  Result<std::vector<std::string>> split(const std::string &text) const;
  /// Whether a ByteLevel step was found; without one the words would not be
  /// byte-level.
  bool isByteLevel() const { return byteLevel; }

private:
  enum class Behaviour { Isolated, Removed, Previous, Next, Contiguous };
  struct Step {
    SplitPattern pattern;
    Behaviour behaviour;
    bool invert;
  };
  /// A step is a split, or (no pattern) the blank that ByteLevel may prepend.
  Status add(const JsonField &section);
  Status addSplit(const JsonField &section);
  Status addByteLevel(const JsonField &section);
  static Result<std::vector<std::string>> apply(const Step &step,
                                                const std::string &word);

  std::vector<std::optional<Step>> steps;
  bool byteLevel = false;
};

} // namespace rill::rt

#endif
