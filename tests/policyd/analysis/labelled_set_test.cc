// E1: rows of which it is known who sent them, and how, against what attribution makes of them:
// 60 services of the catalogue, the domain's own servers, forwarders and lists known and unknown,
// senders that nobody has described, and spoofers who forge all that a sender can forge.
#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "policyd/analysis/attribution.h"
#include "policyd/analysis/statistics.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Report;
using analysis_testing::Row;

constexpr DayNumber kDay = 20'000;
constexpr size_t kServices = 60;

enum class Truth { kService, kInternal, kOther, kForwarded, kSpoofed };

struct Labelled {
  AggregateRecord row;
  Truth truth;
  std::string source_id;  // of whom it is; empty: anything but a service
};

std::string Filled(std::string_view pattern) {  // "hs1-#" to "hs1-7081"
  std::string out;
  for (const char c : pattern) c == '#' ? out += "7081" : out += c;
  return out;
}

class Generator {
 public:
  Generator() {
    // Every service that sends, evenly over the kinds; those of which nothing but an include or a
    // name is known, too.
    std::vector<const MailService*> senders;
    for (const MailService& service : Catalogue::Default().services()) {
      if (service.kind != ServiceKind::kForwarder) senders.push_back(&service);
    }
    for (size_t i = 0; i < kServices; ++i) {
      services_.push_back(senders[i * senders.size() / kServices]);
    }
    uint32_t net = 0x17000000;  // 23.0.0.0, a /24 for each service's live SPF tree
    for (const MailService* service : services_) {
      net += 256;
      nets_[service->id] = net;
      const IpNetwork network{IpAddress::FromV4(net), 24};
      // An include that several share is the range of its owner.
      if (!service->spf_includes.empty()) {
        for (const std::string& include : service->spf_includes) {
          network_.AddRange(network, Catalogue::Default().FindByInclude(include)->id);
        }
      }
    }
  }

  std::vector<Labelled> Make() {
    for (const MailService* service : services_) {
      for (int i = 0; i < 20; ++i) ServiceRow(*service);
    }
    for (int i = 0; i < 250; ++i) InternalRow();
    for (int i = 0; i < 150; ++i) OtherRow();
    for (int i = 0; i < 450; ++i) ForwardedRow();
    for (int i = 0; i < 450; ++i) SpoofedRow();
    return std::move(rows_);
  }
  const NetworkEvidence& network() const { return network_; }

 private:
  uint64_t Random(uint64_t below) { return random_() % below; }
  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[Random(from.size())];
  }
  std::string Address(uint32_t net) {
    return IpAddress::FromV4(net + 1 + static_cast<uint32_t>(Random(250))).ToString();
  }
  void Add(AggregateRecord row, Truth truth, std::string id) {
    row.count = 1 + Random(40);
    rows_.push_back({std::move(row), truth, std::move(id)});
  }

  // A customer's mail as this service sends it: with whatever of its marks the row happens to show.
  void ServiceRow(const MailService& service) {
    AggregateRecord row = Row().From(Address(nets_[service.id]));
    // What the row can be told by. At least one mark is there, or it is one of the few rows that
    // are dark: a signature that failed for a time, from an address that is not listed.
    bool known = false;
    if (!service.dkim_domains.empty() && Random(10) < 8) {
      const bool pass = Random(100) < 97;
      row.dkim.push_back({.domain = "mta7." + Pick(service.dkim_domains),
                          .selector = "s1",
                          .result = pass ? AuthResult::kPass : AuthResult::kTemperror});
      known |= pass;
    }
    if (!service.selectors.empty() && Random(10) < 7) {
      row.dkim.push_back({.domain = std::string(kDomain),
                          .selector = Filled(Pick(service.selectors)),
                          .result = AuthResult::kPass});
      row.dkim_aligned = AlignedResult::kPass;
      known = true;
    }
    if (!service.envelope_domains.empty() && Random(10) < 7) {
      row.spf.push_back(
          {.domain = "bounces." + Pick(service.envelope_domains), .result = AuthResult::kPass});
      known = true;
    } else if (service.spf_alignment == SpfAlignment::kByInclude) {
      row.spf.push_back({.domain = std::string(kDomain), .result = AuthResult::kPass});
      row.spf_aligned = AlignedResult::kPass;
    }
    if (!service.reverse_names.empty() && Random(10) < 9) {
      network_.AddConfirmedName(*row.source_ip, "out12." + Pick(service.reverse_names));
    }
    const bool listed = !network_.ServiceOf(*row.source_ip).empty() ||
                        !network_.ConfirmedNameOf(*row.source_ip).empty();
    if (!known && !listed && Random(100) < 98) {
      // Dark rows are rare: most show at least one mark.
      if (!service.dkim_domains.empty()) {
        row.dkim.push_back({.domain = service.dkim_domains.front(), .result = AuthResult::kPass});
      } else if (!service.selectors.empty()) {
        row.dkim.push_back({.domain = std::string(kDomain),
                            .selector = Filled(service.selectors.front()),
                            .result = AuthResult::kPass});
        row.dkim_aligned = AlignedResult::kPass;
      } else if (!service.envelope_domains.empty()) {
        row.spf.push_back(
            {.domain = service.envelope_domains.front(), .result = AuthResult::kPass});
      } else if (!service.reverse_names.empty()) {
        network_.AddConfirmedName(*row.source_ip, "out12." + service.reverse_names.front());
      }
    }
    // Sharing an include is being told by its owner's ranges, unless the row says more.
    Add(std::move(row), Truth::kService, service.id);
  }

  void InternalRow() {
    const std::string from = Random(4) == 0 ? "billing.example.com" : std::string(kDomain);
    Row row;
    AggregateRecord record = std::move(row).Header(from).From(Address(0xC6336400));
    const bool dkim = Random(10) < 7, spf = !dkim || Random(10) < 8;
    if (dkim) {
      record.dkim.push_back({.domain = from, .selector = "k2024", .result = AuthResult::kPass});
      record.dkim_aligned = AlignedResult::kPass;
    }
    if (spf) {
      record.spf.push_back({.domain = from, .result = AuthResult::kPass});
      record.spf_aligned = AlignedResult::kPass;
    }
    if (!dkim && Random(10) == 0) {
      record.dkim.push_back({.domain = from, .selector = "k2024", .result = AuthResult::kFail});
    }
    if (Random(20) == 0) {  // a reporter that leaves auth_results out
      record.dkim.clear();
      record.spf.clear();
    }
    Add(std::move(record), Truth::kInternal, "own-" + from);
  }

  // A sender that no catalogue has: signs with its own domain, or uses its own envelope; or signs
  // as us with a key that we gave it, which looks much like a forwarder.
  void OtherRow() {
    const std::string name = fmt::format("mailer{}.test", Random(12));
    AggregateRecord row = Row().From(Address(0xCB007100));
    if (Random(3) == 0) {
      const std::string vendor = fmt::format("vendor{}", Random(9));
      row.dkim.push_back(
          {.domain = std::string(kDomain), .selector = vendor, .result = AuthResult::kPass});
      row.dkim_aligned = AlignedResult::kPass;
      row.spf.push_back({.domain = vendor + ".test", .result = AuthResult::kPass});
      return Add(std::move(row), Truth::kOther, "spf-" + vendor + ".test");
    }
    if (Random(2) == 0) {
      row.dkim.push_back({.domain = name, .selector = "x", .result = AuthResult::kPass});
      Add(std::move(row), Truth::kOther, "dkim-" + name);
    } else {
      row.spf.push_back({.domain = name, .result = AuthResult::kPass});
      Add(std::move(row), Truth::kOther, "spf-" + name);
    }
  }

  // What one of our servers sent, as it leaves a forwarder or a list.
  void ForwardedRow() {
    std::vector<const MailService*> known;
    for (const MailService& service : Catalogue::Default().services()) {
      if (service.kind == ServiceKind::kForwarder && !service.envelope_domains.empty()) {
        known.push_back(&service);
      }
    }
    AggregateRecord row = Row().From(Address(0x0A000000 + 0x4E000000));
    const auto our_signature = [&row](AuthResult result) {
      row.dkim.push_back({.domain = std::string(kDomain), .selector = "k2024", .result = result});
      if (result == AuthResult::kPass) row.dkim_aligned = AlignedResult::kPass;
    };
    const std::string unknown = fmt::format("alumni{}.test", Random(15));
    if (Random(100) == 0) {  // nothing gives it away: our signature is broken, no reason is told
      our_signature(AuthResult::kFail);
      row.spf.push_back({.domain = "dark." + unknown, .result = AuthResult::kPass});
      return Add(std::move(row), Truth::kForwarded, "spf-dark." + unknown);
    }
    switch (Random(6)) {
      case 0: {  // a known one rewrites the envelope and lets our signature be
        const MailService& forwarder = *Pick(known);
        our_signature(AuthResult::kPass);
        row.spf.push_back(
            {.domain = forwarder.envelope_domains.front(), .result = AuthResult::kPass});
        return Add(std::move(row), Truth::kForwarded, forwarder.id);
      }
      case 1: {  // a known list changes the subject: our signature breaks, it signs on its own
        const MailService& list = *Pick(known);
        our_signature(AuthResult::kFail);
        row.spf.push_back({.domain = list.envelope_domains.front(), .result = AuthResult::kPass});
        if (!list.dkim_domains.empty()) {
          row.dkim.push_back({.domain = list.dkim_domains.front(), .result = AuthResult::kPass});
        }
        return Add(std::move(row), Truth::kForwarded, list.id);
      }
      case 2:  // nobody has described it; it rewrites the envelope, our signature survives
        our_signature(AuthResult::kPass);
        row.spf.push_back({.domain = unknown, .result = AuthResult::kPass});
        return Add(std::move(row), Truth::kForwarded, "spf-" + unknown);
      case 3:  // it keeps our envelope: SPF breaks, and it is still ours
        our_signature(AuthResult::kPass);
        row.spf.push_back({.domain = std::string(kDomain), .result = AuthResult::kFail});
        return Add(std::move(row), Truth::kForwarded, "own-example.com");
      case 4:  // an unknown list breaks our signature, and the reporter knows it for one
        our_signature(AuthResult::kFail);
        row.spf.push_back({.domain = "lists." + unknown, .result = AuthResult::kPass});
        row.reasons.push_back({ReasonType::kMailingList, ""});
        return Add(std::move(row), Truth::kForwarded, "spf-lists." + unknown);
      default:  // likewise by ARC
        our_signature(AuthResult::kFail);
        row.spf.push_back({.domain = "relay." + unknown, .result = AuthResult::kPass});
        row.reasons.push_back({ReasonType::kLocalPolicy, "arc=pass as.1.relay=pass"});
        return Add(std::move(row), Truth::kForwarded, "spf-relay." + unknown);
    }
  }

  // Everything here is what a stranger can write. None of it may name a service.
  void SpoofedRow() {
    const MailService& victim = *Pick(services_);
    AggregateRecord row = Row().From(Address(0x5D000000 + 256 * static_cast<uint32_t>(Random(40))));
    // A PTR that nobody confirmed never becomes evidence; it is not even added.
    switch (Random(7)) {
      case 0:  // a forged signature of the service
        row.dkim.push_back(
            {.domain = victim.dkim_domains.empty() ? "sendgrid.net" : victim.dkim_domains.front(),
             .result = AuthResult::kFail});
        break;
      case 1:  // an envelope of the service, which SPF denies
        row.spf.push_back({.domain = victim.envelope_domains.empty()
                                         ? "amazonses.com"
                                         : victim.envelope_domains.front(),
                           .result = Random(2) == 0 ? AuthResult::kFail : AuthResult::kSoftfail});
        break;
      case 2:  // a name that only ends like the service's, and passes
        row.spf.push_back(
            {.domain = "not" + (victim.envelope_domains.empty() ? std::string("sendgrid.net")
                                                                : victim.envelope_domains.front()),
             .result = AuthResult::kPass});
        break;
      case 3:  // the service's selector under a domain of the spoofer's
        row.dkim.push_back(
            {.domain = "evil.test",
             .selector = Filled(victim.selectors.empty() ? "hs1-#" : victim.selectors.front()),
             .result = AuthResult::kPass});
        break;
      case 4:  // our signature with the service's selector, forged
        row.dkim.push_back(
            {.domain = std::string(kDomain),
             .selector = Filled(victim.selectors.empty() ? "hs1-#" : victim.selectors.front()),
             .result = AuthResult::kFail});
        row.spf.push_back({.domain = std::string(kDomain), .result = AuthResult::kFail});
        break;
      case 5:  // the service's name as HELO, where SPF neither passes nor says anything
        row.spf.push_back({.domain = victim.envelope_domains.empty()
                                         ? "mcsv.net"
                                         : victim.envelope_domains.front(),
                           .scope = SpfScope::kHelo,
                           .result = AuthResult::kNone});
        break;
      default:  // nothing but our name
        row.spf.push_back({.domain = std::string(kDomain), .result = AuthResult::kFail});
        break;
    }
    Add(std::move(row), Truth::kSpoofed, "");
  }

  std::mt19937_64 random_{20261130};
  std::vector<const MailService*> services_;
  std::map<std::string, uint32_t, std::less<>> nets_;
  NetworkEvidence network_;
  std::vector<Labelled> rows_;
};

// What a person would read off the row and its source: passed on, or not.
bool LooksForwarded(const Attribution& row, SourceKind kind) {
  if (kind == SourceKind::kForwarder || row.forward_hint == ForwardHint::kOverride) return true;
  return row.forward_hint == ForwardHint::kBrokenSpf && kind == SourceKind::kInternal;
}

TEST(LabelledSet, IsAttributedAsItIsLabelled) {
  Generator generator;
  const std::vector<Labelled> rows = generator.Make();
  ASSERT_GE(rows.size(), 2000u);

  StatisticsBuilder builder(kDomain, {kDay, kDay}, Catalogue::Default(), {}, &generator.network());
  std::vector<AggregateRecord> records;
  for (const Labelled& labelled : rows) records.push_back(labelled.row);
  builder.Add(Report(kDay, std::move(records)));
  const DomainStatistics statistics = builder.Finish();

  int right = 0, judged = 0, named_spoofers = 0, suspicious = 0, spoofers = 0;
  int forwarded = 0, found = 0, claimed = 0;
  std::map<std::string, int> wrong;
  for (const Labelled& labelled : rows) {
    const Attribution got =
        Attribute(labelled.row, kDomain, Catalogue::Default(), &generator.network());
    const SourceStatistics* source = statistics.FindSource(got.source_id);
    ASSERT_NE(source, nullptr) << got.source_id;
    const bool looks_forwarded = LooksForwarded(got, source->kind);
    forwarded += labelled.truth == Truth::kForwarded ? 1 : 0;
    claimed += looks_forwarded ? 1 : 0;
    found += looks_forwarded && labelled.truth == Truth::kForwarded ? 1 : 0;
    if (labelled.truth == Truth::kSpoofed) {
      ++spoofers;
      named_spoofers += got.service != nullptr ? 1 : 0;
      suspicious += source->kind == SourceKind::kSuspicious ? 1 : 0;
      right += got.service == nullptr && !got.source_id.starts_with("own-") ? 1 : 0;
    } else if (got.source_id == labelled.source_id) {
      ++right;
    } else {
      ++wrong[fmt::format("{} as {} by {}", labelled.source_id, got.source_id, ToString(got.rule))];
    }
    ++judged;
  }
  fmt::print("{} rows: {} attributed rightly ({:.2f} %)\n", judged, right, 100.0 * right / judged);
  fmt::print("forwarders: {} rows, {} of {} found ({:.2f} %), precision {:.2f} %\n", forwarded,
             found, forwarded, 100.0 * found / forwarded, 100.0 * found / claimed);
  fmt::print("spoofers: {} rows, {} named as a service, {} called suspicious\n", spoofers,
             named_spoofers, suspicious);
  for (const auto& [what, times] : wrong) fmt::print("  wrong {} x: {}\n", times, what);
  EXPECT_GE(right * 100, judged * 99);
  EXPECT_GE(found * 100, forwarded * 98);
  EXPECT_GE(found * 100, claimed * 98);
  EXPECT_EQ(named_spoofers, 0);
  EXPECT_GE(suspicious * 10, spoofers * 6) << "the others have an identity of their own";
}

}  // namespace
}  // namespace dmarcate
