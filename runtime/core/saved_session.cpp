//===- saved_session.cpp - Sessions as bytes ------------------------------===//
//
// rill_session_save and _load. Saved bytes are untrusted: everything is checked
// before the session changes.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/saved_session.h"

#include "runtime/core/model.h"

#define XXH_INLINE_ALL
#include <algorithm>
#include <bit>
#include <cstring>
#include <xxhash.h>

using namespace rill::rt;

static uint64_t aligned8(uint64_t bytes) { return (bytes + 7) / 8 * 8; }

/// rill_session_set_ids may fill rows of it that no call has appended yet.
static bool isSavedWhole(const StateInfo &state) {
  return !state.rows || state.ring || state.type == ElementType::I64;
}

/// A state as runs of bytes: `count` runs, `stride` apart, each saved up to
/// `length` rows.
struct Runs {
  uint64_t count = 1, stride, saved;

  Runs(const StateInfo &state, int64_t length)
      : stride(state.bytes), saved(state.bytes) {
    if (isSavedWhole(state)) {
      return;
    }
    for (int64_t d = 0; d < state.rowDim; ++d) {
      count *= static_cast<uint64_t>(state.shape[d]);
    }
    stride = state.bytes / count;
    saved = stride / static_cast<uint64_t>(state.capacity()) *
            static_cast<uint64_t>(length);
  }
};

SavedLayout::SavedLayout(const Manifest &manifest, int64_t length) {
  words = sizeof(SavedHeader) + aligned8(manifest.contentId.size());
  wordCount =
      RILL_RT_CONTROL_HEAD_WORDS + 4 * static_cast<uint64_t>(manifest.batch);
  states = bytes = words + sizeof(int64_t) * wordCount;
  for (const StateInfo &state : manifest.states) {
    Runs runs(state, length);
    bytes += aligned8(runs.count * runs.saved);
  }
}

std::vector<Transfer>
rill::rt::savedTransfers(const Manifest &manifest, int64_t length,
                         uint8_t *states, const std::vector<uint64_t> &offsets,
                         uint8_t *saved) {
  std::vector<Transfer> list;
  for (size_t i = 0; i < manifest.states.size(); ++i) {
    Runs runs(manifest.states[i], length);
    for (uint64_t r = 0; r < runs.count && runs.saved; ++r) {
      list.push_back({states + offsets[i] + r * runs.stride,
                      saved + r * runs.saved, runs.saved});
    }
    saved += aligned8(runs.count * runs.saved);
  }
  return list;
}

uint64_t rill::rt::savedHash(std::span<const uint8_t> saved) {
  SavedHeader plain;
  std::memcpy(&plain, saved.data(), sizeof(plain));
  plain.hash = 0;
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, &plain, sizeof(plain));
  XXH3_64bits_update(&state, saved.data() + sizeof(plain),
                     saved.size() - sizeof(plain));
  return XXH3_64bits_digest(&state);
}

static Error invalid(std::string why) {
  return makeError(ErrorCode::SavedInvalid, "rill_session_load", std::move(why),
                   "save the session again, or feed its sequence again");
}

Status rill::rt::checkSaved(const Manifest &manifest,
                            std::span<const uint8_t> saved) {
  SavedHeader header;
  if (saved.size() < sizeof(header)) {
    return invalid(format("has %zu bytes, fewer than a header", saved.size()));
  }
  std::memcpy(&header, saved.data(), sizeof(header));
  if (std::memcmp(header.magic, kSavedMagic, sizeof(kSavedMagic)) != 0) {
    return invalid("does not begin with RILLSESS");
  }
  if (header.version != kSavedVersion) {
    return invalid(format("has version %u but this version of Rill reads %u",
                          header.version, kSavedVersion));
  }
  if (header.bytes != saved.size()) {
    return invalid(format("says it has %llu bytes but has %zu",
                          (unsigned long long)header.bytes, saved.size()));
  }
  if (header.contentIdBytes > saved.size() - sizeof(header)) {
    return invalid("its content id lies outside");
  }
  std::string_view id(reinterpret_cast<const char *>(saved.data()) +
                          sizeof(header),
                      header.contentIdBytes);
  if (savedHash(saved) != header.hash) {
    return invalid("its hash does not match");
  }
  if (id != manifest.contentId) {
    return makeError(ErrorCode::ContentMismatch, "rill_session_load",
                     "the session was saved with the artifact " +
                         std::string(id) + " but this is " +
                         manifest.contentId);
  }
  if (header.batch != manifest.batch ||
      saved.size() < SavedLayout(manifest, 0).bytes) {
    return invalid("it does not hold the states of this model");
  }
  return {};
}

uint64_t Session::savedBytes() const {
  return SavedLayout(model->manifest(), longest()).bytes;
}

int64_t Session::longest() const {
  return *std::max_element(start(), start() + batch());
}

Status Session::save(std::span<uint8_t> to) {
  const Manifest &manifest = model->manifest();
  SavedLayout layout(manifest, longest());
  if (to.size() < layout.bytes) {
    return makeError(ErrorCode::InputInvalid, "rill_session_save",
                     format("there is room for %zu bytes but %llu are due",
                            to.size(), (unsigned long long)layout.bytes));
  }
  to = to.first(layout.bytes);
  RILL_TRY(settle());
  // Padding is zero, whatever the caller's memory held.
  std::fill(to.begin(), to.begin() + layout.states, 0);
  std::vector<Transfer> transfers =
      savedTransfers(manifest, longest(), states, this->layout.stateOffsets,
                     to.data() + layout.states);
  uint8_t *end = to.data() + layout.states;
  for (const Transfer &transfer : transfers) {
    std::fill(end, static_cast<uint8_t *>(transfer.host), 0);
    end = static_cast<uint8_t *>(transfer.host) + transfer.bytes;
  }
  std::fill(end, to.data() + to.size(), 0);
  RILL_TRY(queue->read(transfers));
  std::vector<int64_t> words(control()->words,
                             control()->words + RILL_RT_CONTROL_HEAD_WORDS);
  words[RILL_RT_CONTROL_S] = words[RILL_RT_CONTROL_H] =
      words[RILL_RT_CONTROL_W] = 0;
  words.insert(words.end(), start(), start() + 3 * batch());
  words.insert(words.end(), written.begin(), written.end());
  std::memcpy(to.data() + layout.words, words.data(),
              words.size() * sizeof(int64_t));
  SavedHeader header = {};
  std::memcpy(header.magic, kSavedMagic, sizeof(kSavedMagic));
  header.version = kSavedVersion;
  header.contentIdBytes = static_cast<uint32_t>(manifest.contentId.size());
  header.bytes = to.size();
  header.batch = batch();
  std::memcpy(to.data(), &header, sizeof(header));
  std::memcpy(to.data() + sizeof(header), manifest.contentId.data(),
              manifest.contentId.size());
  header.hash = savedHash(to);
  std::memcpy(to.data(), &header, sizeof(header));
  return {};
}

/// A hash proves no origin: every word is checked as a caller's would be.
Status Session::checkWords(std::span<const int64_t> words) const {
  auto value = [&](int word) { return std::bit_cast<double>(words[word]); };
  SamplingParams sampling = {
      value(RILL_RT_CONTROL_TEMPERATURE),
      words[RILL_RT_CONTROL_TOP_K],
      value(RILL_RT_CONTROL_TOP_P),
      value(RILL_RT_CONTROL_MIN_P),
      value(RILL_RT_CONTROL_REPEAT_PENALTY),
      std::bit_cast<uint64_t>(words[RILL_RT_CONTROL_SEED])};
  RILL_TRY(sampling.validate());
  constexpr int kReserved = RILL_RT_CONTROL_REPEAT_PENALTY + 1;
  bool valid = words[RILL_RT_CONTROL_BATCH] == batch() &&
               words[RILL_RT_CONTROL_STEP] >= 0 &&
               std::all_of(words.begin() + kReserved,
                           words.begin() + RILL_RT_CONTROL_HEAD_WORDS,
                           [](int64_t word) { return word == 0; });
  if (!valid) {
    return invalid("its control words contradict the model");
  }
  constexpr int64_t kMost = int64_t(1) << 48;
  int64_t rows = layout.rows.value_or(kMost);
  std::span<const int64_t> each = words.subspan(RILL_RT_CONTROL_HEAD_WORDS);
  for (int64_t b = 0; b < batch(); ++b) {
    int64_t length = each[b], token = each[batch() + b],
            position = each[2 * batch() + b], high = each[3 * batch() + b];
    if (length < 0 || length > high || high > rows) {
      return invalid(format("sequence %lld has length %lld of %lld rows, but "
                            "states hold %lld",
                            (long long)b, (long long)length, (long long)high,
                            (long long)rows));
    }
    if (position < 0 || position > kMost) {
      return invalid(format("sequence %lld has the next position %lld",
                            (long long)b, (long long)position));
    }
    RILL_TRY(checkToken(token));
  }
  return {};
}

Status Session::load(std::span<const uint8_t> from) {
  const Manifest &manifest = model->manifest();
  RILL_TRY(checkSaved(manifest, from));
  SavedLayout empty(manifest, 0);
  std::vector<int64_t> words(empty.wordCount);
  std::memcpy(words.data(), from.data() + empty.words,
              words.size() * sizeof(int64_t));
  RILL_TRY(checkWords(words));
  auto starts = words.begin() + RILL_RT_CONTROL_HEAD_WORDS;
  int64_t length = *std::max_element(starts, starts + batch());
  SavedLayout layout(manifest, length);
  if (layout.bytes != from.size()) {
    return invalid(format("has %zu bytes but %llu belong to its lengths",
                          from.size(), (unsigned long long)layout.bytes));
  }
  RILL_TRY(settle());
  // Transfers are of memory that a read would fill; a write only reads it.
  auto *data = const_cast<uint8_t *>(from.data());
  Status done = queue->write(savedTransfers(manifest, length, states,
                                            this->layout.stateOffsets,
                                            data + layout.states));
  if (!done.ok()) {
    (void)reset(); // the first error is the one to tell
    return done;
  }
  std::copy_n(words.begin(), RILL_RT_CONTROL_HEAD_WORDS, control()->words);
  std::copy_n(starts, 3 * batch(), start());
  std::copy_n(starts + 3 * batch(), batch(), written.begin());
  return {};
}
