//===- api.cpp - The C API ------------------------------------------------===//
//
// rill.h over Model and Session.
//
//===----------------------------------------------------------------------===//
#include "rill.h"
#include "runtime/core/model.h"

#include <algorithm>
#include <cstring>

using namespace rill::rt;

struct rill_error {
  Error error;
};
struct rill_model {
  std::unique_ptr<Model> impl;
};

static rill_status toC(Status status) {
  return status.ok() ? nullptr : new rill_error{status.take()};
}

/// Copies the caller's options into ours; fields behind its size keep their
/// defaults.
template <typename Options>
static Options withDefaults(const Options *given) {
  Options options = {};
  if (given) {
    std::memcpy(static_cast<void *>(&options), given,
                std::min(given->size, sizeof(options)));
  }
  options.size = sizeof(options);
  return options;
}

/// Copies as much of `value` as the caller's struct has room for.
template <typename Struct>
static void copyOut(Struct value, Struct *out) {
  value.size = out->size;
  std::memcpy(static_cast<void *>(out), &value,
              std::min(out->size, sizeof(value)));
}

int rill_error_code(rill_status error) {
  return error ? static_cast<int>(error->error.code) : 0;
}
const char *rill_error_what(rill_status error) {
  return error ? error->error.what.c_str() : "";
}
const char *rill_error_where(rill_status error) {
  return error ? error->error.where.c_str() : "";
}
const char *rill_error_why(rill_status error) {
  return error ? error->error.why.c_str() : "";
}
const char *rill_error_mend(rill_status error) {
  return error ? error->error.mend.c_str() : "";
}
void rill_error_free(rill_status error) { delete error; }

rill_status rill_error_create(int code, const char *where, const char *why,
                              const char *mend) {
  auto text = [](const char *given) { return given ? given : ""; };
  return toC(makeError(static_cast<ErrorCode>(code), text(where), text(why),
                       text(mend)));
}

const char *rill_version(void) { return "0.1.0"; }

rill_status rill_set_allocator(const rill_allocator *given) {
  rill_allocator allocator = withDefaults(given);
  if (given && (!allocator.allocate || !allocator.release)) {
    return toC(makeError(ErrorCode::InputInvalid, "rill_set_allocator",
                         "allocate or release is NULL"));
  }
  setAllocator(given ? &allocator : nullptr);
  return nullptr;
}

static rill_status openArtifact(Result<Artifact> artifact,
                                const rill_open_options &options,
                                rill_model **out) {
  if (!artifact.ok()) {
    return toC(artifact.takeStatus());
  }
  auto model = Model::open(std::move(*artifact), options);
  if (!model.ok()) {
    return toC(model.takeStatus());
  }
  *out = new rill_model{std::move(*model)};
  return nullptr;
}

rill_status rill_open(const char *path, const rill_open_options *given,
                      rill_model **out) {
  rill_open_options options = withDefaults(given);
  return openArtifact(Artifact::open(path, options.verify > 0), options, out);
}

rill_status rill_open_fd(int fd, const rill_open_options *given,
                         rill_model **out) {
  rill_open_options options = withDefaults(given);
  return openArtifact(Artifact::openFd(fd, options.verify > 0), options, out);
}

rill_status rill_open_memory(const void *data, size_t bytes,
                             const rill_open_options *given, rill_model **out) {
  rill_open_options options = withDefaults(given);
  auto base = static_cast<const uint8_t *>(data);
  if (reinterpret_cast<uintptr_t>(data) % 8 != 0) {
    return toC(makeError(ErrorCode::InputInvalid, "rill_open_memory",
                         "the bytes are not aligned to 8"));
  }
  return openArtifact(
      Artifact::parse({base, bytes}, "memory", options.verify > 0), options,
      out);
}

void rill_close(rill_model *model) { delete model; }

const char *rill_manifest(const rill_model *model, size_t *bytes) {
  std::string_view text = model->impl->artifact().manifestText();
  *bytes = text.size();
  return text.data();
}

rill_status rill_section(const rill_model *model, size_t index,
                         const void **data, size_t *bytes) {
  const Artifact &artifact = model->impl->artifact();
  if (index >= artifact.sectionCount()) {
    return toC(makeError(ErrorCode::InputInvalid, artifact.name(),
                         format("has %zu sections, not %zu",
                                artifact.sectionCount(), index + 1)));
  }
  auto section = artifact.bytes(index);
  *data = section.data();
  *bytes = section.size();
  return nullptr;
}

rill_status rill_session_create(const rill_model *model,
                                const rill_session_options *given,
                                rill_session **out) {
  if (!model->impl->device()) {
    return toC(makeError(ErrorCode::InputInvalid,
                         model->impl->artifact().name(),
                         "was opened for inspection only"));
  }
  auto session = Session::create(*model->impl, withDefaults(given));
  if (!session.ok()) {
    return toC(session.takeStatus());
  }
  *out = new rill_session{std::move(*session)};
  return nullptr;
}

void rill_session_free(rill_session *session) { delete session; }

rill_status rill_session_reset(rill_session *session) {
  return toC(session->impl->reset());
}

int64_t rill_session_length(const rill_session *session, int64_t sequence) {
  return sequence >= 0 && sequence < session->impl->batch()
             ? session->impl->length(sequence)
             : -1;
}

rill_status rill_session_rollback(rill_session *session, int64_t sequence,
                                  int64_t length) {
  return toC(session->impl->rollback(sequence, length));
}

rill_status rill_session_set_draw(rill_session *session,
                                  const rill_draw_options *given) {
  SamplingParams sampling;
  if (given) {
    rill_draw_options values = withDefaults(given);
    sampling = {values.temperature, values.top_k,          values.top_p,
                values.min_p,       values.repeat_penalty, values.seed};
  }
  return toC(session->impl->setDraw(sampling));
}

rill_status rill_session_set_next(rill_session *session, int64_t sequence,
                                  int64_t token, int64_t position) {
  return toC(session->impl->setNext(sequence, token, position));
}

rill_status rill_session_set_ids(rill_session *session, int64_t sequence,
                                 int64_t first, const int64_t *ids,
                                 size_t count) {
  return toC(session->impl->setIds(sequence, first, {ids, count}));
}

rill_status rill_session_save(rill_session *session, void *data, size_t room,
                              size_t *bytes) {
  *bytes = session->impl->savedBytes();
  return data ? toC(session->impl->save({static_cast<uint8_t *>(data), room}))
              : nullptr;
}

rill_status rill_session_load(rill_session *session, const void *data,
                              size_t bytes) {
  return toC(session->impl->load({static_cast<const uint8_t *>(data), bytes}));
}

size_t rill_session_bytes(const rill_session *session) {
  return session->impl->bytes();
}

rill_status rill_plan_bytes(const rill_model *model,
                            const rill_session_options *given,
                            rill_memory_plan *out) {
  auto plan = planBytes(*model->impl, withDefaults(given));
  if (!plan.ok()) {
    return toC(plan.takeStatus());
  }
  copyOut(*plan, out);
  return nullptr;
}

size_t rill_method_count(const rill_model *model) {
  return model->impl->manifest().methods.size();
}

const char *rill_method_name(const rill_model *model, size_t index) {
  const auto &methods = model->impl->manifest().methods;
  return index < methods.size() ? methods[index].name.c_str() : "";
}

static Result<const Method *> findMethod(const rill_model *model,
                                         const char *name) {
  const Method *method = model->impl->manifest().method(name);
  if (!method) {
    return makeError(ErrorCode::InputInvalid, name, "is no method of the model",
                     "rill_method_name lists them");
  }
  return method;
}

rill_status rill_method_signature(const rill_model *model, const char *name,
                                  rill_method_info *out) {
  auto method = findMethod(model, name);
  if (!method.ok()) {
    return toC(method.takeStatus());
  }
  rill_method_info info = {};
  info.input_count = (*method)->inputs.size();
  info.output_count = (*method)->outputs.size();
  info.appends = (*method)->appends;
  info.commits = (*method)->commits;
  copyOut(info, out);
  return nullptr;
}

/// Value `index` of the inputs or outputs of a method.
static rill_status copyValue(const rill_model *model, const char *name,
                             std::vector<Signature> Method::*list,
                             const char *kind, size_t index,
                             rill_value_info *out) {
  auto method = findMethod(model, name);
  if (!method.ok()) {
    return toC(method.takeStatus());
  }
  const std::vector<Signature> &values = (*method)->*list;
  if (index >= values.size()) {
    return toC(makeError(
        ErrorCode::InputInvalid, name,
        format("has %zu %ss, not %zu", values.size(), kind, index + 1)));
  }
  copyOut(valueInfo(*model->impl, **method, values[index]), out);
  return nullptr;
}

rill_status rill_method_input(const rill_model *model, const char *method,
                              size_t index, rill_value_info *out) {
  return copyValue(model, method, &Method::inputs, "input", index, out);
}

rill_status rill_method_output(const rill_model *model, const char *method,
                               size_t index, rill_value_info *out) {
  return copyValue(model, method, &Method::outputs, "output", index, out);
}

rill_status rill_session_set_profiler(rill_session *session,
                                      const rill_profiler *given) {
  return toC(session->impl->setProfiler(withDefaults(given)));
}

rill_status rill_invoke(rill_session *session, const char *method,
                        const rill_tensor *inputs, size_t input_count,
                        rill_tensor *outputs, size_t output_count) {
  return toC(session->impl->invoke(method, {inputs, input_count},
                                   {outputs, output_count}));
}
