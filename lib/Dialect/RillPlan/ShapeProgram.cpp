//===- ShapeProgram.cpp - Postfix programs over shape symbols -------------===//
//
// Parsing, evaluation, encoding, folding.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/RillPlan/ShapeProgram.h"

#include "rill-rt/artifact_format.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace rill::plan;

namespace {
struct Word {
  int op;
  int64_t immediate;
};
} // namespace

static std::optional<Word> parseWord(StringRef text) {
  int64_t number;
  if (!text.getAsInteger(10, number)) {
    return Word{RILL_RT_OP_CONST, number};
  }
  int symbol =
      StringSwitch<int>(text).Case("S", 0).Case("h", 1).Case("w", 2).Default(
          -1);
  if (symbol >= 0) {
    return Word{RILL_RT_OP_SYMBOL, symbol};
  }
  int op = StringSwitch<int>(text)
               .Case("add", RILL_RT_OP_ADD)
               .Case("mul", RILL_RT_OP_MUL)
               .Case("floordiv", RILL_RT_OP_FLOORDIV)
               .Case("ceildiv", RILL_RT_OP_CEILDIV)
               .Case("min", RILL_RT_OP_MIN)
               .Case("max", RILL_RT_OP_MAX)
               .Default(-1);
  if (op < 0) {
    return std::nullopt;
  }
  return Word{op, 0};
}

static std::optional<SmallVector<Word>> parseProgram(StringRef program) {
  SmallVector<Word> words;
  for (StringRef text : split(program, ' ')) {
    std::optional<Word> word = parseWord(text);
    if (!word || words.size() == RILL_RT_MAX_PROGRAM) {
      return std::nullopt;
    }
    words.push_back(*word);
  }
  return words;
}

/// `a op b`; nothing on overflow or a divisor that is not positive.
static std::optional<int64_t> apply(int op, int64_t a, int64_t b) {
  int64_t result;
  switch (op) {
  case RILL_RT_OP_ADD:
    return __builtin_add_overflow(a, b, &result) ? std::nullopt
                                                 : std::optional(result);
  case RILL_RT_OP_MUL:
    return __builtin_mul_overflow(a, b, &result) ? std::nullopt
                                                 : std::optional(result);
  case RILL_RT_OP_FLOORDIV:
    return b > 0 && a >= 0 ? std::optional(a / b) : std::nullopt;
  case RILL_RT_OP_CEILDIV:
    return b > 0 && a >= 0 ? std::optional(a / b + (a % b != 0)) : std::nullopt;
  case RILL_RT_OP_MIN:
    return std::min(a, b);
  case RILL_RT_OP_MAX:
    return std::max(a, b);
  }
  return std::nullopt;
}

static std::optional<int64_t> run(ArrayRef<Word> words,
                                  const ShapeSymbols &symbols) {
  SmallVector<int64_t> stack;
  const int64_t values[] = {symbols.s, symbols.h, symbols.w};
  for (Word word : words) {
    if (word.op == RILL_RT_OP_CONST) {
      stack.push_back(word.immediate);
    } else if (word.op == RILL_RT_OP_SYMBOL) {
      stack.push_back(values[word.immediate]);
    } else {
      if (stack.size() < 2) {
        return std::nullopt;
      }
      int64_t b = stack.pop_back_val(), a = stack.pop_back_val();
      std::optional<int64_t> result = apply(word.op, a, b);
      if (!result) {
        return std::nullopt;
      }
      stack.push_back(*result);
    }
    if (stack.size() > RILL_RT_MAX_STACK) {
      return std::nullopt;
    }
  }
  return stack.size() == 1 ? std::optional(stack[0]) : std::nullopt;
}

bool rill::plan::isWellFormedProgram(StringRef program) {
  return evaluateProgram(program, ShapeSymbols{}).has_value();
}

std::optional<int64_t>
rill::plan::evaluateProgram(StringRef program, const ShapeSymbols &symbols) {
  auto words = parseProgram(program);
  return words ? run(*words, symbols) : std::nullopt;
}

SmallVector<int64_t> rill::plan::encodeProgram(StringRef program) {
  SmallVector<int64_t> encoded;
  auto words = parseProgram(program);
  for (Word word : words ? ArrayRef<Word>(*words) : ArrayRef<Word>()) {
    encoded.append({word.op, word.immediate});
  }
  return encoded;
}

static bool isConstant(StringRef program, int64_t &value) {
  return !program.getAsInteger(10, value);
}

std::string rill::plan::multiplyPrograms(StringRef a, StringRef b) {
  int64_t left, right;
  bool constLeft = isConstant(a, left), constRight = isConstant(b, right);
  if (constLeft && constRight) {
    return std::to_string(left * right);
  }
  if (constLeft && left == 1) {
    return b.str();
  }
  if (constRight && right == 1) {
    return a.str();
  }
  return (a + " " + b + " mul").str();
}

std::string rill::plan::ceilDivProgram(StringRef a, int64_t b) {
  int64_t value;
  if (isConstant(a, value)) {
    return std::to_string((value + b - 1) / b);
  }
  return b == 1 ? a.str() : (a + " " + Twine(b) + " ceildiv").str();
}
