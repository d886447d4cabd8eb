//===- template_parser.cpp - The tree of a chat template ------------------===//
//
// Recursive descent with jinja2's precedence; nesting is bounded.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/template_ast.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

using namespace rill::rt;
using namespace rill::rt::tmpl;

/// Statements and expressions inside one another.
static constexpr int kMaxNesting = 100;

namespace {
class Parser {
public:
  Parser(std::vector<Token> tokens, const std::string &name)
      : tokens(std::move(tokens)), name(name) {}

  Result<Body> run() {
    RILL_ASSIGN(Body body, parseBody({}));
    return body;
  }

private:
  using StmtResult = Result<std::unique_ptr<Stmt>>;
  using ExprResult = Result<ExprPtr>;

  /// Counts one level for as long as it lives.
  struct Level {
    explicit Level(int &depth) : depth(++depth) {}
    Level(const Level &) = delete;
    ~Level() { --depth; }
    int &depth;
  };

  const Token &peek(size_t ahead = 0) const {
    return tokens[std::min(at + ahead, tokens.size() - 1)];
  }
  Token take() { return tokens[at + 1 < tokens.size() ? at++ : at]; }
  bool isOp(const char *op, size_t ahead = 0) const {
    return peek(ahead).kind == Token::Operator && peek(ahead).text == op;
  }
  bool isName(const char *word, size_t ahead = 0) const {
    return peek(ahead).kind == Token::Name && peek(ahead).text == word;
  }
  bool skipOp(const char *op) {
    bool found = isOp(op);
    at += found;
    return found;
  }
  bool skipName(const char *word) {
    bool found = isName(word);
    at += found;
    return found;
  }
  Error invalid(std::string why) const {
    return templateError(ErrorCode::TemplateInvalid, name, peek().line,
                         std::move(why));
  }
  Error unsupported(std::string why) const {
    return templateError(ErrorCode::TemplateUnsupported, name, peek().line,
                         std::move(why));
  }
  std::string found() const {
    static constexpr const char *kNames[] = {
        "text",        "{%",        "%}",          "{{",
        "}}",          "the name ", "the number ", "the number ",
        "the string ", "the sign ", "the end"};
    return std::string("found ") + kNames[peek().kind] + peek().text;
  }
  Status expectOp(const char *op) {
    return skipOp(op) ? Status()
                      : Status(invalid(std::string("expected ") + op + ", " +
                                       found()));
  }
  Status expect(Token::Kind kind, const char *what) {
    if (peek().kind != kind) {
      return invalid(std::string("expected ") + what + ", " + found());
    }
    ++at;
    return {};
  }
  Result<std::string> expectName() {
    if (peek().kind != Token::Name) {
      return invalid("expected a name, " + found());
    }
    return take().text;
  }

  //===--------------------------------------------------------------------===//
  // Statements
  //===--------------------------------------------------------------------===//

  /// Statements up to one of the tags `ends`, whose name is then the next
  /// token; up to the end when there are none.
  Result<Body> parseBody(std::vector<std::string_view> ends) {
    Level level(depth);
    if (depth > kMaxNesting) {
      return invalid("statements are nested too deeply");
    }
    Body body;
    while (true) {
      Token token = take();
      chain = 0;
      if (token.kind == Token::End) {
        if (!ends.empty()) {
          return invalid("the end of the template, expected " +
                         std::string(ends[0]));
        }
        return body;
      }
      if (token.kind == Token::Text) {
        body.push_back(make(Stmt::Text, token.line));
        body.back()->text = std::move(token.text);
      } else if (token.kind == Token::PrintBegin) {
        body.push_back(make(Stmt::Print, token.line));
        RILL_ASSIGN(body.back()->value, parseTuple());
        RILL_TRY(expect(Token::PrintEnd, "}}"));
      } else {
        if (peek().kind == Token::Name &&
            std::find(ends.begin(), ends.end(), peek().text) != ends.end()) {
          return body;
        }
        RILL_ASSIGN(std::unique_ptr<Stmt> stmt, parseStatement());
        body.push_back(std::move(stmt));
      }
    }
  }

  std::unique_ptr<Stmt> make(Stmt::Kind kind, int line) {
    auto stmt = std::make_unique<Stmt>();
    stmt->kind = kind;
    stmt->line = line;
    return stmt;
  }

  Status endTag() { return expect(Token::BlockEnd, "%}"); }

  StmtResult parseStatement() {
    int line = peek().line;
    RILL_ASSIGN(std::string word, expectName());
    if (word == "if") {
      return parseIf(line);
    }
    if (word == "for") {
      return parseFor(line);
    }
    if (word == "set") {
      return parseSet(line);
    }
    if (word == "macro") {
      return parseMacro(line);
    }
    if (word == "generation") {
      auto stmt = make(Stmt::Group, line);
      RILL_TRY(endTag());
      RILL_ASSIGN(Body body, parseBody({"endgeneration"}));
      stmt->bodies.push_back(std::move(body));
      ++at;
      RILL_TRY(endTag());
      return stmt;
    }
    if (word == "break" || word == "continue") {
      if (loops == 0) {
        return invalid("\"" + word + "\" outside a loop");
      }
      RILL_TRY(endTag());
      return make(word == "break" ? Stmt::Break : Stmt::Continue, line);
    }
    return unsupported("the statement \"" + word + "\"");
  }

  StmtResult parseIf(int line) {
    auto stmt = make(Stmt::If, line);
    while (true) {
      RILL_ASSIGN(ExprPtr condition, parseTuple());
      stmt->conditions.push_back(std::move(condition));
      RILL_TRY(endTag());
      RILL_ASSIGN(Body body, parseBody({"endif", "elif", "else"}));
      stmt->bodies.push_back(std::move(body));
      std::string word = take().text;
      if (word == "elif") {
        continue;
      }
      if (word == "else") {
        RILL_TRY(endTag());
        RILL_ASSIGN(Body other, parseBody({"endif"}));
        stmt->bodies.push_back(std::move(other));
        ++at;
      }
      RILL_TRY(endTag());
      return stmt;
    }
  }

  StmtResult parseFor(int line) {
    auto stmt = make(Stmt::For, line);
    RILL_ASSIGN(stmt->names, parseTargets());
    if (!skipName("in")) {
      return invalid("expected \"in\", " + found());
    }
    // Without the conditional form: its "if" is the loop's own.
    RILL_ASSIGN(stmt->value, parseOr());
    if (skipName("if")) {
      RILL_ASSIGN(stmt->condition, parseExpr());
    }
    if (isName("recursive")) {
      return unsupported("a recursive loop");
    }
    RILL_TRY(endTag());
    ++loops;
    RILL_ASSIGN(Body body, parseBody({"endfor", "else"}));
    --loops;
    stmt->bodies.push_back(std::move(body));
    if (take().text == "else") {
      RILL_TRY(endTag());
      RILL_ASSIGN(Body other, parseBody({"endfor"}));
      stmt->bodies.push_back(std::move(other));
      ++at;
    }
    RILL_TRY(endTag());
    return stmt;
  }

  Result<std::vector<std::string>> parseTargets() {
    std::vector<std::string> names;
    bool bracket = skipOp("(");
    do {
      RILL_ASSIGN(std::string target, expectName());
      names.push_back(std::move(target));
    } while (skipOp(","));
    if (bracket) {
      RILL_TRY(expectOp(")"));
    }
    return names;
  }

  StmtResult parseSet(int line) {
    auto stmt = make(Stmt::Set, line);
    RILL_ASSIGN(stmt->names, parseTargets());
    if (stmt->names.size() == 1 && skipOp(".")) {
      RILL_ASSIGN(stmt->attribute, expectName());
    }
    if (isOp("|")) {
      return unsupported("a filter on a set block");
    }
    if (skipOp("=")) {
      RILL_ASSIGN(stmt->value, parseTuple());
      RILL_TRY(endTag());
      return stmt;
    }
    if (stmt->names.size() != 1 || !stmt->attribute.empty()) {
      return invalid("expected =, " + found());
    }
    stmt->kind = Stmt::SetBlock;
    RILL_TRY(endTag());
    RILL_ASSIGN(Body body, parseBody({"endset"}));
    stmt->bodies.push_back(std::move(body));
    ++at;
    RILL_TRY(endTag());
    return stmt;
  }

  StmtResult parseMacro(int line) {
    auto stmt = make(Stmt::Macro, line);
    RILL_ASSIGN(stmt->text, expectName());
    RILL_TRY(expectOp("("));
    while (!skipOp(")")) {
      RILL_ASSIGN(std::string parameter, expectName());
      stmt->names.push_back(std::move(parameter));
      stmt->conditions.emplace_back();
      if (skipOp("=")) {
        RILL_ASSIGN(stmt->conditions.back(), parseExpr());
      }
      if (!isOp(")")) {
        RILL_TRY(expectOp(","));
      }
    }
    RILL_TRY(endTag());
    int outer = std::exchange(loops, 0);
    RILL_ASSIGN(Body body, parseBody({"endmacro"}));
    loops = outer;
    stmt->bodies.push_back(std::move(body));
    ++at;
    RILL_TRY(endTag());
    return stmt;
  }

  //===--------------------------------------------------------------------===//
  // Expressions
  //===--------------------------------------------------------------------===//

  ExprPtr node(Expr::Kind kind, ExprPtr first = nullptr,
               ExprPtr second = nullptr) {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->line = peek().line;
    if (first) {
      expr->items.push_back(std::move(first));
    }
    if (second) {
      expr->items.push_back(std::move(second));
    }
    return expr;
  }

  /// `a, b` without brackets is a tuple.
  ExprResult parseTuple() {
    RILL_ASSIGN(ExprPtr first, parseExpr());
    if (!isOp(",")) {
      return first;
    }
    ExprPtr tuple = node(Expr::List, std::move(first));
    while (skipOp(",")) {
      if (peek().kind == Token::BlockEnd || peek().kind == Token::PrintEnd) {
        break;
      }
      RILL_ASSIGN(ExprPtr item, parseExpr());
      tuple->items.push_back(std::move(item));
    }
    return tuple;
  }

  ExprResult parseExpr() {
    Level level(depth);
    if (depth > kMaxNesting) {
      return invalid("the expression is nested too deeply");
    }
    RILL_ASSIGN(ExprPtr value, parseOr());
    while (skipName("if")) {
      ExprPtr choice = node(Expr::Condition, std::move(value));
      RILL_ASSIGN(ExprPtr condition, parseOr());
      choice->items.push_back(std::move(condition));
      choice->items.emplace_back();
      if (skipName("else")) {
        RILL_ASSIGN(choice->items.back(), parseExpr());
      }
      value = std::move(choice);
    }
    return value;
  }

  ExprResult parseOr() {
    RILL_ASSIGN(ExprPtr left, parseAnd());
    while (skipName("or")) {
      RILL_ASSIGN(ExprPtr right, parseAnd());
      left = node(Expr::Or, std::move(left), std::move(right));
      RILL_TRY(countChain());
    }
    return left;
  }

  ExprResult parseAnd() {
    RILL_ASSIGN(ExprPtr left, parseNot());
    while (skipName("and")) {
      RILL_ASSIGN(ExprPtr right, parseNot());
      left = node(Expr::And, std::move(left), std::move(right));
      RILL_TRY(countChain());
    }
    return left;
  }

  ExprResult parseNot() {
    if (!skipName("not")) {
      return parseCompare();
    }
    Level level(depth);
    if (depth > kMaxNesting) {
      return invalid("the expression is nested too deeply");
    }
    RILL_ASSIGN(ExprPtr value, parseNot());
    return node(Expr::Not, std::move(value));
  }

  ExprResult parseCompare() {
    RILL_ASSIGN(ExprPtr left, parseSum());
    ExprPtr compare;
    while (true) {
      std::string op;
      static constexpr const char *kCompare[] = {
          "==", "!=", "<=", ">=", "<", ">"};
      for (const char *candidate : kCompare) {
        if (op.empty() && skipOp(candidate)) {
          op = candidate;
        }
      }
      if (op.empty() && skipName("in")) {
        op = "in";
      } else if (op.empty() && isName("not") && isName("in", 1)) {
        at += 2;
        op = "not in";
      }
      if (op.empty()) {
        return compare ? std::move(compare) : std::move(left);
      }
      if (!compare) {
        compare = node(Expr::Compare, std::move(left));
      }
      RILL_ASSIGN(ExprPtr right, parseSum());
      compare->items.push_back(std::move(right));
      compare->ops.push_back(std::move(op));
    }
  }

  /// Left-associative chains build deep trees; they count as nesting so that
  /// neither evaluation nor destruction can exhaust the stack.
  Status countChain() {
    return ++chain <= kMaxChain
               ? Status()
               : Status(invalid("the expression has too many operators"));
  }

  ExprResult parseBinary(ExprResult (Parser::*inner)(),
                         std::initializer_list<const char *> ops) {
    RILL_ASSIGN(ExprPtr left, (this->*inner)());
    while (true) {
      const char *op = nullptr;
      for (const char *candidate : ops) {
        op = !op && skipOp(candidate) ? candidate : op;
      }
      if (!op) {
        return left;
      }
      RILL_ASSIGN(ExprPtr right, (this->*inner)());
      left = node(Expr::Binary, std::move(left), std::move(right));
      left->text = op;
      RILL_TRY(countChain());
    }
  }
  ExprResult parseSum() { return parseBinary(&Parser::parseJoin, {"+", "-"}); }
  ExprResult parseJoin() { return parseBinary(&Parser::parseProduct, {"~"}); }
  ExprResult parseProduct() {
    return parseBinary(&Parser::parseUnary, {"*", "/", "//", "%"});
  }

  ExprResult parseUnary() {
    RILL_ASSIGN(ExprPtr value, parseSigned());
    RILL_ASSIGN(value, parsePostfix(std::move(value), true));
    if (isOp("**")) {
      return unsupported("the operator **");
    }
    return value;
  }

  ExprResult parseSigned() {
    Level level(depth);
    if (depth > kMaxNesting) {
      return invalid("the expression is nested too deeply");
    }
    if (isOp("-") || isOp("+")) {
      bool negative = take().text == "-";
      RILL_ASSIGN(ExprPtr value, parseSigned());
      return node(negative ? Expr::Negative : Expr::Positive, std::move(value));
    }
    RILL_ASSIGN(ExprPtr value, parsePrimary());
    return parsePostfix(std::move(value), false);
  }

  ExprResult parsePrimary() {
    const Token token = peek();
    if (token.kind == Token::Name) {
      return parseWord();
    }
    if (token.kind == Token::String) {
      ExprPtr text = node(Expr::String);
      while (peek().kind == Token::String) {
        text->text += take().text;
      }
      return text;
    }
    if (token.kind == Token::Integer || token.kind == Token::Float) {
      return parseNumber();
    }
    if (skipOp("(")) {
      return parseBracket();
    }
    if (skipOp("[")) {
      ExprPtr list = node(Expr::List);
      RILL_TRY(parseItems("]", list->items));
      return list;
    }
    if (skipOp("{")) {
      return parseDict();
    }
    return invalid("expected an expression, " + found());
  }

  ExprResult parseWord() {
    std::string word = take().text;
    if (word == "true" || word == "True" || word == "false" ||
        word == "False") {
      ExprPtr value = node(Expr::Bool);
      value->truth = word == "true" || word == "True";
      return value;
    }
    if (word == "none" || word == "None") {
      return node(Expr::None);
    }
    ExprPtr variable = node(Expr::Variable);
    variable->text = std::move(word);
    return variable;
  }

  ExprResult parseNumber() {
    Token token = take();
    const char *begin = token.text.data(), *end = begin + token.text.size();
    ExprPtr value =
        node(token.kind == Token::Integer ? Expr::Integer : Expr::Float);
    std::from_chars_result read =
        token.kind == Token::Integer
            ? std::from_chars(begin, end, value->whole)
            : std::from_chars(begin, end, value->number);
    if (read.ec != std::errc()) {
      return unsupported("the number " + token.text);
    }
    return value;
  }

  ExprResult parseBracket() {
    if (skipOp(")")) {
      return node(Expr::List);
    }
    RILL_ASSIGN(ExprPtr first, parseExpr());
    if (skipOp(")")) {
      return first;
    }
    ExprPtr tuple = node(Expr::List, std::move(first));
    RILL_TRY(expectOp(","));
    RILL_TRY(parseItems(")", tuple->items));
    return tuple;
  }

  Status parseItems(const char *close, std::vector<ExprPtr> &items) {
    while (!skipOp(close)) {
      RILL_ASSIGN(ExprPtr item, parseExpr());
      items.push_back(std::move(item));
      if (!isOp(close)) {
        RILL_TRY(expectOp(","));
      }
    }
    return {};
  }

  ExprResult parseDict() {
    ExprPtr dict = node(Expr::Dict);
    while (!skipOp("}")) {
      RILL_ASSIGN(ExprPtr key, parseExpr());
      RILL_TRY(expectOp(":"));
      RILL_ASSIGN(ExprPtr value, parseExpr());
      dict->items.push_back(std::move(key));
      dict->items.push_back(std::move(value));
      if (!isOp("}")) {
        RILL_TRY(expectOp(","));
      }
    }
    return dict;
  }

  /// Attributes, subscripts and calls; with `filters` also | and is.
  ExprResult parsePostfix(ExprPtr value, bool filters) {
    while (true) {
      if (isOp(".") || isOp("[") || isOp("(") || isOp("|")) {
        RILL_TRY(countChain());
      }
      if (skipOp(".")) {
        if (peek().kind == Token::Integer) {
          return unsupported("an attribute that is a number");
        }
        value = node(Expr::Attribute, std::move(value));
        RILL_ASSIGN(value->text, expectName());
      } else if (skipOp("[")) {
        RILL_ASSIGN(value, parseSubscript(std::move(value)));
      } else if (skipOp("(")) {
        value = node(Expr::Call, std::move(value));
        RILL_TRY(parseArguments(*value));
      } else if (filters && skipOp("|")) {
        value = node(Expr::Filter, std::move(value));
        RILL_ASSIGN(value->text, expectName());
        if (!isFilter(value->text)) {
          return unsupported("the filter \"" + value->text + "\"");
        }
        if (skipOp("(")) {
          RILL_TRY(parseArguments(*value));
        }
      } else if (filters && skipName("is")) {
        RILL_ASSIGN(value, parseTest(std::move(value)));
      } else {
        return value;
      }
    }
  }

  ExprResult parseSubscript(ExprPtr object) {
    std::vector<ExprPtr> parts(3);
    size_t colons = 0;
    while (!isOp("]")) {
      if (skipOp(":")) {
        if (++colons == 3) {
          return invalid("a slice has at most two colons");
        }
      } else if (parts[colons]) {
        return invalid("expected ], " + found());
      } else {
        RILL_ASSIGN(parts[colons], parseExpr());
      }
    }
    ++at;
    if (colons == 0) {
      if (!parts[0]) {
        return invalid("an empty subscript");
      }
      return node(Expr::Subscript, std::move(object), std::move(parts[0]));
    }
    ExprPtr slice = node(Expr::Slice, std::move(object));
    for (ExprPtr &part : parts) {
      slice->items.push_back(std::move(part));
    }
    return slice;
  }

  Status parseArguments(Expr &call) {
    while (!skipOp(")")) {
      if (isOp("*") || isOp("**")) {
        return unsupported("unpacked arguments");
      }
      Argument argument;
      if (peek().kind == Token::Name && isOp("=", 1)) {
        argument.name = take().text;
        ++at;
      }
      RILL_ASSIGN(argument.value, parseExpr());
      call.arguments.push_back(std::move(argument));
      if (!isOp(")")) {
        RILL_TRY(expectOp(","));
      }
    }
    return {};
  }

  /// `is [not] name [argument]`
  ExprResult parseTest(ExprPtr object) {
    bool negated = skipName("not");
    ExprPtr test = node(Expr::Test, std::move(object));
    RILL_ASSIGN(test->text, expectName());
    if (!isTest(test->text)) {
      return unsupported("the test \"" + test->text + "\"");
    }
    const Token &next = peek();
    bool plain =
        next.kind == Token::String || next.kind == Token::Integer ||
        next.kind == Token::Float || isOp("[") || isOp("{") ||
        (next.kind == Token::Name && next.text != "else" && next.text != "or" &&
         next.text != "and" && next.text != "is" && next.text != "if" &&
         next.text != "not" && next.text != "in");
    if (skipOp("(")) {
      RILL_TRY(parseArguments(*test));
    } else if (plain) {
      RILL_ASSIGN(ExprPtr argument, parsePrimary());
      RILL_ASSIGN(argument, parsePostfix(std::move(argument), false));
      test->arguments.push_back({"", std::move(argument)});
    }
    return negated ? node(Expr::Not, std::move(test)) : std::move(test);
  }

  static constexpr int kMaxChain = 400;
  std::vector<Token> tokens;
  const std::string &name;
  size_t at = 0;
  int depth = 0, chain = 0, loops = 0;
};
} // namespace

Result<Body> rill::rt::tmpl::parseTemplate(std::string_view source,
                                           const std::string &name) {
  RILL_ASSIGN(std::vector<Token> tokens, tokenize(source, name));
  return Parser(std::move(tokens), name).run();
}
