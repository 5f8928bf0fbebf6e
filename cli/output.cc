#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>

#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Json = nlohmann::ordered_json;

int output_error = 0;      // the errno of the first write to stdout that failed
absl::Status print_error;  // of the first result that could not be printed

// Code points, which is near enough to columns for the scripts that reports contain.
size_t Width(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

bool IsNumber(std::string_view cell) {
  size_t digits = 0;
  for (size_t i = 0; i < cell.size(); ++i) {
    const char c = cell[i];
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if (!(c == '.' || (c == '-' && i == 0))) {
      return false;
    }
  }
  return digits > 0;
}

// part / whole in `parts`ths, rounded down. Counts may be as large as they can be written.
int64_t PartsOf(int64_t parts, int64_t part, int64_t whole) {
  if (part > std::numeric_limits<int64_t>::max() / parts) {
    part /= parts;
    whole /= parts;
  }
  return part * parts / whole;
}

void EmitYaml(const Json& value, YAML::Emitter& out) {
  switch (value.type()) {
    case Json::value_t::object:
      out << YAML::BeginMap;
      for (const auto& [key, item] : value.items()) {
        out << YAML::Key << key << YAML::Value;
        EmitYaml(item, out);
      }
      out << YAML::EndMap;
      break;
    case Json::value_t::array:
      if (value.empty()) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (const auto& item : value) EmitYaml(item, out);
      out << YAML::EndSeq;
      break;
    case Json::value_t::string:
      out << YAML::DoubleQuoted << value.get<std::string>();
      break;
    case Json::value_t::boolean:
      out << value.get<bool>();
      break;
    case Json::value_t::null:
      out << YAML::Null;
      break;
    default:
      out << value.dump();
      break;
  }
}

// In ASCII, so that nothing a stranger wrote steers a terminal: JSON itself leaves C1 controls and
// direction overrides as they are.
std::string Dump(const Json& value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace

void Table::Add(std::string name, std::vector<Cell> cells) {
  cells.resize(columns_.size(), Cell(""));
  rows_.push_back({std::move(name), std::move(cells)});
}

std::string Table::Render(Format format) const {
  std::string out;
  if (format == Format::kName) {
    for (const Row& row : rows_) out += EscapeForTerminal(row.name) + "\n";
    return out;
  }
  if (format == Format::kCsv) {
    std::vector<std::string> fields;
    for (const Column& column : columns_) fields.push_back(CsvField(AsciiLower(column.title)));
    out += Join(fields, ",") + "\r\n";
    for (const Row& row : rows_) {
      fields.clear();
      for (const Cell& cell : row.cells) fields.push_back(CsvField(cell.value.value_or(cell.text)));
      out += Join(fields, ",") + "\r\n";
    }
    return out;
  }
  std::vector<size_t> shown;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (format == Format::kWide || !columns_[i].wide_only) shown.push_back(i);
  }
  std::vector<std::vector<std::string>> lines(1);
  for (const size_t i : shown) lines[0].push_back(columns_[i].title);
  for (const Row& row : rows_) {
    lines.emplace_back();
    for (const size_t i : shown) lines.back().push_back(EscapeForTerminal(row.cells[i].text));
  }
  std::vector<size_t> widths(shown.size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Width(line[i]));
  }
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - Width(line[i]), ' ');
      if (i > 0) text += "  ";
      text += columns_[shown[i]].align == Align::kRight ? padding + line[i] : line[i] + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

std::string CsvField(std::string_view cell) {
  std::string text;
  constexpr std::string_view kFormula = "=+-@\t\r\n";
  // The full-width forms of = + - @, which some spreadsheets fold.
  constexpr std::string_view kWideForms[] = {"\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D",
                                             "\xEF\xBC\xA0"};
  const bool formula =
      !cell.empty() && cell != "-" && !IsNumber(cell) &&
      (kFormula.find(cell[0]) != std::string_view::npos || cell[0] == '\0' ||
       std::ranges::any_of(kWideForms, [&](std::string_view f) { return cell.starts_with(f); }));
  if (formula) text += '\'';
  // Lines and tabs a quoted field may hold; of other control characters the escape is told.
  while (!cell.empty()) {
    const size_t safe = std::min(cell.find_first_of("\t\r\n"), cell.size());
    std::string piece(cell.substr(0, safe));
    std::erase(piece, '\0');
    text += EscapeForTerminal(piece);
    if (safe < cell.size()) text += cell[safe];
    cell.remove_prefix(std::min(safe + 1, cell.size()));
  }
  if (text.find_first_of(",\"\r\n'\t") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto printed = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!printed.ok()) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("{} has no JSON form: {}", message.GetDescriptor()->name(),
                                 EscapeForTerminal(printed.ToString())));
  }
  if (!pretty) return text;
  return Dump(Json::parse(text), 2);
}

std::string JsonToYaml(const std::string& json) {
  const Json value = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return "{}";
  YAML::Emitter out;
  out.SetOutputCharset(YAML::EscapeNonAscii);  // as in Dump()
  EmitYaml(value, out);
  return out.c_str();
}

absl::StatusOr<std::string> ToYaml(const google::protobuf::Message& message) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string json, ToJson(message, false));
  return JsonToYaml(json);
}

namespace {

absl::StatusOr<std::string> Render(Format format, const google::protobuf::Message& message,
                                   std::string_view items, const Table& table) {
  switch (format) {
    case Format::kJson: {
      DMARCATE_ASSIGN_OR_RETURN(const std::string json, ToJson(message, true));
      return json + "\n";
    }
    case Format::kYaml: {
      DMARCATE_ASSIGN_OR_RETURN(const std::string yaml, ToYaml(message));
      return yaml + "\n";
    }
    case Format::kJsonl: {
      DMARCATE_ASSIGN_OR_RETURN(const std::string json, ToJson(message, false));
      const Json whole = Json::parse(json);
      if (items.empty()) return Dump(whole, -1) + "\n";
      std::string out;
      for (const Json& item : whole.at(std::string(items))) out += Dump(item, -1) + "\n";
      return out;
    }
    case Format::kTable:
    case Format::kWide:
    case Format::kCsv:
    case Format::kName:
      break;
  }
  return table.Render(format);
}

}  // namespace

bool WriteOut(std::string_view text) {
  if (output_error == 0 && std::fwrite(text.data(), 1, text.size(), stdout) < text.size()) {
    output_error = errno;
  }
  return output_error == 0;
}

void WriteErr(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

void FlushOut() {
  if (std::fflush(stdout) != 0 && output_error == 0) output_error = errno;
}

absl::Status FinishOutput() {
  FlushOut();
  if (!print_error.ok()) return print_error;
  return output_error == 0 ? absl::OkStatus() : ErrnoError(output_error, "standard output");
}

void Print(Format format, const google::protobuf::Message& message, std::string_view items,
           const Table& table) {
  absl::StatusOr<std::string> out = Render(format, message, items, table);
  if (out.ok()) {
    WriteOut(*out);
  } else if (print_error.ok()) {
    print_error = out.status();
  }
}

std::string FormatCount(int64_t count) {
  std::string digits = std::to_string(count);
  if (!StdoutIsTerminal()) return digits;
  for (int at = static_cast<int>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

std::string Counted(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", FormatCount(count), noun, count == 1 ? "" : "s");
}

std::string FormatRate(int64_t part, int64_t whole) {
  if (whole <= 0) return "-";
  if (whole < 20) return fmt::format("{}/{}", part, whole);
  // Rounded down, so that 100.0% means all of them.
  const int64_t permille = PartsOf(1000, part, whole);
  return fmt::format("{}.{}%", permille / 10, permille % 10);
}

Cell CountCell(int64_t count) {
  Cell cell(FormatCount(count));
  cell.value = std::to_string(count);
  return cell;
}

Cell RateCell(int64_t part, int64_t whole) {
  Cell cell(FormatRate(part, whole));
  cell.value = "";
  if (whole <= 0) return cell;
  const int64_t parts = PartsOf(10'000, part, whole);
  cell.value = fmt::format("{}.{:04}", parts / 10'000, parts % 10'000);
  return cell;
}

bool StdoutIsTerminal() { return isatty(STDOUT_FILENO) == 1; }
bool StderrIsTerminal() { return isatty(STDERR_FILENO) == 1; }

}  // namespace dmarcate::cli
