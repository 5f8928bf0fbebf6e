// record as a whole, and its identifiers (report-quirks sections 6, 10 and 12).
#include <utility>

#include <fmt/format.h>

#include "lib/report/aggregate_reader.h"
#include "lib/report/domain_text.h"

namespace dmarcate {
namespace {

bool Enforces(const std::optional<Policy>& policy) {
  return policy == Policy::kQuarantine || policy == Policy::kReject;
}

}  // namespace

bool AggregateReader::ReadRecord(pugi::xml_node node, int64_t ordinal) {
  if (ordinal > limits_.records) {
    Refuse(Outcome::kOverLimit, "too_many_records",
           fmt::format("more than {} records", limits_.records));
    return false;
  }
  if (!TakeRecord()) return false;
  log_.set_record(ordinal);
  AggregateRecord& record = report_.records.emplace_back();
  pugi::xml_node row;
  std::vector<pugi::xml_node> more_rows;
  int rows = 0;
  bool identified = false;
  ForEachChild(node, "", Bit(Element::kRow), [&](Element element, pugi::xml_node child) {
    switch (element) {
      case Element::kRow:
        if (++rows == 1) {
          row = child;
        } else if (rows <= limits_.rows) {
          more_rows.push_back(child);
        }
        return true;
      case Element::kIdentities:  // I1
        log_.Add("identifiers_alias", "identities", "identities", "identifiers", Effect::kCosmetic);
        [[fallthrough]];
      case Element::kIdentifiers:
        if (identified) {
          NoteRepeated(element, "", child.name());
        } else {
          ReadIdentifiers(child, record);
        }
        identified = true;
        return true;
      case Element::kAuthResults:
        ReadAuthResults(child, record);
        return true;
      default:
        return false;
    }
  });
  CapDkim(record);
  const AggregateRecord shared = more_rows.empty() ? AggregateRecord() : record;
  if (!row) log_.Add("row_missing", "row", "", "", Effect::kMaterial);
  ReadRow(row, record);
  FinishRecord(record);
  if (rows > limits_.rows) {
    log_.Add("rows_capped", "row", fmt::format("{}", rows), fmt::format("{}", limits_.rows),
             Effect::kMaterial);
  }
  if (TakeBytes(ModelBytes(record))) ReadMoreRows(more_rows, shared);
  log_.set_record(0);
  return !refused();
}

// S15: every further row is a record of its own, with the same identifiers and results.
void AggregateReader::ReadMoreRows(const std::vector<pugi::xml_node>& rows,
                                   const AggregateRecord& shared) {
  const int64_t shared_bytes = ModelBytes(shared);
  for (const pugi::xml_node row : rows) {
    log_.Add("row_repeated", "row", "", "a record of its own", Effect::kMaterial);
    // Before the copy is made: six bytes of text ask for it.
    if (!TakeRecord() || !TakeBytes(shared_bytes)) return;
    AggregateRecord& another = report_.records.emplace_back(shared);
    ReadRow(row, another);
    FinishRecord(another);
    if (!TakeBytes(ModelBytes(another) - shared_bytes)) return;
  }
}

void AggregateReader::ReadIdentifiers(pugi::xml_node node, AggregateRecord& record) {
  ForEachChild(node, "identifiers", 0, [&](Element element, pugi::xml_node child) {
    switch (element) {
      case Element::kHeaderFrom:
        record.header_from = DomainOf(child, element, "identifiers/header_from");
        return true;
      case Element::kEnvelopeFrom:
        record.envelope_from = DomainOf(child, element, "identifiers/envelope_from");
        return true;
      case Element::kEnvelopeTo:
        record.envelope_to = DomainOf(child, element, "identifiers/envelope_to");
        return true;
      default:
        return false;
    }
  });
}

void AggregateReader::FinishCount(AggregateRecord& record) {
  if (!count_empty_) return;
  if (record.source_ip.has_value()) {  // W5
    record.count = 1;
    log_.Add("count_assumed", "row/count", "", "1", Effect::kMaterial);
  } else {
    log_.Add("count_missing", "row/count", "", "0", Effect::kCosmetic);
  }
}

void AggregateReader::FinishHeaderFrom(AggregateRecord& record) {
  const std::string& policy_domain = report_.policy.domain;
  if (record.header_from.empty()) {
    record.header_from = policy_domain;
    // S11: a row that counts no message and names nobody says only that the reporter is alive.
    const bool null_record = record.count == 0 && !record.source_ip.has_value();
    log_.Add(null_record ? "null_record" : "header_from_assumed", "identifiers/header_from", "",
             policy_domain, null_record ? Effect::kCosmetic : Effect::kMaterial);
  } else if (!IsAtOrBelowText(record.header_from, policy_domain)) {
    log_.Add("from_outside_policy", "identifiers/header_from", record.header_from,
             record.header_from, Effect::kMaterial);
  }
}

void AggregateReader::FinishRecord(AggregateRecord& record) {
  FinishCount(record);
  FinishHeaderFrom(record);
  // W12: both facts stay. Under p=none a subdomain may still be held by sp or np.
  const PublishedPolicy& policy = report_.policy;
  const bool held =
      record.disposition == Disposition::kQuarantine || record.disposition == Disposition::kReject;
  const bool monitored = policy.p == Policy::kNone && !Enforces(policy.sp) && !Enforces(policy.np);
  if (held && (record.dmarc_pass() || monitored)) {
    log_.Add("disposition_contradiction", "row/policy_evaluated/disposition",
             record.disposition == Disposition::kReject ? "reject" : "quarantine",
             record.disposition == Disposition::kReject ? "reject" : "quarantine",
             Effect::kCosmetic);
  }
}

}  // namespace dmarcate
