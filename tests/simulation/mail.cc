#include "tests/simulation/mail.h"

#include <utility>

#include "fmt/format.h"

#include "lib/mailauth/dmarc_record.h"

namespace dmarcate::simulation {
namespace {

Policy ReportedAs(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::kNone:
      return Policy::kNone;
    case DmarcPolicy::kQuarantine:
      return Policy::kQuarantine;
    case DmarcPolicy::kReject:
      return Policy::kReject;
  }
  return Policy::kUnspecified;
}

PublishedPolicy PolicyOf(const std::string& domain, const std::string& text,
                         const Reporter& reporter) {
  PublishedPolicy out;
  out.domain = domain;
  const absl::StatusOr<DmarcRecord> record = ParseDmarc(text);
  if (!record.ok()) return out;
  const DmarcVerdict& verdict =
      record->Verdict(reporter.says_testing ? DmarcStandard::kRfc9989 : DmarcStandard::kRfc7489);
  out.p = ReportedAs(verdict.Requested(DmarcSubject::kDomain));
  out.sp = ReportedAs(verdict.Requested(DmarcSubject::kSubdomain));
  if (reporter.says_testing) {
    out.np = ReportedAs(verdict.Requested(DmarcSubject::kNonExistent));
    out.testing = verdict.testing;
  } else {
    out.pct = verdict.pct;
  }
  return out;
}

class Rows {
 public:
  Rows(const std::string& domain, const Sender& sender, int32_t index,
       std::vector<AggregateRecord>& out)
      : domain_(domain),
        sender_(sender),
        address_(IpAddress::Parse(fmt::format("198.51.100.{}", 10 + index))),
        out_(out) {}

  void Add(int64_t count, bool dkim, bool spf) {
    AggregateRecord* row = Begin(count, dkim, spf);
    if (row == nullptr) return;
    if (dkim) row->dkim.push_back(Signed());
    if (!sender_.signs_as.empty()) {
      row->dkim.push_back(
          {.domain = sender_.signs_as, .selector = "m1", .result = AuthResult::kPass});
    }
    SpfAuth envelope;
    envelope.domain = spf || sender_.signs_as.empty() ? domain_ : sender_.signs_as;
    envelope.result = spf || !sender_.signs_as.empty() ? AuthResult::kPass : AuthResult::kFail;
    row->spf.push_back(envelope);
  }
  // Through a list that changes what was signed.
  void AddListed(int64_t count) {
    AggregateRecord* row = Begin(count, false, false);
    if (row == nullptr) return;
    row->spf.push_back({.domain = "lists.test", .result = AuthResult::kPass});
    row->reasons.push_back({ReasonType::kMailingList, ""});
    row->source_ip = IpAddress::Parse("203.0.113.77");
  }
  void AddPassedOn(int64_t count) {
    AggregateRecord* row = Begin(count, true, false);
    if (row == nullptr) return;
    row->dkim.push_back(Signed());
    row->spf.push_back({.domain = "forwarder.test", .result = AuthResult::kPass});
    row->source_ip = IpAddress::Parse("203.0.113.78");
  }
  void AddSpoofed(int64_t count) {
    AggregateRecord* row = Begin(count, false, false);
    if (row == nullptr) return;
    row->spf.push_back({.domain = "spoofer.test", .result = AuthResult::kPass});
  }

 private:
  AggregateRecord* Begin(int64_t count, bool dkim, bool spf) {
    if (count <= 0) return nullptr;
    AggregateRecord& row = out_.emplace_back();
    row.count = static_cast<uint64_t>(count);
    row.header_from = domain_;
    row.source_ip = address_;
    row.dkim_aligned = dkim ? AlignedResult::kPass : AlignedResult::kFail;
    row.spf_aligned = spf ? AlignedResult::kPass : AlignedResult::kFail;
    row.disposition = Disposition::kNone;
    return &row;
  }
  DkimAuth Signed() const {
    return {.domain = domain_, .selector = sender_.selector, .result = AuthResult::kPass};
  }

  const std::string& domain_;
  const Sender& sender_;
  const std::optional<IpAddress> address_;
  std::vector<AggregateRecord>& out_;
};

bool Sends(const Sender& sender, int32_t day) {
  return day >= sender.first_day && day <= sender.last_day &&
         (day - sender.first_day) % sender.every_days == 0;
}

}  // namespace

MadeReport MakeReport(const std::string& domain, const std::vector<Sender>& senders,
                      const Reporter& reporter, int32_t reporter_index, absl::Time begin,
                      int32_t day, const std::string& published, Dice& dice) {
  MadeReport out;
  StoredReport& stored = out.report;
  stored.report.metadata.begin = absl::ToUnixSeconds(begin);
  stored.report.metadata.end = stored.report.metadata.begin + 86'399;
  stored.report.metadata.org_name = reporter.key;
  stored.report.metadata.report_id =
      fmt::format("{}-{}", reporter.key, stored.report.metadata.begin);
  stored.report.policy = PolicyOf(domain, published, reporter);
  stored.key.domain = domain;
  stored.key.day = MidpointDay(stored.report.metadata.begin, stored.report.metadata.end);
  stored.reporter_key = reporter.key;
  stored.trust = reporter.trust;
  const bool lies = reporter.lie != Reporter::Lie::kNone && day >= reporter.lies_from;
  for (size_t i = 0; i < senders.size(); ++i) {
    const Sender& sender = senders[i];
    if (!Sends(sender, day)) continue;
    const int64_t all = dice.Around(sender.daily * reporter.share);
    if (all == 0) continue;
    Rows rows(domain, sender, static_cast<int32_t>(i), stored.report.records);
    Tally tally{stored.key.day, reporter_index, static_cast<int32_t>(i)};
    if (!sender.legitimate()) {
      tally.messages = all;
      rows.AddSpoofed(all);
      out.truth.push_back(tally);
      continue;
    }
    tally.listed = dice.Of(all, sender.listed);
    tally.messages = all - tally.listed;
    const int64_t passed_on =
        sender.selector.empty() ? 0 : dice.Of(tally.messages, sender.passed_on);
    const int64_t direct = tally.messages - passed_on;
    const int64_t failing = sender.kind == Sender::Kind::kOwn ? 0 : dice.Of(direct, sender.failing);
    const int64_t bare = sender.selector.empty() ? direct - failing
                                                 : dice.Of(direct - failing, sender.unsigned_share);
    const int64_t good = direct - failing - bare;
    tally.aligned = tally.messages - failing;
    tally.dkim_aligned = good + passed_on;
    out.truth.push_back(tally);
    const auto volume = static_cast<int64_t>(reporter.lie_volume);
    switch (lies ? reporter.lie : Reporter::Lie::kNone) {
      case Reporter::Lie::kNone:
        rows.AddListed(tally.listed);
        rows.AddPassedOn(passed_on);
        rows.Add(failing, false, false);
        rows.Add(bare, false, true);
        rows.Add(good, true, sender.spf_aligned || sender.kind == Sender::Kind::kOwn);
        break;
      case Reporter::Lie::kAllIsWell:
        rows.Add(all * volume, true, true);
        break;
      case Reporter::Lie::kAllFails:
        rows.Add(all * volume, false, false);
        break;
      case Reporter::Lie::kAllForwarded:
        rows.AddListed(all * volume);
        break;
    }
  }
  return out;
}

}  // namespace dmarcate::simulation
