#include "lib/report/aggregate_reader.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/report/domain_text.h"
#include "lib/report/synthetic_id.h"
#include "lib/report/text_repair.h"

namespace dmarcate {
namespace {

constexpr size_t kExtensionNames = 32;
constexpr size_t kNameBytes = 256;
constexpr std::string_view kRfc9990Namespace = "urn:ietf:params:xml:ns:dmarc-2.0";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Elements above `node`, the root counted even where it was cut away with the frame.
int DepthOf(pugi::xml_node node) {
  int depth = 0;
  bool root = false;
  for (; node && node.type() == pugi::node_element; node = node.parent()) {
    ++depth;
    root = ElementOf(node.name()) == Element::kFeedback;
  }
  return root ? depth : depth + 1;
}

// The deepest element at or below `top`. Not recursive: depth is a stranger's choice.
int DeepestBelow(pugi::xml_node top) {
  int depth = DepthOf(top);
  int deepest = depth;
  pugi::xml_node node = top;
  while (true) {
    if (node.type() == pugi::node_element) deepest = std::max(deepest, depth);
    if (const pugi::xml_node child = node.first_child(); child) {
      node = child;
      ++depth;
      continue;
    }
    while (node != top && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    if (node == top) return deepest;
    node = node.next_sibling();
  }
}

}  // namespace

AggregateReader::AggregateReader(const ReportHints& hints, const AggregateLimits& limits,
                                 ModelBudget& budget, RepairLog log)
    : hints_(hints),
      limits_(limits),
      budget_(budget),
      log_(std::move(log)),
      file_name_(ReadReportFileName(hints.file_name)),
      subject_(ReadReportSubject(hints.subject)) {}

void AggregateReader::Refuse(Outcome outcome, std::string_view reason, std::string detail) {
  if (refused()) return;
  refusal_ = outcome;
  reason_ = reason;
  detail_ = std::move(detail);
}

bool AggregateReader::TakeRecord() {
  if (budget_.TakeRecord()) {
    ++taken_records_;
    return true;
  }
  Refuse(Outcome::kOverLimit, "too_many_records",
         fmt::format("more than {} records", limits_.records));
  return false;
}

void AggregateReader::RefuseModel() {
  Refuse(
      Outcome::kOverLimit, "model_too_large",
      fmt::format("what the reports of this input say takes more memory than {} bytes, or than one "
                  "and a half times their texts and {} bytes",
                  limits_.model_bytes, limits_.model_free_bytes));
}

bool AggregateReader::TakeBytes(int64_t bytes) {
  if (budget_.TakeBytes(bytes)) {
    taken_bytes_ += bytes;
    return true;
  }
  RefuseModel();
  return false;
}

void AggregateReader::ReserveRecords(size_t records) {
  const auto left = static_cast<size_t>(std::max<int64_t>(0, budget_.records_left()));
  report_.records.reserve(std::min(records, left));
}

void AggregateReader::NoteExtension(std::string_view name) {
  std::vector<std::string>& names = report_.extensions;
  if (names.size() >= kExtensionNames) return;
  std::string valid = ToValidUtf8(CutUtf8(name, kNameBytes));
  if (std::ranges::find(names, valid) == names.end()) names.push_back(std::move(valid));
}

void AggregateReader::Skip(pugi::xml_node node) {
  NoteExtension(LocalName(node.name()));
  if (!node.first_child()) return;
  if (const int depth = DeepestBelow(node); depth > limits_.xml_depth) {
    Refuse(Outcome::kOverLimit, "xml_too_deep",
           fmt::format("elements nest {} deep, limit {}", depth, limits_.xml_depth));
  }
}

void AggregateReader::NoteStrayText(std::string_view path, std::string_view text) {
  bool exotic = false;
  text = TrimBlanks(text, exotic);
  if (!text.empty()) log_.Add("stray_text", path, text, "", Effect::kCosmetic);
}

void AggregateReader::NoteRepeated(Element element, std::string_view path, std::string_view name) {
  const bool material = IsMaterial(element) || ShapeOf(element) == ElementShape::kContainer;
  name = LocalName(name);  // a known element's: a prefix may be anything
  log_.Add("element_repeated", path.empty() ? std::string(name) : fmt::format("{}/{}", path, name),
           "", "the first", material ? Effect::kMaterial : Effect::kCosmetic);
}

std::string_view AggregateReader::TextOf(pugi::xml_node leaf, Element element,
                                         std::string_view path) {
  scratch_bad_bytes_ = false;
  std::string_view text = TrimAscii(leaf.value());
  if (!leaf.first_child() && text.size() <= limits_.stored_text_bytes && IsPlainText(text)) {
    return text;
  }
  scratch_.clear();
  TextFindings findings;
  AppendRepaired(leaf.value(), TextMarkup::kEscaped, scratch_, findings);
  for (pugi::xml_node child = leaf.first_child(); child; child = child.next_sibling()) {
    if (child.type() == pugi::node_element) {
      findings.unescaped = true;
      Skip(child);
    } else {
      AppendRepaired(child.value(),
                     child.type() == pugi::node_cdata ? TextMarkup::kLiteral : TextMarkup::kEscaped,
                     scratch_, findings);
    }
  }
  bool exotic = false;
  text = TrimBlanks(scratch_, exotic);
  const Effect effect = IsMaterial(element) ? Effect::kMaterial : Effect::kCosmetic;
  const auto note = [&](std::string_view code, Effect e) {
    log_.Add(code, path, Redacted(element, leaf.value()), Redacted(element, text), e);
  };
  if (findings.bad_bytes) note("bad_bytes", effect);
  if (findings.bad_chars) note("bad_chars", effect);
  if (findings.unescaped) note("unescaped_text", effect);
  // Blanks nobody sees around a name are worth a word; around a comment they are not.
  if (exotic && effect == Effect::kMaterial) note("blank_trimmed", effect);
  if (text.size() > limits_.stored_text_bytes) {
    note("text_cut", effect);
    text = CutUtf8(text, limits_.stored_text_bytes);
  }
  scratch_bad_bytes_ = findings.bad_bytes;
  return text;
}

std::string AggregateReader::DomainOf(pugi::xml_node leaf, Element element, std::string_view path) {
  const std::string_view text = TextOf(leaf, element, path);
  if (text.empty()) return "";
  DomainText domain = ReadDomainText(text);
  const auto note = [&](std::string_view code, Effect effect) {
    log_.Add(code, path, Redacted(element, text), domain.text, effect);
  };
  // Replaced when the charset was converted, where the element was not known yet.
  if (!scratch_bad_bytes_ && text.find(kReplacement) != std::string_view::npos) {
    note("bad_bytes", Effect::kMaterial);
  }
  if (domain.several) note("domain_list", Effect::kMaterial);
  const bool envelope = element == Element::kEnvelopeFrom || element == Element::kEnvelopeTo;
  if (domain.from_address) {
    note("domain_from_address", envelope ? Effect::kCosmetic : Effect::kMaterial);
  }
  if (domain.idna) note("domain_to_ascii", Effect::kCosmetic);
  if (domain.invalid) {
    note("domain_invalid", element == Element::kDomain ? Effect::kMaterial : Effect::kCosmetic);
  }
  return std::move(domain.text);
}

std::string AggregateReader::SignatureDomainOf(pugi::xml_node leaf, std::string_view path) {
  const std::string_view text = TextOf(leaf, Element::kDomain, path);
  return text.empty() ? "" : ReadDomainText(text, OddDomain::kKeep).text;
}

void AggregateReader::ReadNamespace(pugi::xml_node root) {
  const std::string_view name = root.name();
  const std::string_view local = LocalName(name);
  std::string attribute = "xmlns";
  if (local.size() < name.size()) {
    attribute.append(":").append(name.substr(0, name.size() - local.size() - 1));
  }
  report_.xml_namespace =
      ToValidUtf8(CutUtf8(TrimAscii(root.attribute(attribute.c_str()).value()), kNameBytes));
}

bool AggregateReader::ReadFrame(pugi::xml_node root, Source source) {
  ReadNamespace(root);
  const uint64_t repeatable =
      Bit(Element::kRecord) | Bit(Element::kReportMetadata) | Bit(Element::kPolicyPublished);
  ForEachChild(root, "", repeatable, [&](Element element, pugi::xml_node child) {
    switch (element) {
      case Element::kVersion:
        report_.version = TextOf(child, element, "version");
        return true;
      case Element::kReportMetadata:
        if (has_metadata_) {
          log_.Add("metadata_repeated", "report_metadata", "", "the first", Effect::kMaterial);
        } else {
          ReadMetadata(child);
        }
        return true;
      case Element::kPolicyPublished:
        if (has_policy_) {
          NotePolicyRepeated(child);
        } else {
          ReadPolicyPublished(child);
        }
        return true;
      case Element::kRecord:
        return true;
      default:
        return false;
    }
  });
  if (refused()) return false;
  if (!has_metadata_ && (source == Source::kDamaged || !has_policy_)) {
    Refuse(Outcome::kQuarantined,
           source == Source::kDamaged ? "xml_not_well_formed" : "metadata_missing",
           "no report_metadata could be read");
    return false;
  }
  if (!has_metadata_) {
    log_.Add("metadata_missing", "report_metadata", "", "", Effect::kMaterial);
  }
  FillPolicyDomain();
  if (report_.policy.domain.empty()) {
    Refuse(Outcome::kQuarantined,
           source == Source::kDamaged ? "xml_not_well_formed" : "policy_domain_missing",
           "no policy_published/domain that is a host name, and neither file name nor subject "
           "gives one");
    return false;
  }
  FillDates();
  FillOrgName();
  return TakeBytes(FrameBytes(report_));
}

ParsedAggregate AggregateReader::Finish() {
  ParsedAggregate result;
  log_.set_record(0);
  if (!refused()) {
    if (const uint64_t messages = report_.messages(); messages > kMessagesCeiling) {
      const std::string text = fmt::format("{}", messages);
      log_.Add("count_absurd", "record", text, text, Effect::kMaterial);
    }
    if (report_.records.empty()) {
      log_.Add("records_missing", "record", "", "an empty report", Effect::kCosmetic);
    }
    if (report_.metadata.report_id.empty()) {
      SyntheticId id;
      id.Add(report_.records);
      report_.metadata.report_id = id.Finish(report_);
      log_.Add("report_id_missing", "report_metadata/report_id", "", report_.metadata.report_id,
               Effect::kCosmetic);
    }
    if (speaks_9990_ || report_.xml_namespace == kRfc9990Namespace) {
      report_.dialect = Dialect::kRfc9990;
    }
    result.outcome = log_.outcome();
    result.report = std::move(report_);
  } else {
    result.outcome = refusal_;
    result.reason = reason_;
    result.detail = detail_;
    report_ = AggregateReport();
    budget_.GiveBack(taken_records_, taken_bytes_);
    taken_records_ = taken_bytes_ = 0;
  }
  result.repairs_dropped = log_.dropped();
  result.repairs = log_.Take();
  return result;
}

}  // namespace dmarcate
