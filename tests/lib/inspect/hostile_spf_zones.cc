#include "tests/lib/inspect/hostile_spf_zones.h"

#include <cctype>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

using std::string_literals::operator""s;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

void FillRing(HostileDns& dns, size_t length, const std::string& term) {
  for (size_t i = 0; i < length; ++i) {
    const auto name = [](size_t n) { return n == 0 ? "victim.test" : fmt::format("r{}.test", n); };
    dns.Spf(name(i), fmt::format("v=spf1 {}{} {}", term, name((i + 1) % length),
                                 term == "include:" ? "-all" : ""));
  }
}

// `depth` includes below each other; the deepest lets the client pass.
void FillChain(HostileDns& dns, size_t depth) {
  for (size_t i = 0; i < depth; ++i) {
    dns.Spf(i == 0 ? "victim.test" : fmt::format("n{}.test", i),
            fmt::format("v=spf1 include:n{}.test -all", i + 1));
  }
  dns.Spf(fmt::format("n{}.test", depth), "v=spf1 ip4:192.0.2.1 -all");
}

void FillExchanges(HostileDns& dns, size_t count, bool with_addresses) {
  std::vector<MxRecord> records;
  for (size_t i = 0; i < count; ++i) {
    records.push_back({static_cast<uint16_t>(i), Name(fmt::format("mx{}.test", i))});
    if (!with_addresses) continue;
    dns.zone.SetA(records.back().exchange, {i + 1 == count ? "192.0.2.1" : "198.51.100.1"});
    dns.zone.SetAaaa(records.back().exchange, {"2001:db8::1"});
  }
  dns.zone.SetMx(Name("victim.test"), records);
  dns.Spf("victim.test", "v=spf1 mx -all");
}

// The last one, and only it, is the client's.
void FillPtr(HostileDns& dns, size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) {
    names.push_back(fmt::format("p{}.victim.test", i));
    dns.zone.SetA(Name(names.back()), {i + 1 == count ? "192.0.2.1" : "198.51.100.1"});
  }
  dns.zone.SetTexts(Name("1.2.0.192.in-addr.arpa"), RrType::kPtr, names);
  dns.Spf("victim.test", "v=spf1 ptr -all");
}

void FillAddresses(HostileDns& dns, size_t count) {
  std::vector<std::string> addresses;
  for (size_t i = 1; i < count; ++i) {
    addresses.push_back(IpAddress::FromV4(0x0A000000U + static_cast<uint32_t>(i)).ToString());
  }
  addresses.emplace_back("192.0.2.1");
  dns.zone.SetA(Name("wide.test"), addresses);
  dns.zone.SetAaaa(Name("wide.test"), {"2001:db8::1"});
  dns.Spf("victim.test", "v=spf1 a:wide.test -all");
}

using Result = SpfResult;

void AddLoops(std::vector<HostileSpfZone>& zones) {
  for (const size_t length : {1, 2, 3, 5, 9, 10, 11, 30}) {
    zones.push_back({fmt::format("IncludeRingOf{}", length),
                     [length](HostileDns& dns) { FillRing(dns, length, "include:"); },
                     Result::kPermError, length > 20 ? Tree::kIncomplete : Tree::kComplete,
                     Judged::kFail});
    zones.push_back({fmt::format("RedirectRingOf{}", length),
                     [length](HostileDns& dns) { FillRing(dns, length, "redirect="); },
                     Result::kPermError, length > 20 ? Tree::kIncomplete : Tree::kComplete,
                     Judged::kFail});
  }
  zones.push_back({"IncludeOfItselfByMacro",
                   [](HostileDns& dns) { dns.Spf("victim.test", "v=spf1 include:%{d} -all"); },
                   Result::kPermError, Tree::kComplete, Judged::kFail});
  zones.push_back({"IncludeOfItselfTenTimes",
                   [](HostileDns& dns) {
                     dns.Spf("victim.test", "v=spf1" + Repeat(" include:victim.test", 10));
                   },
                   Result::kPermError, Tree::kComplete, Judged::kFail});
  zones.push_back({"NamesThatNeverStop",
                   [](HostileDns& dns) {
                     dns.wild = [](const DomainName&, RrType) {
                       return TxtAnswer("v=spf1 include:x.%{d} include:y.%{d} -all");
                     };
                   },
                   Result::kPermError, Tree::kIncomplete, Judged::kFail});
  zones.push_back({"RedirectsThatNeverStop",
                   [](HostileDns& dns) {
                     dns.wild = [](const DomainName&, RrType) {
                       return TxtAnswer("v=spf1 redirect=x.%{d}");
                     };
                   },
                   Result::kPermError, Tree::kIncomplete, Judged::kFail});
}

void AddSizes(std::vector<HostileSpfZone>& zones) {
  for (const size_t depth : {10, 11, 15, 40}) {
    zones.push_back({fmt::format("IncludesNested{}Deep", depth),
                     [depth](HostileDns& dns) { FillChain(dns, depth); },
                     depth <= 10 ? Result::kPass : Result::kPermError,
                     depth <= 20 ? Tree::kComplete : Tree::kIncomplete,
                     depth <= 10 ? Judged::kGood : Judged::kFail});
  }
  for (const std::string term :
       {"a:one.test", "mx:one.test", "include:one.test", "exists:one.test"}) {
    for (const size_t times : {11, 1000}) {
      zones.push_back({fmt::format("{}{}", times, AsciiLower(term.substr(0, term.find(':')))),
                       [term, times](HostileDns& dns) {
                         dns.Spf("victim.test", "v=spf1" + Repeat(" -" + term, times) + " +all");
                         dns.Spf("one.test", "v=spf1 -all");
                         dns.zone.SetMx(Name("one.test"), {{1, Name("two.test")}});
                         for (const char* host : {"one.test", "two.test"}) {
                           dns.zone.SetA(Name(host), {"198.51.100.1"});
                           dns.zone.SetAaaa(Name(host), {"2001:db8::1"});
                         }
                         if (term.starts_with("exists")) {
                           dns.zone.SetTexts(Name("one.test"), RrType::kA, {});
                         }
                       },
                       Result::kPermError, Tree::kComplete, Judged::kFail});
    }
  }
  zones.push_back({"1000DifferentIncludes",
                   [](HostileDns& dns) {
                     std::string text = "v=spf1";
                     for (int i = 0; i < 1000; ++i) text += fmt::format(" include:i{}.test", i);
                     dns.Spf("victim.test", text + " -all");
                     dns.wild = [](const DomainName&, RrType) { return TxtAnswer("v=spf1 -all"); };
                   },
                   Result::kPermError, Tree::kIncomplete, Judged::kFail});
  zones.push_back({"1000NetworksAndTheLastMatches",
                   [](HostileDns& dns) {
                     std::string text = "v=spf1";
                     for (int i = 0; i < 1000; ++i)
                       text += fmt::format(" ip4:10.{}.{}.0/24", i / 250, i % 250);
                     dns.Spf("victim.test", text + " ip4:192.0.2.1 -all");
                   },
                   Result::kPass, Tree::kComplete, Judged::kGood});
  zones.push_back({"6000TermsAreOverTheBudget",
                   [](HostileDns& dns) {
                     dns.Spf("victim.test",
                             "v=spf1" + Repeat(" ip4:10.0.0.1", 4999) + " ip4:192.0.2.1 -all");
                   },
                   Result::kPass, Tree::kIncomplete, Judged::kUnknown});
  zones.push_back({"1000Modifiers",
                   [](HostileDns& dns) {
                     dns.Spf("victim.test", "v=spf1" + Repeat(" x=%{d}", 1000) + " -all");
                   },
                   Result::kFail, Tree::kComplete, Judged::kGood});
  zones.push_back(
      {"65000Blanks",
       [](HostileDns& dns) { dns.Spf("victim.test", "v=spf1" + std::string(65000, ' ') + "-all"); },
       Result::kFail, Tree::kComplete, Judged::kGood});
  zones.push_back({"65000OctetsOfOneTerm",
                   [](HostileDns& dns) {
                     dns.Spf("victim.test", "v=spf1 a:" + std::string(65000, 'x') + " +all");
                   },
                   Result::kPermError, Tree::kPermerror, Judged::kFail});
  zones.push_back({"65000PercentSigns",
                   [](HostileDns& dns) {
                     dns.Spf("victim.test", "v=spf1 exists:" + Repeat("%%", 32000) + ".test -all");
                   },
                   Result::kFail, Tree::kComplete, Judged::kGood});
  zones.push_back(
      {"OctetsThatAreNoText",
       [](HostileDns& dns) { dns.Spf("victim.test", "v=spf1 a:\x1b[31m\0\xff.test -all"s); },
       Result::kPermError, Tree::kPermerror, Judged::kFail});
  for (const size_t records : {2, 1000}) {
    zones.push_back({fmt::format("{}Records", records),
                     [records](HostileDns& dns) {
                       dns.zone.SetTxt(Name("victim.test"),
                                       std::vector<std::string>(records, "v=spf1 +all"));
                     },
                     Result::kPermError, Tree::kPermerror, Judged::kFail});
  }
  zones.push_back({"1000OtherTextsAndOneRecord",
                   [](HostileDns& dns) {
                     std::vector<std::string> texts(1000,
                                                    "site-verification=" + std::string(40, 'x'));
                     texts.emplace_back("v=spf1 ip4:192.0.2.1 -all");
                     dns.zone.SetTxt(Name("victim.test"), texts);
                   },
                   Result::kPass, Tree::kComplete, Judged::kGood});
  zones.push_back({"IncludesOfLargeRecords",
                   [](HostileDns& dns) {
                     std::string text = "v=spf1";
                     for (int i = 0; i < 40; ++i) text += fmt::format(" include:i{}.test", i);
                     dns.Spf("victim.test", text);
                     dns.wild = [](const DomainName&, RrType) {
                       return TxtAnswer("v=spf1 " + std::string(60000, ' ') + "-all");
                     };
                   },
                   Result::kPermError, Tree::kIncomplete, Judged::kFail});
}

void AddSets(std::vector<HostileSpfZone>& zones) {
  for (const size_t count : {10, 11, 500, 4000}) {
    zones.push_back({fmt::format("{}Exchanges", count),
                     [count](HostileDns& dns) { FillExchanges(dns, count, true); },
                     count <= 10 ? Result::kPass : Result::kPermError, Tree::kComplete,
                     count <= 10 ? Judged::kGood : Judged::kFail});
    zones.push_back({fmt::format("{}PtrNames", count),
                     [count](HostileDns& dns) { FillPtr(dns, count); },
                     count <= 10 ? Result::kPass : Result::kFail, Tree::kComplete, Judged::kGood});
  }
  zones.push_back({"ExchangesWithoutAddresses",
                   [](HostileDns& dns) { FillExchanges(dns, 3, false); }, Result::kPermError,
                   Tree::kComplete, Judged::kFail});
  zones.push_back({"AnExchangeThatIsTheRoot",
                   [](HostileDns& dns) {
                     dns.zone.SetMx(Name("victim.test"), {{0, DomainName()}, {1, DomainName()}});
                     dns.Spf("victim.test", "v=spf1 mx -all");
                   },
                   Result::kFail, Tree::kComplete, Judged::kGood});
  for (const size_t count : {200, 4000}) {
    zones.push_back({fmt::format("{}Addresses", count),
                     [count](HostileDns& dns) { FillAddresses(dns, count); }, Result::kPass,
                     Tree::kIncomplete, Judged::kUnknown});
  }
  for (const size_t voids : {2, 3}) {
    zones.push_back({fmt::format("{}NamesThatDoNotExist", voids),
                     [voids](HostileDns& dns) {
                       std::string text = "v=spf1";
                       for (size_t i = 0; i < voids; ++i) text += fmt::format(" a:gone{}.test", i);
                       dns.Spf("victim.test", text + " -all");
                     },
                     voids <= 2 ? Result::kFail : Result::kPermError, Tree::kComplete,
                     voids <= 2 ? Judged::kGood : Judged::kFail});
  }
}

void AddAliases(std::vector<HostileSpfZone>& zones) {
  for (const size_t aliases : {8, 9, 40}) {
    const bool short_enough = aliases <= 8;
    zones.push_back({fmt::format("{}AliasesToTheRecord", aliases),
                     [aliases](HostileDns& dns) {
                       FillAliases(dns, "victim.test", "end.test", aliases);
                       dns.Spf("end.test", "v=spf1 ip4:192.0.2.1 -all");
                     },
                     short_enough ? Result::kPass : Result::kTempError,
                     short_enough ? Tree::kComplete : Tree::kNothing,
                     short_enough ? Judged::kGood : Judged::kUnknown});
    zones.push_back({fmt::format("{}AliasesToAnInclude", aliases),
                     [aliases](HostileDns& dns) {
                       FillAliases(dns, "in.test", "end.test", aliases);
                       dns.Spf("victim.test", "v=spf1 include:in.test -all");
                       dns.Spf("end.test", "v=spf1 ip4:192.0.2.1 -all");
                     },
                     short_enough ? Result::kPass : Result::kTempError,
                     short_enough ? Tree::kComplete : Tree::kIncomplete,
                     short_enough ? Judged::kGood : Judged::kUnknown});
  }
  for (const size_t ring : {1, 2, 3}) {
    zones.push_back({fmt::format("AliasRingOf{}", ring),
                     [ring](HostileDns& dns) {
                       FillAliases(dns, "ring.test", "ring.test", ring);
                       dns.Spf("victim.test", "v=spf1 a:ring.test -all");
                     },
                     Result::kTempError, Tree::kIncomplete, Judged::kUnknown});
  }
  zones.push_back({"AliasToNothing",
                   [](HostileDns& dns) {
                     dns.zone.SetCname(Name("in.test"), Name("gone.test"));
                     dns.Spf("victim.test", "v=spf1 include:in.test -all");
                   },
                   Result::kPermError, Tree::kComplete, Judged::kFail});
}

void AddMacros(std::vector<HostileSpfZone>& zones) {
  const auto exists = [](const std::string& spec) {
    return [spec](HostileDns& dns) {
      dns.Spf("victim.test", "v=spf1" + Repeat(" exists:" + spec + ".test", 2) + " -all");
    };
  };
  for (const std::string macro :
       {"%{s}", "%{S}", "%{l}", "%{ir}", "%{d128r.-+,/_=}", "%{p}", "%{h}"}) {
    zones.push_back({fmt::format("{}Repeated", macro.substr(2, macro.find('}') - 2)),
                     exists(Repeat(macro, 30000 / macro.size())), Result::kFail, Tree::kComplete,
                     Judged::kGood});
  }
  zones.push_back(
      {"IncludeByMacroOfNothing",
       [](HostileDns& dns) { dns.Spf("victim.test", "v=spf1 include:%{l}.%{ir}.x.test -all"); },
       Result::kPermError, Tree::kComplete, Judged::kGood});
  zones.push_back({"AnExplanationThatBlowsUp",
                   [](HostileDns& dns) {
                     dns.Spf("victim.test", "v=spf1 -all exp=e.test");
                     dns.Spf("e.test", Repeat("%{S}%{H}", 8000));
                   },
                   Result::kFail, Tree::kComplete, Judged::kGood});
  zones.push_back({"ATargetOfOneLongLabel",
                   [](HostileDns& dns) {
                     dns.Spf("victim.test",
                             "v=spf1 include:" + std::string(64, 'x') + ".test -all");
                   },
                   Result::kPermError, Tree::kComplete, Judged::kFail});
}

void AddFailures(std::vector<HostileSpfZone>& zones) {
  const std::pair<std::string, absl::Status> errors[] = {
      {"TimesOut", absl::DeadlineExceededError("no answer")},
      {"Servfail", absl::UnavailableError("SERVFAIL")},
      {"Bogus", absl::DataLossError("DNSSEC signatures are bogus")},
      {"Exhausted", absl::ResourceExhaustedError("too long")},
  };
  for (const auto& [name, error] : errors) {
    // DNSSEC says bogus: receivers that validate see nothing, and that is a failure of the
    // domain's.
    const bool bogus = absl::IsDataLoss(error);
    zones.push_back({"Everything" + name, [error](HostileDns& dns) { dns.zone.FailAll(error); },
                     Result::kTempError, Tree::kNothing, bogus ? Judged::kFail : Judged::kUnknown});
    for (const std::string term : {"include:x.test", "redirect=x.test", "a:x.test", "mx:x.test",
                                   "mx:y.test", "exists:x.test"}) {
      std::string kind = name;
      for (const char c : term) {
        if (c != ':' && c != '=' && c != '.') kind += c;
      }
      zones.push_back(
          {kind,
           [term, error](HostileDns& dns) {
             const bool redirect = term.starts_with("redirect");
             dns.Spf("victim.test", fmt::format("v=spf1 {}{}", term, redirect ? "" : " -all"));
             dns.zone.SetMx(Name("y.test"), {{1, Name("x.test")}});
             for (const RrType type : {RrType::kTxt, RrType::kA, RrType::kAaaa, RrType::kMx}) {
               dns.zone.Fail(Name("x.test"), type, error);
             }
           },
           Result::kTempError, Tree::kIncomplete, Judged::kUnknown});
    }
    // Section 5.5: an error there means that the term does not match.
    zones.push_back({name + "Ptr",
                     [error](HostileDns& dns) {
                       dns.Spf("victim.test", "v=spf1 ptr -all");
                       dns.zone.Fail(Name("1.2.0.192.in-addr.arpa"), RrType::kPtr, error);
                     },
                     Result::kFail, Tree::kComplete, Judged::kGood});
  }
  const std::pair<std::string, std::string> slow[] = {
      {"SlowIncludes",
       "v=spf1 include:i1.%{d} include:i2.%{d} include:i3.%{d} include:i4.%{d} -all"},
      {"SlowRedirects", "v=spf1 redirect=x.%{d}"},
      {"SlowAddresses", "v=spf1 a:h1.test a:h2.test a:h3.test a:h4.test -all"},
      {"SlowPtr", "v=spf1 ptr -all"},
      {"SlowValidatedName", "v=spf1 exists:%{p}.x.test exists:y.test -all"},
  };
  for (const auto& [name, record] : slow) {
    const bool by_ptr = name == "SlowPtr" || name == "SlowValidatedName";
    zones.push_back({name,
                     [record](HostileDns& dns) {
                       dns.delay = absl::Seconds(9);
                       dns.zone.SetTexts(Name("1.2.0.192.in-addr.arpa"), RrType::kPtr,
                                         {"p1.test", "p2.test", "p3.test", "p4.test"});
                       dns.Spf("victim.test", record);
                       dns.wild = [record](const DomainName&, RrType type) {
                         DnsAnswer answer = TxtAnswer(record);
                         answer.type = type;
                         if (type == RrType::kTxt) return answer;
                         answer.txt.clear();
                         answer.texts = {"198.51.100.1"};
                         return answer;
                       };
                     },
                     Result::kTempError, by_ptr ? Tree::kComplete : Tree::kIncomplete,
                     // Of the includes so many were seen that they are too many, whatever comes.
                     by_ptr                   ? Judged::kGood
                     : name == "SlowIncludes" ? Judged::kFail
                                              : Judged::kUnknown});
  }
}

}  // namespace

std::vector<HostileSpfZone> HostileSpfZones() {
  std::vector<HostileSpfZone> zones;
  AddLoops(zones);
  AddSizes(zones);
  AddSets(zones);
  AddAliases(zones);
  AddMacros(zones);
  AddFailures(zones);
  for (HostileSpfZone& zone : zones) {
    std::erase_if(zone.name,
                  [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
  }
  return zones;
}

}  // namespace dmarcate
