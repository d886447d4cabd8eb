//===- signature.cpp - What a method takes and gives ----------------------===//
//
// rill_method_signature, _input and _output over the manifest and the plans.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/model.h"

#include <algorithm>

using namespace rill::rt;

int32_t rill::rt::dtypeOf(ElementType type) {
  switch (type) {
  case ElementType::F32:
    return RILL_F32;
  case ElementType::BF16:
    return RILL_BF16;
  case ElementType::I64:
    return RILL_I64;
  case ElementType::F16:
    return RILL_F16;
  }
  return -1;
}

/// The largest size of a dimension in calls of a plan.
static int64_t mostOf(const SignatureDim &dim, const rill_rt_plan &plan) {
  if (dim.symbol >= 0) {
    return plan.symbol_max[dim.symbol];
  }
  int64_t most = 0;
  for (const Symbols &symbols : largestSymbols(plan)) {
    most = std::max(most, runProgram(dim.program, symbols).value_or(0));
  }
  return most;
}

static int64_t leastOf(const SignatureDim &dim, const rill_rt_plan &plan) {
  Symbols low;
  std::copy(plan.symbol_min, plan.symbol_min + 3, low.values);
  return runProgram(dim.program, low).value_or(0);
}

static char symbolOf(const SignatureDim &dim) {
  bool fixed = dim.program.size() == 2 && dim.symbol < 0;
  return fixed ? '\0' : dim.symbol < 0 ? '*' : "Shw"[dim.symbol];
}

rill_value_info rill::rt::valueInfo(const Model &model, const Method &method,
                                    const Signature &signature) {
  rill_value_info info = {};
  info.name = signature.name.c_str();
  info.dtype = dtypeOf(signature.type);
  info.rank = static_cast<int32_t>(signature.shape.size());
  info.limit = signature.limit;
  bool first = true;
  for (const LoadedVariant &entry : model.variants()) {
    if (entry.method != &method) {
      continue;
    }
    const rill_rt_plan &plan = entry.plan.header;
    for (size_t d = 0; d < signature.shape.size(); ++d) {
      const SignatureDim &dim = signature.shape[d];
      int64_t least = leastOf(dim, plan), most = mostOf(dim, plan);
      info.least[d] = first ? least : std::min(info.least[d], least);
      info.most[d] = std::max(info.most[d], most);
    }
    info.most_bytes =
        std::max<size_t>(info.most_bytes, mostBytes(signature, plan));
    first = false;
  }
  for (size_t d = 0; d < signature.shape.size(); ++d) {
    info.symbols[d] = symbolOf(signature.shape[d]);
    info.shape[d] = info.symbols[d] ? -1 : signature.shape[d].program[1];
  }
  return info;
}
