//===- CheckPtx.cpp - Whether PTX still holds what templates emitted ------===//
//
// LLVM takes vectors of bf16 apart and drops what it thinks dead without a
// word; a kernel that lost its wide loads or tensor-core products would be
// right and many times slower.
//
//===----------------------------------------------------------------------===//
#include "rill/Target/NVVM/NVVM.h"

#include "llvm/ADT/StringMap.h"

using namespace rill;
using namespace rill::nvvm;
using llvm::StringRef;

/// A load of 16 bytes of one thread, or a copy of 16 bytes.
static bool isWide(StringRef line) {
  if (line.contains("cp.async")) {
    return line.contains("], 16");
  }
  constexpr StringRef kWide[] = {".v4.b32", ".v4.f32", ".v4.u32", ".v2.b64",
                                 ".v2.f64", ".v2.u64", ".b128"};
  return line.starts_with("ld.") &&
         llvm::any_of(kWide, [&](StringRef w) { return line.contains(w); });
}

static llvm::StringMap<PtxCounts> countAll(StringRef ptx) {
  llvm::StringMap<PtxCounts> counts;
  PtxCounts *own = nullptr;
  for (StringRef line : llvm::split(ptx, '\n')) {
    line = line.ltrim();
    if (size_t at = line.find(".entry "); at != StringRef::npos) {
      own = &counts[line.substr(at + 7).take_until(
          [](char c) { return c == '(' || c == ' '; })];
    } else if (own) {
      own->products += line.contains("mma.sync") || line.contains("mma_async");
      own->wide += isWide(line);
    }
  }
  return counts;
}

rt::Status rill::nvvm::checkPtx(const Chip &chip, StringRef ptx,
                                llvm::ArrayRef<KernelNeeds> kernels) {
  llvm::StringMap<PtxCounts> counts = countAll(ptx);
  for (const KernelNeeds &kernel : kernels) {
    const PtxCounts &own = counts[kernel.name];
    if (own.products < kernel.emitted.products ||
        own.wide < kernel.emitted.wide) {
      return rt::makeError(
          rt::ErrorCode::KernelBudget,
          std::string(chip.name) + ", kernel " + kernel.name,
          rt::format("its PTX has %lld tensor-core products and %lld 16-byte "
                     "loads; its template emitted %lld and %lld",
                     (long long)own.products, (long long)own.wide,
                     (long long)kernel.emitted.products,
                     (long long)kernel.emitted.wide));
    }
    if (kernel.shared > chip.blockShared) {
      return rt::makeError(
          rt::ErrorCode::KernelBudget,
          std::string(chip.name) + ", kernel " + kernel.name,
          rt::format("a block asks for %lld bytes of shared memory; the chip "
                     "has %lld for one",
                     (long long)kernel.shared, (long long)chip.blockShared));
    }
  }
  return {};
}
