//===- status.cpp - Errors with code, what, where, why, mend --------------===//
//
// The error table and the text of an error.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/status.h"

#include <cstdarg>
#include <cstdio>

using namespace rill::rt;

static constexpr ErrorInfo kErrors[] = {
#define RILL_ERROR(number, name, summary, page)                                \
  {ErrorCode::name, #name, summary, page},
#include "runtime/formats/errors.def"
#undef RILL_ERROR
};

const ErrorInfo *rill::rt::errorTable(size_t *count) {
  *count = sizeof(kErrors) / sizeof(kErrors[0]);
  return kErrors;
}

Error rill::rt::makeError(ErrorCode code, std::string where, std::string why,
                          std::string mend) {
  const char *what = "unknown error";
  for (const ErrorInfo &info : kErrors) {
    if (info.code == code) {
      what = info.summary;
    }
  }
  return Error{code, what, std::move(where), std::move(why), std::move(mend)};
}

std::string Error::render() const {
  std::string text =
      format("error[RILL-%04d]: %s", static_cast<int>(code), what.c_str());
  const std::pair<const char *, const std::string *> lines[] = {
      {"where: ", &where}, {"why:   ", &why}, {"mend:  ", &mend}};
  for (auto [label, part] : lines) {
    if (!part->empty()) {
      text += std::string("\n  ") + label + *part;
    }
  }
  return text;
}

std::string rill::rt::format(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  va_list again;
  va_copy(again, args);
  int size = vsnprintf(nullptr, 0, fmt, args);
  va_end(args);
  std::string text(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  if (size > 0) {
    vsnprintf(text.data(), text.size() + 1, fmt, again);
  }
  va_end(again);
  return text;
}
