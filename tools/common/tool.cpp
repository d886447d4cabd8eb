//===- tool.cpp - What all user tools share -------------------------------===//
//
// Flags, errors, exit codes (docs/Errors.md).
//
//===----------------------------------------------------------------------===//
#include "tools/common/tool.h"

#include "rill.h"
#include "runtime/formats/json.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

using namespace rill;
using namespace rill::tools;

/// Keeps files from being opened as a standard stream that was closed, and
/// lets writing beyond a size limit fail instead of ending the program.
static void secureStreams() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) == -1) {
      // The lowest free number; in the wrong direction, so that use fails.
      (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
  }
  std::signal(SIGXFSZ, SIG_IGN);
}

Tool::Tool(const std::string &name, const std::string &line,
           const std::string &examples)
    : app(line, name) {
  secureStreams();
  app.description(line + "\n\nExamples:\n" + examples);
  app.add_flag("-v,--verbose", verbosity, "say more (repeat)");
  app.add_flag("-q,--quiet", quiet, "say nothing but results and errors");
  app.add_flag("--version", version, "print the version");
  option("--log-format", logFormat, "how errors are written: text or jsonl")
      ->check(CLI::IsMember({"text", "jsonl"}));
}

/// RILL_ARG_ and the long name in capitals.
CLI::Option *Tool::named(CLI::Option *option) const {
  if (!option->get_lnames().empty()) {
    std::string variable = "RILL_ARG_" + option->get_lnames().front();
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](unsigned char c) { return c == '-' ? '_' : toupper(c); });
    option->envname(variable);
  }
  return option;
}

/// Edits (insert, delete, replace) between two words.
static size_t distance(const std::string &a, const std::string &b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min(
          {row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string Tool::nearest(const std::string &flag) const {
  std::string word = flag.substr(0, flag.find('=')), best;
  word.erase(0, word.find_first_not_of('-'));
  size_t least = word.size();
  for (const CLI::Option *option : app.get_options()) {
    for (const std::string &name : option->get_lnames()) {
      if (distance(word, name) < least) {
        least = distance(word, name);
        best = "--" + name;
      }
    }
  }
  return best;
}

/// Names the first flag that does not exist, with the nearest one; else `why`.
int Tool::explain(int argc, char **argv, const std::string &why) const {
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    word = word.substr(0, word.find('='));
    if (word.rfind("--", 0) != 0 || word.size() < 3 ||
        app.get_option_no_throw(word)) {
      continue;
    }
    std::string mend = nearest(word);
    return fail(rt::makeError(
        rt::ErrorCode::BadUsage, word, "there is no such flag",
        mend.empty() ? "see --help" : "did you mean " + mend + "?"));
  }
  return usage(why);
}

bool Tool::parse(int argc, char **argv, int &exitCode) {
  exitCode = 0;
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    std::printf("%s", app.help().c_str());
    return false;
  } catch (const CLI::ParseError &error) {
    if (!version) {
      exitCode = explain(argc, argv, error.what());
      return false;
    }
  }
  if (version) {
    std::printf("%s %s\n", app.get_name().c_str(), RILL_VERSION);
    return false;
  }
  return true;
}

int Tool::fail(const rt::Error &error) const {
  if (logFormat == "text") {
    std::fprintf(stderr, "%s\n", error.render().c_str());
    return error.exitCode();
  }
  rt::JsonValue::Object line{
      {"schema", "rill.log/1"},
      {"level", "error"},
      {"code", rt::format("RILL-%04d", static_cast<int>(error.code))},
      {"what", error.what},
      {"where", error.where},
      {"why", error.why},
      {"mend", error.mend}};
  std::fprintf(stderr, "%s\n", rt::writeJson(line).c_str());
  return error.exitCode();
}

int Tool::end(const rt::Status &status) const {
  if (!status.ok()) {
    return fail(status.get());
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    return fail(rt::makeError(rt::ErrorCode::WriteFailed, "standard output",
                              "it is closed or full"));
  }
  return 0;
}

int Tool::usage(const std::string &why) const {
  return fail(rt::makeError(rt::ErrorCode::BadUsage, app.get_name(), why,
                            "see --help"));
}

void Tool::note(const std::string &line) const {
  if (!quiet) {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}
