// cli/output.h
// The output contract (docs/cli.md): stdout carries the result only. Every result is an API
// message; `json`, `jsonl` and `yaml` are its protobuf JSON mapping with the field names of the
// .proto files, `table` and `csv` are columns that the command chose.

#ifndef DMARCATE_CLI_OUTPUT_H_
#define DMARCATE_CLI_OUTPUT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace google::protobuf {
class Message;
}

namespace dmarcate::cli {

enum class Format : uint8_t { kTable, kWide, kJson, kJsonl, kYaml, kCsv, kName };

enum class Align : uint8_t { kLeft, kRight };
struct Column {
  std::string title;  // capitals, no blanks
  Align align = Align::kLeft;
  bool wide_only = false;  // left out of `table`
};

// A cell as people see it; and, for `csv`, as a program takes it, where that differs.
struct Cell {
  Cell(std::string shown) : text(std::move(shown)) {}  // NOLINT(google-explicit-constructor)
  Cell(const char* shown) : text(shown) {}             // NOLINT(google-explicit-constructor)
  std::string text;
  std::optional<std::string> value;
};
// 1,234 for people, 1234 in csv.
Cell CountCell(int64_t count);
// As FormatRate() for people; in csv a fraction of 1, rounded down to four digits, empty where
// there is nothing to divide by.
Cell RateCell(int64_t part, int64_t whole);

// Rows of text. Cells may hold strangers' bytes: they are escaped when printed.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // `name` is the resource name, for `-o name`.
  void Add(std::string name, std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  std::string Render(Format format) const;

 private:
  struct Row {
    std::string name;
    std::vector<Cell> cells;
  };
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

// One field of a CSV line, RFC 4180. A cell that a spreadsheet would take for a formula (= + - @
// tab CR, unless it is a number) gets an apostrophe in front.
std::string CsvField(std::string_view cell);

// protobuf's JSON mapping, original field names, empty fields included, one object.
//   kDataLoss  it has no JSON form: text that is not UTF-8, a time beyond the year 9999
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool pretty);
// The same object as YAML.
absl::StatusOr<std::string> ToYaml(const google::protobuf::Message& message);
// Any JSON text as YAML; "{}" for what is no JSON.
std::string JsonToYaml(const std::string& json);

// Writes to stdout. False once anything could not be written there; FinishOutput() says why.
bool WriteOut(std::string_view text);
// Writes to stderr; what cannot be written there is lost.
void WriteErr(std::string_view text);
// What was written so far, before something else is written elsewhere.
void FlushOut();
// The end of all that is written to stdout: also what only shows when buffers are emptied, and what
// Print() could not print.
absl::Status FinishOutput();

// Writes a whole result to stdout; nothing if it has no JSON form, which FinishOutput() tells.
// `items` is the name of the repeated field that `jsonl` prints line by line; empty: the
// message is one line.
void Print(Format format, const google::protobuf::Message& message, std::string_view items,
           const Table& table);

// "1,234,567" on a terminal, "1234567" elsewhere.
std::string FormatCount(int64_t count);
// "1 item", "2,000 items".
std::string Counted(int64_t count, std::string_view noun);
// "99.3%", or "-" where there is nothing to divide by; below 20 messages the counts themselves:
// "3/7".
std::string FormatRate(int64_t part, int64_t whole);

bool StdoutIsTerminal();
bool StderrIsTerminal();

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_OUTPUT_H_
