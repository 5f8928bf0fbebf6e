#include "policyd/analysis/term_traffic.h"

#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Report;
using analysis_testing::Row;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr DayNumber kDay = 20'000;

OwnTerm Term(const std::string& text, const std::vector<std::string>& networks) {
  OwnTerm out{.term = text};
  for (const std::string& network : networks) out.networks.push_back(*IpNetwork::Parse(network));
  return out;
}

DomainStatistics Gather(std::vector<AggregateRecord> rows) {
  StatisticsBuilder builder(kDomain, {kDay, kDay}, Catalogue::Default());
  builder.Add(Report(kDay, std::move(rows)));
  return builder.Finish();
}

// "term of_source of_domain", with "?" where not all is known.
std::vector<std::string> Traffic(const DomainStatistics& domain, const std::string& source,
                                 const std::vector<OwnTerm>& own) {
  std::vector<std::string> out;
  for (const TermShare& traffic : TrafficOfTerms(domain, *domain.FindSource(source), own)) {
    out.push_back(fmt::format("{} {} {}{}", traffic.term, traffic.of_source, traffic.of_domain,
                              traffic.complete ? "" : " ?"));
  }
  return out;
}

std::vector<AggregateRecord> TwoSources() {
  return {Row(40).From("149.72.1.1").Dkim("sendgrid.net"),
          Row(5).From("192.0.2.9").Dkim("sendgrid.net"), Row(30).From("192.0.2.1")};
}

TEST(TermTraffic, CountsMailForTheFirstTermThatHoldsItsAddress) {
  const DomainStatistics domain = Gather(TwoSources());
  const std::vector<OwnTerm> own = {
      Term("ip4:192.0.2.9", {"192.0.2.9"}), Term("include:sendgrid.net", {"149.72.0.0/16"}),
      Term("ip4:192.0.2.0/24", {"192.0.2.0/24"}), Term("mx", {"198.51.100.1", "198.51.100.2"}),
      Term("a:late.test", {"149.72.1.1"})};
  EXPECT_THAT(Traffic(domain, "sendgrid", own),
              ElementsAre("ip4:192.0.2.9 5 5", "include:sendgrid.net 40 40",
                          "ip4:192.0.2.0/24 0 30", "mx 0 0", "a:late.test 0 0"));
  EXPECT_THAT(Traffic(domain, "ip-192-0-2-1", own),
              ElementsAre("ip4:192.0.2.9 0 5", "include:sendgrid.net 0 40",
                          "ip4:192.0.2.0/24 30 30", "mx 0 0", "a:late.test 0 0"));
}

TEST(TermTraffic, NoneIsNoProofWhereNotAllIsKnown) {
  OwnTerm partly = Term("include:macros.test", {"203.0.113.0/24"});
  partly.complete = false;
  const OwnTerm mx = Term("mx", {"198.51.100.1"});
  EXPECT_THAT(Traffic(Gather(TwoSources()), "sendgrid", {partly, mx}),
              ElementsAre("include:macros.test 0 0 ?", "mx 0 0"));

  // Mail of whose address nothing is known may have come by any term.
  std::vector<AggregateRecord> rows = TwoSources();
  rows.push_back(Row(1).Dkim("sendgrid.net"));
  rows.back().source_ip.reset();
  EXPECT_THAT(Traffic(Gather(std::move(rows)), "sendgrid", {mx}), ElementsAre("mx 0 0 ?"));

  DomainStatistics expired = Gather(TwoSources());
  expired.expired.messages = 1;
  EXPECT_THAT(Traffic(expired, "sendgrid", {mx}), ElementsAre("mx 0 0 ?"));
}

TEST(TermTraffic, OfARecordThatWasNotReadThereIsNothing) {
  EXPECT_THAT(Traffic(Gather(TwoSources()), "sendgrid", {}), IsEmpty());
}

}  // namespace
}  // namespace dmarcate
