#include "lib/report/aggregate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "lib/base/text.h"
#include "lib/report/aggregate_reader.h"
#include "lib/report/charset.h"
#include "lib/report/mender.h"
#include "lib/report/record_cutter.h"
#include "lib/report/root_finder.h"

namespace dmarcate {
namespace {

// What becomes one tree. A tree takes up to 16 times the bytes of its text ("<a/>"), so this bounds
// what a hostile document can cost beyond itself. Honest reports are smaller: 99 % are below 110
// KiB.
constexpr size_t kPieceBytes = 2 << 20;
constexpr size_t kTypicalRecordBytes = 600;  // of XML; the model of one takes half of that
constexpr size_t kRoots = 64;  // S17; more reports in one document than that are nobody's

using Results = std::vector<ParsedAggregate>;
using Source = AggregateReader::Source;

// A tree and the text that it is made of, which pugixml cuts into pieces where it lies. The memory
// of the text is the thread's, from one report to the next: to ask for it anew costs the kernel
// more time than all that is copied.
class Tree {
 public:
  Tree() : text_(std::exchange(Spare(), {})) {}
  ~Tree() {
    if (text_.capacity() <= kKeptText) Spare() = std::move(text_);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // What was loaded before is gone.
  pugi::xml_parse_result Load(std::string_view text) {
    text_.assign(text);
    return document_.load_buffer_inplace(text_.data(), text_.size(), kReaderParseFlags,
                                         pugi::encoding_utf8);
  }
  const pugi::xml_document& document() const { return document_; }

 private:
  static constexpr size_t kKeptText = kPieceBytes + (512 << 10);  // a piece and its frame

  static std::string& Spare() {
    thread_local std::string spare;
    return spare;
  }

  std::string text_;  // outlives the document
  pugi::xml_document document_;
};

bool IsElement(pugi::xml_node node, Element element) {
  return node.type() == pugi::node_element && ElementOf(node.name()) == element;
}

ParsedAggregate Refused(RepairLog log, Outcome outcome, std::string_view reason,
                        std::string detail) {
  ParsedAggregate result;
  result.outcome = outcome;
  result.reason = reason;
  result.detail = std::move(detail);
  result.repairs_dropped = log.dropped();
  result.repairs = log.Take();
  return result;
}

// One document, well-formed or not, with all reports in it.
class DocumentReader {
 public:
  DocumentReader(std::string_view text, const ReportHints& hints, const AggregateLimits& limits,
                 ModelBudget& budget)
      : text_(text), hints_(hints), limits_(limits), budget_(budget) {}

  // `log` holds what was noted about the bytes; it goes to the first report.
  Results Read(RepairLog log);
  // Where the text is not well-formed, once that is known.
  std::optional<int64_t> error_position() const { return error_position_; }

 private:
  // The quick way: [begin, end) as one tree. Empty if that is not well-formed; error_ says where.
  Results ReadWhole(size_t begin, size_t end, const RepairLog& log);
  // The way that always works, in pieces cut at record boundaries.
  Results ReadPieces(Token root, RepairLog log);
  ParsedAggregate ReadPiecesOf(const Token& root, const CutReport& cut, RepairLog log);
  bool ReadCutFrame(const Token& root, const CutReport& cut, AggregateReader& reader);
  void ReadSlices(const std::vector<RecordSlice>& slices, AggregateReader& reader);
  bool ReadBatch(const RecordSlice* first, const RecordSlice* last, AggregateReader& reader);
  void ReadSlice(const RecordSlice& slice, AggregateReader& reader);
  Results WithoutRepeats(Results results) const;

  std::string_view text_;
  const ReportHints& hints_;
  const AggregateLimits& limits_;
  ModelBudget& budget_;
  std::string error_;  // why the text is not well-formed, with the offset
  std::optional<int64_t> error_position_;
  Tree tree_;
};

Results DocumentReader::ReadWhole(size_t begin, size_t end, const RepairLog& log) {
  const pugi::xml_parse_result parsed = tree_.Load(text_.substr(begin, end - begin));
  if (!parsed) {
    error_position_ = static_cast<int64_t>(begin) + parsed.offset;
    error_ = fmt::format("{} at byte {}", parsed.description(), *error_position_);
    return {};
  }
  Results results;
  for (const pugi::xml_node root : tree_.document().children()) {
    if (!IsElement(root, Element::kFeedback) || results.size() >= kRoots) continue;
    AggregateReader reader(hints_, limits_, budget_,
                           results.empty() ? log : RepairLog(limits_.repairs));
    if (reader.ReadFrame(root, Source::kWellFormed)) {
      int64_t ordinal = 0;
      reader.ReserveRecords((end - begin) / kTypicalRecordBytes);
      for (pugi::xml_node node = root.first_child(); node; node = node.next_sibling()) {
        if (IsElement(node, Element::kRecord) && !reader.ReadRecord(node, ++ordinal)) break;
      }
    }
    results.push_back(reader.Finish());
  }
  return results;
}

bool DocumentReader::ReadCutFrame(const Token& root, const CutReport& cut,
                                  AggregateReader& reader) {
  const std::string qualified =
      root.prefix.empty() ? std::string(root.name) : fmt::format("{}:{}", root.prefix, root.name);
  const std::string open(text_.substr(root.begin, root.end - root.begin));
  const std::string close = fmt::format("</{}>", qualified);
  if (tree_.Load(open + cut.frame + close)) {
    const bool damaged = !cut.closed || !cut.unclosed.empty() || !error_.empty();
    return reader.ReadFrame(tree_.document().first_child(),
                            damaged ? Source::kDamaged : Source::kWellFormed);
  }
  const std::string mended = MendPiece(cut.frame, reader.log());
  if (!tree_.Load(open + mended + close)) tree_.Load("<feedback>" + mended + "</feedback>");
  return reader.ReadFrame(tree_.document().first_child(), Source::kDamaged);
}

// One record that stands alone. What is beyond mending is left out.
void DocumentReader::ReadSlice(const RecordSlice& slice, AggregateReader& reader) {
  const std::string_view text = text_.substr(slice.begin, slice.end - slice.begin);
  reader.log().set_record(slice.ordinal);
  if (text.size() > kPieceBytes) {
    reader.log().Add("record_too_large", "", fmt::format("{} bytes", text.size()), "",
                     Effect::kMaterial);
    return;
  }
  if (!tree_.Load(text)) tree_.Load(MendPiece(text, reader.log()));
  if (const pugi::xml_node record = tree_.document().first_child();
      IsElement(record, Element::kRecord)) {
    reader.ReadRecord(record, slice.ordinal);
  } else {
    reader.log().Add("record_unreadable", "", text, "", Effect::kMaterial);
  }
}

// Records [first, last) with nothing but blanks between them, as one tree. False if they do not
// parse.
bool DocumentReader::ReadBatch(const RecordSlice* first, const RecordSlice* last,
                               AggregateReader& reader) {
  const size_t begin = first->begin;
  if (!tree_.Load(text_.substr(begin, (last - 1)->end - begin))) return false;
  const auto nodes = tree_.document().children();
  if (std::distance(nodes.begin(), nodes.end()) != last - first) return false;
  for (const pugi::xml_node node : nodes) {
    if (!reader.ReadRecord(node, first->ordinal)) return true;
    ++first;
  }
  return true;
}

void DocumentReader::ReadSlices(const std::vector<RecordSlice>& slices, AggregateReader& reader) {
  const RecordSlice* first = slices.data();
  const RecordSlice* const end = first + slices.size();
  while (first != end && !reader.refused()) {
    const RecordSlice* last = first + 1;
    while (last != end && last->end - first->begin <= kPieceBytes &&
           TrimAscii(text_.substr((last - 1)->end, last->begin - (last - 1)->end)).empty()) {
      ++last;
    }
    const bool fits = (last - 1)->end - first->begin <= kPieceBytes;
    if (!fits || !ReadBatch(first, last, reader)) {
      for (const RecordSlice* slice = first; slice != last && !reader.refused(); ++slice) {
        ReadSlice(*slice, reader);
      }
    }
    first = last;
  }
}

ParsedAggregate DocumentReader::ReadPiecesOf(const Token& root, const CutReport& cut,
                                             RepairLog log) {
  AggregateReader reader(hints_, limits_, budget_, std::move(log));
  if (cut.too_many_records && cut.records_seen > limits_.records) {
    reader.Refuse(Outcome::kOverLimit, "too_many_records",
                  fmt::format("more than {} records", limits_.records));
  } else if (cut.too_many_records) {
    reader.RefuseModel();
  } else if (cut.frame_too_large) {
    reader.Refuse(Outcome::kOverLimit, "frame_too_large",
                  fmt::format("more than {} bytes that are no record", kPieceBytes));
  } else if (cut.foreign_depth > limits_.xml_depth) {
    reader.Refuse(
        Outcome::kOverLimit, "xml_too_deep",
        fmt::format("elements nest {} deep, limit {}", cut.foreign_depth, limits_.xml_depth));
  }
  if (reader.refused()) return reader.Finish();
  if (!cut.closed) {
    reader.log().Add("root_unclosed", "", "", "",
                     cut.tail_cut ? Effect::kMaterial : Effect::kCosmetic);
  }
  for (const int64_t ordinal : cut.unclosed) {
    reader.log().set_record(ordinal);
    reader.log().Add("record_unclosed", "", "", "", Effect::kMaterial);
  }
  reader.log().set_record(0);
  for (const std::string& name : cut.foreign) reader.NoteExtension(name);
  if (ReadCutFrame(root, cut, reader)) {
    reader.ReserveRecords(cut.records.size());
    ReadSlices(cut.records, reader);
  }
  ParsedAggregate result = reader.Finish();
  if (result.reason == "xml_not_well_formed" && !error_.empty()) {
    result.detail = fmt::format("{}; {}", error_, result.detail);
  }
  return result;
}

Results DocumentReader::ReadPieces(Token root, RepairLog log) {
  Results results;
  while (true) {
    // Records for which there is no room are not looked for.
    const int64_t room = budget_.bytes_left() / static_cast<int64_t>(sizeof(AggregateRecord));
    const CutLimits cut_limits{.records = std::min(limits_.records, room),
                               .frame_bytes = kPieceBytes};
    const CutReport cut = CutAtRecords(text_, root, cut_limits);
    results.push_back(
        ReadPiecesOf(root, cut, results.empty() ? std::move(log) : RepairLog(limits_.repairs)));
    if (results.back().outcome == Outcome::kOverLimit || results.size() >= kRoots) break;
    MarkupScanner scanner(text_, cut.end);
    std::optional<Token> next = scanner.Next();
    while (next.has_value() &&
           !(next->kind == TokenKind::kStart && EqualsIgnoreCase(next->name, "feedback"))) {
      next = scanner.Next();
    }
    if (!next.has_value()) break;
    root = *next;
  }
  return results;
}

// S17: one report each, if all have metadata. A second copy of the first is garbage behind it
// (X12), and so is a root that could not stand alone; one that a limit stopped is neither.
Results DocumentReader::WithoutRepeats(Results results) const {
  if (results.size() < 2) return results;
  Results kept;
  kept.push_back(std::move(results[0]));
  for (size_t i = 1; i < results.size(); ++i) {
    const bool copy = results[i].report.has_value() && results[i].report == kept[0].report;
    if (!copy && (results[i].report.has_value() || results[i].outcome == Outcome::kOverLimit ||
                  !kept[0].report.has_value())) {
      kept.push_back(std::move(results[i]));
      continue;
    }
    RepairLog log(1);
    log.Add(copy ? "trailing_garbage" : "root_without_metadata", "",
            copy ? "the same report again" : results[i].reason, "",
            copy ? Effect::kCosmetic : Effect::kMaterial);
    for (Repair& repair : log.Take()) kept[0].repairs.push_back(std::move(repair));
    if (log.material()) kept[0].outcome = Outcome::kAcceptedMaterial;
    if (kept[0].outcome == Outcome::kAccepted) kept[0].outcome = Outcome::kAcceptedCosmetic;
  }
  // A first root that is no report beside one that is.
  if (kept.size() > 1 && !kept[0].report.has_value() && kept[0].outcome != Outcome::kOverLimit) {
    kept.erase(kept.begin());
  }
  return kept;
}

Results DocumentReader::Read(RepairLog log) {
  Results results;
  const std::string_view trimmed = TrimAscii(text_);
  if (trimmed.empty() || trimmed == "unused") {  // Z12
    results.push_back(Refused(std::move(log), Outcome::kQuarantined, "empty_payload",
                              trimmed.empty() ? "no bytes" : "the one word \"unused\""));
    return results;
  }
  const RootSearch search = FindRoot(text_, log);
  if (search.entities) {
    results.push_back(Refused(std::move(log), Outcome::kQuarantined, "doctype_entities",
                              "the document declares entities, which no report needs"));
    return results;
  }
  if (!search.root.has_value()) {
    results.push_back(
        search.has_markup
            ? Refused(std::move(log), Outcome::kQuarantined, "not_a_feedback_document",
                      search.other_root.empty()
                          ? "no element feedback"
                          : fmt::format("the root is {}, not feedback", search.other_root))
            : Refused(std::move(log), Outcome::kNotAReport, "not_xml",
                      "no markup within the first 1024 bytes"));
    return results;
  }
  const Token root = *search.root;
  const size_t closed = LastRootEnd(text_, root.end);
  const size_t end = closed != std::string_view::npos ? closed
                     : root.kind == TokenKind::kEmpty ? root.end
                                                      : text_.size();
  if (const std::string_view rest = text_.substr(end); !IsIgnorable(rest)) {
    log.Add("trailing_garbage", "", rest, "", Effect::kCosmetic);
  }
  if (end - root.begin <= kPieceBytes) results = ReadWhole(root.begin, end, log);
  if (results.empty()) {
    text_ = text_.substr(0, end);
    results = ReadPieces(root, std::move(log));
  }
  return WithoutRepeats(std::move(results));
}

}  // namespace

std::vector<ParsedAggregate> ParseAggregate(std::string document, const ReportHints& hints,
                                            const AggregateLimits& limits) {
  ModelBudget budget(limits.records, limits.model_bytes, limits.model_free_bytes);
  return ParseAggregate(std::move(document), hints, limits, budget);
}

std::vector<ParsedAggregate> ParseAggregate(std::string document, const ReportHints& hints,
                                            const AggregateLimits& limits, ModelBudget& budget) {
  RepairLog log(limits.repairs);
  const auto document_bytes = static_cast<int64_t>(document.size());
  DocumentExcerpt beginning = MakeExcerpt(document, std::nullopt);
  const Utf8Document utf8 = ToUtf8Document(std::move(document), limits.converted_bytes, log);
  if (!utf8.text.has_value()) {
    ParsedAggregate refused;
    refused.outcome =
        utf8.reason == "document_too_large" ? Outcome::kOverLimit : Outcome::kQuarantined;
    refused.reason = utf8.reason;
    refused.detail = utf8.detail;
    refused.repairs_dropped = log.dropped();
    refused.repairs = log.Take();
    refused.excerpt = std::move(beginning);
    return {std::move(refused)};
  }
  const std::string& text = *utf8.text;
  budget.AddText(document_bytes);
  DocumentReader reader(text, hints, limits, budget);
  Results results = reader.Read(std::move(log));
  // What is not kept earns nothing for the next one.
  if (std::ranges::none_of(results,
                           [](const ParsedAggregate& r) { return r.report.has_value(); })) {
    budget.AddText(-document_bytes);
  }
  for (ParsedAggregate& result : results) {
    if (result.report.has_value()) continue;
    result.excerpt = MakeExcerpt(
        text, result.reason == "xml_not_well_formed" ? reader.error_position() : std::nullopt);
  }
  return results;
}

DocumentExcerpt MakeExcerpt(std::string_view document, std::optional<int64_t> position) {
  DocumentExcerpt excerpt;
  const auto size = static_cast<int64_t>(document.size());
  if (position.has_value() && *position >= 0 && *position <= size) {
    constexpr auto kBytes = static_cast<int64_t>(kExcerptBytes);
    excerpt.position = position;
    excerpt.offset =
        std::clamp<int64_t>(*position - kBytes / 2, 0, std::max<int64_t>(0, size - kBytes));
  }
  excerpt.bytes = document.substr(static_cast<size_t>(excerpt.offset), kExcerptBytes);
  return excerpt;
}

}  // namespace dmarcate
