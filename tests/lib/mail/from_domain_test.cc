// The Author Domain of a From field as OpenDMARC finds it (shared/corpora/dns-records/SOURCES.md).
// Runs where the corpora are; header_value_test.cc has cases of our own.

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "lib/mail/header_value.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

// Where the standard is stricter than OpenDMARC. Each of these is no mailbox (RFC 5322
// section 3.4), so there is no Author Domain, and the mail proves nothing about any; another domain
// would be wrong.
const std::map<std::string, std::string> kNoMailbox = {
    {"\"Johnson, Joe <joe@joe.com>\" joe@joe.com",
     "behind a display name the address must stand in angle brackets; and some readers would take "
     "the one that is quoted"},
    {"\"( bob@bob.com)\" joe@joe.com", "the same, and here the quoted one is of another domain"},
    {"<<<><joe@joe.com>>>", "angle brackets do not nest"},
};

TEST(FromDomainCorpus, FindsTheAuthorDomain) {
  const auto lines = ReadCorpusLines("dns-records/from-domain.jsonl");
  if (lines.empty()) GTEST_SKIP() << "no corpus";
  size_t differences = 0;
  for (const auto& line : lines) {
    const std::string header = line["header"];
    const auto no_mailbox = kNoMailbox.find(header);
    if (no_mailbox != kNoMailbox.end()) {
      ++differences;
      EXPECT_EQ(FirstAddressDomain(header), "") << no_mailbox->second;
    } else {
      EXPECT_EQ(FirstAddressDomain(header), line["domain"]) << header;
    }
    // What decides about trust is stricter still, and never another domain.
    if (const auto address = SingleAddress(header)) {
      EXPECT_TRUE(address->ends_with("@" + line["domain"].get<std::string>())) << header;
    }
  }
  EXPECT_EQ(lines.size(), 13u);
  EXPECT_EQ(differences, kNoMailbox.size());
}

}  // namespace
}  // namespace dmarcate
