// lib/report/aggregate_reader.h
// From the tree of an aggregate report to the model. The tree may come whole or in pieces: first
// the frame (what is no record), then records one by one, then Finish().

#ifndef DMARCATE_LIB_REPORT_AGGREGATE_READER_H_
#define DMARCATE_LIB_REPORT_AGGREGATE_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pugixml.hpp>

#include "lib/report/aggregate.h"
#include "lib/report/element.h"
#include "lib/report/redaction.h"
#include "lib/report/repair_log.h"
#include "lib/report/report_name.h"
#include "lib/report/words.h"

namespace dmarcate {

// How pugixml must parse what a reader is given. Entities stay as they are: the reader decodes
// them, since pugixml passes unknown ones and bare ampersands in silence. A text lies in its
// element where possible.
inline constexpr unsigned kReaderParseFlags =
    pugi::parse_minimal | pugi::parse_cdata | pugi::parse_embed_pcdata | pugi::parse_fragment;

// The bit of `element` in a set.
constexpr uint64_t Bit(Element element) { return uint64_t{1} << static_cast<int>(element); }

// Messages in one report that are beyond belief, as W8 for a record.
inline constexpr uint64_t kMessagesCeiling = 100'000'000'000;

// One report. Not thread-safe. `hints`, `limits` and `budget` must outlive it.
class AggregateReader {
 public:
  AggregateReader(const ReportHints& hints, const AggregateLimits& limits, ModelBudget& budget,
                  RepairLog log);

  // Version, metadata and policy from the children of `root`; records among them are passed over.
  // False: the report cannot be read on, Finish() says why. `damaged`: the document was not
  // well-formed.
  enum class Source { kWellFormed, kDamaged };
  bool ReadFrame(pugi::xml_node root, Source source);
  bool has_metadata() const { return has_metadata_; }

  // As over_limit: the model takes more than it may.
  void RefuseModel();
  // So many records are coming, as far as one can tell.
  void ReserveRecords(size_t records);
  // `ordinal` counts from 1 in document order. False: a limit was passed.
  bool ReadRecord(pugi::xml_node record, int64_t ordinal);

  // For what only the caller sees.
  RepairLog& log() { return log_; }
  void NoteExtension(std::string_view name);
  void Refuse(Outcome outcome, std::string_view reason, std::string detail);
  bool refused() const { return !reason_.empty(); }

  ParsedAggregate Finish();

 private:
  // Texts. TextOf returns a view into the tree or into scratch_: valid until the next call.
  std::string_view TextOf(pugi::xml_node leaf, Element element, std::string_view path);
  std::string DomainOf(pugi::xml_node leaf, Element element, std::string_view path);
  std::string SignatureDomainOf(pugi::xml_node leaf, std::string_view path);
  // For an element that is no part of the grammar where it stands: notes its name and measures its
  // depth.
  void Skip(pugi::xml_node node);
  void NoteStrayText(std::string_view path, std::string_view text);
  void NoteRepeated(Element element, std::string_view path, std::string_view name);
  // Calls `visit(Element, node)` for every known child element, once each unless in the set
  // `repeatable` (bits by Element). What it returns false for is skipped as unknown.
  template <typename Visit>
  void ForEachChild(pugi::xml_node parent, std::string_view path, uint64_t repeatable,
                    Visit&& visit);
  void ReadNamespace(pugi::xml_node root);
  void ReadMetadata(pugi::xml_node node);
  void ReadDateRange(pugi::xml_node node);
  void ReadEmail(pugi::xml_node node);
  void ReadPolicyPublished(pugi::xml_node node);
  void NotePolicyRepeated(pugi::xml_node node);
  std::optional<Policy> ReadPolicyWord(pugi::xml_node node, Element element, std::string_view path);
  std::optional<AlignmentMode> ReadMode(pugi::xml_node node, Element element,
                                        std::string_view path);
  std::optional<int32_t> ReadPct(pugi::xml_node node);
  std::optional<bool> ReadTesting(pugi::xml_node node);
  std::optional<DiscoveryMethod> ReadMethod(pugi::xml_node node);
  // Where the document gives no host name; else it stays empty.
  void FillPolicyDomain();
  void FillDates();
  void FillOrgName();

  void ReadRow(pugi::xml_node node, AggregateRecord& record);
  void ReadSourceIp(pugi::xml_node node, AggregateRecord& record);
  void ReadCount(pugi::xml_node node, AggregateRecord& record);
  void ReadPolicyEvaluated(pugi::xml_node node, AggregateRecord& record);
  void ReadReason(pugi::xml_node node, AggregateRecord& record);
  void ReadIdentifiers(pugi::xml_node node, AggregateRecord& record);
  void ReadAuthResults(pugi::xml_node node, AggregateRecord& record);
  void ReadDkim(pugi::xml_node node, AggregateRecord& record);
  // `human_result` gets what follows the result in the same text.
  AuthResult ReadResult(pugi::xml_node node, Mechanism mechanism, std::string_view path,
                        std::string& human_result);
  void ReadSpf(pugi::xml_node node, AggregateRecord& record);
  AlignedResult ReadAligned(pugi::xml_node node, Element element, std::string_view path);
  void CapDkim(AggregateRecord& record);
  // Both refuse the report and return false if the budget does not hold it.
  bool TakeRecord();
  bool TakeBytes(int64_t bytes);
  void ReadMoreRows(const std::vector<pugi::xml_node>& rows, const AggregateRecord& shared);
  void FinishCount(AggregateRecord& record);
  void FinishHeaderFrom(AggregateRecord& record);
  void FinishRecord(AggregateRecord& record);

  const ReportHints& hints_;
  const AggregateLimits& limits_;
  ModelBudget& budget_;
  int64_t taken_records_ = 0;  // out of budget_, for this report
  int64_t taken_bytes_ = 0;
  RepairLog log_;
  std::optional<ReportFileName> file_name_;
  ReportSubject subject_;
  AggregateReport report_;
  std::string scratch_;
  bool scratch_bad_bytes_ = false;
  bool has_metadata_ = false;
  bool has_policy_ = false;
  bool speaks_9990_ = false;  // an element or word of RFC 9990 occurred
  std::string begin_text_, end_text_;
  bool count_empty_ = false;  // of the row being read
  Outcome refusal_ = Outcome::kQuarantined;
  std::string reason_, detail_;
};

// --- templates ---

template <typename Visit>
void AggregateReader::ForEachChild(pugi::xml_node parent, std::string_view path,
                                   uint64_t repeatable, Visit&& visit) {
  if (parent.value()[0] != '\0') NoteStrayText(path, parent.value());
  uint64_t seen = 0;
  for (pugi::xml_node child = parent.first_child(); child; child = child.next_sibling()) {
    if (child.type() != pugi::node_element) {
      NoteStrayText(path, child.value());
      continue;
    }
    const std::string_view name = child.name();
    const Element element = ElementOf(name);
    const uint64_t bit = Bit(element);
    if (element != Element::kUnknown && (seen & bit & ~repeatable) != 0) {
      NoteRepeated(element, path, name);
    } else if (element == Element::kUnknown || !visit(element, child)) {
      Skip(child);
    } else {
      seen |= bit;
    }
  }
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_AGGREGATE_READER_H_
