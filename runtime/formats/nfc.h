//===- nfc.h - Unicode normalization form C ---------------------*- C++ -*-===//
//
// The NFC normalizer of tokenizer.json: canonical decomposition, canonical
// ordering, canonical composition, with the Unicode data of the tokenizers
// library.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_NFC_H
#define RILL_RUNTIME_FORMATS_NFC_H

#include <string>
#include <vector>

namespace rill::rt {

/// Brings well-formed UTF-8 `text` into form C. `isTemplate` has an entry per
/// byte before and after; a character made of bytes of which one is false
/// becomes false. Time n log n for any text.
void normalizeNfc(std::string &text, std::vector<bool> &isTemplate);

} // namespace rill::rt

#endif
