//===- Text.h - Whether tokenizer and template can be used ------*- C++ -*-===//
//
// Used by import and inspection; knows no MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_TEXT_H
#define RILL_LIB_IMPORT_TEXT_H

#include <string>
#include <vector>

namespace rill::families {

/// Appends a warning for tokenizer.json and one for the chat template of a
/// checkpoint folder when rill-run would refuse them. Neither has to exist.
void checkText(const std::string &folder, std::vector<std::string> &warnings);

} // namespace rill::families

#endif
