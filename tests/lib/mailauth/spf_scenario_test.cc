// The scenarios of shared/corpora/spf/mail-auth: lines "key: value" in order. Record lines fill the
// zone, "domain" (HELO), "sender" and "ip" set the next check, "expect" runs it.

#include <filesystem>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/spf_evaluate.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

constexpr char kExchange[] = "exchange.invalid";

// Where we follow the RFC and the peer does not, by "name, client, sender".
const std::map<std::string, std::string> kDifferences = {
    {"IPv6 match, 10.1.2.3, sender@test.org",
     "an ip6 network of IPv4-mapped addresses matches no IPv4 client (section 5)"},
    {"Exists, 167.1.2.3, sender@ip6.test.org", "exists asks for A only (section 5.7)"},
    {"Macro expansion 2, 2001:db8::cb01, strong-bad@email.example.com",
     "exists asks for A only (section 5.7)"},
    {"DNS Lookup Limits, 172.168.0.1, sender@ok.test.org",
     "ten void look-ups are too many (section 4.6.4)"},
    {"DNS Lookup Limits, 10.0.0.8, sender@mx.test.org",
     "eleven exchanges are permerror whichever is asked first, so that their order does not "
     "matter (section 4.6.4)"},
    {"HELO identity, 172.168.0.1, sender@test.org",
     "the peer checks HELO first, as section 2.3 recommends; here MAIL FROM alone is asked for"},
    {"All test, 10.0.0.1, sender@test.org",
     "a syntax error behind all is permerror as anywhere (section 4.6)"},
};

class ScenarioDns final : public SpfDns {
 public:
  void Clear() { records_.clear(); }
  void Set(const std::string& type, std::string_view value) {
    const size_t blank = value.find(' ');
    const std::string name = AsciiLower(value.substr(0, blank));
    const std::string_view data =
        blank == std::string_view::npos ? "" : TrimAscii(value.substr(blank));
    if (type == "spf" || type == "exp") {
      records_[{"txt", name}] = {std::string(data)};
      return;
    }
    auto& list = records_[{type, name}];
    for (const std::string_view item : Split(data, ',')) list.emplace_back(TrimAscii(item));
  }

  absl::StatusOr<std::vector<std::string>> LookupTxt(const std::string& name) override {
    return Find("txt", name);
  }
  absl::StatusOr<std::vector<IpAddress>> LookupA(const std::string& name) override {
    return Addresses(name, /*v4=*/true);
  }
  absl::StatusOr<std::vector<IpAddress>> LookupAaaa(const std::string& name) override {
    return Addresses(name, /*v4=*/false);
  }
  // The scenarios give an exchange's address where its name would be.
  absl::StatusOr<std::vector<DomainName>> LookupMx(const std::string& name) override {
    DMARCATE_ASSIGN_OR_RETURN(const auto found, Find("mx", name));
    std::vector<DomainName> exchanges;
    for (size_t i = 0; i < found.size(); ++i) {
      exchanges.push_back(DomainName::Parse(fmt::format("{}.{}", i, kExchange)).value());
      records_[{"a", exchanges.back().text()}] = {found[i]};
      records_[{"aaaa", exchanges.back().text()}] = {found[i]};
    }
    return exchanges;
  }
  absl::StatusOr<std::vector<DomainName>> LookupPtr(const IpAddress& address) override {
    DMARCATE_ASSIGN_OR_RETURN(const auto found, Find("ptr", address.ToString()));
    std::vector<DomainName> names;
    for (const std::string& name : found) names.push_back(DomainName::Parse(name).value());
    return names;
  }

 private:
  absl::StatusOr<std::vector<std::string>> Find(const std::string& type, const std::string& name) {
    if (name.find("_dns_error") != std::string::npos) return absl::UnavailableError("SERVFAIL");
    const auto found = records_.find({type, name});
    return found == records_.end() ? std::vector<std::string>{} : found->second;
  }
  absl::StatusOr<std::vector<IpAddress>> Addresses(const std::string& name, bool v4) {
    DMARCATE_ASSIGN_OR_RETURN(const auto found, Find(v4 ? "a" : "aaaa", name));
    std::vector<IpAddress> out;
    for (const std::string& text : found) {
      const auto address = IpAddress::Parse(text);
      if (address.has_value() && address->is_v4() == v4) out.push_back(*address);
    }
    return out;
  }

  std::map<std::pair<std::string, std::string>, std::vector<std::string>> records_;
};

int RunScenarios(const std::string& file, const std::string& text) {
  ScenarioDns dns;
  SpfRequest request;
  std::string name;
  int checks = 0;
  std::istringstream lines(text);
  for (std::string raw; std::getline(lines, raw);) {
    std::string_view line = TrimAscii(raw);
    if (line.starts_with("- ")) line = TrimAscii(line.substr(2));
    const size_t colon = line.find(':');
    if (line.starts_with("#") || colon == std::string_view::npos) continue;
    const std::string key(line.substr(0, colon));
    const std::string value(TrimAscii(line.substr(colon + 1)));
    if (key == "name") {
      name = value;
    } else if (key == "records") {
      dns.Clear();
      request = {};
    } else if (key == "domain") {
      request.helo = value;
    } else if (key == "sender") {
      request.mail_from = value;
    } else if (key == "ip") {
      request.client = IpAddress::Parse(value).value();
    } else if (key == "expect") {
      const SpfEvaluation got = CheckHost(request, dns);
      const std::string shown = std::string(ToString(got.result)) +
                                (got.explanation.empty() ? "" : " " + got.explanation);
      const std::string id =
          fmt::format("{}, {}, {}", name, request.client.ToString(), request.mail_from);
      if (kDifferences.contains(id)) {
        EXPECT_NE(shown, value) << id;
      } else {
        EXPECT_EQ(shown, value) << file << ": " << id << ": " << got.reason;
      }
      ++checks;
    } else if (key != "tests") {
      dns.Set(key, value);
    }
  }
  return checks;
}

TEST(SpfScenarios, AgreeWithMailAuth) {
  const std::filesystem::path directory = CorpusPath("spf/mail-auth");
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << "no corpus";
  int checks = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string file = entry.path().filename();
    checks += RunScenarios(file, ReadCorpus("spf/mail-auth/" + file));
  }
  EXPECT_EQ(checks, 163);
}

}  // namespace
}  // namespace dmarcate
