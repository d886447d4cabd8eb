//===- plan.cpp - Decoding and verifying a plan ---------------------------===//
//
// The plan verifier.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/plan.h"

#include <algorithm>
#include <cstring>
#include <set>

using namespace rill::rt;

std::optional<uint64_t> rill::rt::signatureBytes(const Signature &signature,
                                                 const Symbols &symbols) {
  uint64_t total = elementBytes(signature.type);
  for (const SignatureDim &dim : signature.shape) {
    auto size = runProgram(dim.program, symbols);
    if (!size ||
        __builtin_mul_overflow(total, static_cast<uint64_t>(*size), &total)) {
      return std::nullopt;
    }
  }
  return total;
}

std::array<Symbols, 2> rill::rt::largestSymbols(const rill_rt_plan &plan) {
  Symbols tall, wide;
  std::copy(plan.symbol_max, plan.symbol_max + 3, tall.values);
  wide = tall;
  if (plan.max_patches) {
    tall = {{plan.symbol_max[0], plan.max_patches, 1}};
    wide = {{plan.symbol_max[0], 1, plan.max_patches}};
  }
  return {tall, wide};
}

uint64_t rill::rt::mostBytes(const Signature &signature,
                             const rill_rt_plan &plan) {
  uint64_t most = 0;
  for (const Symbols &symbols : largestSymbols(plan)) {
    most = std::max(most, signatureBytes(signature, symbols).value_or(0));
  }
  return most;
}

namespace {
class Verifier {
public:
  Verifier(const Artifact &artifact, const Method &method,
           const MethodVariant &variant)
      : artifact(artifact), method(method), variant(variant) {}

  Result<Plan> run();

private:
  /// One arena buffer: written by dispatch `first`, last read by `last`.
  struct Buffer {
    uint64_t begin, end;
    size_t first, last;
  };

  Status decode();
  Status checkHeader() const;
  Status checkDispatch(size_t index);
  Status checkOperand(size_t dispatch, const rill_rt_operand &operand);
  Status checkMap(size_t dispatch, const rill_rt_operand &operand) const;
  Status checkOverlap() const;
  Status noteArena(size_t dispatch, const rill_rt_operand &operand,
                   uint64_t bytes);
  /// The bytes an operand may span at most, by its kind; nothing if unbounded
  /// by the plan (never).
  std::optional<uint64_t> room(const rill_rt_operand &operand,
                               const Symbols &symbols) const;
  /// Only the init of the target reads the weight.
  bool isReleased(size_t weight) const;
  std::vector<Symbols> corners() const;
  Error invalid(std::string why) const;

  const Artifact &artifact;
  const Method &method;
  const MethodVariant &variant;
  const TargetInfo *target = nullptr;
  Plan plan;
  std::vector<Buffer> buffers;
  std::set<uint32_t> writtenOutputs;
};
} // namespace

Error Verifier::invalid(std::string why) const {
  return makeError(ErrorCode::PlanInvalid,
                   artifact.name() + ", plan of " + method.name + " for " +
                       variant.target,
                   std::move(why), "the file is damaged; compile it anew");
}

Status Verifier::decode() {
  auto bytes = artifact.bytes(variant.plan);
  if (bytes.size() < sizeof(rill_rt_plan)) {
    return invalid("is shorter than its header");
  }
  std::memcpy(&plan.header, bytes.data(), sizeof(plan.header));
  const rill_rt_plan &header = plan.header;
  uint64_t dispatchBytes =
      uint64_t(header.dispatch_count) * sizeof(rill_rt_dispatch);
  uint64_t operandBytes =
      uint64_t(header.operand_count) * sizeof(rill_rt_operand);
  uint64_t wordBytes = uint64_t(header.program_count) * 2 * sizeof(int64_t);
  if (header.magic != RILL_RT_PLAN_MAGIC) {
    return invalid("does not begin with RPLN");
  }
  if (header.version != RILL_RT_PLAN_VERSION) {
    return invalid(format("has version %u but this version of Rill reads %d",
                          header.version, RILL_RT_PLAN_VERSION));
  }
  if (bytes.size() !=
      sizeof(header) + dispatchBytes + operandBytes + wordBytes) {
    return invalid("has another length than its header says");
  }
  // Sections begin at 4,096 bytes and all records are multiples of 8 long.
  const uint8_t *at = bytes.data() + sizeof(header);
  plan.dispatches = {reinterpret_cast<const rill_rt_dispatch *>(at),
                     header.dispatch_count};
  at += dispatchBytes;
  plan.operands = {reinterpret_cast<const rill_rt_operand *>(at),
                   header.operand_count};
  at += operandBytes;
  plan.words = {reinterpret_cast<const int64_t *>(at),
                size_t(header.program_count) * 2};
  return {};
}

Status Verifier::checkHeader() const {
  constexpr uint64_t kMaxBytes = uint64_t(1) << 40;
  const rill_rt_plan &header = plan.header;
  for (int i = 0; i < 3; ++i) {
    if (header.symbol_min[i] != variant.min[i] ||
        header.symbol_max[i] != variant.max[i]) {
      return invalid("has other symbol ranges than the manifest");
    }
  }
  if (header.input_count != method.inputs.size() ||
      header.output_count != method.outputs.size()) {
    return invalid("has other inputs or outputs than the manifest");
  }
  if (header.arena_bytes > kMaxBytes || header.scratch_bytes > kMaxBytes) {
    return invalid("needs more than 2^40 bytes");
  }
  return {};
}

/// The ends of the ranges; h * w is bound by max_patches.
std::vector<Symbols> Verifier::corners() const {
  const rill_rt_plan &header = plan.header;
  Symbols low;
  std::copy(header.symbol_min, header.symbol_min + 3, low.values);
  std::vector<Symbols> list = {low};
  if (!header.max_patches) {
    Symbols high;
    std::copy(header.symbol_max, header.symbol_max + 3, high.values);
    list.push_back(high);
    return list;
  }
  int64_t patches = header.max_patches;
  Symbols tall = low, wide = low;
  tall.values[0] = wide.values[0] = header.symbol_max[0];
  tall.values[1] = std::min(header.symbol_max[1],
                            std::max(low.values[1], patches / low.values[2]));
  wide.values[2] = std::min(header.symbol_max[2],
                            std::max(low.values[2], patches / low.values[1]));
  list.push_back(tall);
  list.push_back(wide);
  return list;
}

bool Verifier::isReleased(size_t weight) const {
  if (!target->init || &method == &target->init->method) {
    return false;
  }
  const std::vector<size_t> &list = target->init->released;
  return std::find(list.begin(), list.end(), weight) != list.end();
}

std::optional<uint64_t> Verifier::room(const rill_rt_operand &operand,
                                       const Symbols &symbols) const {
  const Manifest &manifest = artifact.manifest();
  switch (operand.kind) {
  case RILL_RT_OPERAND_ARENA:
    return plan.header.arena_bytes;
  case RILL_RT_OPERAND_STATE:
    return operand.index < manifest.states.size()
               ? std::optional(manifest.states[operand.index].bytes)
               : std::nullopt;
  case RILL_RT_OPERAND_WEIGHT:
    return operand.index < manifest.weights.size() && !isReleased(operand.index)
               ? std::optional(manifest.weights[operand.index].bytes)
               : std::nullopt;
  case RILL_RT_OPERAND_PACKED:
    return target->init && operand.index < target->init->packed.size()
               ? std::optional(target->init->packed[operand.index])
               : std::nullopt;
  case RILL_RT_OPERAND_INPUT:
    return operand.index < method.inputs.size()
               ? signatureBytes(method.inputs[operand.index], symbols)
               : std::nullopt;
  case RILL_RT_OPERAND_OUTPUT:
    return operand.index < method.outputs.size()
               ? signatureBytes(method.outputs[operand.index], symbols)
               : std::nullopt;
  default:
    return std::nullopt;
  }
}

Status Verifier::noteArena(size_t dispatch, const rill_rt_operand &operand,
                           uint64_t bytes) {
  uint64_t begin = operand.offset, end = operand.offset + bytes;
  if (operand.access == RILL_RT_WRITE) {
    buffers.push_back({begin, end, dispatch, dispatch});
    return {};
  }
  for (auto buffer = buffers.rbegin(); buffer != buffers.rend(); ++buffer) {
    if (buffer->begin == begin && end <= buffer->end &&
        buffer->first < dispatch) {
      buffer->last = dispatch;
      return {};
    }
  }
  return invalid(format("dispatch %zu reads arena bytes that no earlier "
                        "dispatch writes",
                        dispatch));
}

/// Nothing of a map, or one that cuTensorMapEncodeTiled takes and that stays
/// inside the operand's bytes.
Status Verifier::checkMap(size_t dispatch,
                          const rill_rt_operand &operand) const {
  constexpr uint32_t kWord = 8, kWordBytes = 16, kMostWidth = 1u << 30;
  constexpr uint64_t kMostRows = uint64_t(1) << 32;
  uint32_t swizzle = operand.map_swizzle;
  if (!operand.map_width) {
    return operand.map_columns || operand.map_rows || swizzle ||
                   operand.reserved1
               ? Status(invalid(format("dispatch %zu has an operand with a box "
                                       "but no map",
                                       dispatch)))
               : Status();
  }
  if (target->kind != "cuda" || operand.access != RILL_RT_READ) {
    return invalid(format("dispatch %zu has a tensor map that no kernel of its "
                          "target reads",
                          dispatch));
  }
  bool swizzled =
      swizzle == 0 || ((swizzle == 32 || swizzle == 64 || swizzle == 128) &&
                       Plan::kMapElement * operand.map_columns <= swizzle);
  if (operand.map_width % kWord || operand.map_width > kMostWidth ||
      operand.map_columns % kWord || operand.map_columns < 1 ||
      operand.map_columns > RILL_RT_MAX_BOX || operand.map_rows < 1 ||
      operand.map_rows > RILL_RT_MAX_BOX || !swizzled || operand.reserved1 ||
      operand.offset % kWordBytes) {
    return invalid(format(
        "dispatch %zu has a tensor map that cannot be encoded", dispatch));
  }
  for (const Symbols &symbols : corners()) {
    uint64_t rows = plan.mapRows(operand, symbols);
    if (rows < 1 || rows > kMostRows) {
      return invalid(format("dispatch %zu has a tensor map without rows, or "
                            "with more than 2^32",
                            dispatch));
    }
  }
  return {};
}

Status Verifier::checkOperand(size_t dispatch, const rill_rt_operand &operand) {
  uint32_t allowed =
      operand.kind == RILL_RT_OPERAND_STATE    ? RILL_RT_READ | RILL_RT_WRITE
      : operand.kind == RILL_RT_OPERAND_OUTPUT ? RILL_RT_READ | RILL_RT_WRITE
      : operand.kind == RILL_RT_OPERAND_ARENA  ? RILL_RT_READ | RILL_RT_WRITE
                                               : RILL_RT_READ;
  bool arena = operand.kind == RILL_RT_OPERAND_ARENA;
  bool output = operand.kind == RILL_RT_OPERAND_OUTPUT;
  if (operand.access == 0 || (operand.access & ~allowed) ||
      ((arena || output) && operand.access == allowed) || operand.reserved) {
    return invalid(
        format("dispatch %zu has an operand with a wrong access", dispatch));
  }
  if (output && operand.access == RILL_RT_READ &&
      !writtenOutputs.count(operand.index)) {
    return invalid(format("dispatch %zu reads output %u, which no earlier "
                          "dispatch writes",
                          dispatch, operand.index));
  }
  if (uint64_t(operand.bytes_first) + operand.bytes_length >
      plan.header.program_count) {
    return invalid(
        format("dispatch %zu names a program outside the plan", dispatch));
  }
  if (!isMonotone(plan.program(operand.bytes_first, operand.bytes_length))) {
    return invalid(format("dispatch %zu has an operand whose bytes may fall "
                          "when a symbol grows",
                          dispatch));
  }
  uint64_t largest = 0;
  for (const Symbols &symbols : corners()) {
    auto bytes = runProgram(
        plan.program(operand.bytes_first, operand.bytes_length), symbols);
    auto limit = room(operand, symbols);
    if (!bytes || !limit || operand.offset > *limit ||
        static_cast<uint64_t>(*bytes) > *limit - operand.offset) {
      return invalid(
          format("dispatch %zu has an operand outside its buffer", dispatch));
    }
    largest = std::max(largest, static_cast<uint64_t>(*bytes));
  }
  RILL_TRY(checkMap(dispatch, operand));
  if (output && operand.access == RILL_RT_WRITE) {
    writtenOutputs.insert(operand.index);
  }
  return arena ? noteArena(dispatch, operand, largest) : Status();
}

Status Verifier::checkDispatch(size_t index) {
  const rill_rt_dispatch &dispatch = plan.dispatches[index];
  if (dispatch.kernel >= target->kernels.size() || dispatch.flags ||
      uint64_t(dispatch.first_operand) + dispatch.operand_count >
          plan.header.operand_count ||
      uint64_t(dispatch.grid_first) + dispatch.grid_length >
          plan.header.program_count) {
    return invalid(format("dispatch %zu refers outside the plan", index));
  }
  auto grid = plan.program(dispatch.grid_first, dispatch.grid_length);
  for (const Symbols &symbols : corners()) {
    auto tiles = runProgram(grid, symbols);
    if (!isMonotone(grid) || !tiles || *tiles < 1 ||
        *tiles > (int64_t(1) << 40)) {
      return invalid(format("dispatch %zu has no valid grid", index));
    }
  }
  // Reads first: a kernel's results are written after its arguments exist.
  auto operands =
      plan.operands.subspan(dispatch.first_operand, dispatch.operand_count);
  if (std::count_if(operands.begin(), operands.end(), [](const auto &operand) {
        return operand.map_width != 0;
      }) > RILL_RT_MAX_MAPS) {
    return invalid(format("dispatch %zu has more than %d tensor maps", index,
                          RILL_RT_MAX_MAPS));
  }
  for (bool writes : {false, true}) {
    for (const rill_rt_operand &operand : operands) {
      if ((operand.access == RILL_RT_WRITE) == writes) {
        RILL_TRY(checkOperand(index, operand));
      }
    }
  }
  return {};
}

Status Verifier::checkOverlap() const {
  for (size_t i = 0; i < buffers.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const Buffer &a = buffers[i], &b = buffers[j];
      if (a.first <= b.last && b.first <= a.last && a.begin < b.end &&
          b.begin < a.end) {
        return invalid(format("dispatches %zu and %zu write live buffers that "
                              "overlap",
                              b.first, a.first));
      }
    }
  }
  return {};
}

Result<Plan> Verifier::run() {
  for (const TargetInfo &entry : artifact.manifest().targets) {
    if (entry.arch == variant.target) {
      target = &entry;
    }
  }
  if (!target) {
    return invalid("belongs to a target the file has no code for");
  }
  RILL_TRY(decode());
  RILL_TRY(checkHeader());
  for (size_t i = 0; i < plan.dispatches.size(); ++i) {
    RILL_TRY(checkDispatch(i));
  }
  RILL_TRY(checkOverlap());
  return plan;
}

Result<Plan> rill::rt::readInitPlan(const Artifact &artifact,
                                    const TargetInfo &target) {
  constexpr int64_t kMostBlocks = (int64_t(1) << 31) - 1; // of a launch
  const Method &method = target.init->method;
  RILL_ASSIGN(Plan plan, readPlan(artifact, method, target.init->variant()));
  std::vector<bool> made(method.outputs.size());
  bool valid = plan.dispatches.size() == made.size();
  for (const rill_rt_dispatch &dispatch : plan.dispatches) {
    auto operands =
        plan.operands.subspan(dispatch.first_operand, dispatch.operand_count);
    valid = valid && operands.size() == 2 &&
            runProgram(plan.program(dispatch.grid_first, dispatch.grid_length),
                       Symbols())
                    .value_or(0) <= kMostBlocks &&
            operands[0].kind == RILL_RT_OPERAND_WEIGHT &&
            operands[0].offset == 0 && !operands[0].map_width &&
            operands[1].kind == RILL_RT_OPERAND_OUTPUT &&
            operands[1].offset == 0 && !made[operands[1].index];
    if (!valid) {
      break;
    }
    made[operands[1].index] = true;
  }
  if (valid) {
    return plan;
  }
  return makeError(ErrorCode::PlanInvalid,
                   artifact.name() + ", plan of init for " + target.arch,
                   "does not make each packed weight once, of one weight",
                   "the file is damaged; compile it anew");
}

Result<Plan> rill::rt::readPlan(const Artifact &artifact, const Method &method,
                                const MethodVariant &variant) {
  return Verifier(artifact, method, variant).run();
}
