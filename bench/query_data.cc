#include "bench/query_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"

namespace dmarcate::bench {
namespace {

constexpr double kZipfExponent = 0.85;
constexpr int kRowsOfReport = 29;
constexpr size_t kReportsOfCommit = 64;

struct Service {
  std::string_view name;
  double weight;
  uint32_t network;                     // IPv4, /16
  std::string_view envelope, signs_as;  // empty: its customers' own
  std::array<std::string_view, 3> selectors;
};
constexpr Service kServices[] = {
    {"sendgrid", 20, 0xa7590000, "sendgrid.net", "sendgrid.net", {"s1", "s2", "smtpapi"}},
    {"google", 24, 0xd1550000, "", "", {"google", "20230601", "google"}},
    {"microsoft", 22, 0x286b0000, "", "", {"selector1", "selector2", "selector1"}},
    {"ses", 16, 0x36f00000, "amazonses.com", "amazonses.com", {"ug7nbtf4gcc", "6gbrjpgwjsk", "x"}},
    {"mailchimp", 14, 0xc6028000, "mcsv.net", "mcsv.net", {"k1", "k2", "k3"}},
    {"mailgun", 10, 0xa64e4400, "mailgun.org", "mailgun.org", {"mx", "pic", "krs"}},
    {"hubspot", 7, 0x8ff45000, "hubspotemail.net", "hubspotemail.net", {"hs1", "hs2", "hs1"}},
    {"zendesk", 5, 0xc0a19000, "zendesk.com", "zendesk.com", {"zendesk1", "zendesk2", "zendesk1"}}};
struct Forwarder {
  std::string_view name;
  uint32_t network;
  uint32_t addresses;
};
constexpr Forwarder kForwarders[] = {
    {"forwardemail.example", 0x8ac5d500, 64}, {"lists.example.edu", 0x80700080, 256},
    {"pobox.example", 0x40936c00, 256},       {"alumni.example.edu", 0x12074400, 256},
    {"groups.example.net", 0x42a3b800, 2048}, {"mx.forward.example", 0x2eebe000, 2048}};
struct Reporter {
  std::string_view name;
  double weight;
};
constexpr Reporter kReporters[] = {{"google.com", 300},
                                   {"Enterprise Outlook", 120},
                                   {"Yahoo", 110},
                                   {"Outlook.com", 70},
                                   {"AMAZON-SES", 70},
                                   {"Mimecast", 60},
                                   {"Rspamd", 40},
                                   {"Mail.Ru", 40},
                                   {"comcast.net", 35},
                                   {"Fastmail Pty Ltd", 25},
                                   {"GMX", 25},
                                   {"mail.example.org", 25},
                                   {"WEB.DE", 15},
                                   {"seznam.cz a.s.", 15},
                                   {"Zoho Corporation", 15},
                                   {"cisco.com", 15},
                                   {"smallhost.example", 12},
                                   {"legacy-gw.example", 8}};

double Unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }
uint32_t Below(std::mt19937_64& random, uint32_t limit) {
  return static_cast<uint32_t>(Unit(random) * limit);
}
double Normal(std::mt19937_64& random) {
  return std::sqrt(-2 * std::log(std::max(Unit(random), 1e-12))) *
         std::cos(2 * 3.141592653589793 * Unit(random));
}
template <typename T, size_t N>
const T& Pick(std::mt19937_64& random, const T (&all)[N]) {
  return all[Below(random, N)];
}
template <typename All>
const auto& PickWeighted(std::mt19937_64& random, const All& all) {
  double sum = 0;
  for (const auto& one : all) sum += one.weight;
  double at = Unit(random) * sum;
  for (const auto& one : all) {
    at -= one.weight;
    if (at < 0) return one;
  }
  return *std::rbegin(all);
}

uint64_t Count(std::mt19937_64& random, double mean, double spread) {
  return 1 + static_cast<uint64_t>(std::exp(mean + spread * Normal(random)));
}

}  // namespace

struct QueryData::Domain {
  Domain(int rank, std::mt19937_64& random);
  AggregateRecord Row(std::mt19937_64& random) const;

  struct Sender {
    const Service* service;
    double weight;
    bool signs_for_us, own_return_path;
    uint32_t addresses;
  };
  std::string name;
  double weight = 0;
  Policy policy = Policy::kNone;
  bool strict_dkim = false, strict_spf = false;
  std::vector<Sender> senders;
  std::vector<IpAddress> own;
  std::string own_selector;
  bool own_dkim = true, own_spf = true;
  std::vector<Forwarder> forwarders;
  double spoofed = 0;
  std::vector<std::string> from;  // below it
};

QueryData::Domain::Domain(int rank, std::mt19937_64& random) {
  name = fmt::format("domain{:04}.example", rank);
  weight = 1 / std::pow(1 + rank, kZipfExponent);
  const double p = Unit(random);
  policy = p < 0.45 ? Policy::kNone : p < 0.65 ? Policy::kQuarantine : Policy::kReject;
  strict_dkim = Unit(random) < 0.15;
  strict_spf = Unit(random) < 0.12;
  std::vector<Service> pool(std::begin(kServices), std::end(kServices));
  for (uint32_t n = 1 + Below(random, 4); n > 0; --n) {
    const std::string_view chosen = PickWeighted(random, pool).name;
    std::erase_if(pool, [&](const Service& one) { return one.name == chosen; });
    const Service* service = std::ranges::find(kServices, chosen, &Service::name);
    senders.push_back({service, service->weight, Unit(random) < 0.82, Unit(random) < 0.45,
                       (8 + Below(random, 120)) * 64});
  }
  for (uint32_t n = 1 + Below(random, 5); n > 0; --n) {
    own.push_back(IpAddress::FromV4(0xc6120000 + static_cast<uint32_t>(rank) * 8 % 131'072 + n));
  }
  if (Unit(random) < 0.6) {
    own.push_back(*IpAddress::Parse(fmt::format("2001:db8:{:x}::25", rank)));
  }
  constexpr std::string_view kSelectors[] = {"default", "mail", "dkim", "s2048", "2024"};
  own_selector = Pick(random, kSelectors);
  own_dkim = Unit(random) < 0.9;
  own_spf = Unit(random) < 0.95;
  for (const Forwarder& forwarder : kForwarders) {
    if (Unit(random) < 0.5) forwarders.push_back(forwarder);
  }
  if (forwarders.empty()) forwarders.push_back(kForwarders[0]);
  const double u = Unit(random);
  spoofed = 0.3 + 1.7 * u * u * u;
  for (const std::string_view sub : {"news", "mail", "mkt", "billing", "e", "notify", "shop"}) {
    if (Unit(random) < 0.25) from.push_back(fmt::format("{}.{}", sub, name));
  }
}

AggregateRecord QueryData::Domain::Row(std::mt19937_64& random) const {
  AggregateRecord row;
  row.header_from = !from.empty() && Unit(random) < 0.15
                        ? from[Below(random, static_cast<uint32_t>(from.size()))]
                        : name;
  const auto sign = [&row](std::string_view domain, std::string_view selector, AuthResult result) {
    DkimAuth& auth = row.dkim.emplace_back();
    auth.domain = domain;
    auth.selector = selector;
    auth.result = result;
  };
  const auto pass_if = [](bool ok) { return ok ? AuthResult::kPass : AuthResult::kFail; };
  SpfAuth spf;
  spf.scope = SpfScope::kMfrom;
  spf.domain = name;
  bool forwarded = false;
  const double kind = Unit(random) * (55 + 18 + 13 + 14 * spoofed);
  if (kind < 55) {
    const Sender& sender = PickWeighted(random, senders);
    const Service& service = *sender.service;
    row.source_ip = IpAddress::FromV4(service.network + Below(random, sender.addresses));
    const std::string_view selector = service.selectors[Below(random, 3)];
    const bool ok = Unit(random) < 0.985;
    if (sender.signs_for_us) {
      sign(strict_dkim || Unit(random) < 0.3 ? row.header_from : name, selector, pass_if(ok));
    }
    if (!service.signs_as.empty() && (!sender.signs_for_us || Unit(random) < 0.6)) {
      sign(service.signs_as, selector, pass_if(ok));
    }
    if (service.envelope.empty()) {
      spf.result = pass_if(Unit(random) < 0.97);
    } else {
      spf.domain =
          sender.own_return_path ? "bounce." + row.header_from : std::string(service.envelope);
      spf.result = AuthResult::kPass;
    }
    row.count = Count(random, 1.2, 1.7);
  } else if (kind < 73) {
    row.source_ip = own[Below(random, static_cast<uint32_t>(own.size()))];
    if (own_dkim) sign(name, own_selector, pass_if(Unit(random) < 0.97));
    spf.domain = row.header_from;
    spf.result = own_spf && Unit(random) < 0.97 ? AuthResult::kPass : AuthResult::kSoftfail;
    row.count = Count(random, 0.9, 1.4);
  } else if (kind < 86) {
    const Forwarder& forwarder =
        forwarders[Below(random, static_cast<uint32_t>(forwarders.size()))];
    forwarded = true;
    row.source_ip = IpAddress::FromV4(forwarder.network + Below(random, forwarder.addresses));
    if (Unit(random) < 0.75) sign(name, own_selector, pass_if(Unit(random) < 0.8));
    if (Unit(random) < 0.5) {
      spf.domain = forwarder.name;
      spf.result = AuthResult::kPass;
    } else {
      spf.result = AuthResult::kFail;
    }
    row.count = Count(random, -0.3, 1);
  } else {
    row.source_ip = IpAddress::FromV4(0x0b000000 + Below(random, 0xc0000000));
    if (Unit(random) < 0.12) {
      sign(name, "default", AuthResult::kFail);
    } else if (Unit(random) < 0.1) {
      sign(fmt::format("bulk{}.example", Below(random, 400)), "default", AuthResult::kPass);
    }
    if (Unit(random) < 0.5) {
      spf.result = Unit(random) < 0.33 ? AuthResult::kFail : AuthResult::kSoftfail;
    } else {
      spf.domain = fmt::format("host{}.spam.example", Below(random, 5000));
      spf.result = Unit(random) < 0.25 ? AuthResult::kPass : AuthResult::kNone;
    }
    row.count = Count(random, -0.7, 0.9);
  }

  const auto aligned = [this, &row](std::string_view domain, bool strict) {
    return strict ? domain == row.header_from : domain == name || domain.ends_with("." + name);
  };
  const bool dkim = std::ranges::any_of(row.dkim, [&](const DkimAuth& auth) {
    return auth.result == AuthResult::kPass && aligned(auth.domain, strict_dkim);
  });
  const bool passes = spf.result == AuthResult::kPass && aligned(*spf.domain, strict_spf);
  row.dkim_aligned = dkim ? AlignedResult::kPass : AlignedResult::kFail;
  row.spf_aligned = passes ? AlignedResult::kPass : AlignedResult::kFail;
  row.spf.push_back(std::move(spf));
  row.disposition = Disposition::kNone;
  if (!dkim && !passes && policy != Policy::kNone) {
    row.disposition = policy == Policy::kReject ? Disposition::kReject : Disposition::kQuarantine;
    if (forwarded && Unit(random) < 0.5) {
      row.disposition = Disposition::kNone;
      constexpr ReasonType kReasons[] = {ReasonType::kLocalPolicy, ReasonType::kForwarded,
                                         ReasonType::kTrustedForwarder, ReasonType::kMailingList};
      row.reasons.push_back({Pick(random, kReasons), ""});
    }
  }
  return row;
}

QueryData::QueryData(const QueryScale& scale) : scale_(scale) {
  std::mt19937_64 random(2);
  std::vector<double> weights;
  for (int rank = 0; rank < scale.domains; ++rank) {
    domains_.push_back(std::make_unique<Domain>(rank, random));
    weights.push_back(domains_.back()->weight);
  }
  by_traffic_ = std::discrete_distribution<int>(weights.begin(), weights.end());
}
QueryData::~QueryData() = default;

const std::string& QueryData::domain(int rank) const {
  return domains_[static_cast<size_t>(rank)]->name;
}

StoredReport QueryData::MakeReport(const Domain& domain, DayNumber day, int rows, uint64_t serial,
                                   std::mt19937_64& random) const {
  StoredReport report;
  report.key = {.domain = domain.name, .day = day};
  report.trust = Unit(random) < 0.9 ? TrustClass::kAnchored : TrustClass::kAuthenticated;
  report.reporter_key = PickWeighted(random, kReporters).name;
  AggregateReport& body = report.report;
  body.metadata.org_name = report.reporter_key;
  body.metadata.email = "noreply@" + report.reporter_key;
  body.metadata.report_id = fmt::format("{}", serial);
  body.metadata.begin = int64_t{day} * 86400;
  body.metadata.end = body.metadata.begin + 86399;
  body.policy.domain = domain.name;
  body.policy.p = domain.policy;
  if (domain.strict_dkim) body.policy.adkim = AlignmentMode::kStrict;
  if (domain.strict_spf) body.policy.aspf = AlignmentMode::kStrict;
  body.policy.p_raw = "none";
  for (int i = 0; i < rows; ++i) body.records.push_back(domain.Row(random));
  report.document_sha256 = Sha256(fmt::format("{} {}", domain.name, serial));
  report.received_time = absl::FromUnixSeconds(body.metadata.end + 3600);
  report.channel = Channel::kImport;
  return report;
}

void QueryData::ForEachReport(
    const std::function<void(int rank, StoredReport report)>& visit) const {
  std::mt19937_64 random(3);
  double sum = 0;
  for (const auto& domain : domains_) sum += domain->weight;
  std::vector<double> owed(domains_.size());  // rows that are still to come of the days so far
  uint64_t serial = 0;
  for (int day = 0; day < scale_.days; ++day) {
    for (size_t rank = 0; rank < domains_.size(); ++rank) {
      owed[rank] += static_cast<double>(scale_.rows) / scale_.days * domains_[rank]->weight / sum;
      while (owed[rank] >= 1) {
        const int rows = std::min(kRowsOfReport, static_cast<int>(owed[rank]));
        owed[rank] -= rows;
        visit(static_cast<int>(rank),
              MakeReport(*domains_[rank], kFirstQueryDay + day, rows, ++serial, random));
      }
    }
  }
}

StoredReport QueryData::LateReport(std::mt19937_64& random) const {
  const auto rank = std::discrete_distribution<int>(by_traffic_.param())(random);
  const auto day = static_cast<DayNumber>(Below(random, static_cast<uint32_t>(scale_.days)));
  return MakeReport(*domains_[static_cast<size_t>(rank)], kFirstQueryDay + day, kRowsOfReport,
                    random() >> 1, random);
}

absl::Status ReportFiller::Add(StoredReport report) {
  waiting_.push_back(std::move(report));
  return waiting_.size() < kReportsOfCommit ? absl::OkStatus() : Flush();
}

absl::Status ReportFiller::Flush() {
  if (waiting_.empty()) return absl::OkStatus();
  CommitBatch batch;
  CommitBatch::Accepted accepted;
  accepted.receipt.id = ++last_;
  accepted.receipt.received_time = waiting_.front().received_time;
  accepted.receipt.channel = Channel::kImport;
  accepted.raw = fmt::format("bench {}", last_);
  batch.accepted.push_back(std::move(accepted));
  CommitBatch::Processed processed;
  processed.receipt = last_;
  for (StoredReport& report : waiting_) {
    ProcessedItem item;
    report.key.receipt = last_;
    report.key.item = static_cast<uint16_t>(processed.items.size());
    item.item.outcome = Outcome::kAccepted;
    item.item.kind = kAggregateKind;
    item.item.domain = report.key.domain;
    item.item.records = static_cast<int64_t>(report.report.records.size());
    item.report = std::move(report);
    processed.items.push_back(std::move(item));
  }
  waiting_.clear();
  writer_.Prepare(&processed);
  batch.processed.push_back(std::move(processed));
  return writer_.Commit(std::move(batch), Sync::kNo).status();
}

}  // namespace dmarcate::bench
