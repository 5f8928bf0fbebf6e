#include "lib/mailauth/spf_evaluate.h"

#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/spf_macro.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A zone in the form of the RFC 7208 suite (shared/corpora/spf/SOURCES.md): name to a list of
// {TYPE: data} or "TIMEOUT".
class SuiteDns final : public SpfDns {
 public:
  explicit SuiteDns(const json& zone) {
    for (const auto& [name, records] : zone.items()) zone_[AsciiLower(name)] = records;
  }

  absl::StatusOr<std::vector<std::string>> LookupTxt(const std::string& name) override {
    DMARCATE_ASSIGN_OR_RETURN(const auto found, Find(name, "TXT"));
    std::vector<std::string> out;
    for (const json& data : found) {
      std::string joined;
      if (data.is_string()) {
        joined = data;
      } else {
        for (const std::string part : data) joined += part;
      }
      out.push_back(joined);
    }
    return out;
  }
  absl::StatusOr<std::vector<IpAddress>> LookupA(const std::string& name) override {
    return Addresses(name, "A");
  }
  absl::StatusOr<std::vector<IpAddress>> LookupAaaa(const std::string& name) override {
    return Addresses(name, "AAAA");
  }
  absl::StatusOr<std::vector<DomainName>> LookupMx(const std::string& name) override {
    DMARCATE_ASSIGN_OR_RETURN(auto found, Find(name, "MX"));
    std::ranges::stable_sort(found, {}, [](const json& mx) { return mx[0].get<int>(); });
    std::vector<DomainName> out;
    for (const json& mx : found) {
      const std::string exchange = mx[1];
      auto parsed = DomainName::Parse(exchange.empty() ? "." : exchange);
      if (parsed.ok()) out.push_back(*parsed);
    }
    return out;
  }
  absl::StatusOr<std::vector<DomainName>> LookupPtr(const IpAddress& address) override {
    SpfMacroValues values;
    values.ip = address;
    const auto pieces = ParseMacroString("%{ir}.%{v}.arpa", SpfMacroUse::kDomainSpec).value();
    DMARCATE_ASSIGN_OR_RETURN(const auto found,
                              Find(AsciiLower(ExpandMacros(pieces, values)), "PTR"));
    std::vector<DomainName> out;
    for (const json& data : found) {
      auto parsed = DomainName::Parse(data.get<std::string>());
      if (parsed.ok()) out.push_back(*parsed);
    }
    return out;
  }

 private:
  absl::StatusOr<std::vector<json>> Find(const std::string& name, const std::string& type,
                                         int depth = 0) {
    const absl::Status timeout = absl::DeadlineExceededError("timeout");
    const auto found = zone_.find(name);
    if (found == zone_.end()) {
      if (name.starts_with("error.")) return timeout;
      return std::vector<json>{};
    }
    const auto has = [&found](std::string_view wanted) {
      return std::ranges::any_of(found->second, [wanted](const json& element) {
        return element.is_object() && element.contains(wanted);
      });
    };
    const std::string served = type == "TXT" && !has("TXT") && has("SPF") ? "SPF" : type;
    std::vector<json> out;
    std::string alias;
    for (const json& element : found->second) {
      if (element == "TIMEOUT") {
        if (out.empty()) return timeout;
        continue;
      }
      if (element.contains("CNAME")) alias = element["CNAME"];
      if (!element.contains(served)) continue;
      if (element[served] == "TIMEOUT") return timeout;
      if (element[served] != "NONE") out.push_back(element[served]);
    }
    if (out.empty() && !alias.empty() && depth < 8) return Find(AsciiLower(alias), type, depth + 1);
    return out;
  }
  absl::StatusOr<std::vector<IpAddress>> Addresses(const std::string& name,
                                                   const std::string& type) {
    DMARCATE_ASSIGN_OR_RETURN(const auto found, Find(name, type));
    std::vector<IpAddress> out;
    for (const json& data : found) out.push_back(IpAddress::Parse(data.get<std::string>()).value());
    return out;
  }

  std::map<std::string, json> zone_;
};

SpfRequest RequestOf(const json& test) {
  SpfRequest request;
  request.client = IpAddress::Parse(test["host"].get<std::string>()).value();
  request.helo = test["helo"];
  request.mail_from = test["mailfrom"];
  return request;
}

TEST(SpfSuite, PassesEntirely) {
  const std::string text = ReadCorpus("spf/rfc7208-tests.json");
  if (text.empty()) GTEST_SKIP() << "no corpus";
  int count = 0;
  for (const json& scenario : json::parse(text)) {
    for (const auto& [name, test] : scenario["tests"].items()) {
      SuiteDns dns(scenario["zonedata"]);
      const SpfEvaluation got = CheckHost(RequestOf(test), dns);
      const json wanted =
          test["result"].is_array() ? test["result"] : json::array({test["result"]});
      const bool accepted =
          std::ranges::find(wanted, json(std::string(ToString(got.result)))) != wanted.end();
      EXPECT_TRUE(accepted) << scenario["description"] << " " << name << ": got "
                            << ToString(got.result) << " (" << got.reason << "), wanted " << wanted;
      if (test.contains("explanation") && got.result == SpfResult::kFail) {
        const std::string explanation = test["explanation"];
        EXPECT_EQ(got.explanation, explanation == "DEFAULT" ? "" : explanation)
            << scenario["description"] << " " << name;
      }
      ++count;
    }
  }
  EXPECT_EQ(count, 203);
}

// Our own zone, for when the corpus is not there.
constexpr char kZone[] = R"({
  "a.test": [{"TXT": "v=spf1 a ip6:2001:db8::/32 -all"}, {"A": "192.0.2.1"}, {"AAAA": "2001:db9::1"}],
  "mx.test": [{"TXT": "v=spf1 mx/24 ~all"}, {"MX": [10, "h1.test"]}, {"MX": [20, "h2.test"]}],
  "h1.test": [{"A": "198.51.100.1"}], "h2.test": [{"A": "203.0.113.1"}],
  "inc.test": [{"TXT": "v=spf1 include:a.test ?all"}],
  "incgone.test": [{"TXT": "v=spf1 include:gone.test -all"}],
  "incslow.test": [{"TXT": "v=spf1 include:slow.test -all"}],
  "slow.test": ["TIMEOUT"],
  "red.test": [{"TXT": "v=spf1 redirect=a.test"}],
  "redgone.test": [{"TXT": "v=spf1 redirect=gone.test"}],
  "two.test": [{"TXT": "v=spf1 -all"}, {"TXT": "v=spf1 -all"}],
  "bad.test": [{"TXT": "v=spf1 +all foo"}],
  "ptr.test": [{"TXT": "v=spf1 ptr -all"}],
  "1.2.0.192.in-addr.arpa": [{"PTR": "mail.ptr.test"}, {"PTR": "liar.ptr.test"}],
  "mail.ptr.test": [{"A": "192.0.2.1"}], "liar.ptr.test": [{"A": "192.0.2.2"}],
  "ex.test": [{"TXT": "v=spf1 exists:%{ir}.%{l}.list.test -all"}],
  "1.2.0.192.joe.list.test": [{"A": "127.0.0.2"}],
  "p.test": [{"TXT": "v=spf1 exists:%{p}.ok.test -all"}],
  "mail.ptr.test.ok.test": [{"A": "127.0.0.2"}],
  "loop.test": [{"TXT": "v=spf1 include:loop.test -all"}],
  "void2.test": [{"TXT": "v=spf1 a:x1.test a:x2.test +all"}],
  "void3.test": [{"TXT": "v=spf1 a:x1.test a:x2.test a:x3.test +all"}],
  "ten.test": [{"TXT": "v=spf1 a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test +all"}],
  "eleven.test": [{"TXT": "v=spf1 a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test +all"}],
  "exp.test": [{"TXT": "v=spf1 exp=e.test -all"}],
  "e.test": [{"TXT": "%{i} is not one of %{d}'s designated mail servers, %{s}"}],
  "expbad.test": [{"TXT": "v=spf1 exp=ebad.test -all"}], "ebad.test": [{"TXT": "100%"}],
  "none.test": [{"TXT": "something else"}],
  "joe": [{"TXT": "v=spf1 +all"}],
  "inclabel.test": [{"TXT": "v=spf1 include:%{l} -all"}],
  "redlabel.test": [{"TXT": "v=spf1 redirect=%{l}"}],
  "ptrlong.test": [{"TXT": "v=spf1 a:x1.test a:x2.test ptr:0123456789012345678901234567890123456789012345678901234567890123.test +all"}]
})";

struct Case {
  std::string name;
  std::string domain;
  std::string client;
  SpfResult want;
  std::string explanation;
};
const Case kCases[] = {
    {"AddressOfTheName", "a.test", "192.0.2.1", SpfResult::kPass},
    {"AnotherAddress", "a.test", "192.0.2.2", SpfResult::kFail},
    {"MappedIsIpv4", "a.test", "::ffff:192.0.2.1", SpfResult::kPass},
    {"Ipv6ByNetwork", "a.test", "2001:db8::7", SpfResult::kPass},
    {"Ipv6ByName", "a.test", "2001:db9::1", SpfResult::kPass},
    {"ExchangesNetwork", "mx.test", "203.0.113.200", SpfResult::kPass},
    {"NoExchange", "mx.test", "192.0.2.1", SpfResult::kSoftFail},
    {"Included", "inc.test", "192.0.2.1", SpfResult::kPass},
    {"FailOfAnIncludeIsNoMatch", "inc.test", "192.0.2.2", SpfResult::kNeutral},
    {"IncludeOfNothing", "incgone.test", "192.0.2.1", SpfResult::kPermError},
    {"IncludeThatTimesOut", "incslow.test", "192.0.2.1", SpfResult::kTempError},
    {"Redirected", "red.test", "192.0.2.2", SpfResult::kFail},
    {"RedirectedToNothing", "redgone.test", "192.0.2.2", SpfResult::kPermError},
    {"TwoRecords", "two.test", "192.0.2.1", SpfResult::kPermError},
    {"AnErrorAnywhereCounts", "bad.test", "192.0.2.1", SpfResult::kPermError},
    {"ReverseName", "ptr.test", "192.0.2.1", SpfResult::kPass},
    {"NoReverseName", "ptr.test", "192.0.2.9", SpfResult::kFail},
    {"Exists", "ex.test", "192.0.2.1", SpfResult::kPass},
    {"ExistsNot", "ex.test", "192.0.2.2", SpfResult::kFail},
    {"ValidatedName", "p.test", "192.0.2.1", SpfResult::kPass},
    {"Loop", "loop.test", "192.0.2.1", SpfResult::kPermError},
    {"TwoVoids", "void2.test", "192.0.2.1", SpfResult::kPass},
    {"ThreeVoids", "void3.test", "192.0.2.1", SpfResult::kPermError},
    {"TenLookups", "ten.test", "192.0.2.1", SpfResult::kPass},
    {"ElevenLookups", "eleven.test", "192.0.2.1", SpfResult::kPermError},
    {"EarlyMatchNeverPays", "eleven.test", "198.51.100.1", SpfResult::kPass},
    {"Explained", "exp.test", "192.0.2.1", SpfResult::kFail,
     "192.0.2.1 is not one of exp.test's designated mail servers, joe@exp.test"},
    {"BadExplanationIsNone", "expbad.test", "192.0.2.1", SpfResult::kFail},
    {"NoRecord", "none.test", "192.0.2.1", SpfResult::kNone},
    {"NoName", "gone.test", "192.0.2.1", SpfResult::kNone},
    {"SingleLabel", "test", "192.0.2.1", SpfResult::kNone},
    {"IncludeOfASingleLabel", "inclabel.test", "192.0.2.1", SpfResult::kPermError},
    {"RedirectToASingleLabel", "redlabel.test", "192.0.2.1", SpfResult::kPermError},
    {"NoReverseNameIsVoidWhateverTheTarget", "ptrlong.test", "192.0.2.9", SpfResult::kPermError},
    {"DnsFails", "slow.test", "192.0.2.1", SpfResult::kTempError},
};
class CheckHostTest : public testing::TestWithParam<Case> {};
TEST_P(CheckHostTest, Decides) {
  SuiteDns dns(json::parse(kZone));
  SpfRequest request;
  request.client = IpAddress::Parse(GetParam().client).value();
  request.helo = "helo.test";
  request.mail_from = "joe@" + GetParam().domain;
  const SpfEvaluation got = CheckHost(request, dns);
  EXPECT_EQ(ToString(got.result), ToString(GetParam().want)) << got.reason;
  EXPECT_EQ(got.explanation, GetParam().explanation);
  EXPECT_FALSE(got.reason.empty());
}
INSTANTIATE_TEST_SUITE_P(All, CheckHostTest, testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.name; });

TEST(CheckHost, SaysWhatDecidedAndWhetherTheSenderMatters) {
  SuiteDns dns(json::parse(kZone));
  SpfRequest request;
  request.client = IpAddress::Parse("192.0.2.1").value();
  request.helo = "a.test";
  SpfEvaluation got = CheckHost(request, dns);  // the null sender: HELO counts
  EXPECT_EQ(got.result, SpfResult::kPass);
  EXPECT_EQ(got.matched_term, "a");
  EXPECT_EQ(got.lookup_count, 1);
  EXPECT_FALSE(got.depends_on_sender);
  request.mail_from = "joe@ex.test";
  got = CheckHost(request, dns);
  EXPECT_TRUE(got.depends_on_sender);
  EXPECT_THAT(got.reason, HasSubstr("exists:%{ir}"));
}

}  // namespace
}  // namespace dmarcate
