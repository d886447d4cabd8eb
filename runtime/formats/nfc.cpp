//===- nfc.cpp - Unicode normalization form C -----------------------------===//
//
// The properties of characters come from utf8proc. The algorithm (Unicode
// Standard, 3.11) is spelt out, because utf8proc's own sorts marks in
// quadratic time and does not say where a character came from.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/nfc.h"

#include "runtime/formats/utf8.h"

#include <algorithm>
#include <utf8proc.h>

using namespace rill::rt;

namespace {
/// One code point on its way.
struct Point {
  char32_t code;
  int combiningClass;
  bool isTemplate;
  size_t place; ///< behind how many others it came
};

struct CodeRange {
  char32_t first, last;
};
} // namespace

/// The tokenizers library normalises by the data of Unicode 9, utf8proc by a
/// later version (15 in Debian 12). These are all code points that differ:
/// marks, and one vowel made of two, that Unicode 9 did not have. The library
/// leaves them where they are, so the models never saw them moved.
static constexpr CodeRange kLaterThanUnicode9[] = {
    {0x07fd, 0x07fd},   {0x0898, 0x089f},   {0x08ca, 0x08d3},
    {0x09fe, 0x09fe},   {0x0c3c, 0x0c3c},   {0x0d3b, 0x0d3c},
    {0x0eba, 0x0eba},   {0x1715, 0x1715},   {0x1abf, 0x1ace},
    {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},   {0x10d24, 0x10d27},
    {0x10eab, 0x10eac}, {0x10efd, 0x10eff}, {0x10f46, 0x10f50},
    {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
    {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11938, 0x11938},
    {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0},
    {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99},
    {0x11d42, 0x11d42}, {0x11d44, 0x11d45}, {0x11d97, 0x11d97},
    {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1}, {0x1e08f, 0x1e08f},
    {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef},
    {0x1e4ec, 0x1e4ef}};

static bool isLater(char32_t code) {
  auto range = std::lower_bound(
      std::begin(kLaterThanUnicode9), std::end(kLaterThanUnicode9), code,
      [](const CodeRange &range, char32_t code) { return range.last < code; });
  return range != std::end(kLaterThanUnicode9) && code >= range->first;
}

/// Appends the full canonical decomposition of a code point.
static void decompose(char32_t code, bool isTemplate,
                      std::vector<Point> &points) {
  constexpr utf8proc_ssize_t kMost = 4; // Unicode has none longer
  utf8proc_int32_t parts[kMost] = {static_cast<utf8proc_int32_t>(code)};
  utf8proc_ssize_t count = 1;
  if (!isLater(code)) {
    int boundary = 0;
    count = utf8proc_decompose_char(
        parts[0], parts, kMost,
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE),
        &boundary);
  }
  for (utf8proc_ssize_t i = 0; i < count && i < kMost; ++i) {
    char32_t part = static_cast<char32_t>(parts[i]);
    int combining = utf8proc_get_property(parts[i])->combining_class;
    points.push_back(
        {part, isLater(part) ? 0 : combining, isTemplate, points.size()});
  }
}

/// Sorts every run of marks by class, equal ones in their order.
static void sortMarks(std::vector<Point> &points) {
  auto isMark = [](const Point &point) { return point.combiningClass != 0; };
  for (auto at = points.begin(); at != points.end();) {
    auto begin = std::find_if(at, points.end(), isMark);
    at = std::find_if_not(begin, points.end(), isMark);
    std::sort(begin, at, [](const Point &a, const Point &b) {
      return std::pair(a.combiningClass, a.place) <
             std::pair(b.combiningClass, b.place);
    });
  }
}

/// The code point two others compose to, or 0.
static char32_t composite(char32_t first, char32_t second) {
  utf8proc_int32_t pair[2] = {static_cast<utf8proc_int32_t>(first),
                              static_cast<utf8proc_int32_t>(second)};
  utf8proc_ssize_t count = utf8proc_normalize_utf32(
      pair, 2,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  char32_t made = static_cast<char32_t>(pair[0]);
  return count == 1 && !isLater(made) ? made : 0;
}

/// Joins each starter with what may be joined with it.
static void compose(std::vector<Point> &points) {
  size_t kept = 0, starter = points.size();
  for (size_t i = 0; i < points.size(); ++i) {
    Point point = points[i];
    // Behind another mark only one of a higher class reaches the starter.
    bool reaches = starter < kept &&
                   (starter + 1 == kept ||
                    points[kept - 1].combiningClass < point.combiningClass);
    char32_t made = reaches ? composite(points[starter].code, point.code) : 0;
    if (made) {
      points[starter].code = made;
      points[starter].isTemplate &= point.isTemplate;
      continue;
    }
    if (point.combiningClass == 0) {
      starter = kept;
    }
    points[kept++] = point;
  }
  points.resize(kept);
}

void rill::rt::normalizeNfc(std::string &text, std::vector<bool> &isTemplate) {
  // U+0300, 0xcc in UTF-8, is the first code point that is not already in form
  // C whatever stands beside it.
  auto maySettle = [](char c) { return static_cast<uint8_t>(c) >= 0xcc; };
  if (std::none_of(text.begin(), text.end(), maySettle)) {
    return;
  }
  std::vector<Point> points;
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    char32_t code = nextCodePoint(text, at);
    decompose(code, isTemplate[begin], points);
  }
  sortMarks(points);
  compose(points);
  text.clear();
  isTemplate.clear();
  for (const Point &point : points) {
    appendUtf8(text, point.code);
    isTemplate.resize(text.size(), point.isTemplate);
  }
}
