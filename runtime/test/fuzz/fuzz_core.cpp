//===- fuzz_core.cpp - Fuzzing the readers of runtime/core ----------------===//
//
// A manifest is parsed as it is; a plan is put into an artifact whose hashes
// are right, so that the plan verifier sees it. What it lets through must hold
// between the ends of the shape ranges too. Notes on dispatches are read and
// evaluated.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/dispatch_notes.h"
#include "runtime/core/plan.h"
#include "runtime/test/fuzz/fuzz_targets.h"

#define XXH_INLINE_ALL
#include <cstring>
#include <string>
#include <xxhash.h>

using namespace rill::rt;

static constexpr std::string_view kManifest = R"({
  "schema": "rill.manifest/1", "requires": ["plans"], "content_id": "",
  "model": {"batch": 1},
  "states": [{"name": "s", "kind": "rows", "layout": "ring", "dtype": "f32",
              "shape": [1, 32, 4], "row_dim": 1, "history": 2}],
  "methods": [{"name": "m", "appends": true,
    "inputs": [{"name": "x", "dtype": "f32", "shape": [1, "S", 4]},
               {"name": "p", "dtype": "bf16", "shape": [1, "h", "w", 4]}],
    "outputs": [{"name": "y", "dtype": "f32", "shape": [1, "S 4 ceildiv", 4]}],
    "variants": [{"target": "x86-64-v3", "plan": 1,
                  "when": {"S": [1, 16], "h": [2, 8], "w": [2, 8]}}]}],
  "targets": [{"arch": "x86-64-v3", "kind": "elf", "section": 0,
               "kernels": ["a", "b"]}],
  "weights": [{"name": "w", "dtype": "f32", "shape": [4, 4], "seed": 1}],
  "assets": [], "sections": []})";

void rill::test::fuzzDispatches(std::span<const uint8_t> bytes) {
  auto notes = DispatchNotes::parse(
      {reinterpret_cast<const char *>(bytes.data()), bytes.size()}, "fuzz");
  const std::vector<DispatchNote> *list = notes.ok() ? notes->plan(1) : nullptr;
  for (size_t d = 0; list && d < list->size(); ++d) {
    for (int64_t size : {int64_t(1), int64_t(2048)}) {
      Symbols symbols = {{size, size, size}};
      (void)notes->layer((*list)[d]).size();
      (void)notes->bytes((*list)[d], symbols, size);
      (void)notes->flops((*list)[d], symbols, size);
    }
  }
}

void rill::test::fuzzManifest(std::span<const uint8_t> bytes) {
  (void)parseManifest(
      {reinterpret_cast<const char *>(bytes.data()), bytes.size()}, "fuzz");
}

static uint64_t alignUp(uint64_t bytes) {
  constexpr uint64_t kAlign = RILL_RT_SECTION_ALIGN;
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

/// kManifest, or the same for a CUDA target.
static std::string manifestFor(bool cuda) {
  std::string text(kManifest);
  auto replace = [&](std::string_view from, std::string_view to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
         at += to.size()) {
      text.replace(at, from.size(), to);
    }
  };
  if (cuda) {
    replace("x86-64-v3", "sm_90a");
    replace(R"("kind": "elf", "section": 0)",
            R"("kind": "cuda", "ptx": 0, "threads": [32, 32],
               "shared": [0, 0], "dependent": true)");
  }
  return text;
}

std::vector<uint8_t> rill::test::artifactAround(std::span<const uint8_t> plan,
                                                bool cuda) {
  const std::string manifest = manifestFor(cuda);
  rill_rt_header header = {};
  rill_rt_section table[2] = {};
  uint64_t begin = sizeof(header) + sizeof(table);
  uint64_t code = alignUp(begin + manifest.size());
  std::memcpy(header.magic, RILL_RT_MAGIC, sizeof(header.magic));
  header.major = RILL_RT_FORMAT_MAJOR;
  header.file_length = code + plan.size();
  header.manifest_offset = begin;
  header.manifest_length = manifest.size();
  header.section_count = 2;
  table[0].kind = cuda ? RILL_RT_SECTION_PTX : RILL_RT_SECTION_ELF;
  table[1].kind = RILL_RT_SECTION_PLAN;
  table[1].length = plan.size();
  for (rill_rt_section &section : table) {
    section.offset = code;
    section.align_log2 = 12;
  }
  table[0].hash = XXH3_64bits(nullptr, 0);
  table[1].hash = XXH3_64bits(plan.data(), plan.size());
  std::vector<uint8_t> file(header.file_length, 0);
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), table, sizeof(table));
  std::memcpy(file.data() + begin, manifest.data(), manifest.size());
  header.hash = XXH3_64bits(file.data(), begin + manifest.size());
  std::memcpy(file.data(), &header, sizeof(header));
  if (!plan.empty()) {
    std::memcpy(file.data() + code, plan.data(), plan.size());
  }
  return file;
}

/// Bytes of the buffer an operand lies in, in a call with these symbols.
static uint64_t bufferBytes(const Artifact &artifact, const Plan &plan,
                            const rill_rt_operand &operand,
                            const Symbols &symbols) {
  const Method &method = artifact.manifest().methods[0];
  switch (operand.kind) {
  case RILL_RT_OPERAND_ARENA:
    return plan.header.arena_bytes;
  case RILL_RT_OPERAND_STATE:
    return artifact.manifest().states[operand.index].bytes;
  case RILL_RT_OPERAND_WEIGHT:
    return artifact.manifest().weights[operand.index].bytes;
  default:
    break;
  }
  const Signature &signature = operand.kind == RILL_RT_OPERAND_INPUT
                                   ? method.inputs[operand.index]
                                   : method.outputs[operand.index];
  uint64_t bytes = elementBytes(signature.type);
  for (const SignatureDim &dim : signature.shape) {
    bytes *=
        static_cast<uint64_t>(runProgram(dim.program, symbols).value_or(0));
  }
  return bytes;
}

/// Traps when an operand of a verified plan leaves its buffer.
static void checkCall(const Artifact &artifact, const Plan &plan,
                      const Symbols &symbols) {
  for (size_t d = 0; d < plan.dispatches.size(); ++d) {
    const rill_rt_dispatch &dispatch = plan.dispatches[d];
    if (plan.tiles(d, symbols) < 1) {
      __builtin_trap();
    }
    for (const rill_rt_operand &operand : plan.operands.subspan(
             dispatch.first_operand, dispatch.operand_count)) {
      auto bytes = runProgram(
          plan.program(operand.bytes_first, operand.bytes_length), symbols);
      uint64_t room = bufferBytes(artifact, plan, operand, symbols);
      if (!bytes || operand.offset > room ||
          static_cast<uint64_t>(*bytes) > room - operand.offset) {
        __builtin_trap();
      }
      if (operand.map_width && plan.mapRows(operand, symbols) < 1) {
        __builtin_trap();
      }
    }
  }
}

static void fuzzPlanOf(std::span<const uint8_t> bytes, bool cuda) {
  std::vector<uint8_t> file = rill::test::artifactAround(bytes, cuda);
  auto artifact = Artifact::parse(file, "fuzz", true);
  if (!artifact.ok()) {
    __builtin_trap();
  }
  const Method &method = artifact->manifest().methods[0];
  auto plan = readPlan(*artifact, method, method.variants[0]);
  if (!plan.ok() || plan->dispatches.size() > 64) {
    return;
  }
  int64_t patches = plan->header.max_patches;
  for (int64_t s = 1; s <= 16; s += 5) {
    for (int64_t h = 2; h <= 8; h += 2) {
      for (int64_t w = 2; w <= 8; w += 3) {
        if (!patches || h * w <= patches) {
          checkCall(*artifact, *plan, {{s, h, w}});
        }
      }
    }
  }
}

void rill::test::fuzzPlan(std::span<const uint8_t> bytes) {
  fuzzPlanOf(bytes, /*cuda=*/false);
  fuzzPlanOf(bytes, /*cuda=*/true);
}
