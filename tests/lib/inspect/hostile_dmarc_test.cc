// DMARC zones that somebody made to be asked: the discovery, with its report destinations, and the
// posture end within their budget, and what was not learned is never taken for absent.

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/inspect/dmarc_discovery.h"
#include "lib/inspect/posture.h"
#include "tests/lib/inspect/hostile_dns.h"

namespace dmarcate {
namespace {

// The walk from the name and that of each of ten hosts inside, ten hosts outside, and whether the
// name exists.
constexpr int kMaxDiscoveryQueries = 8 + 10 * 8 + 10 + 1;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

struct HostileDmarcZone {
  enum class Want : uint8_t { kRecord, kNone, kNothing };  // kNothing: nothing was learned
  std::string name;
  std::function<void(HostileDns&)> fill;
  Want want;
  Verdict verdict;  // of the DMARC part of the posture
  std::string domain = "victim.test";
};
using Want = HostileDmarcZone::Want;

std::string Addresses(size_t count, const std::string& below) {
  std::string rua;
  for (size_t i = 0; i < count; ++i) {
    rua += fmt::format("{}mailto:r@h{}{}", i == 0 ? "" : ",", i, below);
  }
  return rua;
}

void Set(HostileDns& dns, std::string_view owner, const std::string& text) {
  dns.zone.SetTxt(Name(owner), {text});
}

std::vector<HostileDmarcZone> HostileDmarcZones() {
  std::vector<HostileDmarcZone> zones;
  for (const size_t count : {99, 100, 101, 1500}) {
    // Over a hundred addresses the tag is refused, and reports go nowhere.
    zones.push_back({fmt::format("{}HostsOutside", count),
                     [count](HostileDns& dns) {
                       Set(dns, "_dmarc.victim.test",
                           "v=DMARC1; p=reject; rua=" + Addresses(count, ".test"));
                     },
                     Want::kRecord, Verdict::kWarn});
    zones.push_back({fmt::format("{}HostsInside", count),
                     [count](HostileDns& dns) {
                       Set(dns, "_dmarc.victim.test",
                           "v=DMARC1; p=reject; rua=" + Addresses(count, ".a.b.c.d.e.victim.test"));
                     },
                     Want::kRecord, Verdict::kWarn});
  }
  zones.push_back({"1000Tags",
                   [](HostileDns& dns) {
                     Set(dns, "_dmarc.victim.test", "v=DMARC1; p=reject" + Repeat("; x=y", 1000));
                   },
                   Want::kNone, Verdict::kFail});
  zones.push_back({"1000Records",
                   [](HostileDns& dns) {
                     dns.zone.SetTxt(Name("_dmarc.victim.test"),
                                     std::vector<std::string>(1000, "v=DMARC1; p=reject"));
                   },
                   Want::kNone, Verdict::kFail});
  zones.push_back({"64000Octets",
                   [](HostileDns& dns) {
                     Set(dns, "_dmarc.victim.test",
                         "v=DMARC1; p=reject; x=" + std::string(64000, 'x'));
                   },
                   Want::kRecord, Verdict::kWarn});
  zones.push_back({"OctetsThatAreNoText",
                   [](HostileDns& dns) {
                     Set(dns, "_dmarc.victim.test", std::string("v=DMARC1; p=\x1b[2J\0\xff", 18));
                   },
                   Want::kRecord, Verdict::kFail});
  zones.push_back({"ANameOf120Labels",
                   [](HostileDns& dns) { Set(dns, "_dmarc.test", "v=DMARC1; p=reject; psd=y"); },
                   Want::kRecord, Verdict::kPass, Repeat("x.", 120) + "test"});
  zones.push_back({"ANameTooLongForItsPolicy",
                   [](HostileDns& dns) { Set(dns, "_dmarc.test", "v=DMARC1; p=reject; psd=y"); },
                   Want::kRecord, Verdict::kUnknown, Repeat("x.", 124) + "test"});
  zones.push_back({"EveryNameIsAPublicSuffix",
                   [](HostileDns& dns) {
                     dns.wild = [](const DomainName&, RrType) {
                       return TxtAnswer("v=DMARC1; p=none; psd=y; rua=mailto:a@b.c.d.e.f.g.test");
                     };
                   },
                   Want::kRecord, Verdict::kWarn, "a.b.c.d.e.f.g.h.i.j.victim.test"});
  zones.push_back({"EveryNameSendsReportsElsewhere",
                   [](HostileDns& dns) {
                     dns.wild = [](const DomainName& name, RrType) {
                       return TxtAnswer(fmt::format("v=DMARC1; p=reject; rua=mailto:x@x.{}.other",
                                                    name.text().substr(0, 100)));
                     };
                   },
                   Want::kRecord, Verdict::kWarn});
  for (const size_t aliases : {1, 2, 9, 40}) {
    zones.push_back({fmt::format("AliasRingOf{}", aliases),
                     [aliases](HostileDns& dns) {
                       FillAliases(dns, "_dmarc.victim.test", "_dmarc.victim.test", aliases);
                     },
                     Want::kNothing, Verdict::kUnknown});
  }
  const std::pair<std::string, absl::Status> errors[] = {
      {"TimesOut", absl::DeadlineExceededError("no answer")},
      {"Servfail", absl::UnavailableError("SERVFAIL")},
      {"Bogus", absl::DataLossError("DNSSEC signatures are bogus")},
      {"Exhausted", absl::ResourceExhaustedError("too long")},
  };
  for (const auto& [name, error] : errors) {
    const Verdict own = absl::IsDataLoss(error) ? Verdict::kFail : Verdict::kUnknown;
    for (const bool with_own_record : {false, true}) {
      zones.push_back({fmt::format("{}Above{}", name, with_own_record ? "ARecord" : "Nothing"),
                       [error, with_own_record](HostileDns& dns) {
                         if (with_own_record) Set(dns, "_dmarc.victim.test", "v=DMARC1; p=reject");
                         dns.zone.Fail(Name("_dmarc.test"), RrType::kTxt, error);
                       },
                       Want::kNothing, Verdict::kUnknown});
    }
    zones.push_back({name + "AtTheName",
                     [error](HostileDns& dns) {
                       dns.zone.Fail(Name("_dmarc.victim.test"), RrType::kTxt, error);
                     },
                     Want::kNothing, own});
    // A destination that could not be asked is neither authorized nor not.
    zones.push_back({name + "AtADestination",
                     [error](HostileDns& dns) {
                       Set(dns, "_dmarc.victim.test", "v=DMARC1; p=reject; rua=mailto:r@out.test");
                       dns.zone.Fail(Name("victim.test._report._dmarc.out.test"), RrType::kTxt,
                                     error);
                     },
                     Want::kRecord, Verdict::kWarn});
  }
  return zones;
}

class HostileDmarcTest : public testing::TestWithParam<HostileDmarcZone> {
 protected:
  FakeClock clock_{absl::UnixEpoch()};
  HostileDns dns_{clock_};
  FakeAuthoritativeResolver servers_;  // of no zone
};

TEST_P(HostileDmarcTest, TheDiscoveryEndsWithWhatWasLearned) {
  GetParam().fill(dns_);
  ExpectBounded(dns_, absl::InfiniteDuration(), kMaxDiscoveryQueries, [&] {
    const auto got = DiscoverDmarc(Name(GetParam().domain), dns_);
    const Want want = !got.ok()                 ? Want::kNothing
                      : got->record.has_value() ? Want::kRecord
                                                : Want::kNone;
    EXPECT_EQ(static_cast<int>(want), static_cast<int>(GetParam().want)) << got.status();
    if (!got.ok()) return;
    for (const ReportDestination& destination : got->destinations) {
      if (dns_.wild == nullptr) {
        EXPECT_NE(destination.authorization, ReportAuthorization::kAuthorized)
            << destination.query_name;
      }
      EXPECT_EQ(destination.authorization == ReportAuthorization::kUnknown,
                !destination.error.empty())
          << destination.error;
    }
  });
}

TEST_P(HostileDmarcTest, ThePostureEndsWithTheRightVerdict) {
  for (const absl::Duration delay : {absl::ZeroDuration(), absl::Seconds(9)}) {
    dns_.delay = delay;
    GetParam().fill(dns_);
    PostureOptions options;
    options.server_views = ServerViews::kSkip;
    options.selectors = std::vector<std::string>(50, "s1");
    ExpectBounded(dns_, options.budget.max_time, options.budget.max_lookups, [&] {
      const Posture posture =
          InspectDomain(Name(GetParam().domain), dns_, servers_, clock_, options);
      const Judgement& got = posture.dmarc.judgement;
      if (delay == absl::ZeroDuration()) {
        EXPECT_EQ(ToString(got.verdict), ToString(GetParam().verdict)) << got.reason;
      } else {
        EXPECT_NE(got.verdict, Verdict::kPass);
        // The last of fifty; below a name of 250 octets none can stand.
        EXPECT_EQ(posture.dkim.back().judgement.verdict,
                  GetParam().domain.size() < 200 ? Verdict::kUnknown : Verdict::kFail);
      }
      EXPECT_NE(posture.verdict, Verdict::kPass);  // there is no SPF record
    });
  }
}

INSTANTIATE_TEST_SUITE_P(All, HostileDmarcTest, testing::ValuesIn(HostileDmarcZones()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace dmarcate
