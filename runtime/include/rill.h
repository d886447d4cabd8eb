/*===- rill.h - Load and run a .rill artifact -------------------*- C -*-===*\
|*
|* C11, no exceptions. A `rill_status` is NULL on success, else an error the
|* caller frees with rill_error_free; then output parameters are untouched.
|* A .rill file carries native code: opening one for running executes it, like
|* a shared library.
|*
\*===----------------------------------------------------------------------===*/
#ifndef RILL_H
#define RILL_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#error "Rill runs on Linux"
#endif
#define RILL_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rill_error *rill_status;
typedef struct rill_model rill_model;     /* immutable, shared by threads */
typedef struct rill_session rill_session; /* one thread at a time */

/* Errors. Code: RILL-NNNN, first digit = exit code. Strings live as long as
 * the error. A NULL error gives 0 and "". */
RILL_API int rill_error_code(rill_status error);
RILL_API const char *rill_error_what(rill_status error);
RILL_API const char *rill_error_where(rill_status error);
RILL_API const char *rill_error_why(rill_status error);
RILL_API const char *rill_error_mend(rill_status error);
RILL_API void rill_error_free(rill_status error);
/* An error of `code`, with its text for `what`; for libraries over this one.
 * NULL strings are "". */
RILL_API rill_status rill_error_create(int code, const char *where,
                                       const char *why, const char *mend);

RILL_API const char *rill_version(void); /* "0.1.0" */

/* Where large host memory comes from: states, arena, scratch of worker threads,
 * control blocks, synthetic weights. Not: mapped files, a CUDA device's memory
 * and pinned memory, small bookkeeping. Both functions may be called by any
 * thread that opens models or makes sessions; none is called by rill_invoke. */
typedef struct rill_allocator {
  size_t size; /* sizeof(rill_allocator) */
  /* `bytes` > 0 at an address that `align` (4096) divides, or NULL: the call
   * that asked fails with RILL-6001. Rill sets the bytes to zero. */
  void *(*allocate)(void *user, size_t bytes, size_t align);
  void (*release)(void *user, void *memory, size_t bytes);
  void *user;
} rill_allocator;

/* For all later allocations of the process; NULL: pages of the system. What
 * exists goes back to the allocator that gave it, which must stay usable until
 * then. The struct is copied. An error when a function is missing. */
RILL_API rill_status rill_set_allocator(const rill_allocator *allocator);

enum rill_dtype { RILL_F32 = 0, RILL_BF16 = 1, RILL_I64 = 2, RILL_F16 = 3 };

/* A tensor of the caller: row-major, contiguous, host memory. `shape` has
 * `rank` entries. Not owned by Rill. */
typedef struct rill_tensor {
  size_t size; /* sizeof(rill_tensor) */
  void *data;
  size_t bytes;
  int32_t dtype, rank;
  int64_t shape[8];
} rill_tensor;

typedef struct rill_open_options {
  size_t size;                /* sizeof(rill_open_options) */
  const char *weights_folder; /* for external weights; NULL: beside the file,
                                 or the working folder where it has no path */
  const char *expected_content_id; /* NULL, or "sha256:..." that must match */
  int32_t verify;                  /* 0: header, plans, code; 1: weights too */
  int32_t inspect_only;            /* 1: never map code as executable */
  const char *device;              /* NULL or "auto", "cpu", "cuda" */
  int32_t allow_jit; /* 1: let the driver assemble PTX of another chip */
} rill_open_options;

/* Opens the artifact at `path` and checks it. The model is immutable, may be
 * shared by threads, and must outlive its sessions. `options` may be NULL. */
RILL_API rill_status rill_open(const char *path,
                               const rill_open_options *options,
                               rill_model **out);
/* The artifact in an open regular file. `fd` stays the caller's and may be
 * closed afterwards: the model has a mapping of its own. The file must not be
 * truncated while the model lives. */
RILL_API rill_status rill_open_fd(int fd, const rill_open_options *options,
                                  rill_model **out);
/* The bytes must stay valid and unchanged until rill_close. */
RILL_API rill_status rill_open_memory(const void *data, size_t bytes,
                                      const rill_open_options *options,
                                      rill_model **out);
RILL_API void rill_close(rill_model *model);

/* The manifest, JSON text of *bytes bytes, owned by the model. */
RILL_API const char *rill_manifest(const rill_model *model, size_t *bytes);
/* Section `index`'s bytes (tokenizer, template, ...), owned by the model. */
RILL_API rill_status rill_section(const rill_model *model, size_t index,
                                  const void **data, size_t *bytes);

typedef struct rill_session_options {
  size_t size;        /* sizeof(rill_session_options) */
  const char *device; /* NULL or "auto": the model's; else it must be that
                       * device or target */
  int32_t threads;    /* 0: RILL_NUM_THREADS, else the number of cores */
} rill_session_options;

/* Allocates everything the session will ever need. */
RILL_API rill_status rill_session_create(const rill_model *model,
                                         const rill_session_options *options,
                                         rill_session **out);
RILL_API void rill_session_free(rill_session *session);
/* Length 0: the next call starts a new sequence from empty states. */
RILL_API rill_status rill_session_reset(rill_session *session);
/* Rows committed so far, per sequence 0..batch-1. */
RILL_API int64_t rill_session_length(const rill_session *session,
                                     int64_t sequence);
/* Sets the length of a sequence to `length` <= its present length; an error
 * when a ring no longer holds the rows before it. */
RILL_API rill_status rill_session_rollback(rill_session *session,
                                           int64_t sequence, int64_t length);
/* For methods that draw the next token themselves (`step`: the manifest says
 * "commits"). How to draw; 0, 1, 0 and 1 switch top_k, top_p, min_p and
 * repeat_penalty off, temperature 0 takes the largest logit. */
typedef struct rill_draw_options {
  size_t size; /* sizeof(rill_draw_options) */
  double temperature;
  int64_t top_k;
  double top_p, min_p, repeat_penalty;
  uint64_t seed;
} rill_draw_options;
/* NULL: greedy, as a new session is. */
RILL_API rill_status rill_session_set_draw(rill_session *session,
                                           const rill_draw_options *options);
/* The token that the next `step` feeds for a sequence, and its RoPE position.
 * A step leaves here what it drew and the position behind. */
RILL_API rill_status rill_session_set_next(rill_session *session,
                                           int64_t sequence, int64_t token,
                                           int64_t position);
/* The ids of rows first .. first + count - 1, for the repetition penalty; a
 * step adds its own. Ids that are no tokens count as none. */
RILL_API rill_status rill_session_set_ids(rill_session *session,
                                          int64_t sequence, int64_t first,
                                          const int64_t *ids, size_t count);
/* A session as bytes: lengths, next tokens and positions, how to draw, and the
 * states, rows only up to the longest sequence's length. *bytes is what it
 * takes, also when `data` is NULL (then nothing is written) or has room for
 * fewer (an error). */
RILL_API rill_status rill_session_save(rill_session *session, void *data,
                                       size_t room, size_t *bytes);
/* Makes the session what it was when it was saved. Any session of the same
 * artifact will do, on any of its devices; on another one later rows agree as
 * far as its kernels do. The bytes are untrusted and checked whole first: on
 * an error the session is unchanged, unless the device failed while copying;
 * then it is empty, as after rill_session_reset. */
RILL_API rill_status rill_session_load(rill_session *session, const void *data,
                                       size_t bytes);
/* Bytes of the states, the arena, worker scratch and staging. */
RILL_API size_t rill_session_bytes(const rill_session *session);

/* What a model and one session of it take, in bytes. Not in it: the code, what
 * the CUDA driver takes for its context and graphs, the stacks of worker
 * threads, and a few KB of bookkeeping. */
typedef struct rill_memory_plan {
  size_t size;             /* sizeof(rill_memory_plan) */
  const char *target;      /* whose code it is about; owned by the model */
  uint64_t weights_mapped; /* read in place: pages of files, or the caller's */
  uint64_t weights_host;   /* synthetic ones, generated when opening */
  uint64_t weights_device; /* copies on a CUDA device */
  uint64_t states, arena;  /* host memory on the CPU, else the device's */
  uint64_t staging;        /* inputs and outputs on a CUDA device */
  /* Scratch of worker threads, pinned staging, control blocks. */
  uint64_t queue_host, queue_device;
  uint64_t session_bytes;            /* what rill_session_bytes will say */
  uint64_t host_bytes, device_bytes; /* sums, without weights_mapped */
} rill_memory_plan;

/* The plan for a session with these options, before there is one; nothing is
 * allocated and no device is asked. A model opened with inspect_only has no
 * device: name one, "cpu", "cuda" (of several CUDA targets the one whose
 * session takes most) or a target such as "sm_90a". */
RILL_API rill_status rill_plan_bytes(const rill_model *model,
                                     const rill_session_options *options,
                                     rill_memory_plan *out);

RILL_API size_t rill_method_count(const rill_model *model);
/* Name of method i; owned by the model. */
RILL_API const char *rill_method_name(const rill_model *model, size_t index);

typedef struct rill_method_info {
  size_t size; /* sizeof(rill_method_info) */
  size_t input_count, output_count;
  int32_t appends; /* 1: a call adds S rows to every sequence */
  int32_t commits; /* 1: a decode step: feeds rill_session_set_next's token */
} rill_method_info;

/* An input or output of a method. A dimension is fixed, or a shape symbol (S
 * rows, h and w patches), or an expression of them; S, h and w have the same
 * value in all inputs and outputs of a call. */
typedef struct rill_value_info {
  size_t size;      /* sizeof(rill_value_info) */
  const char *name; /* owned by the model */
  int32_t dtype, rank;
  int64_t shape[8];          /* -1: differs from call to call */
  int64_t least[8], most[8]; /* of the calls that the artifact has code for */
  char symbols[8];           /* 0 fixed, 'S', 'h', 'w', '*' an expression */
  int64_t limit;             /* integers: 0 <= value < limit; 0: any */
  size_t most_bytes;         /* no call needs more */
} rill_value_info;

/* What a method takes and gives; `out->size` is set by the caller. Also for
 * models opened with inspect_only. */
RILL_API rill_status rill_method_signature(const rill_model *model,
                                           const char *method,
                                           rill_method_info *out);
RILL_API rill_status rill_method_input(const rill_model *model,
                                       const char *method, size_t index,
                                       rill_value_info *out);
RILL_API rill_status rill_method_output(const rill_model *model,
                                        const char *method, size_t index,
                                        rill_value_info *out);

/* Runs a method. Inputs in manifest order; an output's data must have room
 * for its bytes, its shape is written. A method that appends to states
 * advances every sequence's length by S on success and by nothing on error. */
RILL_API rill_status rill_invoke(rill_session *session, const char *method,
                                 const rill_tensor *inputs, size_t input_count,
                                 rill_tensor *outputs, size_t output_count);

/* One dispatch of a profiled call. Strings live as long as the session. */
typedef struct rill_dispatch {
  size_t size;
  const char *layer;  /* of the checkpoint; "" when the file does not say */
  const char *kernel; /* of the target's code */
  /* Seconds of CLOCK_MONOTONIC. On a CUDA device the differences are the
   * device's own; a kernel includes its start by the device, not the host's. */
  double begin, end;
  int64_t tiles;             /* of the grid */
  uint64_t bytes;            /* of weights and states that it must read */
  uint64_t activation_bytes; /* of operands between dispatches, both ways */
  uint64_t flops; /* of products and attention; multiply-adds count as two */
} rill_dispatch;

/* What a session tells while rill_invoke runs, on its thread; functions that
 * are NULL are not called, none may use the session. Struct sizes as for
 * options. */
typedef struct rill_profiler {
  size_t size; /* sizeof(rill_profiler) */
  void *user;
  /* Around every call of a method. */
  void (*begin)(void *user, const char *method);
  void (*end)(void *user, const char *method);
  /* After a call that succeeded, before `end`: every dispatch in turn. While
   * it is set launches are timed one by one: no captured graphs, and no step
   * is begun ahead. Results are the same. */
  void (*dispatch)(void *user, const char *method,
                   const rill_dispatch *dispatch);
} rill_profiler;

/* From now on; NULL: no more. The struct is copied. Not set, it costs nothing.
 * An error when the file's notes on dispatches are damaged, or the device
 * cannot time. */
RILL_API rill_status rill_session_set_profiler(rill_session *session,
                                               const rill_profiler *profiler);

#ifdef __cplusplus
}
#endif
#endif
