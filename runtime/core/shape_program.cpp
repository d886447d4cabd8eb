//===- shape_program.cpp - Postfix programs over S, h, w ------------------===//
//
// A stack of at most RILL_RT_MAX_STACK values.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/shape_program.h"

#include "rill-rt/artifact_format.h"

#include <algorithm>
#include <charconv>

using namespace rill::rt;

static bool apply(int64_t op, int64_t a, int64_t b, int64_t &result) {
  switch (op) {
  case RILL_RT_OP_ADD:
    return !__builtin_add_overflow(a, b, &result);
  case RILL_RT_OP_MUL:
    return !__builtin_mul_overflow(a, b, &result);
  case RILL_RT_OP_FLOORDIV:
  case RILL_RT_OP_CEILDIV:
    if (b <= 0 || a < 0) {
      return false;
    }
    result = a / b + (op == RILL_RT_OP_CEILDIV && a % b != 0);
    return true;
  case RILL_RT_OP_MIN:
    result = std::min(a, b);
    return true;
  case RILL_RT_OP_MAX:
    result = std::max(a, b);
    return true;
  default:
    return false;
  }
}

std::optional<int64_t> rill::rt::runProgram(std::span<const int64_t> program,
                                            const Symbols &symbols) {
  int64_t stack[RILL_RT_MAX_STACK];
  size_t depth = 0;
  if (program.size() % 2 != 0 || program.size() / 2 > RILL_RT_MAX_PROGRAM) {
    return std::nullopt;
  }
  for (size_t i = 0; i < program.size(); i += 2) {
    int64_t op = program[i], immediate = program[i + 1];
    if (op == RILL_RT_OP_CONST || op == RILL_RT_OP_SYMBOL) {
      if (depth == RILL_RT_MAX_STACK ||
          (op == RILL_RT_OP_SYMBOL && (immediate < 0 || immediate > 2))) {
        return std::nullopt;
      }
      stack[depth++] =
          op == RILL_RT_OP_CONST ? immediate : symbols.values[immediate];
      continue;
    }
    if (depth < 2 ||
        !apply(op, stack[depth - 2], stack[depth - 1], stack[depth - 2])) {
      return std::nullopt;
    }
    --depth;
  }
  if (depth != 1 || stack[0] < 0) {
    return std::nullopt;
  }
  return stack[0];
}

bool rill::rt::isMonotone(std::span<const int64_t> program) {
  for (size_t i = 0; i + 1 < program.size(); i += 2) {
    if (program[i] == RILL_RT_OP_CONST && program[i + 1] < 0) {
      return false;
    }
    bool divides =
        program[i] == RILL_RT_OP_FLOORDIV || program[i] == RILL_RT_OP_CEILDIV;
    if (divides && (i < 2 || program[i - 2] != RILL_RT_OP_CONST)) {
      return false;
    }
  }
  return true;
}

/// One word; nothing when it is none.
static std::optional<std::pair<int64_t, int64_t>>
parseWord(std::string_view word) {
  static constexpr std::pair<std::string_view, int64_t> kOps[] = {
      {"add", RILL_RT_OP_ADD},           {"mul", RILL_RT_OP_MUL},
      {"floordiv", RILL_RT_OP_FLOORDIV}, {"ceildiv", RILL_RT_OP_CEILDIV},
      {"min", RILL_RT_OP_MIN},           {"max", RILL_RT_OP_MAX}};
  static constexpr std::string_view kSymbols[] = {"S", "h", "w"};
  int64_t number;
  auto [end, error] =
      std::from_chars(word.data(), word.data() + word.size(), number);
  if (error == std::errc() && end == word.data() + word.size()) {
    return std::pair(int64_t(RILL_RT_OP_CONST), number);
  }
  for (int64_t i = 0; i < 3; ++i) {
    if (word == kSymbols[i]) {
      return std::pair(int64_t(RILL_RT_OP_SYMBOL), i);
    }
  }
  for (auto [name, op] : kOps) {
    if (word == name) {
      return std::pair(op, int64_t(0));
    }
  }
  return std::nullopt;
}

std::vector<int64_t> rill::rt::parseProgram(std::string_view text) {
  std::vector<int64_t> program;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    auto pair = parseWord(word);
    if (!pair || program.size() == 2 * RILL_RT_MAX_PROGRAM) {
      return {};
    }
    program.insert(program.end(), {pair->first, pair->second});
  }
  return isMonotone(program) ? program : std::vector<int64_t>();
}
