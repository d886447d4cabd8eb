/*===- rill_generate.h - Text generation over librill -----------*- C -*-===*\
|*
|* C11, no exceptions; librill-generate. Errors, models and sessions are those
|* of rill.h. A generator collects a prompt (pictures and text), then streams
|* an answer. It belongs to one session and, but for rill_cancel, to one thread
|* at a time.
|*
\*===----------------------------------------------------------------------===*/
#ifndef RILL_GENERATE_H
#define RILL_GENERATE_H

#include "rill.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rill_generator rill_generator;

/* Reads tokenizer, template and settings from the artifact. Model and session
 * must outlive the generator, which has the session for itself. */
RILL_API rill_status rill_generator_create(const rill_model *model,
                                           rill_session *session,
                                           rill_generator **out);
RILL_API void rill_generator_free(rill_generator *generator);

/* The prompt. Pictures are used in the order in which they were added, one for
 * each <image> of the text; their features are computed here. Nothing given is
 * kept by reference. */

/* A JPEG, PNG or WebP file. `name` stands for it in errors; NULL: "picture". */
RILL_API rill_status rill_add_image_bytes(rill_generator *generator,
                                          const void *data, size_t bytes,
                                          const char *name);
/* width * height pixels of 3 bytes, rows from the top, no padding. */
RILL_API rill_status rill_add_image_rgb(rill_generator *generator,
                                        const uint8_t *rgb, int64_t width,
                                        int64_t height);
/* UTF-8 text as it stands, without a template. With `special` not 0, special
 * tokens and <image> in it are recognised; else they are ordinary text. */
RILL_API rill_status rill_add_text(rill_generator *generator, const char *text,
                                   size_t bytes, int32_t special);
/* A JSON list of {"role", "content"} messages, rendered with the artifact's
 * chat template up to where the assistant answers. */
RILL_API rill_status rill_add_messages_json(rill_generator *generator,
                                            const char *json, size_t bytes);
/* Forgets text and pictures. */
RILL_API void rill_clear_prompt(rill_generator *generator);
/* Tokens of the prompt so far, pictures' rows included. */
RILL_API rill_status rill_count_tokens(rill_generator *generator,
                                       size_t *count);

typedef struct rill_sampling {
  size_t size;             /* sizeof(rill_sampling) */
  double temperature;      /* 0: greedy */
  double top_p;            /* 1: off */
  double min_p;            /* 0: off */
  double repeat_penalty;   /* 1: off */
  int64_t top_k;           /* 0: off */
  uint64_t seed;           /* equal seeds give equal answers */
  int64_t max_new_tokens;  /* at least 0 */
  const char *const *stop; /* stop_count UTF-8 strings that end the answer */
  size_t stop_count;
  int32_t ignore_eos;
  /* Drafting, where the artifact has a drafter; no token depends on it. */
  int32_t spec_off;         /* not 0: plain decoding */
  int32_t spec_draft_n_max; /* tokens drafted a step at most, to 15; 0: all */
  int32_t spec_draft_n_min; /* draft only when there is room for so many; 0 is
                             * 1 */
} rill_sampling;

/* Fills `out` (its size set by the caller) with the artifact's defaults. */
RILL_API rill_status rill_sampling_defaults(const rill_generator *generator,
                                            rill_sampling *out);

/* A piece of the answer: whole characters, no special tokens. Returns 0 to go
 * on, anything else to stop. */
typedef int (*rill_text_callback)(void *user, const char *piece, size_t bytes);

/* Answers the prompt; the session is reset first. `sampling` may be NULL (the
 * defaults), `callback` too. On success the prompt is cleared; on an error it
 * stays. */
RILL_API rill_status rill_generate(rill_generator *generator,
                                   const rill_sampling *sampling,
                                   rill_text_callback callback, void *user);
/* Ends a running rill_generate before its next token. From any thread. */
RILL_API void rill_cancel(rill_generator *generator);

enum rill_stop_reason {
  RILL_STOP_END_TOKEN = 0,
  RILL_STOP_STRING = 1,
  RILL_STOP_LIMIT = 2,
  RILL_STOP_CONTEXT = 3,
  RILL_STOP_CANCELLED = 4
};

typedef struct rill_stats {
  size_t size; /* sizeof(rill_stats) */
  size_t prompt_tokens, generated_tokens;
  double prompt_seconds, decode_seconds;
  int32_t stop_reason; /* enum rill_stop_reason */
  /* Drafting. A verify commits the drafted tokens that were right and one of
   * the target's own; the first token of an answer belongs to none. */
  size_t verifies, plain_steps, drafted_tokens, accepted_tokens;
  size_t committed_tokens;   /* of all verifies: / verifies = mean length */
  size_t verify_lengths[17]; /* [n]: verifies that committed n tokens */
  double draft_seconds, verify_seconds;
} rill_stats;

/* About the last rill_generate; zeros before the first. */
RILL_API rill_status rill_generate_stats(const rill_generator *generator,
                                         rill_stats *out);
/* Its answer: UTF-8 of *bytes bytes, and its tokens. Owned by the generator
 * until its next call. */
RILL_API const char *rill_generated_text(const rill_generator *generator,
                                         size_t *bytes);
RILL_API const int64_t *rill_generated_tokens(const rill_generator *generator,
                                              size_t *count);

#ifdef __cplusplus
}
#endif
#endif
