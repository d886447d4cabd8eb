// Text and JSON of findings.
#include "Report.h"

#include <cstdio>
#include <sstream>

namespace rill::emu {

const char *kindName(Kind kind) {
  static const char *const names[] = {"out-of-bounds",
                                      "use-after-free",
                                      "misaligned",
                                      "uninitialized",
                                      "read-only-write",
                                      "race",
                                      "stream-race",
                                      "pending-access",
                                      "pending-at-exit",
                                      "missing-proxy-fence",
                                      "register-in-flight",
                                      "barrier-misuse",
                                      "mbarrier-misuse",
                                      "bad-descriptor",
                                      "bad-tensor-map",
                                      "inactive-lane",
                                      "deadlock",
                                      "dependent-launch",
                                      "trap",
                                      "assertion",
                                      "illegal-instruction",
                                      "host-access",
                                      "host-buffer",
                                      "local-overflow",
                                      "shared-lifetime",
                                      "leak"};
  static_assert(sizeof names / sizeof *names == size_t(Kind::Count));
  return names[static_cast<size_t>(kind)];
}

std::string quoteJson(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char buffer[8];
      snprintf(buffer, sizeof buffer, "\\u%04x", c);
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

Place placeOf(const Program &program, uint32_t pc) {
  Place p;
  p.kernel = std::string(program.kernel->name);
  p.file = program.module->name;
  if (pc >= program.code.size()) {
    return p;
  }
  const Instruction &ast = *program.infos[program.code[pc].info].ast;
  p.instruction = std::string(ast.opcode);
  p.line = ast.line;
  p.sourceLine = ast.loc.line;
  if (auto it = program.module->files.find(ast.loc.file);
      ast.loc.line && it != program.module->files.end()) {
    p.sourceFile = it->second;
  }
  return p;
}

static std::string threadText(const ThreadId &t) {
  char text[160];
  snprintf(text, sizeof text, "block (%u,%u,%u) thread (%u,%u,%u)", t.cta[0],
           t.cta[1], t.cta[2], t.thread[0], t.thread[1], t.thread[2]);
  return text;
}

std::string Report::text(const Finding &f) {
  std::ostringstream out;
  out << "emu: " << kindName(f.kind) << ": " << f.message << "\n";
  for (const Place &p : f.places) {
    out << "    at " << p.kernel;
    if (p.line) {
      out << ", " << p.file << ":" << p.line << ": " << p.instruction;
    }
    if (p.sourceLine) {
      out << " (" << p.sourceFile << ":" << p.sourceLine << ")";
    }
    if (p.hasThread) {
      out << ", " << threadText(p.thread);
    }
    out << "\n";
  }
  for (const std::string &note : f.notes) {
    out << "    " << note << "\n";
  }
  return out.str();
}

bool Report::add(Finding f) {
  std::string key = kindName(f.kind);
  for (const Place &p : f.places) {
    key += "|" + p.kernel + ":" + std::to_string(p.line);
  }
  if (f.places.empty()) {
    key += f.message;
  }
  if (!seen.insert(key).second || findings.size() >= 1000) {
    return false;
  }
  if (!quiet) {
    FILE *out = file.empty() ? stderr : fopen(file.c_str(), "a");
    if (out) {
      fputs(text(f).c_str(), out);
      if (out != stderr) {
        fclose(out);
      }
    }
  }
  findings.push_back(std::move(f));
  if (!file.empty()) {
    if (FILE *out = fopen((file + ".json").c_str(), "w")) {
      fputs(json().c_str(), out);
      fclose(out);
    }
  }
  return true;
}

void Report::clear() {
  findings.clear();
  seen.clear();
}

std::string Report::json() const {
  std::ostringstream out;
  out << "{\"schema\": \"rill.emu-report/1\",\n\"findings\": [";
  for (size_t i = 0; i < findings.size(); ++i) {
    const Finding &f = findings[i];
    out << (i ? ",\n" : "\n") << " {\"kind\": \"" << kindName(f.kind)
        << "\", \"message\": " << quoteJson(f.message) << ", \"places\": [";
    for (size_t k = 0; k < f.places.size(); ++k) {
      const Place &p = f.places[k];
      out << (k ? ", " : "") << "{\"kernel\": " << quoteJson(p.kernel)
          << ", \"file\": " << quoteJson(p.file) << ", \"line\": " << p.line
          << ", \"instruction\": " << quoteJson(p.instruction)
          << ", \"source_file\": " << quoteJson(p.sourceFile)
          << ", \"source_line\": " << p.sourceLine;
      if (p.hasThread) {
        const ThreadId &t = p.thread;
        out << ", \"block\": [" << t.cta[0] << ", " << t.cta[1] << ", "
            << t.cta[2] << "], \"thread\": [" << t.thread[0] << ", "
            << t.thread[1] << ", " << t.thread[2] << "]";
      }
      out << "}";
    }
    out << "], \"notes\": [";
    for (size_t k = 0; k < f.notes.size(); ++k) {
      out << (k ? ", " : "") << quoteJson(f.notes[k]);
    }
    out << "]}";
  }
  out << "\n]}\n";
  return out.str();
}

} // namespace rill::emu
