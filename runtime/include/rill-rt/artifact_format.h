/*===- artifact_format.h - The .rill file, byte by byte ---------*- C -*-===*\
|*
|* Format 1.0, little-endian. docs/Artifact.md draws it; runtime/core reads it
|* and checks everything before use; lib/Artifact writes it.
|*
\*===----------------------------------------------------------------------===*/
#ifndef RILL_RT_ARTIFACT_FORMAT_H
#define RILL_RT_ARTIFACT_FORMAT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RILL_RT_MAGIC "RILLART1"
enum {
  RILL_RT_FORMAT_MAJOR = 1,
  RILL_RT_FORMAT_MINOR = 0,
  RILL_RT_SECTION_ALIGN = 4096,
  RILL_RT_WEIGHTS_ALIGN = 65536,
  RILL_RT_MAX_MANIFEST = 16 << 20,
  RILL_RT_MAX_SECTIONS = 4096
};

/* At byte 0. `hash` is XXH3-64 of header (this field zero), section table and
 * manifest, in that order. The table follows the header; the manifest (JSON,
 * UTF-8) follows the table; then sections in ascending offset, only zero
 * bytes between them, and the file ends with the last one. */
typedef struct rill_rt_header {
  char magic[8];
  uint16_t major, minor;
  uint32_t flags; /* 0 */
  uint64_t file_length;
  uint64_t manifest_offset, manifest_length;
  uint32_t section_count, reserved0;
  uint64_t hash;
  uint64_t reserved1;
} rill_rt_header;

enum rill_rt_section_kind {
  RILL_RT_SECTION_WEIGHTS = 1, /* raw tensors */
  RILL_RT_SECTION_ELF = 2,     /* x86-64 shared object */
  RILL_RT_SECTION_CUBIN = 3,
  RILL_RT_SECTION_PTX = 4,
  RILL_RT_SECTION_PLAN = 5,  /* rill_rt_plan */
  RILL_RT_SECTION_ASSET = 6, /* tokenizer.json, template, ... */
  RILL_RT_SECTION_IR = 7,
  RILL_RT_SECTION_DISPATCHES = 8 /* JSON: layers and costs, for profiles */
};

typedef struct rill_rt_section {
  uint32_t kind, flags;
  uint64_t offset, length;
  uint32_t align_log2, reserved0;
  uint64_t hash; /* XXH3-64 of the bytes */
  uint64_t reserved1[3];
} rill_rt_section;

/* Words of a shape program: (opcode, immediate) pairs of i64. */
enum rill_rt_program_op {
  RILL_RT_OP_CONST = 0,  /* push immediate */
  RILL_RT_OP_SYMBOL = 1, /* push symbol immediate: 0 S, 1 h, 2 w */
  RILL_RT_OP_ADD = 2,
  RILL_RT_OP_MUL = 3,
  RILL_RT_OP_FLOORDIV = 4,
  RILL_RT_OP_CEILDIV = 5,
  RILL_RT_OP_MIN = 6,
  RILL_RT_OP_MAX = 7
};
enum { RILL_RT_MAX_PROGRAM = 64, RILL_RT_MAX_STACK = 16 };

/* A plan section: header, then dispatches, operands, program words. */
#define RILL_RT_PLAN_MAGIC 0x4e4c5052u /* "RPLN" */
enum { RILL_RT_PLAN_VERSION = 2 };
typedef struct rill_rt_plan {
  uint32_t magic, version;              /* RILL_RT_PLAN_VERSION */
  int64_t symbol_min[3], symbol_max[3]; /* S, h, w; 1..1 when unused */
  uint64_t arena_bytes, scratch_bytes;
  uint32_t input_count, output_count;
  uint32_t dispatch_count, operand_count, program_count;
  uint32_t max_patches; /* h * w <= max_patches; 0: h, w unused */
} rill_rt_plan;

typedef struct rill_rt_dispatch {
  uint32_t kernel; /* index into the target's kernel list of the manifest */
  uint32_t first_operand, operand_count;
  uint32_t grid_first, grid_length; /* in pairs, into the program words */
  uint32_t flags;
} rill_rt_dispatch;

enum rill_rt_operand_kind {
  RILL_RT_OPERAND_ARENA = 0,  /* offset into the arena */
  RILL_RT_OPERAND_STATE = 1,  /* index of a state */
  RILL_RT_OPERAND_WEIGHT = 2, /* index of a weight, byte offset in it */
  RILL_RT_OPERAND_CONTROL = 3,
  RILL_RT_OPERAND_INPUT = 4,  /* index of a method input */
  RILL_RT_OPERAND_OUTPUT = 5, /* index of a method output */
  RILL_RT_OPERAND_PACKED = 6  /* index of a packed weight, byte offset in it */
};
enum { RILL_RT_READ = 1, RILL_RT_WRITE = 2 };
/* Most tensor maps of a dispatch; rows and columns of a box at most. */
enum { RILL_RT_MAX_MAPS = 4, RILL_RT_MAX_BOX = 256 };

/* `bytes` is a program: the bytes the operand spans in this call. Tile t
 * touches [tile_base + t*tile_stride, + tile_extent) of them; extent 0 means
 * the whole operand. Where map_width is not 0, the kernel takes a tensor map
 * (kernel_abi.h) of the bytes as a bf16 matrix; only CUDA kernels that read the
 * operand do. A box of one copy has map_columns times map_rows elements. */
typedef struct rill_rt_operand {
  uint32_t kind, access, index;
  uint32_t bytes_first, bytes_length, reserved;
  uint64_t offset;
  int64_t tile_base, tile_stride, tile_extent;
  uint32_t map_width;              /* columns of a row, a multiple of 8 */
  uint16_t map_columns, map_rows;  /* of a box, 1 .. RILL_RT_MAX_BOX */
  uint32_t map_swizzle, reserved1; /* bytes: 0, 32, 64 or 128 */
} rill_rt_operand;

#ifdef __cplusplus
}
#define RILL_RT_CHECK(type, size)                                              \
  static_assert(sizeof(type) == size, "artifact record layout")
RILL_RT_CHECK(rill_rt_header, 64);
RILL_RT_CHECK(rill_rt_section, 64);
RILL_RT_CHECK(rill_rt_plan, 96);
RILL_RT_CHECK(rill_rt_dispatch, 24);
RILL_RT_CHECK(rill_rt_operand, 72);
#undef RILL_RT_CHECK
#endif
#endif
