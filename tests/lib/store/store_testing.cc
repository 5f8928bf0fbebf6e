#include "tests/lib/store/store_testing.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/report_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/tls_codec.h"

namespace dmarcate {

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "dmarcate-store-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}
TempDir::~TempDir() { std::filesystem::remove_all(path_); }

StoredReport MakeReport(std::string_view domain, DayNumber day, std::string_view report_id,
                        std::string_view document, const std::vector<uint64_t>& counts) {
  StoredReport stored;
  stored.key.domain = domain;
  stored.key.day = day;
  stored.reporter_key = "google.com";
  stored.document_sha256 = Sha256(document);
  stored.received_time = StartOfDay(day + 1) + absl::Seconds(5);
  stored.channel = Channel::kMaildir;
  stored.report.metadata.org_name = "google.com";
  stored.report.metadata.report_id = report_id;
  stored.report.metadata.begin = int64_t{day} * 86400;
  stored.report.metadata.end = stored.report.metadata.begin + 86399;
  stored.report.policy.domain = domain;
  stored.report.policy.p = Policy::kNone;
  for (const uint64_t count : counts) {
    AggregateRecord record;
    record.source_ip = IpAddress::FromV4(0xc0000201);
    record.count = count;
    record.disposition = Disposition::kNone;
    record.dkim_aligned = AlignedResult::kPass;
    record.spf_aligned = AlignedResult::kFail;
    record.header_from = domain;
    stored.report.records.push_back(record);
  }
  return stored;
}

StoredTlsReport MakeTlsReport(std::string_view domain, DayNumber day, std::string_view report_id,
                              std::string_view document, uint64_t successful, uint64_t failed) {
  StoredTlsReport stored;
  stored.key.domain = domain;
  stored.key.day = day;
  stored.reporter_key = "google.com";
  stored.document_sha256 = Sha256(document);
  stored.received_time = StartOfDay(day + 1) + absl::Seconds(5);
  stored.channel = Channel::kMaildir;
  stored.report.organization_name = "Google Inc.";
  stored.report.report_id = report_id;
  stored.report.begin = int64_t{day} * 86400;
  stored.report.end = stored.report.begin + 86399;
  TlsReport::PolicyResult& policy = stored.report.policies.emplace_back();
  policy.policy_type = "sts";
  policy.policy_domain = domain;
  policy.successful_sessions = successful;
  policy.failed_sessions = failed;
  return stored;
}

StoredFailureReport MakeFailureReport(std::string_view domain, DayNumber day,
                                      std::string_view document) {
  StoredFailureReport stored;
  stored.key.domain = domain;
  stored.key.day = day;
  stored.document_sha256 = Sha256(document);
  stored.received_time = StartOfDay(day) + absl::Seconds(5);
  stored.channel = Channel::kMaildir;
  FailureReport& report = stored.report;
  report.feedback_type = "auth-failure";
  report.user_agent = "Lua/1.0";
  report.version = "1";
  report.auth_failure = {"dmarc", "dkim"};
  report.reported_domain = domain;
  report.source_ip = "192.0.2.1";
  report.arrival_date = "2024-10-04";
  report.delivery_result = "reject";
  report.identity_alignment = "none";
  report.dkim_domain = "d.test";
  report.dkim_selector = "s1";
  report.spf_dns = "txt";
  report.original_mail_from_domain = "m.test";
  report.original_from_domain = "f.test";
  report.incidents = 3;
  report.authentication_results = "mx.test; dmarc=fail";
  report.original_message_id = "<r-0@f.test>";
  return stored;
}

namespace {

class Draw {
 public:
  explicit Draw(std::mt19937_64& random) : random_(random) {}
  uint64_t Below(uint64_t n) { return random_() % n; }
  bool Maybe() { return Below(2) == 0; }
  std::string Text() {
    static const char* const kTexts[] = {
        "",          "example.com",        "mail.example.com",     "s1",
        "selector2", "bounce.example.net", "\xc3\xa4\xe2\x82\xac", "a\tb\nc"};
    const uint64_t i = Below(std::size(kTexts) + 2);
    if (i < std::size(kTexts)) return kTexts[i];
    return std::string(Below(200), static_cast<char>('a' + Below(26)));
  }
  std::optional<std::string> MaybeText() {
    if (Maybe()) return std::nullopt;
    return Text();
  }
  template <typename E>
  E Enum(E last) {
    return static_cast<E>(Below(static_cast<uint64_t>(last) + 1));
  }
  template <typename E>
  std::optional<E> MaybeEnum(E last) {
    if (Maybe()) return std::nullopt;
    return Enum(last);
  }
  // Small ones mostly, and the largest.
  uint64_t Count() {
    const uint64_t kind = Below(20);
    return kind == 0 ? std::numeric_limits<uint64_t>::max() : kind < 4 ? random_() : Below(100);
  }
  int64_t Signed() { return static_cast<int64_t>(random_()) >> Below(64); }
  std::optional<IpAddress> Address() {
    const uint64_t kind = Below(8);
    if (kind == 0) return std::nullopt;
    if (kind > 2) return IpAddress::FromV4(static_cast<uint32_t>(random_()));
    std::array<uint8_t, 16> bytes{};
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_());
    return IpAddress::FromBytes(bytes);
  }

 private:
  std::mt19937_64& random_;
};

AggregateRecord RandomRecord(Draw& draw) {
  AggregateRecord record;
  record.source_ip = draw.Address();
  record.count = draw.Count();
  record.disposition = draw.Enum(Disposition::kPass);
  record.dkim_aligned = draw.Enum(AlignedResult::kFail);
  record.spf_aligned = draw.Enum(AlignedResult::kFail);
  for (uint64_t i = draw.Below(3); i > 0; --i) {
    record.reasons.push_back({draw.Enum(ReasonType::kPolicyTestMode), draw.Text()});
  }
  record.header_from = draw.Text();
  record.envelope_from = draw.MaybeText();
  record.envelope_to = draw.MaybeText();
  for (uint64_t i = draw.Below(4); i > 0; --i) {
    record.dkim.push_back(
        {draw.Text(), draw.MaybeText(), draw.Enum(AuthResult::kSoftfail), draw.Text()});
  }
  for (uint64_t i = draw.Below(3); i > 0; --i) {
    record.spf.push_back({draw.MaybeText(), draw.Enum(SpfScope::kHelo),
                          draw.Enum(AuthResult::kSoftfail), draw.Text()});
  }
  return record;
}

}  // namespace

StoredReport RandomReport(std::mt19937_64& random) {
  Draw draw(random);
  StoredReport stored;
  stored.key.domain = draw.Maybe() ? "example.com" : draw.Maybe() ? "example.net" : "a.example.com";
  stored.key.day = kTestDay + static_cast<DayNumber>(draw.Below(3));
  stored.outcome = draw.Enum(Outcome::kAcceptedMaterial);
  stored.trust = draw.Enum(TrustClass::kQuarantined);
  stored.reason = draw.Enum(kLastTrustReason);
  if (draw.Below(4) == 0) {
    stored.release = {draw.Text(), absl::FromUnixSeconds(draw.Signed() / 4), draw.Text(),
                      draw.Enum(kLastTrustReason)};
  }
  stored.reporter_key = draw.Maybe() ? "google.com" : "yahoo.com";
  stored.document_sha256 = Sha256(std::to_string(draw.Below(200)));
  stored.received_time = absl::FromUnixMicros(draw.Signed());
  stored.channel = draw.Enum(kLastChannel);
  for (uint64_t i = draw.Below(3); i > 0; --i) {
    stored.repairs.push_back({draw.Text(), draw.Text(), draw.Text(), draw.Text(), draw.Maybe()});
  }
  AggregateReport& report = stored.report;
  report.dialect = draw.Enum(Dialect::kRfc9990);
  report.version = draw.Text();
  report.xml_namespace = draw.Text();
  ReportMetadata& metadata = report.metadata;
  metadata.org_name = draw.Text();
  metadata.email = draw.Text();
  metadata.extra_contact_info = draw.Text();
  metadata.report_id = std::to_string(draw.Below(10));
  for (uint64_t i = draw.Below(3); i > 0; --i) metadata.errors.push_back(draw.Text());
  metadata.generator = draw.Text();
  metadata.begin = int64_t{stored.key.day} * 86400;
  metadata.end = metadata.begin + 86400;
  PublishedPolicy& policy = report.policy;
  policy.domain = draw.Maybe() ? stored.key.domain : draw.Text();
  policy.p = draw.MaybeEnum(Policy::kReject);
  policy.sp = draw.MaybeEnum(Policy::kReject);
  policy.np = draw.MaybeEnum(Policy::kReject);
  policy.adkim = draw.MaybeEnum(AlignmentMode::kStrict);
  policy.aspf = draw.MaybeEnum(AlignmentMode::kStrict);
  if (draw.Maybe()) policy.pct = static_cast<int32_t>(draw.Signed());
  policy.fo = draw.MaybeText();
  if (draw.Maybe()) policy.testing = draw.Maybe();
  policy.discovery_method = draw.MaybeEnum(DiscoveryMethod::kTreeWalk);
  policy.p_raw = draw.Text();
  for (uint64_t i = draw.Below(8); i > 0; --i) report.records.push_back(RandomRecord(draw));
  // As in real reports, the same shape often.
  for (uint64_t i = report.records.empty() ? 0 : draw.Below(8); i > 0; --i) {
    report.records.push_back(report.records[draw.Below(report.records.size())]);
    report.records.back().source_ip = draw.Address();
  }
  for (uint64_t i = draw.Below(3); i > 0; --i) report.extensions.push_back(draw.Text());
  return stored;
}

StoredTlsReport RandomTlsReport(std::mt19937_64& random) {
  Draw draw(random);
  const auto texts = [&draw] {
    std::vector<std::string> out(draw.Below(3));
    for (std::string& text : out) text = draw.Text();
    return out;
  };
  StoredTlsReport stored;
  stored.key.domain = draw.Maybe() ? "example.com" : "example.net";
  stored.key.day = kTestDay + static_cast<DayNumber>(draw.Below(3));
  stored.outcome = draw.Enum(Outcome::kAcceptedMaterial);
  stored.trust = draw.Enum(TrustClass::kQuarantined);
  stored.reason = draw.Enum(kLastTrustReason);
  stored.reporter_key = draw.Maybe() ? "google.com" : "yahoo.com";
  stored.document_sha256 = Sha256(std::to_string(draw.Below(200)));
  stored.received_time = absl::FromUnixSeconds(draw.Signed() / 4);
  stored.channel = draw.Enum(kLastChannel);
  for (uint64_t i = draw.Below(3); i > 0; --i) {
    stored.repairs.push_back({draw.Text(), draw.Text(), draw.Text(), draw.Text(), draw.Maybe()});
  }
  TlsReport& report = stored.report;
  report.organization_name = draw.Text();
  report.contact_info = draw.Text();
  report.report_id = std::to_string(draw.Below(10));
  report.begin = int64_t{stored.key.day} * 86400;
  report.end = report.begin + 86400;
  for (uint64_t i = draw.Below(4); i > 0; --i) {
    TlsReport::PolicyResult& policy = report.policies.emplace_back();
    policy.policy_type = draw.Text();
    policy.policy_domain = draw.Maybe() ? stored.key.domain : draw.Text();
    policy.policy_strings = texts();
    policy.mx_hosts = texts();
    policy.successful_sessions = draw.Count();
    policy.failed_sessions = draw.Count();
    for (uint64_t k = draw.Below(3); k > 0; --k) {
      policy.failures.push_back({draw.Text(), draw.Text(), draw.Text(), draw.Text(), draw.Text(),
                                 draw.Text(), draw.Text(), draw.Count()});
    }
  }
  return stored;
}

CommitBatch::Accepted Accept(std::string raw) {
  CommitBatch::Accepted accepted;
  accepted.receipt.raw_sha256 = Sha256(raw);
  accepted.receipt.size_bytes = static_cast<int64_t>(raw.size());
  accepted.receipt.received_time = StartOfDay(kTestDay + 1);
  accepted.receipt.channel = Channel::kMaildir;
  accepted.receipt.file_name = "report.xml.gz";
  accepted.raw = std::move(raw);
  return accepted;
}

CommitBatch::Processed Process(ReceiptId receipt, std::vector<StoredReport> reports) {
  CommitBatch::Processed processed;
  processed.receipt = receipt;
  processed.subject = "Report Domain: example.com";
  processed.from_domain = "google.com";
  for (StoredReport& report : reports) {
    ProcessedItem item;
    item.item.outcome = report.outcome;
    item.item.kind = "aggregate";
    item.item.domain = report.key.domain;
    item.item.records = static_cast<int64_t>(report.report.records.size());
    report.key.receipt = receipt;
    report.key.item = static_cast<uint16_t>(processed.items.size());
    item.report = std::move(report);
    processed.items.push_back(std::move(item));
  }
  return processed;
}

CommitBatch::Processed ProcessTls(ReceiptId receipt, std::vector<StoredTlsReport> reports) {
  CommitBatch::Processed processed;
  processed.receipt = receipt;
  for (StoredTlsReport& report : reports) {
    ProcessedItem item;
    item.item.outcome = report.outcome;
    item.item.kind = kTlsKind;
    item.item.domain = report.key.domain;
    report.key.receipt = receipt;
    report.key.item = static_cast<uint16_t>(processed.items.size());
    item.tls = std::move(report);
    processed.items.push_back(std::move(item));
  }
  return processed;
}

CommitBatch::Processed ProcessFailure(ReceiptId receipt, StoredFailureReport report) {
  CommitBatch::Processed processed;
  processed.receipt = receipt;
  ProcessedItem item;
  item.item.outcome = report.outcome;
  item.item.kind = kFailureKind;
  item.item.domain = report.key.domain;
  report.key.receipt = receipt;
  item.failure = std::move(report);
  processed.items.push_back(std::move(item));
  return processed;
}

CommitBatch::Processed ProcessUnreadable(ReceiptId receipt, Outcome outcome, std::string reason) {
  CommitBatch::Processed processed;
  processed.receipt = receipt;
  processed.subject = "Report Domain: example.com";
  processed.from_domain = "google.com";
  ProcessedItem item;
  item.item.outcome = outcome;
  item.item.reason = std::move(reason);
  processed.items.push_back(std::move(item));
  return processed;
}

absl::StatusOr<ReceiptId> AcceptAndProcess(ReportWriter& writer, std::string raw,
                                           std::vector<StoredReport> reports) {
  CommitBatch accept;
  accept.accepted.push_back(Accept(std::move(raw)));
  DMARCATE_ASSIGN_OR_RETURN(const CommitResult accepted,
                            writer.Commit(std::move(accept), Sync::kNo));
  CommitBatch process;
  process.processed.push_back(Process(accepted.accepted[0], std::move(reports)));
  writer.Prepare(&process.processed[0]);
  DMARCATE_RETURN_IF_ERROR(writer.Commit(std::move(process), Sync::kNo).status());
  return accepted.accepted[0];
}

void SpoilValue(const std::string& directory, int family, const std::string& key) {
  auto db = *RocksDb::Open(directory, ReportFamilies());
  std::string value = **db->Get(family, key);
  value[value.size() / 2] = static_cast<char>(value[value.size() / 2] ^ 4);
  WriteSet changes(ReportFamilies().size());
  changes.Put(family, key, value);
  if (!db->Write(changes, Sync::kYes).ok()) std::abort();
}

absl::StatusOr<std::string> Dump(ReportReader& reader) {
  std::string out;
  DMARCATE_ASSIGN_OR_RETURN(const auto domains, reader.ListDomains("", 1000));
  for (const auto& [domain, last_day] : domains) {
    out += fmt::format("{} last {}\n", domain, last_day);
    DMARCATE_ASSIGN_OR_RETURN(const auto totals, reader.ReadTotals(domain, 0, kLastReportDay));
    for (const DayTotals& day : totals) {
      out += fmt::format(
          " {}: {} reports {} records {} messages {} pass {} {} {} {} by {} {} {} {} {}\n", day.day,
          day.reports, day.records, day.messages, day.dmarc_pass, day.dkim_aligned, day.spf_aligned,
          day.both_aligned, day.disposition_none, day.quarantine, day.reject, day.pass,
          day.disposition_unknown, "");
    }
    DMARCATE_ASSIGN_OR_RETURN(const auto page,
                              reader.ListReports(domain, 0, kLastReportDay, std::nullopt, 1 << 20));
    for (const StoredReport& head : page.reports) {
      DMARCATE_ASSIGN_OR_RETURN(const StoredReport report, reader.GetReport(head.key));
      const auto raw = reader.ReadRawOf(head.key.receipt);
      // Gone is an answer, unreadable is none.
      if (!raw.ok() && !absl::IsNotFound(raw.status())) return raw.status();
      out += fmt::format(
          " {} {} current {} trust {} reporter {} raw {} {}\n", report.key.ToId(),
          head.record_count, report.current, static_cast<int>(report.trust), report.reporter_key,
          raw.ok() ? Sha256Hex(*raw).substr(0, 8) : absl::StatusCodeToString(raw.status().code()),
          Sha256Hex(EncodeReport(report)));
    }
    DMARCATE_RETURN_IF_ERROR(
        reader.ForEachReport(domain, 0, kLastReportDay, [&out](const StoredReport& report) {
          out += fmt::format(" counts {} {}\n", report.key.ToId(), Sha256Hex(EncodeReport(report)));
          return true;
        }));
  }
  for (const char* domain : {"example.com", "example.net"}) {
    DMARCATE_ASSIGN_OR_RETURN(
        const auto page, reader.ListTlsReports(domain, 0, kLastReportDay, std::nullopt, 1 << 20));
    for (const StoredTlsReport& head : page.reports) {
      DMARCATE_ASSIGN_OR_RETURN(const StoredTlsReport report, reader.GetTlsReport(head.key));
      out += fmt::format("tls {} {} {} {} {} {} {}\n", domain, report.key.ToId(), report.current,
                         head.policy_count, head.successful_sessions, head.failed_sessions,
                         Sha256Hex(EncodeTlsReport(report)));
    }
    DMARCATE_RETURN_IF_ERROR(
        reader.ForEachTlsReport(domain, 0, kLastReportDay, [&](const StoredTlsReport& report) {
          out += fmt::format("tls counts {} {}\n", domain, report.key.ToId());
          return true;
        }));
  }
  return out;
}

}  // namespace dmarcate
