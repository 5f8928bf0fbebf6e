// tests/conformance/provider_conformance.h
// What provider.h promises, as tests that run on every DnsProvider, the fake and real servers
// alike.
//
//   INSTANTIATE_TEST_SUITE_P(Bind, ProviderConformanceTest, testing::Values(&MakeBind));

#ifndef DMARCATE_TESTS_CONFORMANCE_PROVIDER_CONFORMANCE_H_
#define DMARCATE_TESTS_CONFORMANCE_PROVIDER_CONFORMANCE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "policyd/provider/provider.h"

namespace dmarcate {

// What a host's API cannot carry, or says otherwise. The default is DNS itself.
struct HostTraits {
  bool keeps_cuts = true;   // where a text is cut into strings
  bool every_octet = true;  // octets that are no text
  // Texts that it must carry beside the plain ones; with every_octet, all of these and more.
  std::vector<std::string> hard_texts = {"quote \" backslash \\ semicolon ; parens ( )", "\\065",
                                         " blanks ", "umlaut \xc3\xbc"};
  size_t longest_text = 765;  // octets, at least
  // The TTL that it makes of one that is wished.
  uint32_t (*ttl)(uint32_t wished) = [](uint32_t wished) { return wished; };
};

// A host with the zone example.test, in which `alias` is a CNAME, and a second way into it.
class ProviderUnderTest {
 public:
  virtual ~ProviderUnderTest() = default;
  virtual DnsProvider& provider() = 0;
  // The same host by a credential that is wrong; null if the host has none.
  virtual std::unique_ptr<DnsProvider> WithWrongCredential() { return nullptr; }
  // As somebody else writes and as the world reads, both past the provider.
  virtual void ForeignWrite(const DomainName& owner, const std::vector<TxtRecord>& records) = 0;
  virtual std::vector<TxtRecord> Served(const DomainName& owner) = 0;
  // Takes the host off the network. False if it cannot be.
  virtual bool GoDown() { return false; }
  virtual HostTraits traits() const { return {}; }
  // Requests that changed something; -1 if the host does not count them.
  virtual int Writes() { return -1; }
  // Adds the zone nested.example.test. False if it cannot.
  virtual bool AddNestedZone() { return false; }
};

class ProviderConformanceTest
    : public testing::TestWithParam<std::unique_ptr<ProviderUnderTest> (*)()> {
 protected:
  void SetUp() override;
  DnsProvider& provider() { return host_->provider(); }
  absl::Status Apply(const DomainName& owner, const std::vector<TxtRecord>& before,
                     const std::vector<TxtRecord>& after, uint32_t ttl_seconds = 300);
  void ExpectRecords(std::vector<TxtRecord> got, std::vector<TxtRecord> want);

  std::unique_ptr<ProviderUnderTest> host_;
  DomainName zone_;
};

inline DomainName TestName(std::string_view text) { return DomainName::Parse(text).value(); }
inline std::vector<TxtRecord> Records(const std::vector<std::string>& texts) {
  std::vector<TxtRecord> records;
  for (const std::string& text : texts) records.push_back(MakeTxtRecord(text));
  return records;
}

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_CONFORMANCE_PROVIDER_CONFORMANCE_H_
