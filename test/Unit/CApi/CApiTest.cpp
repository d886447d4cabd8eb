//===- CApiTest.cpp - What rill.h promises beside numbers -----------------===//
//
// Open files, signatures, memory plans: on the golden toy, compiled for the
// CPU and for CUDA (on the emulated driver).
//
//===----------------------------------------------------------------------===//
#include "test/Unit/Golden/Compiled.h"

#include <fcntl.h>
#include <unistd.h>

using namespace rill;

namespace {
constexpr const char *kTargets[] = {"x86-64-v3", "sm_90a"};

struct CApi : testing::Test {
  static void SetUpTestSuite() { setenv("RILL_CUDA_LIB", RILL_EMU_LIB, 0); }
};

/// The code of an error, which is freed; `why` receives its texts.
int codeOf(rill_status error, std::string *why = nullptr) {
  int code = rill_error_code(error);
  if (why) {
    *why = std::string(rill_error_where(error)) + ": " + rill_error_why(error);
  }
  rill_error_free(error);
  return code;
}

rill_model *openInspect(const std::string &path) {
  rill_open_options options = {};
  options.size = sizeof(options);
  options.inspect_only = 1;
  rill_model *model = nullptr;
  Compiled::expectOk(rill_open(path.c_str(), &options, &model));
  return model;
}

rill_value_info input(const rill_model *model, const char *method,
                      size_t index) {
  rill_value_info info = {};
  info.size = sizeof(info);
  Compiled::expectOk(rill_method_input(model, method, index, &info));
  return info;
}

rill_value_info output(const rill_model *model, const char *method,
                       size_t index) {
  rill_value_info info = {};
  info.size = sizeof(info);
  Compiled::expectOk(rill_method_output(model, method, index, &info));
  return info;
}
} // namespace

// The model keeps a mapping of its own: descriptor and offset are the caller's.
TEST_F(CApi, OpensADescriptor) {
  std::string path = Compiled::artifact("base", "x86-64-v3");
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(lseek(fd, 100, SEEK_SET), 100);
  rill_model *model = nullptr;
  Compiled::expectOk(rill_open_fd(fd, nullptr, &model));
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 100);
  EXPECT_EQ(close(fd), 0);
  rill_session *session = nullptr;
  Compiled::expectOk(rill_session_create(model, nullptr, &session));
  auto base = golden::variants()[0];
  auto got = golden::run(Compiled::backend(session), base, {});
  EXPECT_LE(golden::compare(got, base).largest, 1e-5f);
  rill_session_free(session);
  rill_close(model);
}

TEST_F(CApi, RefusesDescriptorsThatAreNoArtifact) {
  rill_model *model = nullptr;
  std::string why;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(codeOf(rill_open_fd(ends[0], nullptr, &model), &why), 3001);
  EXPECT_NE(why.find("is not a regular file"), std::string::npos) << why;
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(codeOf(rill_open_fd(ends[0], nullptr, &model), &why), 3001);
  EXPECT_EQ(why, "file descriptor " + std::to_string(ends[0]) +
                     ": Bad file descriptor");
  EXPECT_EQ(codeOf(rill_open_fd(-1, nullptr, &model)), 3001);

  std::string path = Compiled::artifact("base", "x86-64-v3");
  int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  EXPECT_EQ(codeOf(rill_open_fd(fd, nullptr, &model), &why), 3001);
  EXPECT_NE(why.find("is not open for reading"), std::string::npos) << why;
  close(fd);
  fd = open("/", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(codeOf(rill_open_fd(fd, nullptr, &model), &why), 3001);
  EXPECT_NE(why.find("is a folder"), std::string::npos) << why;
  close(fd);

  std::string copy = path + ".cut";
  std::filesystem::copy_file(path, copy);
  for (off_t size : {off_t(5000), off_t(10), off_t(0)}) {
    ASSERT_EQ(truncate(copy.c_str(), size), 0);
    fd = open(copy.c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(codeOf(rill_open_fd(fd, nullptr, &model), &why), 3201) << size;
    EXPECT_NE(why.find("bytes"), std::string::npos) << why;
    close(fd);
  }
  std::filesystem::remove(copy);
  EXPECT_EQ(model, nullptr);
}

TEST_F(CApi, SaysWhatMethodsTake) {
  rill_model *model = openInspect(Compiled::artifact("base", "x86-64-v3"));
  ASSERT_NE(model, nullptr);
  rill_method_info method = {};
  method.size = sizeof(method);
  Compiled::expectOk(rill_method_signature(model, "text_decoder", &method));
  EXPECT_EQ(method.input_count, 2u);
  EXPECT_EQ(method.output_count, 1u);
  EXPECT_EQ(method.appends, 1);
  EXPECT_EQ(method.commits, 0);
  Compiled::expectOk(rill_method_signature(model, "step", &method));
  EXPECT_EQ(method.input_count, 0u);
  EXPECT_EQ(method.commits, 1);

  rill_value_info embeds = input(model, "text_decoder", 0);
  EXPECT_STREQ(embeds.name, "embeds");
  EXPECT_EQ(embeds.dtype, RILL_F32);
  ASSERT_EQ(embeds.rank, 3);
  EXPECT_EQ(embeds.shape[0], 1);
  EXPECT_EQ(embeds.shape[1], -1);
  EXPECT_EQ(embeds.shape[2], 24);
  EXPECT_EQ(embeds.symbols[0], 0);
  EXPECT_EQ(embeds.symbols[1], 'S');
  EXPECT_EQ(embeds.least[1], 1);
  EXPECT_EQ(embeds.most[1], 32);
  EXPECT_EQ(embeds.most[2], 24);
  EXPECT_EQ(embeds.most_bytes, 4u * 32 * 24);
  EXPECT_EQ(embeds.limit, 0);

  rill_value_info ids = input(model, "token_embedding", 0);
  EXPECT_EQ(ids.dtype, RILL_I64);
  EXPECT_EQ(ids.limit, 40);
  rill_value_info logits = output(model, "text_decoder", 0);
  EXPECT_EQ(logits.shape[logits.rank - 1], 40);

  rill_value_info patches = input(model, "vision_encoder", 0);
  ASSERT_EQ(patches.rank, 4);
  EXPECT_EQ(patches.symbols[1], 'h');
  EXPECT_EQ(patches.symbols[2], 'w');
  rill_value_info features = output(model, "vision_encoder", 0);
  int dynamic = features.shape[0] == -1 ? 0 : 1;
  EXPECT_EQ(features.symbols[dynamic], '*');
  EXPECT_EQ(features.most_bytes,
            size_t(features.most[dynamic]) * 24 * sizeof(float));

  std::string why;
  EXPECT_EQ(codeOf(rill_method_signature(model, "stepp", &method), &why), 3106);
  EXPECT_EQ(codeOf(rill_method_input(model, "step", 0, &ids), &why), 3106);
  EXPECT_EQ(why, "step: has 0 inputs, not 1");
  rill_close(model);
}

// What `most_bytes` says is enough for the largest call, and its shape is the
// promised one.
TEST_F(CApi, MostBytesAreEnough) {
  Compiled compiled("base", "x86-64-v3", 1);
  rill_value_info in = input(compiled.model, "token_embedding", 0);
  rill_value_info out = output(compiled.model, "token_embedding", 0);
  std::vector<int64_t> ids(in.most_bytes / sizeof(int64_t), 1);
  std::vector<uint8_t> room(out.most_bytes);
  rill_tensor given =
      rt::makeTensor(ids.data(), in.most_bytes, in.dtype, {1, in.most[1]});
  rill_tensor made = rt::makeTensor(room.data(), room.size(), out.dtype, {});
  Compiled::expectOk(
      rill_invoke(compiled.session, "token_embedding", &given, 1, &made, 1));
  ASSERT_EQ(made.rank, out.rank);
  for (int d = 0; d < out.rank; ++d) {
    EXPECT_EQ(made.shape[d], out.most[d]);
  }
}

// A caller built against an older, shorter struct gets what it knows.
TEST_F(CApi, ShorterStructsAreFilledToTheirSize) {
  rill_model *model = openInspect(Compiled::artifact("base", "x86-64-v3"));
  rill_value_info info;
  std::memset(static_cast<void *>(&info), 0x5a, sizeof(info));
  info.size = offsetof(rill_value_info, least);
  Compiled::expectOk(rill_method_input(model, "text_decoder", 0, &info));
  EXPECT_EQ(info.size, offsetof(rill_value_info, least));
  EXPECT_EQ(info.shape[2], 24);
  EXPECT_EQ(info.least[0], 0x5a5a5a5a5a5a5a5a);
  EXPECT_EQ(info.most_bytes, 0x5a5a5a5a5a5a5a5au);
  rill_close(model);
}

// The plan of a model opened for inspection is what a session then takes.
TEST_F(CApi, PlannedBytesAreTheSessionsBytes) {
  for (const char *target : kTargets) {
    bool cuda = std::strcmp(target, "sm_90a") == 0;
    for (int threads : {1, 3}) {
      Compiled compiled("base", target, threads);
      rill_model *model = openInspect(compiled.path);
      rill_session_options options = {};
      options.size = sizeof(options);
      options.threads = threads;
      rill_memory_plan plan = {}, again = {};
      plan.size = again.size = sizeof(plan);
      for (const char *device : {cuda ? "cuda" : "cpu", target}) {
        options.device = device;
        Compiled::expectOk(rill_plan_bytes(model, &options, &plan));
        EXPECT_EQ(plan.session_bytes, rill_session_bytes(compiled.session))
            << target << ", " << threads << " threads";
        EXPECT_STREQ(plan.target, target);
      }
      options.device = nullptr;
      Compiled::expectOk(rill_plan_bytes(compiled.model, &options, &again));
      EXPECT_EQ(again.session_bytes, plan.session_bytes);
      EXPECT_GT(plan.states, 0u);
      EXPECT_GT(plan.arena, 0u);
      EXPECT_EQ(plan.weights_device > 0, cuda);
      EXPECT_EQ(plan.staging > 0, cuda);
      EXPECT_EQ(plan.host_bytes + plan.device_bytes,
                plan.session_bytes + plan.weights_host + plan.weights_device);
      std::string why;
      EXPECT_EQ(codeOf(rill_plan_bytes(model, &options, &plan), &why), 5004);
      EXPECT_NE(why.find("opened for inspection"), std::string::npos) << why;
      options.device = cuda ? "cpu" : "cuda";
      EXPECT_EQ(codeOf(rill_plan_bytes(model, &options, &plan)), 5003);
      EXPECT_EQ(codeOf(rill_plan_bytes(compiled.model, &options, &plan)), 5004);
      rill_close(model);
    }
  }
}
