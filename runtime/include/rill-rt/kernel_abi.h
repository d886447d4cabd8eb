/*===- kernel_abi.h - What a kernel is called with --------------*- C -*-===*\
|*
|* Shared by the compiler and the runtime. Fixed little-endian 64-bit fields.
|*
\*===----------------------------------------------------------------------===*/
#ifndef RILL_RT_KERNEL_ABI_H
#define RILL_RT_KERNEL_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fields of the control block, as indices of its i64 words. The head has a
 * fixed size; behind it stand the per-sequence arrays start[B], token[B],
 * position[B], where B is word RILL_RT_CONTROL_BATCH. */
enum rill_rt_control_word {
  RILL_RT_CONTROL_BATCH = 0, /* B */
  RILL_RT_CONTROL_S = 1,     /* shape symbol S: rows of this call */
  RILL_RT_CONTROL_H = 2,     /* shape symbol h: patch rows */
  RILL_RT_CONTROL_W = 3,     /* shape symbol w: patch columns */
  RILL_RT_CONTROL_SEED = 4,
  RILL_RT_CONTROL_STEP = 5,            /* decode steps since the last reset */
  RILL_RT_CONTROL_TEMPERATURE = 6,     /* f64 bits; 0 = greedy */
  RILL_RT_CONTROL_TOP_K = 7,           /* 0 = off */
  RILL_RT_CONTROL_TOP_P = 8,           /* f64 bits; 1 = off */
  RILL_RT_CONTROL_MIN_P = 9,           /* f64 bits; 0 = off */
  RILL_RT_CONTROL_REPEAT_PENALTY = 10, /* f64 bits; 1 = off */
  RILL_RT_CONTROL_HEAD_WORDS = 16      /* words 11..15 are zero */
};

typedef struct rill_rt_control {
  int64_t words[RILL_RT_CONTROL_HEAD_WORDS];
  /* start[B]: rows in the session before this call (the cache index of row 0).
   * token[B]: the token to decode. position[B]: its RoPE position.
   * The kernel of rill.control.commit writes these and RILL_RT_CONTROL_STEP; no
   * other kernel writes the block. */
  int64_t per_sequence[];
} rill_rt_control;

/* A CPU kernel: runs tiles tile_begin .. tile_end-1 of its grid. `operands`
 * holds one pointer per plan operand, in plan order; static extents are
 * constants of the code, dynamic ones follow from S, h, w. `scratch` belongs
 * to the calling worker: the plan's scratch_bytes, 64-byte aligned. Tiles may
 * run in any order and on any worker. */
typedef void (*rill_rt_cpu_kernel)(void *const *operands,
                                   const rill_rt_control *control,
                                   int64_t tile_begin, int64_t tile_end,
                                   void *scratch);

/* A CUDA kernel takes one u64 device pointer per operand in plan order and
 * last the device address of the control block; blockIdx.x is the tile. Where
 * the plan's operand has a box (artifact_format.h), a CUtensorMap stands in the
 * pointer's place, by value: 128 bytes, 64-byte aligned. It describes a bf16
 * matrix of map_width columns and as many rows as the operand spans in this
 * call; rows and columns of a box that lie behind are read as zeros. */

#ifdef __cplusplus
}
#endif
#endif
