#include "tests/lib/inspect/spf_case.h"

#include <set>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inspect/spf_check.h"

namespace dmarcate {
namespace {

using nlohmann::json;

constexpr size_t kDomains = 6;
constexpr size_t kHosts = 8;

std::string ToCodePoints(std::string_view octets) {
  std::string out;
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xC0 | octet >> 6));
      out.push_back(static_cast<char>(0x80 | (octet & 0x3F)));
    }
  }
  return out;
}

std::string ToOctets(std::string_view code_points) {
  std::string out;
  for (size_t i = 0; i < code_points.size(); ++i) {
    const auto c = static_cast<unsigned char>(code_points[i]);
    if (c < 0x80) {
      out.push_back(code_points[i]);
    } else {
      const auto low = static_cast<unsigned char>(code_points[++i]);
      out.push_back(static_cast<char>((c & 0x3) << 6 | (low & 0x3F)));
    }
  }
  return out;
}

DomainName Name(const std::string& text) { return DomainName::Parse(text).value(); }

RrType TypeOf(const std::string& type) {
  for (const RrType one :
       {RrType::kTxt, RrType::kA, RrType::kAaaa, RrType::kMx, RrType::kPtr, RrType::kCname}) {
    if (ToString(one) == type) return one;
  }
  std::abort();
}

}  // namespace

json SpfCase::ToJson() const {
  return {{"ip", request.client.ToString()},
          {"sender", request.mail_from},
          {"helo", request.helo},
          {"receiver", request.receiver},
          {"zone", zone}};
}

std::unique_ptr<FakeResolver> SpfCase::MakeResolver() const {
  auto resolver = std::make_unique<FakeResolver>();
  for (const auto& [owner, node] : zone.items()) {
    const DomainName name = Name(owner);
    for (const auto& [type, data] : node.items()) {
      if (type == "FAIL") {
        for (const std::string failing : data) {
          resolver->Fail(name, TypeOf(failing), absl::UnavailableError("SERVFAIL"));
        }
      } else if (type == "TXT") {
        std::vector<TxtRecord> records;
        for (const json& strings : data) {
          TxtRecord& record = records.emplace_back();
          for (const std::string string : strings) record.strings.push_back(ToOctets(string));
        }
        resolver->SetTxtRecords(name, records);
      } else if (type == "MX") {
        std::vector<MxRecord> records;
        for (const json& mx : data) records.push_back({mx[0], Name(mx[1])});
        resolver->SetMx(name, records);
      } else if (type == "CNAME") {
        resolver->SetCname(name, Name(data));
      } else {
        resolver->SetTexts(name, TypeOf(type), data);
      }
    }
  }
  return resolver;
}

SpfCase SpfCaseGenerator::Next() {
  case_ = SpfCase();
  case_.zone = json::object();
  shape_ = Below(kShapes);
  MakeIdentity();
  MakeHosts();
  for (size_t i = 0; i < kDomains; ++i) MakeDomain(i);
  MakePtr();
  for (size_t round = Below(3); round > 0; --round) AnswerSomeOfTheUnknown();
  return case_;
}

void SpfCaseGenerator::MakeIdentity() {
  SpfRequest& request = case_.request;
  const bool v4 = Chance(65);
  request.client = IpAddress::Parse(Client(v4)).value();
  request.helo = Pick({"mail.d0.test", "h1.test", "d0.test", "helo.example.net", "[192.0.2.1]",
                       "D1.Test", "localhost"});
  request.receiver = Pick({"mx.receiver.test", ""});
  const std::string local =
      Pick({"user", "strong-bad", "a.b.c", "a+b=c", "first_last", "x/y", "postmaster", "UPPER",
            "with,comma", "%{d}", "q\"uote", "sp ace", "~tilde!", std::string(64, 'l')});
  request.mail_from = local + "@d0.test";
  if (Chance(shape_ == kNames ? 60 : 8)) {
    request.mail_from = Pick(
        {"", "@d0.test", "d0.test", local + "@D0.Test", local + "@d0.test.", local + "@d0..test",
         local + "@localhost", local + "@" + std::string(64, 'x') + ".test", local + "@[192.0.2.1]",
         local + "@sub.d0.test", "two@" + local + "@d0.test", local + "@d1.test",
         local + "@c0.test", local + "@slow.test", local + "@gone.test"});
  }
}

std::string SpfCaseGenerator::Client(bool v4) {
  if (v4) {
    return fmt::format("{}{}", Pick({"192.0.2.", "192.0.2.", "198.51.100."}), 1 + Below(4));
  }
  return fmt::format("2001:db8::{}{}", Pick({"", "a:", "cb01:"}), 1 + Below(4));
}

void SpfCaseGenerator::MakeHosts() {
  for (size_t i = 0; i < kHosts; ++i) {
    json& host = case_.zone[fmt::format("h{}.test", i)];
    host = json::object();
    for (size_t n = Chance(80) ? 1 + Below(3) : 0; n > 0; --n) host["A"].push_back(Client(true));
    for (size_t n = Chance(60) ? 1 + Below(3) : 0; n > 0; --n)
      host["AAAA"].push_back(Client(false));
    if (Chance(5)) host["FAIL"] = {Pick({"A", "AAAA"})};
  }
  case_.zone["slow.test"]["FAIL"] = {"TXT", "A", "AAAA", "MX"};
  case_.zone["mail.d0.test"]["A"] = {"192.0.2.1", "198.51.100.2"};
  case_.zone["mail.d0.test"]["AAAA"] = {"2001:db8::1", "2001:db8::2"};
  // Aliases: to records, to hosts, two and seven deep, without end, to nothing, to a failure.
  for (const auto& [alias, target] :
       std::initializer_list<std::pair<std::string, std::string>>{{"c0.test", "d1.test"},
                                                                  {"c1.test", "h1.test"},
                                                                  {"c2.test", "c1.test"},
                                                                  {"loop.test", "pool.test"},
                                                                  {"pool.test", "loop.test"},
                                                                  {"cgone.test", "gone.test"},
                                                                  {"cslow.test", "slow.test"}}) {
    case_.zone[alias]["CNAME"] = target;
  }
  for (size_t i = 0; i < 10; ++i) {
    case_.zone[fmt::format("deep{}.test", i)]["CNAME"] =
        i == 0 ? "h2.test" : fmt::format("deep{}.test", i - 1);
  }
  if (shape_ == kNames) {  // macros can make names of one label
    for (const char* name : {"user", "postmaster", "test"}) AddTxt(name, Record());
  }
  for (size_t i = 0; i < 3; ++i) {
    for (size_t n = Chance(85) ? 1 : Below(3); n > 0; --n) {
      AddTxt(fmt::format("e{}.test", i), Explanation());
    }
  }
}

void SpfCaseGenerator::MakePtr() {
  json names = json::array();
  const size_t count = Chance(70) ? Below(4) : Chance(50) ? 0 : 9 + Below(4);
  for (size_t i = 0; i < count; ++i) {
    names.push_back(
        Pick({"mail.d0.test", "mail.d0.test", "d0.test", "h1.test", "h2.test", "h3.test",
              "gone.test", "sub.d1.test", "slow.test", "c1.test", "Mail.D0.Test"}));
  }
  // A set has each name once (RFC 2181 section 5).
  std::set<std::string> seen;
  json unique = json::array();
  for (const std::string name : names) {
    if (seen.insert(AsciiLower(name)).second) unique.push_back(name);
  }
  for (size_t i = unique.size(); i < count && count > 5; ++i) {
    unique.push_back(fmt::format("p{}.d0.test", i));
    if (Chance(70)) {
      json& host = case_.zone[fmt::format("p{}.d0.test", i)];
      host["A"] = {Client(true)};
      host["AAAA"] = {Client(false)};
    }
  }
  json& node = case_.zone[ReverseName(case_.request.client)];
  node = json::object();
  if (!unique.empty()) node["PTR"] = unique;
  if (Chance(8)) node["FAIL"] = {"PTR"};
}

void SpfCaseGenerator::MakeDomain(size_t index) {
  const std::string name = fmt::format("d{}.test", index);
  json& node = case_.zone[name];
  node = json::object();
  for (size_t n = Chance(60) ? 1 + Below(2) : 0; n > 0; --n) node["A"].push_back(Client(true));
  for (size_t n = Chance(40) ? 1 + Below(2) : 0; n > 0; --n) node["AAAA"].push_back(Client(false));
  size_t exchanges = Chance(70) ? Below(4) : 0;
  if (Chance(4)) exchanges = 9 + Below(4);
  for (size_t i = 0; i < exchanges; ++i) {
    const std::string exchange = exchanges > 5 ? fmt::format("m{}.test", i)
                                 : Chance(10)  ? Pick({"gone.test", "slow.test", "c1.test", "."})
                                               : HostName();
    node["MX"].push_back(json::array({10 * (1 + i), exchange}));
    if (exchanges > 5) {
      case_.zone[exchange]["A"] = {Client(true)};
      case_.zone[exchange]["AAAA"] = {Client(false)};
    }
  }
  if (Chance(2)) node["FAIL"] = {Pick({"TXT", "A", "AAAA", "MX"})};
  size_t records = Chance(94) ? 1 : Below(3);
  if (index == 0 && Chance(80)) records = 1;
  for (size_t i = 0; i < records; ++i) AddTxt(name, Record());
  if (Chance(10))
    AddTxt(name, Pick({"site-verification=1", "v=spf10 -all", "", "v=spf1", "spf1", " v=spf1 -all",
                       "\xE9\xFF", "v=spf1\t-all", "V=SPF2.0/pra"}));
}

void SpfCaseGenerator::AddTxt(const std::string& name, const std::string& text) {
  // Strings of any length, empty ones too; most records have one.
  json strings = json::array();
  size_t begin = 0;
  while (Chance(text.size() < 200 ? 8 : 40)) {
    const size_t end = begin + Below(text.size() - begin + 1);
    strings.push_back(ToCodePoints(std::string_view(text).substr(begin, end - begin)));
    begin = end;
  }
  for (; text.size() - begin > 255; begin += 255) {
    strings.push_back(ToCodePoints(std::string_view(text).substr(begin, 255)));
  }
  strings.push_back(ToCodePoints(std::string_view(text).substr(begin)));
  case_.zone[name]["TXT"].push_back(strings);
}

void SpfCaseGenerator::AnswerSomeOfTheUnknown() {
  const auto resolver = case_.MakeResolver();
  CheckHost(case_.request, *resolver, FakeClock(absl::UnixEpoch()));
  std::set<FakeResolver::Query> seen;
  for (const FakeResolver::Query& query : resolver->queries()) {
    if (case_.zone.contains(query.name.text()) || !seen.insert(query).second) continue;
    if (query.name.text().starts_with("gone") || !Chance(50)) continue;
    if (query.type == RrType::kA) case_.zone[query.name.text()]["A"] = {Client(true)};
    if (query.type == RrType::kAaaa) case_.zone[query.name.text()]["AAAA"] = {Client(false)};
    if (query.type == RrType::kTxt) AddTxt(query.name.text(), Record());
  }
}

std::string SpfCaseGenerator::Record() {
  std::string record = Chance(96) ? "v=spf1" : Pick({"V=SPF1", "v=Spf1"});
  const auto blank = [this] { return Chance(95) ? " " : Pick({"  ", "   "}); };
  size_t terms = 1 + Below(5);
  if (shape_ == kManyTerms) terms = 6 + Below(12);
  if (shape_ == kVoids) terms = 2 + Below(5);
  for (size_t i = 0; i < terms; ++i) record += blank() + Term();
  if (Chance(8)) record += blank() + Modifier();
  if (Chance(15)) {
    record += blank() + Pick({"redirect=", "redirect=", "redirect=", "Redirect="}) +
              (Chance(75) ? RecordName() : DomainSpec());
  }
  if (Chance(shape_ == kNames ? 50 : 20))
    record += blank() + "exp=" + (Chance(85) ? fmt::format("e{}.test", Below(4)) : DomainSpec());
  if (Chance(70))
    record += blank() + Pick({"-all", "-all", "-all", "~all", "?all", "all", "+all", "-ALL"});
  if (Chance(4)) record += blank();
  if (shape_ == kBroken && Chance(50)) record = Damaged(record);
  return record;
}

std::string SpfCaseGenerator::Term() {
  const std::string qualifier = Chance(75) ? "" : Pick({"+", "-", "~", "?"});
  return qualifier + Mechanism();
}

std::string SpfCaseGenerator::Mechanism() {
  if (shape_ == kVoids && Chance(40)) {
    return Pick({"a:gone1.test", "a:gone2.test", "mx:h1.test", "mx:gone3.test", "exists:gone4.test",
                 "exists:gone5.%{d}", "ptr", "include:d2.test", "a:cgone.test"});
  }
  if (shape_ == kChain && Chance(40)) return "include:" + RecordName();
  if (shape_ == kNames && Chance(8)) {
    return Pick({"include:%{l}", "include:%{d1}", "include:%{l1}", "a:%{l}", "include:%{L}.%{d}"});
  }
  const size_t kind = Below(100);
  if (kind < 18) return "include:" + (Chance(75) ? RecordName() : DomainSpec());
  if (kind < 36) return Chance(25) ? "a" + DualLength() : "a:" + DomainSpec() + DualLength();
  if (kind < 50) return Chance(40) ? "mx" + DualLength() : "mx:" + DomainSpec() + DualLength();
  if (kind < 56) return Chance(40) ? "ptr" : "ptr:" + DomainSpec();
  if (kind < 72) return Ip4Network();
  if (kind < 84) return Ip6Network();
  if (kind < 95) return "exists:" + DomainSpec();
  if (kind < 98) return Pick({"A", "MX", "Ip4:192.0.2.1", "INCLUDE:d1.test", "Exists:h1.test"});
  if (!Odd()) return Chance(50) ? Modifier() : "all";
  return Pick({"ip", "foo", "a.b:x.test", "include", "exists:", "a:", "ptr/24", "all:x", "ip4",
               "ip6:", "=x", "1a", "-", "include=d1.test", "a,", "mx,", "prt", "all."});
}

std::string SpfCaseGenerator::Modifier() {
  if (!Odd()) {
    return Pick({"x=", "foo=bar", "foo=bar", "x-y_z.1=%{d}", "foo=%%", "foo=%%x", "moo=a/b:c",
                 "foo=a=b", "foo=%{c}", "op=auth", "default=pass"});
  }
  return Pick({"foo=%x", "exp=e0.test", "redirect=d1.test", "REDIRECT=d2.test", "Exp=e1.test",
               "redirect=", "exp=", "foo=%{q}", "foo=%{d", "op=%{q}", "default=%"});
}

std::string SpfCaseGenerator::RecordName() {
  // A chain leads down; whatever leads up is a loop.
  const size_t index = Chance(80) ? 1 + Below(kDomains - 1) : Below(kDomains);
  return Chance(92) ? fmt::format("d{}.test", index)
                    : Pick({"c0.test", "gone.test", "slow.test", "h1.test", "D3.test", "d4.test.",
                            "loop.test", "deep9.test", "cgone.test", "cslow.test"});
}

std::string SpfCaseGenerator::HostName() {
  return Chance(85) ? fmt::format("h{}.test", Below(kHosts))
                    : Pick({"gone.test", "slow.test", "c1.test", "c2.test", "mail.d0.test",
                            "loop.test", "deep3.test", "deep7.test", "deep8.test", "cslow.test",
                            "H1.Test", "h1.test.", "cgone.test"});
}

std::string SpfCaseGenerator::DomainSpec() {
  if (Chance(shape_ == kNames ? 35 : 60)) return HostName();
  switch (Below(12)) {
    case 0:
      return fmt::format("{}.{}.x.test", Macro("ivd"), Pick({"a", "%{v}", "%{h}"}));
    case 1:
      return Macro("slod") + ".test";
    case 2:
      return Pick({"%{d}", "%{d}", "%{l}", "%{d1}", "%{h}"});
    case 3:
      return Macro("slodiphv") + Pick({".d0.test", ".x.test", ".%{d}", "%{d}"});
    case 4:
      return fmt::format("{}.{}.%{{d2}}", Macro("lr"), Macro("i"));
    case 5:
      return "%{ir}.%{v}._spf." + Pick({"d0.test", "%{d}", "%{o}"});
    case 6:
      if (!Odd())
        return Pick({"xn--x.test", "under_score.test", "-.test", "h1:test.test", "a/b.test"});
      return Pick({"h1", "test", "h1.test..", "a..test", "192.0.2.1", "h1.1", "h1.-x", "h1.x-",
                   "h1.a1", "h1.1-1", std::string(64, 'y') + ".test", "h1.te_st",
                   "under_score.test", "a/b.test", "h1.test/", "h1:test.test", "xn--x.test",
                   "-.test"});
    case 7:
      return "x%%y%_z%-w.test";
    case 8: {  // over 253 octets, or near
      std::string spec;
      for (size_t i = 4 + Below(4); i > 0; --i) spec += std::string(40 + Below(24), 'n') + ".";
      return spec + Macro("slod") + ".h1.test";
    }
    case 9:
      return Macro("p") + Pick({".ok.test", ".d0.test", ""});
    case 10:
      return Odd() ? Damaged(Macro("slodiphvcrt") + ".test") : Macro("slodiv") + "." + Macro("dh");
    default:
      return "s." + HostName();
  }
}

std::string SpfCaseGenerator::Macro(const std::string& letters) {
  std::string letter(1, letters[Below(letters.size())]);
  if (Chance(10)) letter[0] = static_cast<char>(letter[0] - 'a' + 'A');
  std::string digits;
  if (Chance(40)) digits = Pick({"1", "2", "3", "4", "10", "128", "129", "01", "99999999999"});
  if (digits.size() == 1) digits = std::to_string(1 + Below(5));
  if (Odd()) digits = "0";
  return fmt::format("%{{{}{}{}{}}}", letter, digits, Chance(30) ? Pick({"r", "r", "R"}) : "",
                     Chance(25) ? Pick({"-", "+", ".", "-+", ",/", "_=", ".-+,/_=", "--"}) : "");
}

std::string SpfCaseGenerator::DualLength() {
  if (Chance(60)) return "";
  if (!Odd()) {
    return Pick({"/24", "/32", "/31", "/30", "/0", "/28", "//64", "//128", "//127", "//0", "//96",
                 "/24//64", "/32//128", "/0//0", "/31//126"});
  }
  return Pick({"/33", "/024", "//129", "/", "//", "/24/64", "/-1", "/24//", "//64/24", "/24 ",
               "/999999999999", "///64", "/x"});
}

std::string SpfCaseGenerator::Ip4Network() {
  std::string address =
      fmt::format("{}{}", Pick({"192.0.2.", "198.51.100.", "203.0.113."}), Below(6));
  if (Odd()) {
    address = Pick({"192.0.2", "192.0.2.1.1", "192.0.2.256", "192.0.02.1", "::1", "192.0.2.a", "",
                    "%{i}", "0xc0.0.2.1", "::ffff:192.0.2.1", "192.0.2.1."});
  }
  if (Chance(50)) return "ip4:" + address;
  if (Odd()) return "ip4:" + address + Pick({"/33", "/032", "/", "//24", "/24//64", "/24/", "/1x"});
  return "ip4:" + address + Pick({"/24", "/32", "/31", "/30", "/0", "/8"});
}

std::string SpfCaseGenerator::Ip6Network() {
  std::string address = Pick({"2001:db8::", "2001:DB8::1", "2001:db8:0:0:0:0:0:2", "2001:db8::a:0",
                              "::", "2001:db8::cb01:1", "::ffff:192.0.2.1", "2001:db8::192.0.2.1",
                              "::ffff:c000:201"});
  if (Odd()) {
    address = Pick({"2001:db8", "2001:db8:::1", "192.0.2.1", "2001:db8::g", "", "::1%eth0",
                    "2001:0db8:0:0:0:0:0:0:1", "[2001:db8::1]", "2001:db8::1::2",
                    "::ffff:192.0.02.1", "00001::1", "1:2:3:4:5:6:7::"});
  }
  if (Chance(40)) return "ip6:" + address;
  if (Odd()) return "ip6:" + address + Pick({"/129", "/064", "/", "//64", "/32/"});
  return "ip6:" + address + Pick({"/32", "/64", "/128", "/127", "/0", "/96", "/120", "/95"});
}

std::string SpfCaseGenerator::Explanation() {
  std::string text = shape_ == kNames ? Pick({"", "%{d}: ", "%{s} "}) : "";
  for (size_t i = 1 + Below(6); i > 0; --i) {
    text += Chance(50) ? Pick({"not allowed", "see http://x.test/?s=", " ", "100%%", "%_", "%-"})
                       : Macro("slodivhcr");
  }
  return Chance(90) ? text : Damaged(text);
}

std::string SpfCaseGenerator::Damaged(std::string text) {
  for (size_t i = 1 + Below(2); i > 0 && !text.empty(); --i) {
    const size_t at = Below(text.size());
    const char octet = Pick({" ", "%", "{", "}", "/",  ":",  "=", ".", "-",  "\t", "\xE9", "0",
                             "9", "a", "+", "_", "\"", "\\", "~", ",", "\n", "%{", "r"})[0];
    switch (Below(3)) {
      case 0:
        text[at] = octet;
        break;
      case 1:
        text.insert(at, 1, octet);
        break;
      default:
        text.erase(at, 1);
    }
  }
  return text;
}

}  // namespace dmarcate
