//===- tool.h - What all user tools share -----------------------*- C++ -*-===//
//
// One way to declare flags (help, environment name, suggestion), to print
// errors and to end.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_COMMON_TOOL_H
#define RILL_TOOLS_COMMON_TOOL_H

#include "runtime/formats/status.h"

#include <CLI/CLI.hpp>
#include <string>

namespace rill::tools {

/// A program with flags. Every long flag --ctx-size can also be given as the
/// environment variable RILL_ARG_CTX_SIZE; the command line wins.
class Tool {
public:
  /// `examples` is shown first in --help.
  Tool(const std::string &name, const std::string &line,
       const std::string &examples);

  template <typename T>
  CLI::Option *option(const std::string &names, T &value,
                      const std::string &help) {
    return named(app.add_option(names, value, help));
  }
  CLI::Option *flag(const std::string &names, bool &value,
                    const std::string &help) {
    return named(app.add_flag(names, value, help));
  }

  /// Parses; false when the program should end with `exitCode` (help,
  /// version, wrong usage: 2, with the nearest flag named).
  bool parse(int argc, char **argv, int &exitCode);

  /// Prints the error as --log-format asks and returns its exit code.
  int fail(const rt::Error &error) const;
  /// How a tool ends: 0, or the error's exit code. Standard output that could
  /// not be written is an error too.
  int end(const rt::Status &status) const;
  /// A usage error.
  int usage(const std::string &why) const;
  /// A line on standard error, unless -q.
  void note(const std::string &line) const;
  bool verbose() const { return verbosity > 0; }

  CLI::App app;

private:
  CLI::Option *named(CLI::Option *option) const;
  std::string nearest(const std::string &flag) const;
  int explain(int argc, char **argv, const std::string &why) const;

  std::string logFormat = "text";
  int verbosity = 0;
  bool quiet = false, version = false;
};

} // namespace rill::tools

#endif
