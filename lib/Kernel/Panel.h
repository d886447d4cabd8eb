//===- Panel.h - Blocked products over packed panels ------------*- C++ -*-===//
//
// What the large-M templates "gemm" and "flash_attention" share.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_PANEL_H
#define RILL_LIB_KERNEL_PANEL_H

#include "KernelCode.h"

#include "rill/Kernel/Templates.h"

namespace rill::kernel {

/// Hands out pieces of the worker's scratch, f32, in order.
class Scratch {
public:
  explicit Scratch(KernelCode &code) : code(code) {}
  KernelCode::Memory take(int64_t count);

private:
  KernelCode &code;
  int64_t used = 0;
};

/// Element index of row `row` of something.
using RowAt = std::function<Value(Value row)>;

/// panel[k][c] = from[rowAt(c) + k] for `columns` rows c and k below `count`
/// (at most `limit`); the panel is `columns` wide. Blocks of lanes x lanes are
/// transposed in registers.
void packTransposed(KernelCode &code, const KernelCode::Memory &from,
                    const RowAt &rowAt, int64_t columns, Value count,
                    const KernelCode::Memory &panel);

/// A block of rows: row r begins at element `at(r)`.
struct Rows {
  KernelCode::Memory memory;
  RowAt at;
};

/// sums[r][c] += sum over k < count of a[r][k] * panel[k][c], for `rows` rows
/// from `row` and `columns` columns, a multiple of lanes; the panel is
/// `panelWidth` wide. The sums of a row are taken in ascending k.
void multiplyPanel(KernelCode &code, PanelShape shape, const Rows &a, Value row,
                   Value count, const KernelCode::Memory &panel,
                   int64_t panelWidth, int64_t columns, const Rows &sums);

/// The shape that a kernel's configuration names.
PanelShape panelShape(KernelCode &code);

} // namespace rill::kernel

#endif
