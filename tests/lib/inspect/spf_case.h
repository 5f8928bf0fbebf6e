// tests/lib/inspect/spf_case.h
// SPF cases made from a seed: a small DNS with records of every kind, right and wrong, and one
// message's identity. The same seed gives the same cases on every machine.

#ifndef DMARCATE_TESTS_LIB_INSPECT_SPF_CASE_H_
#define DMARCATE_TESTS_LIB_INSPECT_SPF_CASE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

#include "lib/dns/fake_resolver.h"
#include "lib/mailauth/spf_evaluate.h"

namespace dmarcate {

struct SpfCase {
  SpfRequest request;
  // As pyspf.py reads it. Octets of a TXT string are code points: "\u00e9" is the octet E9.
  nlohmann::json zone;

  nlohmann::json ToJson() const;
  std::unique_ptr<FakeResolver> MakeResolver() const;
};

class SpfCaseGenerator {
 public:
  explicit SpfCaseGenerator(uint32_t seed) : random_(seed) {}
  SpfCase Next();

 private:
  // What a case is mostly about.
  enum Shape : size_t { kSmall, kManyTerms, kChain, kBroken, kVoids, kNames, kShapes };

  size_t Below(size_t n) { return random_() % n; }
  bool Chance(size_t percent) { return Below(100) < percent; }
  // Whether something here is to be what no record should have.
  bool Odd() { return Chance(shape_ == kBroken ? 20 : 1); }
  std::string Pick(const std::vector<std::string>& choices) {
    return choices[Below(choices.size())];
  }

  void MakeIdentity();
  void MakeHosts();
  void MakePtr();
  void MakeDomain(size_t index);
  // A term of each second name that was asked in vain gets an answer, so that what macros make of a
  // name matters.
  void AnswerSomeOfTheUnknown();

  std::string Record();
  std::string Term();
  std::string Mechanism();
  std::string Modifier();
  std::string DomainSpec();
  std::string RecordName();  // where an SPF record may stand
  std::string HostName();
  std::string Macro(const std::string& letters);
  std::string Ip4Network();
  std::string Ip6Network();
  std::string DualLength();
  std::string Explanation();
  std::string Damaged(std::string text);
  std::string Client(bool v4);
  void AddTxt(const std::string& name, const std::string& text);

  std::mt19937 random_;
  SpfCase case_;
  size_t shape_ = kSmall;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_INSPECT_SPF_CASE_H_
