// Built by test/Tools/install.test outside Rill's tree, with and without
// exceptions: what rill.hpp promises.
//
//   consumer MODEL.rill
#include <cstdio>
#include <rill.hpp>

/// Embeds token 1 by a signature, twice: before and after a save.
static void use(const char *path) {
  rill::model model(path);
  auto in = model.input("token_embedding", 0);
  auto out = model.output("token_embedding", 0);
  auto options = rill::sized<rill_session_options>();
  options.threads = 1;
  auto plan = model.plan_bytes(&options);
  rill::session first(model, &options);
  std::printf("planned: %s\n",
              plan.session_bytes == first.bytes() ? "equal" : "other");
  int64_t id = 1;
  std::vector<unsigned char> room(out.most_bytes);
  std::vector<rill_tensor> outputs = {
      rill::tensor(room.data(), room.size(), rill_dtype(out.dtype))};
  first.invoke("token_embedding",
               {rill::tensor(&id, sizeof(id), rill_dtype(in.dtype), {1, 1})},
               outputs);
  rill::session second = std::move(first);
  second.load(second.save());
  std::printf("methods %zu, rows %lld, length %lld\n", model.methods().size(),
              (long long)outputs[0].shape[1], (long long)second.length());
}

int main(int argc, char **argv) {
  if (argc != 2) {
    return 2;
  }
#if defined(__cpp_exceptions)
  try {
    rill::model missing("/nonexistent.rill");
  } catch (const rill::error &error) {
    std::printf("caught RILL-%d at %s\n", error.code(), error.where().c_str());
  }
#endif
  use(argv[1]);
  return 0;
}
